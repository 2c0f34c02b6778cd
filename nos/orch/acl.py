"""aclorch: the access lists of ACL_TABLE and ACL_RULE, and which of them are active.

Source: sonic-swss orchagent/aclorch.cpp (doAclTableTask, doAclRuleTask, initDefaultTableTypes) on an ASIC
that has one mirror table for IPv4 and IPv6. Rules of one priority act in the order of their names (SAI leaves
it open).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from raddle.nos.db.databases import ConfigDb, ConfigEntry
from raddle.nos.orch.acl_rule import NEVER, RANGES, Rule, UnusableRuleError, read_open_rule, read_rule
from raddle.state import AclMatch, AclRule, AclTable, ListedRule, ListedTable, PortState

Status = Literal["Active", "Inactive"]

NO_RULE = "SONiC makes nothing of it, it is inactive"

_L4 = frozenset({"VLAN_ID", "IP_TYPE", "L4_SRC_PORT", "L4_DST_PORT", "TCP_FLAGS"})
_IPV4 = frozenset({"ETHER_TYPE", "SRC_IP", "DST_IP", "ICMP_TYPE", "ICMP_CODE", "IP_PROTOCOL"})
_IPV6 = frozenset({"SRC_IPV6", "DST_IPV6", "ICMPV6_TYPE", "ICMPV6_CODE", "NEXT_HEADER"})
_MIRRORED = _L4 | _IPV4 | _IPV6 | RANGES | {"IN_PORTS", "DSCP"}
_MATCHES: dict[str, frozenset[str]] = {
    "L3": _L4 | _IPV4 | RANGES,
    "L3V6": _L4 | _IPV6 | RANGES,
    "L3V4V6": _L4 | _IPV4 | _IPV6 | {"IN_PORTS"},
    "MIRROR": _MIRRORED,
    "MIRRORV6": _MIRRORED,
    "MIRROR_DSCP": frozenset({"DSCP"}),
}


@dataclass(frozen=True, slots=True)
class OrchRule:
    """A rule and how aclorch fares with it.

    `rule` is None where nothing of it is in the ASIC; without a status aclorch says nothing of it.
    """

    name: str
    priority: int
    status: Status | None
    rule: Rule | None

    @property
    def is_counted(self) -> bool:
        """Whether it has a counter; a mirror session is never up here, and its rules have none until then."""
        return self.rule is not None and self.rule.action != "MIRROR"


@dataclass(frozen=True, slots=True)
class OrchTable:
    """A table, its ports by name, and its rules in the order in which they act."""

    name: str
    status: Status | None
    is_egress: bool
    ports: tuple[str, ...]
    rules: tuple[OrchRule, ...]


def read_acl(config: ConfigDb) -> tuple[OrchTable, ...]:
    """The access lists of a valid CONFIG_DB, by name."""
    rules: dict[str, list[tuple[str, ConfigEntry]]] = {}
    for key, entry in config.get("ACL_RULE", {}).items():
        table, _, name = key.partition("|")
        rules.setdefault(table, []).append((name, entry))
    ports = frozenset(config.get("PORT", {}))
    return tuple(
        _table(config, name, entry, rules.get(name, []), ports)
        for name, entry in sorted(config.get("ACL_TABLE", {}).items())
    )


def _table(
    config: ConfigDb,
    name: str,
    entry: ConfigEntry,
    rules: Sequence[tuple[str, ConfigEntry]],
    ports: frozenset[str],
) -> OrchTable:
    kind = str(entry["type"])
    is_egress = str(entry.get("stage", "ingress")).lower() == "egress"
    given = entry.get("ports", [])
    bound = tuple(port for port in ([given] if isinstance(given, str) else given) if port in ports)
    custom = config.get("ACL_TABLE_TYPE", {}).get(kind)
    supported = _supported(config, kind)
    if supported is None:
        # Rules of the control plane are for the host itself; a table of an unknown type waits for the type.
        unacted = tuple(OrchRule(rule, _priority(each), None, None) for rule, each in rules)
        return OrchTable(name, "Active" if kind == "CTRLPLANE" else None, is_egress, bound, unacted)
    actions = frozenset() if custom is None else frozenset(each.upper() for each in custom.get("ACTIONS", []))
    table = (supported, actions, is_egress, ports)
    read = [_rule(rule, with_next_header(kind, each), table) for rule, each in rules]
    read.sort(key=lambda each: (-each.priority, each.name))
    return OrchTable(name, "Active", is_egress, bound, tuple(read))


def _supported(config: ConfigDb, kind: str) -> frozenset[str] | None:
    """The match fields of a type of tables; None where aclorch has no such type."""
    custom = config.get("ACL_TABLE_TYPE", {}).get(kind)
    return _MATCHES.get(kind) if custom is None else frozenset(each.upper() for each in custom["MATCHES"])


def with_next_header(kind: str, entry: ConfigEntry) -> ConfigEntry:
    """A rule's entry as aclorch reads it: in IPv6 tables IP_PROTOCOL is an old name of NEXT_HEADER."""
    if kind not in ("L3V6", "MIRRORV6"):
        return entry
    return {"NEXT_HEADER" if name == "IP_PROTOCOL" else name: value for name, value in entry.items()}


def _rule(
    name: str, entry: ConfigEntry, table: tuple[frozenset[str], frozenset[str], bool, frozenset[str]]
) -> OrchRule:
    try:
        rule = read_rule(entry, *table)
    except UnusableRuleError:
        return OrchRule(name, _priority(entry), "Inactive", None)
    return OrchRule(name, _priority(entry), "Active" if rule else None, rule)


def _priority(entry: ConfigEntry) -> int:
    return int(str(entry["PRIORITY"]))


def derive_acl(config: ConfigDb, ports: Sequence[PortState]) -> tuple[AclTable, ...]:
    """The access lists that the ASIC has, for a switch with these ports in front-panel order."""
    place = {port.name: number for number, port in enumerate(ports)}
    return tuple(
        AclTable(
            table.name,
            table.is_egress,
            tuple(sorted(place[port] for port in table.ports)),
            tuple(
                made
                for each in table.rules
                if each.rule is not None and each.is_counted
                for made in _made(each.name, each.rule, place, ports)
            ),
        )
        for table in read_acl(config)
        if table.ports and any(rule.is_counted for rule in table.rules)
    )


def _made(name: str, rule: Rule, place: dict[str, int], ports: Sequence[PortState]) -> list[AclRule]:
    """The rule as the ASIC has it; one for a traffic class is a rule for each DSCP that ports take for it."""
    drops = rule.action == "DROP"
    in_ports, out_ports = (
        None if names is None else tuple(sorted(place[each] for each in names))
        for names in (rule.in_ports, rule.out_ports)
    )
    matches = (*rule.matches, NEVER) if rule.unseen else rule.matches
    if rule.tc is None:
        return [AclRule(name, drops, matches, in_ports, out_ports)]
    chosen = range(len(ports)) if in_ports is None else in_ports
    by_dscp: dict[int, list[int]] = {}
    for port in chosen:
        for dscp, tc in enumerate(ports[port].dscp_to_tc):
            if tc == rule.tc:
                by_dscp.setdefault(dscp, []).append(port)
    return [
        AclRule(name, drops, (*matches, AclMatch("dscp", dscp, 0x3F)), tuple(of), out_ports)
        for dscp, of in by_dscp.items()
    ]


def listed_acl(config: ConfigDb, ports: Sequence[PortState]) -> tuple[ListedTable, ...]:
    """The access lists that a real switch with this CONFIG_DB may have, by name.

    Beside the rules of `derive_acl` they have those that mirror, as the session may be up there, and those
    with an action that raddle does not know, such as a redirection.
    """
    place = {port.name: number for number, port in enumerate(ports)}
    return tuple(
        ListedTable(
            table.name,
            table.is_egress,
            tuple(sorted(place[port] for port in table.ports)),
            tuple(listed for each in table.rules for listed in _listed(config, table, each, place, ports)),
        )
        for table in read_acl(config)
        if table.ports and table.status and _supported(config, str(config["ACL_TABLE"][table.name]["type"]))
    )


def _listed(
    config: ConfigDb, table: OrchTable, rule: OrchRule, place: dict[str, int], ports: Sequence[PortState]
) -> Iterator[ListedRule]:
    known, drops, why = rule.rule, None, NO_RULE
    if known is None:
        kind = str(config["ACL_TABLE"][table.name]["type"])
        entry = with_next_header(kind, config["ACL_RULE"][f"{table.name}|{rule.name}"])
        known = read_open_rule(
            entry, _supported(config, kind) or frozenset(), table.is_egress, frozenset(place)
        )
        redirects = any("REDIRECT" in f"{name} {value}".upper() for name, value in entry.items())
        why = "it redirects packets" if redirects else why
    elif known.action == "MIRROR":
        drops, why = False, "it mirrors packets"
    else:
        drops = known.action == "DROP"
        why = f"it looks at {' and '.join(known.unseen)}, which the tests do not vary" if known.unseen else ""
    if known is not None:
        for made in _made(rule.name, replace(known, unseen=()), place, ports):
            scope = (made.matches, made.in_ports, made.out_ports)
            yield ListedRule(rule.name, drops, rule.priority, *scope, bool(why), why)
