"""What switches boot with on their first day, as files: config_db.json, patches, and what ZTP reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.sonic.identity import identity_of, mismatches, planned
from raddle.controller.southbound.sonic.merge import json_patch, merged
from raddle.controller.southbound.sonic.tables import Tables, bootstrap, has_own_hash, switch_json
from raddle.controller.southbound.sonic.ztp import ZTP_JSON, dhcp_files, ztp_json
from raddle.errors import Diagnostic, InputError
from raddle.inventory import load_inventory
from raddle.topology.model import Fabric


@dataclass(frozen=True)
class OwnConfigs:
    """What switches hold, by name; `only` is that of a single file, whatever its host name."""

    by_name: Mapping[str, Tables]
    only: Tables | None = None

    def of(self, switch: str, asked: str | None) -> Tables:
        """A switch's own configuration.

        Args:
            asked: the switch that `--switch` names.

        Raises:
            InputError: `no-own-config`.
        """
        if switch in self.by_name:
            return self.by_name[switch]
        if self.only is not None and asked == switch:
            return self.only
        raise InputError.of(
            "no-own-config",
            f"no configuration of '{switch}' to lay the plan over; there are {', '.join(self.by_name)}",
            "files are known by host name (DEVICE_METADATA) or as NAME.json; or give one file and --switch",
        )


def own_configs(over: Path | None, inventory: Path | None) -> OwnConfigs | None:
    """The configurations of `--over` or `--inventory`; None where neither is given.

    Raises:
        InputError: both are given, or as reading them does.
    """
    if over and inventory:
        raise InputError.of("bad-option", "--over and --inventory both say what the switches hold")
    if inventory:
        from raddle.controller.reconcile import read_databases

        held = read_databases(load_inventory(inventory))
        return OwnConfigs({name: each["CONFIG_DB"] for name, each in held.items()})
    if over is None:
        return None
    from raddle.peers.sonic.reading import read_configs

    found = read_configs(over)
    return OwnConfigs(
        {name: tables for path, tables in found.items() for name in (_hostname(tables), path.stem) if name},
        next(iter(found.values())) if not over.is_dir() else None,
    )


def refuse_strangers(
    own: OwnConfigs, switches: Mapping[str, SwitchPlan], asked: str | None, accepted: Collection[str]
) -> None:
    """Nothing is laid over the configuration of another switch.

    Raises:
        InputError: `wrong-switch`.
    """
    macs = {switch.mac: name for name, switch in switches.items()}
    problems = []
    for name, switch in switches.items():
        if name in accepted or asked not in (None, name):
            continue
        said = identity_of(own.of(name, asked))
        if said.hostname == _NAMELESS:
            said = replace(said, hostname="")
        if reasons := list(mismatches(planned(switch), said, macs, {})):
            message = f"the configuration for {name} is of another switch: {'; '.join(reasons)}"
            hint = f"give that of {name}; if it is the right one, give --accept-identity {name}"
            problems.append(Diagnostic("wrong-switch", message, hint=hint))
    if problems:
        raise InputError(problems)


_NAMELESS = "sonic"
"""The host name of a switch that nobody has named (sonic-buildimage, init_cfg.json)."""


def _hostname(tables: Tables) -> str:
    return str(tables.get("DEVICE_METADATA", {}).get("localhost", {}).get("hostname", ""))


def first_boot(fabric: Fabric, switch: SwitchPlan, own: Tables | None) -> Tables:
    """What a switch is to boot with: its own configuration, over it the file's base, over that the plan."""
    planned = dict(bootstrap(switch, has_own_ecn=True).config_db)
    for table, rows in fabric.base.get(switch.name, {}).items():
        held = planned.get(table, {})
        planned[table] = held | {key: held.get(key, {}) | fields for key, fields in rows.items()}
    if own is None:
        return planned
    said = str(own.get("DEVICE_METADATA", {}).get("localhost", {}).get("mac", "")).lower()
    if said and said != switch.mac:
        print(
            f"note: {switch.name} keeps its MAC address {said}; the plan has {switch.mac}, and 'apply' tells "
            "so until the record has its own",
            file=sys.stderr,
        )
    return merged(own, planned, (port.name for port in switch.ports if port.peer))


def patch_of(own: Tables | None, boot: Tables) -> list[dict[str, Any]]:
    """Raises InputError: there is nothing that could be patched."""
    if own is None:
        raise InputError.of(
            "bad-option",
            "--patch needs what the switch holds",
            "give --over or --inventory",
        )
    return json_patch(own, boot)


def ztp_files(fabric: Fabric, boots: Mapping[str, Tables], url: str) -> dict[str, str]:
    """Files by name: ztp.json, a configuration for each switch, and DHCP servers' settings."""
    if not url.startswith(("http://", "https://", "tftp://", "ftp://")):
        raise InputError.of(
            "bad-option", f"--url '{url}' is not where switches fetch files", "--url http://192.0.2.250:8080/"
        )
    if lost := [name for name in boots if "MGMT_INTERFACE" not in boots[name]]:
        print(
            f"warning: {', '.join(lost[:5])}{' ...' if len(lost) > 5 else ''} have no management address, "
            "and ZTP gives back that of DHCP\n"
            "  hint: set 'management: {gateway: 192.0.2.1, switches: {NAME: {address: 192.0.2.10/24}}}'",
            file=sys.stderr,
        )
    base = url if url.endswith("/") else f"{url}/"
    by_serial = all(name in fabric.management and fabric.management[name].serial for name in boots)
    names = {name: fabric.management[name].serial if by_serial else name for name in boots}
    files = {
        f"{names[name]}_config_db.json": json.dumps(boot, indent=1, sort_keys=True) + "\n"
        for name, boot in boots.items()
    }
    files[ZTP_JSON] = ztp_json(base, "serial-number" if by_serial else "hostname")
    return files | dhcp_files(base, {name: fabric.management.get(name) for name in boots})


def hash_files(switches: Iterable[SwitchPlan]) -> dict[str, str]:
    """switch.json files by name, of SONiC switches whose hash is not what SONiC sets by itself."""
    return {
        f"{switch.name}.switch.json": switch_json(switch)
        for switch in switches
        if switch.nos == "sonic" and not switch.adaptive and has_own_hash(switch)
    }


def hash_note(names: Sequence[str]) -> str:
    """That a configuration alone does not make the planned hash."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (
        f"note: the hash's seed and offset are in no config_db.json; '-o DIR' writes {names[0]}{more}\n"
        "  hint: 'routing: {hash: {seed: sonic, offset: sonic}}' plans with what SONiC sets by itself"
    )
