"""`show interfaces breakout`, `show interfaces transceiver` and what the chip can hash on.

Source: sonic-utilities show/interfaces/__init__.py (breakout), scripts/sfpshow with
utilities_common/sfp_helper.py, show/plugins/sonic-hash.py. What a cage could be is in platform.json on SONiC,
which no database has: `breakout` here leaves `breakout_modes` out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tabulate import tabulate

from raddle.nos.db.databases import Databases
from raddle.nos.show.objects import ports

_NOT_THERE = "N/A"
_EEPROM = {
    "application_advertisement": "Application Advertisement",
    "connector": "Connector",
    "encoding": "Encoding",
    "ext_identifier": "Extended Identifier",
    "ext_rateselect_compliance": "Extended RateSelect Compliance",
    "type": "Identifier",
    "cable_type": "",
    "nominal_bit_rate": "Nominal Bit Rate(100Mbs)",
    "specification_compliance": "Specification compliance",
    "vendor_date": "Vendor Date Code(YYYY-MM-DD Lot)",
    "manufacturer": "Vendor Name",
    "vendor_oui": "Vendor OUI",
    "model": "Vendor PN",
    "vendor_rev": "Vendor Rev",
    "serial": "Vendor SN",
}
"""Fields of TRANSCEIVER_INFO with what sfpshow calls them, in its order; a length has its kind for a name."""
_CAPABLE = {
    "Hash Field": "HASH_CAPABLE",
    "Algorithm": "HASH_ALGORITHM_CAPABLE",
    "Packet Type": "PKT_TYPE_HASH_CAPABLE",
}


def breakout(databases: Databases) -> str:
    """Each cage with the ports that it has become, as JSON; `breakout_modes` are in no database."""
    table = databases.config.get("PORT", {})
    modes = databases.config.get("BREAKOUT_CFG", {})
    cages: dict[str, list[str]] = {}
    for port in ports(databases):
        cages.setdefault(str(table[port].get("index", port)), []).append(port)
    shown: dict[str, dict[str, str]] = {}
    for number, members in cages.items():
        lanes = [lane for port in members for lane in str(table[port].get("lanes", "")).split(",")]
        entry = {"index": ",".join([number] * len(lanes)), "lanes": ",".join(lanes)}
        if members[0] in modes:
            entry["Current Breakout Mode"] = str(modes[members[0]].get("brkout_mode", _NOT_THERE))
            entry["child ports"] = ",".join(members)
            entry["child port speeds"] = ",".join(
                f"{int(str(table[port]['speed'])) // 1000}G" for port in members
            )
        shown[members[0]] = entry
    return json.dumps(shown, indent=4)


def breakout_modes(databases: Databases) -> str:
    """How each cage is broken out, of those that BREAKOUT_CFG has."""
    table = databases.config.get("BREAKOUT_CFG", {})
    names = [port for port in ports(databases) if port in table]
    rows = [(port, str(table[port].get("brkout_mode", _NOT_THERE))) for port in names]
    return tabulate(rows, ["Interface", "Current Breakout Mode"], tablefmt="grid")


def transceiver_presence(databases: Databases) -> str:
    """Which ports have a transceiver in them: those that STATE_DB's TRANSCEIVER_INFO has."""
    known = databases.state.get("TRANSCEIVER_INFO", {})
    rows = [(port, "Present" if port in known else "Not present") for port in ports(databases)]
    return tabulate(rows, ["Port", "Presence"])


def transceiver_eeprom(databases: Databases) -> str:
    """What the transceivers say of themselves, as TRANSCEIVER_INFO has it."""
    known = databases.state.get("TRANSCEIVER_INFO", {})
    lines = []
    for port in ports(databases):
        lines.append(f"{port}: SFP EEPROM {'detected' if port in known else 'Not detected'}")
        if port in known:
            lines += [f"        {name}: {value}" for name, value in _eeprom(known[port])]
        lines.append("")
    return "\n".join(lines[:-1])


def _eeprom(info: Mapping[str, str]) -> list[tuple[str, str]]:
    length = info.get("cable_type", "Length"), info.get("cable_length", _NOT_THERE)
    return [
        length if field == "cable_type" else (name, info.get(field, _NOT_THERE))
        for field, name in _EEPROM.items()
    ]


def hash_capabilities(databases: Databases) -> str:
    """What the hash of ECMP and of port channels can go over, and by which functions."""
    entry = databases.state.get("SWITCH_CAPABILITY", {}).get("switch", {})
    if not entry:
        return "Error: No data is present in STATE DB"
    rows = []
    for title in ("ECMP", "LAG"):
        can = {
            "Hash Field": entry.get("HASH|NATIVE_HASH_FIELD_LIST", ""),
            "Algorithm": entry.get(f"{title}_HASH_ALGORITHM", ""),
            "Packet Type": entry.get(f"HASH|{title}_PKT_TYPE_LIST", ""),
        }
        inner = [
            "not supported"
            if entry.get(f"{title}_{_CAPABLE[name]}") == "false"
            else value.replace(",", "\n") or "no capabilities"
            for name, value in can.items()
        ]
        rows.append((title, tabulate([inner], [*can], "psql")))
    return tabulate(rows, ("Hash", "Capabilities"), "grid")
