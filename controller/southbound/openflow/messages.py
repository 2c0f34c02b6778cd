"""OpenFlow messages of tables, and tables of the messages that a switch answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from raddle.controller.southbound.openflow.codec import Wire, of
from raddle.controller.southbound.openflow.group_parts import (
    bucket,
    group_mod,
    has_known_method,
    seed_of,
    watched,
    weight_of,
)
from raddle.controller.southbound.openflow.tables import (
    CLASSIFY,
    COOKIE,
    FORWARD,
    Action,
    Admit,
    Continue,
    Drop,
    FailoverGroup,
    Group,
    Hop,
    Mark,
    Match,
    Queue,
    RuleKey,
    SelectGroup,
    Unknown,
)
from raddle.controller.southbound.openflow.text import buckets_text, instructions_text
from raddle.units import ip_text

_WHOLE = (1 << 64) - 1
_UDP = 17
GroupIds = Mapping[Group, int]


def group_add(wire: Wire, mac: str, group: Group, ids: GroupIds) -> Any:
    """The message that makes a group."""
    if isinstance(group, SelectGroup):
        kind = of.OFPGT_SELECT
        buckets = [
            bucket(wire, _hop_actions(wire, mac, hop), weight, port=hop.port) for hop, weight in group.buckets
        ]
    else:
        kind = of.OFPGT_FF
        inner = ids[group.otherwise]
        then = [wire.parser.OFPActionGroup(inner)]
        buckets = [bucket(wire, _hop_actions(wire, mac, hop), port=hop.port) for hop in group.hops]
        buckets.append(bucket(wire, then, group=inner))
    seed = group.seed if isinstance(group, SelectGroup) else None
    return group_mod(wire, of.OFPGC_ADD, kind, ids[group], buckets, seed)


def group_delete(wire: Wire, number: int) -> Any:
    """The message that removes a group."""
    return group_mod(wire, of.OFPGC_DELETE, of.OFPGT_SELECT, number)


def flow_add(wire: Wire, mac: str, key: RuleKey, action: Action, ids: GroupIds) -> Any:
    """The message that writes a flow entry, over one with the same key."""
    return wire.parser.OFPFlowMod(
        wire.protocol,
        cookie=COOKIE,
        table_id=key.table,
        command=of.OFPFC_ADD,
        priority=key.priority,
        match=_match(wire, key.match),
        instructions=_instructions(wire, mac, action, ids),
    )


def flow_delete(wire: Wire, key: RuleKey, raw: Any = None) -> Any:
    """The message that removes an entry of ours; `raw` is its match where `Match` has no word for it."""
    return wire.parser.OFPFlowMod(
        wire.protocol,
        cookie=COOKIE,
        cookie_mask=_WHOLE,
        table_id=key.table,
        command=of.OFPFC_DELETE_STRICT,
        priority=key.priority,
        match=raw or _match(wire, key.match),
        out_port=of.OFPP_ANY,
        out_group=of.OFPG_ANY,
    )


def flows_request(wire: Wire) -> Any:
    """The message that asks for all flow entries."""
    parser = wire.parser
    name = "OFPFlowDescStatsRequest" if hasattr(parser, "OFPFlowDescStatsRequest") else "OFPFlowStatsRequest"
    return getattr(parser, name)(wire.protocol)


def _hop_actions(wire: Wire, mac: str, hop: Hop) -> list[Any]:
    parser = wire.parser
    return [
        parser.OFPActionSetField(eth_src=mac),
        parser.OFPActionSetField(eth_dst=hop.eth_dst),
        parser.OFPActionDecNwTtl(),
        parser.OFPActionOutput(hop.port),
    ]


def _match(wire: Wire, match: Match) -> Any:
    fields: dict[str, Any] = {}
    if match.eth_dst:
        fields["eth_dst"] = match.eth_dst
    if match.vlan_vid is not None:
        fields["vlan_vid"] = match.vlan_vid
    if match.eth_type:
        fields["eth_type"] = match.eth_type
    if match.dscp is not None:
        fields["ip_dscp"] = match.dscp
    if match.udp_dst is not None:
        fields |= {"ip_proto": _UDP, "udp_dst": match.udp_dst}
    for end, prefix in (("dst", match.destination), ("src", match.source)):
        if prefix:
            network = ip_network(prefix)
            fields[f"ipv{network.version}_{end}"] = (str(network.network_address), str(network.netmask))
    return wire.parser.OFPMatch(**fields)


def _instructions(wire: Wire, mac: str, action: Action, ids: GroupIds) -> list[Any]:
    parser = wire.parser
    match action:
        case SelectGroup() | FailoverGroup():
            actions = [parser.OFPActionGroup(ids[action])]
        case Hop():
            actions = _hop_actions(wire, mac, action)
        case Queue(number):
            actions = [parser.OFPActionSetQueue(number)]
        case Mark(dscp, queue):
            actions = [parser.OFPActionSetField(ip_dscp=dscp)]
            actions += [parser.OFPActionSetQueue(queue)] if queue else []
        case Admit(pops):
            actions = [parser.OFPActionPopVlan()] if pops else []
        case Continue() | Drop():
            actions = []
        case Unknown(text):
            raise AssertionError(f"no plan has {text}")
    apply = [parser.OFPInstructionActions(of.OFPIT_APPLY_ACTIONS, actions)] if actions else []
    if isinstance(action, Queue | Mark | Continue):
        apply.append(parser.OFPInstructionGotoTable(FORWARD))
    elif isinstance(action, Admit):
        apply.append(parser.OFPInstructionGotoTable(CLASSIFY))
    return apply


def read_groups(mac: str, descriptions: Iterable[Any]) -> dict[int, Group | Unknown]:
    """The groups that a switch describes, by id."""
    by_id = {each.group_id: each for each in descriptions}
    known: dict[int, Group | Unknown] = {}
    # A fast-failover group refers to select groups, which are read first.
    for number, each in sorted(by_id.items(), key=lambda item: item[1].type != of.OFPGT_SELECT):
        known[number] = _read_group(mac, each, known) or Unknown(buckets_text(each.buckets))
    return known


def _read_group(mac: str, each: Any, known: Mapping[int, Group | Unknown]) -> Group | None:
    if each.type == of.OFPGT_SELECT and has_known_method(each):
        hops = [(_read_hop(mac, found.actions), found) for found in each.buckets]
        if all(hop is not None and watched(found)[0] == hop.port for hop, found in hops):
            return SelectGroup(tuple((hop, weight_of(found)) for hop, found in hops if hop), seed_of(each))
    if each.type == of.OFPGT_FF and len(each.buckets) > 1:
        *firsts, then = each.buckets
        ways = [(_read_hop(mac, found.actions), watched(found)[0]) for found in firsts]
        led = tuple(hop for hop, port in ways if hop and hop.port == port)
        inner = watched(then)[1]
        otherwise = known.get(inner)
        leads_there = [getattr(action, "group_id", None) for action in then.actions] == [inner]
        if len(led) == len(ways) and leads_there and isinstance(otherwise, SelectGroup):
            return FailoverGroup(led, otherwise)
    return None


def read_rule(mac: str, stats: Any, groups: Mapping[int, Group | Unknown]) -> tuple[RuleKey, Action]:
    """The flow entry that a switch describes; one that goes away by itself is none of ours."""
    key = RuleKey(stats.table_id, stats.priority, _read_match(stats.match))
    if stats.idle_timeout or stats.hard_timeout:
        timeouts = f"idle_timeout={stats.idle_timeout} hard_timeout={stats.hard_timeout}"
        return key, Unknown(f"{timeouts} {instructions_text(stats.instructions)}")
    return key, _read_action(mac, stats.instructions, groups)


def _read_match(match: Any) -> Match:
    fields = dict(match.items())
    eth_type = fields.pop("eth_type", 0)
    dscp = fields.pop("ip_dscp", None)
    eth_dst = vlan_vid = None
    if {"eth_dst", "vlan_vid"} <= fields.keys() and isinstance(fields["eth_dst"], str):
        eth_dst, vlan_vid = fields.pop("eth_dst"), fields.pop("vlan_vid")
    ends = {"dst": "", "src": ""}
    for version, end in ((4, "dst"), (4, "src"), (6, "dst"), (6, "src")):
        if f"ipv{version}_{end}" in fields:
            ends[end] = _prefix(fields.pop(f"ipv{version}_{end}"))
    is_udp = fields.get("ip_proto") == _UDP and "udp_dst" in fields
    udp_dst = fields.pop("udp_dst") if is_udp else None
    if is_udp:
        del fields["ip_proto"]
    others = ",".join(f"{name}={value}" for name, value in sorted(fields.items()))
    return Match(eth_type, ends["dst"], ends["src"], dscp, udp_dst, eth_dst or "", vlan_vid, others)


def _prefix(value: str | tuple[str, str]) -> str:
    """An address, or an address and its mask, in CIDR form; what no prefix can say keeps its mask."""
    address, mask = value if isinstance(value, tuple) else (value, "")
    bits = ip_address(address).max_prefixlen
    ones = int(ip_address(mask)).bit_count() if mask else bits
    is_prefix = not mask or int(ip_address(mask)) == (1 << bits) - (1 << bits - ones)
    return ip_text(ip_network(f"{address}/{ones}")) if is_prefix else f"{address}/{mask}"


def _read_action(mac: str, instructions: list[Any], groups: Mapping[int, Group | Unknown]) -> Action:
    actions: list[Any] = []
    goto = None
    for each in instructions:
        if type(each).__name__ == "OFPInstructionGotoTable":
            goto = each.table_id
        elif type(each).__name__ == "OFPInstructionActions" and each.type == of.OFPIT_APPLY_ACTIONS:
            actions = each.actions
        else:
            return Unknown(instructions_text(instructions))
    kinds = [type(action).__name__ for action in actions]
    if goto is None:
        if not actions:
            return Drop()
        if kinds == ["OFPActionGroup"]:
            number = actions[0].group_id
            return groups.get(number, Unknown(f"group {number}, which is not there"))
        return _read_hop(mac, actions) or Unknown(instructions_text(instructions))
    if goto == CLASSIFY and kinds in ([], ["OFPActionPopVlan"]):
        return Admit(pops=bool(kinds))
    if goto == FORWARD and not actions:
        return Continue()
    if goto == FORWARD and kinds == ["OFPActionSetQueue"]:
        return Queue(actions[0].queue_id)
    if goto == FORWARD and (mark := _read_mark(actions)):
        return mark
    return Unknown(instructions_text(instructions))


def _read_mark(actions: list[Any]) -> Mark | None:
    kinds = [type(action).__name__ for action in actions]
    if kinds[:1] != ["OFPActionSetField"] or actions[0].key != "ip_dscp":
        return None
    if len(kinds) == 1:
        return Mark(actions[0].value, 0)
    return Mark(actions[0].value, actions[1].queue_id) if kinds[1:] == ["OFPActionSetQueue"] else None


def _read_hop(mac: str, actions: list[Any]) -> Hop | None:
    if [type(action).__name__ for action in actions] != [
        "OFPActionSetField",
        "OFPActionSetField",
        "OFPActionDecNwTtl",
        "OFPActionOutput",
    ]:
        return None
    source, target, _, output = actions
    if (source.key, source.value, target.key) != ("eth_src", mac, "eth_dst"):
        return None
    return Hop(output.port, target.value)
