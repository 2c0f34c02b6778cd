"""The access lists of a P4Runtime pipeline: `acl` of `p4/fabric.p4`, and those of SONiC PINS' `middleblock`.

What an entry traps goes to the controller and not on; as the engine has no controller, its RoCE packets are
dropped. An entry that redirects, copies or mirrors lets its packets pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from raddle.nos.p4rt.entity_tables import EntityTables, Row
from raddle.nos.p4rt.port_ids import PortIds
from raddle.state import AclField, AclMatch, AclRule, AclTable, ListedRule, ListedTable

_IPV4, _IPV6 = 0x0800, 0x86DD
_MAPPED = 0xFFFF << 32
_MAPPED_BITS = ((1 << 128) - 1) ^ 0xFFFFFFFF
_NEVER = AclMatch("ether_type", 0, 0xFFFF)
_PASSES = frozenset({"NoAction", "acl_forward", "acl_copy"})
_DROPS = frozenset({"drop", "trap", "acl_drop", "acl_trap", "acl_deny"})
_INGRESS = ("acl", "acl_ingress_table", "acl_ingress_security_table")
_EGRESS = ("acl_egress_table",)

_FIELDS: Mapping[str, AclField] = {
    "ether_type": "ether_type",
    "src": "src_ip",
    "dst": "dst_ip",
    "protocol": "ip_protocol",
    "ip_protocol": "ip_protocol",
    "src_port": "l4_src_port",
    "dst_port": "l4_dst_port",
    "l4_src_port": "l4_src_port",
    "l4_dst_port": "l4_dst_port",
    "dscp": "dscp",
    "ecn": "ecn",
    "ttl": "ttl",
}
_IPV4_FIELDS: Mapping[str, AclField] = {"src_ip": "src_ip", "dst_ip": "dst_ip"}
_IPV6_FIELDS: Mapping[str, AclField] = {"src_ipv6": "src_ip", "dst_ipv6": "dst_ip"}
_FAMILIES = {"is_ipv4": _IPV4, "is_ipv6": _IPV6}


_PIN_TABLES = ("pin_flow", "pin_qp", "pin_pair", "pin_dst")
_PIN_FIELDS: Mapping[str, AclField] = {
    "src": "src_ip",
    "dst": "dst_ip",
    "src_port": "l4_src_port",
    "dest_qp": "bth_qp",
}


def p4_acl_tables(tables: EntityTables, ports: Sequence[str]) -> tuple[AclTable, ...]:
    """The access lists at all ports, as switches of these pipelines bind them; and one of all pins in the
    order of their tables, which only counts."""
    pins = tuple(
        AclRule(counter_of(table, row.label)[1], False, tuple(_exact(row)))
        for table in _PIN_TABLES
        for row in tables.rows.get(table, [])
    )
    counting = [AclTable("pins", False, tuple(range(len(ports))), pins)] if pins else []
    return (*counting, *_lists(tables, ports))


def listed_p4_acl(tables: EntityTables, ports: Sequence[str]) -> tuple[ListedTable, ...]:
    """The access lists as packets other than RoCE meet them, too."""
    return tuple(
        ListedTable(name, is_egress, tuple(range(len(ports))), tuple(_listed(rows, tables, ports, is_egress)))
        for name, is_egress, rows in _rows(tables)
    )


def _listed(
    rows: Iterable[Row], tables: EntityTables, ports: Sequence[str], is_egress: bool
) -> Iterator[ListedRule]:
    by_label = {row.label: row for row in rows}
    for rule in _rules(rows, tables, ports, is_egress, is_listed=True):
        row = by_label[rule.name]
        action, unseen = row.choices[0].call.action, _unseen(row)
        drops = True if action in _DROPS else False if action in _PASSES else None
        why = f"it looks at {' and '.join(unseen)}, which the tests do not vary" if unseen else ""
        why = f"its action is {action}" if drops is None else why
        scope = (rule.matches, rule.in_ports, rule.out_ports)
        yield ListedRule(rule.name, drops, row.priority, *scope, bool(why), why)


def counter_of(table: str, label: str) -> tuple[str, str]:
    """The access list and rule that count for a table entry."""
    return ("pins", f"{table} {label}") if table in _PIN_TABLES else (table, label)


def _exact(row: Row) -> Iterator[AclMatch]:
    for name, value in row.exact.items():
        yield AclMatch(_PIN_FIELDS[name], int.from_bytes(value, "big"))


def _lists(tables: EntityTables, ports: Sequence[str]) -> Iterator[AclTable]:
    return (
        AclTable(name, is_egress, tuple(range(len(ports))), tuple(_rules(rows, tables, ports, is_egress)))
        for name, is_egress, rows in _rows(tables)
    )


def _rows(tables: EntityTables) -> Iterator[tuple[str, bool, Sequence[Row]]]:
    for names, is_egress in ((_INGRESS, False), (_EGRESS, True)):
        for name in names:
            if rows := tables.rows.get(name):
                yield name, is_egress, rows


def _rules(
    rows: Iterable[Row],
    tables: EntityTables,
    ports: Sequence[str],
    is_egress: bool,
    is_listed: bool = False,
) -> Iterator[AclRule]:
    """The entries, that of the highest priority first; of equal ones the name decides (P4Runtime leaves it
    open)."""
    for row in sorted(rows, key=lambda row: (-row.priority, row.label)):
        matches = [*_matches(row), *_to_router(row, tables)]
        if not is_listed and _unseen(row):
            matches.append(_NEVER)
        chosen = _ports(row, "out_port" if is_egress else "in_port", ports)
        yield AclRule(
            row.label,
            row.choices[0].call.action in _DROPS,
            tuple(matches),
            in_ports=None if is_egress else chosen,
            out_ports=chosen if is_egress else None,
        )


def _matches(row: Row) -> Iterator[AclMatch]:
    for name, (value, mask) in _ternaries(row):
        if name in _FIELDS:
            yield AclMatch(_FIELDS[name], value, mask)
        elif name in _IPV4_FIELDS:
            yield AclMatch(_IPV4_FIELDS[name], _MAPPED | value, _MAPPED_BITS | mask)
        elif name in _IPV6_FIELDS:  # the upper half of the address
            yield AclMatch("ether_type", _IPV6, 0xFFFF)
            yield AclMatch(_IPV6_FIELDS[name], value << 64, mask << 64)
    for name, given in row.optional.items():
        is_true = int.from_bytes(given, "big") == 1
        if name in _FAMILIES and is_true:
            yield AclMatch("ether_type", _FAMILIES[name], 0xFFFF)
        elif name == "is_ip" and not is_true:
            yield _NEVER


def _unseen(row: Row) -> list[str]:
    """Its keys that no RoCE packet has, as icmpv6_type and arp_tpa."""
    seen = {*_FIELDS, *_IPV4_FIELDS, *_IPV6_FIELDS, "dst_mac", "in_port", "out_port"}
    return [name for name in row.ternary if name not in seen]


def _ternaries(row: Row) -> Iterator[tuple[str, tuple[int, int]]]:
    for name, (value, mask) in row.ternary.items():
        yield name, (int.from_bytes(value, "big"), int.from_bytes(mask, "big"))


def _to_router(row: Row, tables: EntityTables) -> Iterator[AclMatch]:
    """Routed packets are for one of the switch's own MAC addresses."""
    wanted = dict(_ternaries(row)).get("dst_mac")
    if wanted is None:
        return
    value, mask = wanted
    own = (interface.choices[0].call.params for interface in tables.rows.get("router_interface_table", []))
    macs = {int.from_bytes(params["src_mac"], "big") for params in own if "src_mac" in params}
    if all((mac ^ value) & mask for mac in macs):
        yield _NEVER


def _ports(row: Row, name: str, ports: Sequence[str]) -> tuple[int, ...] | None:
    """The ports that an entry is for: by a number with a mask, or by SONiC's name."""
    if name in row.optional:
        port = PortIds(ports).name(row.optional[name], True)
        return () if port is None else (ports.index(port),)
    if name in row.ternary:
        value, mask = dict(_ternaries(row))[name]
        return tuple(place for place in range(len(ports)) if ((place + 1) ^ value) & mask == 0)
    return None
