"""`show version`, `show platform summary`, `show runningconfiguration` and what a port is called.

Source: sonic-utilities show/main.py, show/platform.py, show/interfaces/__init__.py, scripts/ipintutil.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from functools import partial

from tabulate import tabulate

from raddle.nos.db.databases import ConfigDb, Databases
from raddle.nos.show.objects import ports

BUILD_VERSION = "SONiC.raddle"
_NOT_THERE = "N/A"


def version(databases: Databases, build: str = BUILD_VERSION) -> str:
    """What runs on the switch, and on what. Neither its kernel nor a serial number is in a database."""
    names = ("SONiC OS Version", "Distribution", "Kernel", "Build commit", "Build date", "Built by")
    lines = ["", f"SONiC Software Version: {build}", *(f"{name}: {_NOT_THERE}" for name in names), ""]
    return "\n".join([*lines, platform_summary(databases)])


def platform_summary(databases: Databases) -> str:
    """The hardware, as DEVICE_METADATA has it."""
    metadata = databases.config.get("DEVICE_METADATA", {}).get("localhost", {})
    rows = {
        "Platform": metadata.get("platform", _NOT_THERE),
        "HwSKU": metadata.get("hwsku", _NOT_THERE),
        "ASIC": _NOT_THERE,
        "ASIC Count": "1",
        "Serial Number": _NOT_THERE,
        "Model Number": _NOT_THERE,
        "Hardware Revision": _NOT_THERE,
    }
    return "\n".join(f"{name}: {value}" for name, value in rows.items())


def running_configuration(databases: Databases, tables: tuple[str, ...] = ()) -> str:
    """CONFIG_DB as JSON, or one table of it."""
    config: ConfigDb = databases.config
    shown: object = config.get(tables[0], {}) if tables else config
    return json.dumps(shown, indent=4, sort_keys=True)


RUNNING: dict[str, Callable[[Databases], str]] = {
    "runningconfiguration all": running_configuration,
    "runningconfiguration ports": partial(running_configuration, tables=("PORT",)),
    "runningconfiguration interfaces": partial(running_configuration, tables=("INTERFACE",)),
}


def alias(databases: Databases) -> str:
    """What the vendor calls each port."""
    table = databases.config.get("PORT", {})
    return tabulate(
        [(port, str(table[port].get("alias", port))) for port in ports(databases)], ["Name", "Alias"]
    )


def ip_interfaces(databases: Databases, is_ipv6: bool = False) -> str:
    """The addresses of ports and loopbacks, with their state and the BGP neighbour of the subnet, if any."""
    found: dict[str, list[str]] = {}
    for table in ("INTERFACE", "LOOPBACK_INTERFACE", "MGMT_INTERFACE"):
        for key in databases.config.get(table, {}):
            name, bar, prefix = key.partition("|")
            if bar and (":" in prefix) == is_ipv6:
                found.setdefault(name, []).append(prefix)
    state = databases.appl.get("PORT_TABLE", {})
    rows = []
    for name in sorted(found, key=_number):
        fields = state.get(name, {})
        # A loopback has no carrier to lose.
        status = f"{fields.get('admin_status', 'up')}/{fields.get('oper_status', 'up')}"
        for place, prefix in enumerate(sorted(found[name])):
            peer = _bgp_peer(databases.config, prefix)
            first = (name, "", prefix, status) if place == 0 else ("", "", prefix, "")
            rows.append((*first, *peer))
    family = "IPv6" if is_ipv6 else "IPv4"
    headers = ("Interface", "Master", f"{family} address/mask", "Admin/Oper", "BGP Neighbor", "Neighbor IP")
    return tabulate(rows, headers, tablefmt="simple", stralign="left", disable_numparse=True)


def _bgp_peer(config: ConfigDb, prefix: str) -> tuple[str, str]:
    own = str(ipaddress.ip_interface(prefix).ip)
    for key, entry in config.get("BGP_NEIGHBOR", {}).items():
        if entry.get("local_addr") == own:
            return str(entry.get("name", _NOT_THERE)), key.rpartition("|")[2]
    return _NOT_THERE, _NOT_THERE


def _number(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :] or 0)
