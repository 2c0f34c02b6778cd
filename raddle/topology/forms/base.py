"""Management and base configuration of switches: checked, and as each switch has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from raddle.errors import Diagnostic
from raddle.topology.forms.wiring import Wiring
from raddle.topology.model import ConfigTables, Management
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema import FabricFile
from raddle.topology.yaml.source import Place, Source

PLANNED_TABLES = frozenset(
    (
        *("ARS_INTERFACE", "ARS_OBJECT", "ARS_PROFILE"),
        *("BUFFER_PG", "BUFFER_POOL", "BUFFER_PROFILE", "BUFFER_QUEUE", "CABLE_LENGTH"),
        *("DEVICE_NEIGHBOR", "INTERFACE", "LOOPBACK_INTERFACE", "PORT", "STATIC_ROUTE", "SWITCH_HASH"),
        *("DSCP_TO_TC_MAP", "MAP_PFC_PRIORITY_TO_QUEUE", "TC_TO_PRIORITY_GROUP_MAP", "TC_TO_QUEUE_MAP"),
        *("PFC_WD", "PORT_QOS_MAP", "QUEUE", "SCHEDULER", "WRED_PROFILE"),
    )
)
"""Tables whose entries come from the plan."""

PLANNED_METADATA = frozenset(
    (
        *(
            "bgp_asn",
            "buffer_model",
            "default_pfcwd_status",
            "docker_routing_config_mode",
            "hostname",
            "hwsku",
        ),
        *("mac", "platform", "resource_type", "synchronous_mode", "type"),
    )
)
"""Fields of DEVICE_METADATA that come from the plan."""


def check_base(spec: FabricFile, wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Base entries that are the plan's own or of no switch, and management of what is no switch."""
    for number, base in enumerate(spec.base):
        place = source.written(("base", number))
        if not any(fnmatchcase(name, base.switches) for name in wiring.switches):
            message = f"no switch is called '{base.switches}'"
            hint = did_you_mean(base.switches, wiring.switches, "write a name, with * and ?")
            yield source.error("unknown-device", message, (*place, "switches"), hint)
        for table, rows in base.tables.items():
            fields = {field for row in rows.values() for field in row}
            taken = sorted(fields & PLANNED_METADATA) if table == "DEVICE_METADATA" else []
            if table in PLANNED_TABLES or taken:
                what = f"'{taken[0]}' of DEVICE_METADATA" if taken else f"table '{table}'"
                hint = (
                    "leave it out; other keys of the fabric file, or 'raddle import sonic', decide about it"
                )
                where: Place = (*place, "tables", table)
                yield source.error("planned-table", f"{what} comes from the plan", where, hint, at_key=True)
    gateway = spec.management.gateway or ""
    for name, managed in spec.management.switches.items():
        # SOURCE: sonic-mgmt_interface.yang: an entry has a gateway, of the family of its address.
        if not gateway or (":" in gateway) != (":" in managed.address):
            what = f"gateway {gateway} of another family" if gateway else "no gateway"
            yield source.error(
                "bad-address",
                f"'{managed.address}' has {what}, and SONiC has no such management address",
                ("management", "switches", name, "address"),
                "set 'management: {gateway: 192.0.2.1}'; addresses of a second family are entries of "
                "MGMT_INTERFACE in 'base'",
            )
        if name not in wiring.switches:
            hint = did_you_mean(name, wiring.switches, "name a switch of the fabric")
            where = ("management", "switches", name)
            yield source.error("unknown-device", f"no switch '{name}'", where, hint, at_key=True)


def management_of(spec: FabricFile) -> dict[str, Management]:
    gateway = spec.management.gateway or ""
    return {
        name: Management(each.address, gateway, each.mac or "", each.serial or "")
        for name, each in spec.management.switches.items()
    }


def base_of(spec: FabricFile, switch: str) -> ConfigTables:
    """What a switch boots with besides the plan; of two values the later one counts."""
    tables: ConfigTables = {}
    for base in spec.base:
        if fnmatchcase(switch, base.switches):
            for table, rows in base.tables.items():
                for key, fields in rows.items():
                    tables.setdefault(table, {}).setdefault(key, {}).update(fields)
    managed: Mapping[str, Management] = management_of(spec)
    if switch in managed:
        gateway = {"gwaddr": managed[switch].gateway} if managed[switch].gateway else {}
        # SOURCE: sonic-mgmt_interface.yang: the key's name is a leafref to MGMT_PORT.
        tables.setdefault("MGMT_PORT", {}).setdefault("eth0", {"admin_status": "up"})
        tables.setdefault("MGMT_INTERFACE", {})[f"eth0|{managed[switch].address}"] = {**gateway}
    return tables
