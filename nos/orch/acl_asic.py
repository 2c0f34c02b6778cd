"""aclorch's part of ASIC_DB: tables, the groups that bind them to ports, entries, ranges and counters.

Source: sonic-swss orchagent/aclorch.cpp and portsorch.cpp (createBindAclTableGroup), SAI saiacl.h; values as
sonic-sairedis writes them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from raddle.nos.db.databases import ConfigDb, ConfigEntry
from raddle.nos.orch.acl import OrchRule, OrchTable, read_acl, with_next_header
from raddle.nos.orch.counters import CounterLayout
from raddle.units import ip_text

Objects = Iterator[tuple[str, Mapping[str, str]]]

_TYPES = {"table": 0x7, "entry": 0x8, "range": 0xA, "group": 0xB, "member": 0xC}
_MEMBER_PRIORITY = "100"
_WIDTHS = {
    **dict.fromkeys(("ETHER_TYPE", "L4_SRC_PORT", "L4_DST_PORT"), 0xFFFF),
    **dict.fromkeys(("IP_PROTOCOL", "NEXT_HEADER", "TC", "BTH_OPCODE", "AETH_SYNDROME"), 0xFF),
    "DSCP": 0x3F,
}
_RANGES = ("L4_SRC_PORT_RANGE", "L4_DST_PORT_RANGE")


def _oid(kind: str, number: int) -> str:
    return f"oid:{_TYPES[kind] << 48 | number + 1:#x}"


def acl_groups(config: ConfigDb) -> dict[tuple[str, bool], str]:
    """(port, whether at egress) -> oid of the group that its access lists are in."""
    bound = {(port, table.is_egress) for table in _in_asic(config) for port in table.ports}
    return {place: _oid("group", number) for number, place in enumerate(sorted(bound))}


def acl_objects(config: ConfigDb, layout: CounterLayout) -> Objects:
    """The objects of every access list that the ASIC has."""
    groups = acl_groups(config)
    for (_, is_egress), oid in groups.items():
        yield (
            f"SAI_OBJECT_TYPE_ACL_TABLE_GROUP:{oid}",
            {
                "SAI_ACL_TABLE_GROUP_ATTR_ACL_STAGE": _stage(is_egress),
                "SAI_ACL_TABLE_GROUP_ATTR_ACL_BIND_POINT_TYPE_LIST": "1:SAI_ACL_BIND_POINT_TYPE_PORT",
                "SAI_ACL_TABLE_GROUP_ATTR_TYPE": "SAI_ACL_TABLE_GROUP_TYPE_PARALLEL",
            },
        )
    members = entries = 0
    for number, table in enumerate(_in_asic(config)):
        oid = _oid("table", number)
        bind_points = "2:SAI_ACL_BIND_POINT_TYPE_PORT,SAI_ACL_BIND_POINT_TYPE_LAG"
        yield (
            f"SAI_OBJECT_TYPE_ACL_TABLE:{oid}",
            {
                "SAI_ACL_TABLE_ATTR_ACL_STAGE": _stage(table.is_egress),
                "SAI_ACL_TABLE_ATTR_ACL_BIND_POINT_TYPE_LIST": bind_points,
            },
        )
        for port in table.ports:
            yield (
                f"SAI_OBJECT_TYPE_ACL_TABLE_GROUP_MEMBER:{_oid('member', members)}",
                {
                    "SAI_ACL_TABLE_GROUP_MEMBER_ATTR_ACL_TABLE_GROUP_ID": groups[port, table.is_egress],
                    "SAI_ACL_TABLE_GROUP_MEMBER_ATTR_ACL_TABLE_ID": oid,
                    "SAI_ACL_TABLE_GROUP_MEMBER_ATTR_PRIORITY": _MEMBER_PRIORITY,
                },
            )
            members += 1
        for rule in table.rules:
            if rule.is_counted:
                yield from _entry(config, table, rule, (oid, entries), layout)
                entries += 1


def _in_asic(config: ConfigDb) -> list[OrchTable]:
    kinds = config.get("ACL_TABLE", {})
    return [table for table in read_acl(config) if table.status and kinds[table.name]["type"] != "CTRLPLANE"]


def _stage(is_egress: bool) -> str:
    return "SAI_ACL_STAGE_EGRESS" if is_egress else "SAI_ACL_STAGE_INGRESS"


def _entry(
    config: ConfigDb, table: OrchTable, rule: OrchRule, place: tuple[str, int], layout: CounterLayout
) -> Objects:
    """A rule's counter, its ranges and its entry; `place` is the table's oid and the entry's number."""
    table_oid, number = place
    counter = layout.maps["ACL_COUNTER_RULE_MAP"][""][f"{table.name}:{rule.name}"]
    yield (
        f"SAI_OBJECT_TYPE_ACL_COUNTER:{counter}",
        {
            "SAI_ACL_COUNTER_ATTR_TABLE_ID": table_oid,
            "SAI_ACL_COUNTER_ATTR_ENABLE_BYTE_COUNT": "true",
            "SAI_ACL_COUNTER_ATTR_ENABLE_PACKET_COUNT": "true",
        },
    )
    kind = str(config["ACL_TABLE"][table.name]["type"])
    given = with_next_header(kind, config["ACL_RULE"][f"{table.name}|{rule.name}"])
    ranges = []
    for which, name in enumerate(_RANGES):
        if name in given:
            ranges.append(_oid("range", 2 * number + which))
            yield (
                f"SAI_OBJECT_TYPE_ACL_RANGE:{ranges[-1]}",
                {
                    "SAI_ACL_RANGE_ATTR_TYPE": f"SAI_ACL_RANGE_TYPE_{name}",
                    "SAI_ACL_RANGE_ATTR_LIMIT": str(given[name]).replace("-", ","),
                },
            )
    ports = layout.maps.get("COUNTERS_PORT_NAME_MAP", {}).get("", {})
    attributes = {
        "TABLE_ID": table_oid,
        "PRIORITY": str(rule.priority),
        "ADMIN_STATE": "true",
        "ACTION_COUNTER": counter,
        **_action(given),
        **dict(_fields(given, ports)),
    }
    if ranges:
        attributes["FIELD_ACL_RANGE_TYPE"] = f"{len(ranges)}:{','.join(ranges)}"
    yield (
        f"SAI_OBJECT_TYPE_ACL_ENTRY:{_oid('entry', number)}",
        {f"SAI_ACL_ENTRY_ATTR_{name}": value for name, value in attributes.items()},
    )


def _action(given: ConfigEntry) -> dict[str, str]:
    action = str(given["PACKET_ACTION"]).upper()
    return (
        {"ACTION_NO_NAT": "true"}
        if action == "DO_NOT_NAT"
        else {"ACTION_PACKET_ACTION": f"SAI_PACKET_ACTION_{action}"}
    )


def _fields(given: ConfigEntry, ports: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The match of a rule; fields of packets that there are none of are left out."""
    for name, value in sorted(given.items()):
        text = str(value)
        if name in ("SRC_IP", "DST_IP", "SRC_IPV6", "DST_IPV6"):
            network = ipaddress.ip_network(text, strict=False)
            yield f"FIELD_{name}", f"{ip_text(network.network_address)}&mask:{network.netmask}"
        elif name in _WIDTHS:
            number, _, mask = text.partition("/")
            field = "IPV6_NEXT_HEADER" if name == "NEXT_HEADER" else name
            yield f"FIELD_{field}", f"{int(number, 0)}&mask:{int(mask, 0) if mask else _WIDTHS[name]:#x}"
        elif name == "IP_TYPE":
            kind = "ACL_IP_TYPE"
            yield f"FIELD_{kind}", f"SAI_{kind}_{text.upper()}&mask:0xffffffffffffffff"
        elif name == "IN_PORTS":
            oids = [ports[port] for port in text.split(",") if port]
            yield "FIELD_IN_PORTS", f"{len(oids)}:{','.join(oids)}"
