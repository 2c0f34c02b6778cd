"""aclorch: what a rule of ACL_RULE becomes, or that the switch cannot use it.

Source: sonic-swss orchagent/aclorch.cpp (AclRule, AclRulePacket, AclRuleMirror), on an ASIC with the actions
that aclorch takes for granted: PACKET_ACTION and DO_NOT_NAT, mirroring at ingress.

Packets are RoCEv2, untagged and in no tunnel: rules with fields of other packets (ICMP, TCP flags, VLANs,
tunnels, metadata) are `unseen` and never match. Assumption: IP_PROTOCOL looks at the protocol of IPv4 and of
IPv6, as parsers of chips have one field for both.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from raddle.nos.db.databases import ConfigEntry
from raddle.state import AclField, AclMatch

Action = Literal["DROP", "FORWARD", "MIRROR"]

_IPV4, _IPV6 = 0x0800, 0x86DD
_MAPPED = 0xFFFF << 32
_ADDRESS_BITS = (1 << 128) - 1

NEVER = AclMatch("ether_type", 0, 0xFFFF)
"""What no packet here fulfils."""

RANGES = frozenset({"L4_SRC_PORT_RANGE", "L4_DST_PORT_RANGE"})
_ELSEWHERE = frozenset(
    {
        *("VLAN_ID", "TCP_FLAGS", "ICMP_TYPE", "ICMP_CODE", "ICMPV6_TYPE", "ICMPV6_CODE", "TUNNEL_VNI"),
        *("INNER_ETHER_TYPE", "INNER_IP_PROTOCOL", "INNER_L4_SRC_PORT", "INNER_L4_DST_PORT", "INNER_SRC_MAC"),
        *("INNER_DST_MAC", "INNER_SRC_IP", "INNER_SRC_IPV6", "META_DATA"),
    }
)
_IP_TYPES: Mapping[str, tuple[AclMatch, ...]] = {
    "ANY": (),
    "IP": (),
    "IPV4ANY": (AclMatch("ether_type", _IPV4, 0xFFFF),),
    "NON_IPV6": (AclMatch("ether_type", _IPV4, 0xFFFF),),
    "IPV6ANY": (AclMatch("ether_type", _IPV6, 0xFFFF),),
    "NON_IPV4": (AclMatch("ether_type", _IPV6, 0xFFFF),),
    **dict.fromkeys(("NON_IP", "ARP", "ARP_REQUEST", "ARP_REPLY"), (NEVER,)),
}


class UnusableRuleError(ValueError):
    """aclorch makes nothing of the rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as aclorch takes it; ports by name, `tc` the traffic class that it is for, None for any.

    `unseen` names its fields that are none of RoCE packets.
    """

    action: Action
    matches: tuple[AclMatch, ...]
    in_ports: tuple[str, ...] | None
    out_ports: tuple[str, ...] | None
    tc: int | None
    unseen: tuple[str, ...] = ()


def _number(name: AclField, bits: int) -> Callable[[str], tuple[AclMatch, ...]]:
    """A field of so many bits: a value, or a value and a mask behind a slash."""

    def read(text: str) -> tuple[AclMatch, ...]:
        value, _, mask = text.partition("/")
        every = (1 << bits) - 1
        match = AclMatch(name, int(value, 0), int(mask, 0) if mask else every)
        if match.value > every or match.mask > every:
            raise UnusableRuleError(text)
        return (match,)

    return read


def _range(name: AclField) -> Callable[[str], tuple[AclMatch, ...]]:
    def read(text: str) -> tuple[AclMatch, ...]:
        low, high = (int(part) for part in text.split("-"))
        if low > high:
            raise UnusableRuleError(text)
        return (AclMatch(name, low, last=high),)

    return read


def _prefix(name: AclField) -> Callable[[str], tuple[AclMatch, ...]]:
    """A network; of IPv4 even 0.0.0.0/0 is for IPv4 packets alone."""

    def read(text: str) -> tuple[AclMatch, ...]:
        network = ipaddress.ip_network(text, strict=False)
        value, mask = int(network.network_address), int(network.netmask)
        if network.version == 4:
            return (AclMatch(name, _MAPPED | value, _ADDRESS_BITS ^ 0xFFFFFFFF | mask),)
        return AclMatch("ether_type", _IPV6, 0xFFFF), AclMatch(name, value, mask)

    return read


def _next_header(text: str) -> tuple[AclMatch, ...]:
    return AclMatch("ether_type", _IPV6, 0xFFFF), *_number("ip_protocol", 8)(text)


_FIELDS: Mapping[str, Callable[[str], tuple[AclMatch, ...]]] = {
    "ETHER_TYPE": _number("ether_type", 16),
    "IP_TYPE": lambda text: _IP_TYPES[text.upper()],
    "SRC_IP": _prefix("src_ip"),
    "DST_IP": _prefix("dst_ip"),
    "SRC_IPV6": _prefix("src_ip"),
    "DST_IPV6": _prefix("dst_ip"),
    "IP_PROTOCOL": _number("ip_protocol", 8),
    "NEXT_HEADER": _next_header,
    "L4_SRC_PORT": _number("l4_src_port", 16),
    "L4_DST_PORT": _number("l4_dst_port", 16),
    "L4_SRC_PORT_RANGE": _range("l4_src_port"),
    "L4_DST_PORT_RANGE": _range("l4_dst_port"),
    "DSCP": _number("dscp", 6),
    "BTH_OPCODE": _number("bth_opcode", 8),
    "AETH_SYNDROME": _number("aeth_syndrome", 8),
    "TUNNEL_TERM": lambda text: (NEVER,) if text.lower() == "true" else (),
}
_PORTS_AND_CLASS = frozenset({"IN_PORTS", "OUT_PORTS", "TC"})


def read_rule(
    entry: ConfigEntry,
    supported: frozenset[str],
    actions: frozenset[str],
    is_egress: bool,
    ports: frozenset[str],
) -> Rule | None:
    """The rule of an entry; None where aclorch leaves it alone because it names no action.

    Args:
        entry: of ACL_RULE.
        supported: match fields of the table's type.
        actions: those of the table's type, none: any.
        ports: the switch's ports.

    Raises:
        UnusableRuleError: aclorch marks the rule inactive.
    """
    fields = {name.upper(): str(value) for name, value in entry.items() if name.upper() != "PRIORITY"}
    named = [name for name in fields if name in _ACTIONS]
    if not named:
        return None
    if len(named) > 1:
        raise UnusableRuleError("more than one action")
    action = _action(named[0], fields.pop(named[0]), actions, is_egress)
    _check_matches(fields, supported, is_egress)
    try:
        matches = tuple(
            match
            for name in sorted(fields.keys() - _PORTS_AND_CLASS - _ELSEWHERE)
            for match in _FIELDS[name](fields[name])
        )
        tc = int(fields["TC"], 0) if "TC" in fields else None
    except (KeyError, ValueError) as error:
        raise UnusableRuleError(str(error)) from None
    unseen = tuple(sorted(fields.keys() & _ELSEWHERE))
    in_ports, out_ports = (_names(fields, name, ports) for name in ("IN_PORTS", "OUT_PORTS"))
    return Rule(action, matches, in_ports, out_ports, tc, unseen)


def read_open_rule(
    entry: ConfigEntry, supported: frozenset[str], is_egress: bool, ports: frozenset[str]
) -> Rule | None:
    """What a rule matches of whose actions raddle makes nothing; None without actions or matches."""
    matched = {name: value for name, value in entry.items() if not name.upper().endswith("_ACTION")}
    if len(matched) == len(entry):
        return None
    try:
        return read_rule({**matched, "PACKET_ACTION": "FORWARD"}, supported, frozenset(), is_egress, ports)
    except UnusableRuleError:
        return None


_ACTIONS = frozenset({"PACKET_ACTION", "MIRROR_ACTION", "MIRROR_INGRESS_ACTION", "MIRROR_EGRESS_ACTION"})


def _action(name: str, value: str, allowed: frozenset[str], is_egress: bool) -> Action:
    """What the rule does. The YANG model has no target for a redirection: no such rule can be used."""
    kind: Action = "MIRROR"
    if name == "PACKET_ACTION":
        name = "DO_NOT_NAT_ACTION" if value.upper() == "DO_NOT_NAT" else name
        if value.upper() not in ("DROP", "FORWARD", "DO_NOT_NAT"):
            raise UnusableRuleError(f"action {value}")
        kind = "DROP" if value.upper() == "DROP" else "FORWARD"
    elif name == "MIRROR_ACTION":
        name = "MIRROR_INGRESS_ACTION"
    is_supported = name == "PACKET_ACTION" or (not is_egress and name != "MIRROR_EGRESS_ACTION")
    if not is_supported or (allowed and name not in allowed):
        raise UnusableRuleError(f"action {name}")
    return kind


def _check_matches(fields: Mapping[str, str], supported: frozenset[str], is_egress: bool) -> None:
    """A rule matches something, and nothing that its table cannot.

    Where packets leave, the port and class that they came in with are not known, nor the port out where they
    come in (an assumption).
    """
    if not fields:
        raise UnusableRuleError("no match")
    if unsupported := fields.keys() - supported:
        raise UnusableRuleError(f"no match for {', '.join(sorted(unsupported))} in this table")
    if fields.keys() & ({"IN_PORTS", "TC"} if is_egress else {"OUT_PORTS"}):
        raise UnusableRuleError("ports of the other stage")


def _names(fields: Mapping[str, str], name: str, ports: frozenset[str]) -> tuple[str, ...] | None:
    if name not in fields:
        return None
    names = tuple(part for part in fields[name].split(",") if part)
    if not names or not ports.issuperset(names):
        raise UnusableRuleError(f"{name} {fields[name]}")
    return names
