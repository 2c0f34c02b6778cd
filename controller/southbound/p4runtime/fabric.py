"""A switch's plan as entities of `p4/fabric.p4`."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from ipaddress import ip_interface, ip_network

from finsy import (
    Action,
    IndirectAction,
    Match,
    P4ActionProfileGroup,
    P4ActionProfileMember,
    P4Member,
    P4TableEntry,
)
from finsy.p4entity import P4Entity

from raddle.controller.plan.model import NextHop, SwitchPlan
from raddle.controller.southbound.p4runtime.neighbors import (
    TRAP_MEMBER,
    Neighbor,
    member_ids,
    neighbors_of,
)
from raddle.topology.model import Ecn
from raddle.units import ip_text

ECN_DEPTH_BYTES = 4096
"""Bytes of queue that the program's count of one packet stands for: a full packet's payload (assumption)."""

LLDP = 0x88CC
"""EtherType of LLDP (IEEE 802.1AB)."""

_PROFILE = "next_hops"
_LLDP_PRIORITY = 100
_IPV4_MAPPED = 0xFFFF << 32

_Hops = tuple[tuple[int, int], ...]


def fabric_entities(
    switch: SwitchPlan, macs: Mapping[str, str], is_watching: bool = True, in_groups: bool = False
) -> Iterator[P4Entity]:
    """Everything that the switch's tables must hold, members and groups first.

    A route has its next hops as a one-shot group, which every server takes; `in_groups` it names a member or
    a group of members. A next hop among several is skipped while its port is down if the switch is to be
    `is_watching`; that of a route with one is not, as a group whose every port is down divides by zero in
    BMv2. The switch's own addresses are trapped, those of its neighbors are host routes. The plan's pins go
    by destination, with their backups where they have some, its policies by source and destination.
    """
    neighbors = neighbors_of(switch, macs)
    member_of = member_ids(neighbors)
    routes = _routes(switch, neighbors, member_of)
    by_member = {member_of[neighbor.port]: neighbor for neighbor in neighbors}

    yield from _settings(switch)
    choose = partial(_one_shot, by_member, is_watching)
    if in_groups:
        groups = group_ids(hops for hops in routes.values() if len(hops) > 1)
        yield from _members(by_member, groups, is_watching)
        choose = partial(_reference, groups)
    for prefix, hops in routes.items():
        table = "ipv4_route" if ip_network(prefix).version == 4 else "ipv6_route"
        yield P4TableEntry(table, match=Match(dst=prefix), action=choose(hops))
    at = {neighbor.port: neighbor for neighbor in neighbors}
    for route in switch.routes:
        if route.origin == "pin":
            action = _to(*(at[hop.port] for hop in route.next_hops[:2]))
            yield P4TableEntry("pin_dst", match=Match(dst=wide_address(route.prefix)), action=action)
    for policy in switch.policies:
        match = Match(src=wide_address(policy.src), dst=wide_address(policy.dst))
        yield P4TableEntry("pin_pair", match=match, action=_to(at[policy.next_hop.port]))


def _one_shot(by_member: Mapping[int, Neighbor], is_watching: bool, hops: _Hops) -> IndirectAction:
    """A group of its own for a route, in the order of the members' ids; each has the next as its backup."""
    if not hops:
        return IndirectAction([(1, Action("trap"))])
    ways = [by_member[member] for member, _ in hops]
    if len(ways) == 1:
        return IndirectAction([(hops[0][1], _to(ways[0]))])
    return IndirectAction(
        [
            ((weight, way.number) if is_watching else weight, _to(way, backup))
            for (_, weight), way, backup in zip(hops, ways, (*ways[1:], ways[0]), strict=True)
        ]
    )


def _reference(groups: Mapping[_Hops, int], hops: _Hops) -> IndirectAction:
    """The group of several members, or the member."""
    if len(hops) > 1:
        return IndirectAction(group_id=groups[hops])
    return IndirectAction(member_id=hops[0][0] if hops else TRAP_MEMBER)


def _members(
    by_member: Mapping[int, Neighbor], groups: Mapping[_Hops, int], is_watching: bool
) -> Iterator[P4Entity]:
    """A member for each neighbor, a group for each distinct set of weighted members."""
    yield P4ActionProfileMember(_PROFILE, member_id=TRAP_MEMBER, action=Action("trap"))
    for member, neighbor in by_member.items():
        yield P4ActionProfileMember(_PROFILE, member_id=member, action=_to(neighbor))
    for hops, group in groups.items():
        members = [
            P4Member(member_id=member, weight=(weight, by_member[member].number) if is_watching else weight)
            for member, weight in hops
        ]
        yield P4ActionProfileGroup(_PROFILE, group_id=group, members=members)


def _to(neighbor: Neighbor, backup: Neighbor | None = None) -> Action:
    if backup is None:
        return Action("set_next_hop", port=neighbor.number, dst_mac=neighbor.mac)
    return Action(
        "set_next_hop_or",
        port=neighbor.number,
        dst_mac=neighbor.mac,
        backup_port=backup.number,
        backup_mac=backup.mac,
    )


def _settings(switch: SwitchPlan) -> Iterator[P4Entity]:
    """What is one per switch: its address, hash, classification, marking, and LLDP to the controller."""
    yield P4TableEntry(
        "switch_config",
        is_default_action=True,
        action=Action(
            "configure",
            switch_mac=switch.mac,
            hash_seed=switch.hash_seed,
            hash_on_qp=int("bth_qp" in switch.hash_fields),
            hash_offset=switch.hash_offset % 32,
        ),
    )
    qos = switch.qos
    for dscp, tc in enumerate(qos.dscp_to_tc):
        if tc:
            action = Action("set_class", tc=tc, queue=qos.tc_to_queue[tc])
            yield P4TableEntry("dscp_to_tc", match=Match(dscp=dscp), action=action)
    ecn = _thresholds(switch)
    for tc in qos.lossless:
        depths = [round(each / ECN_DEPTH_BYTES) for each in (ecn.kmin_bytes, ecn.kmax_bytes)]
        action = Action("set_ecn", min=depths[0], max=depths[1], p=round(ecn.pmax * 65535))
        yield P4TableEntry("ecn", match=Match(tc=tc), action=action)
    yield P4TableEntry(
        "acl", match=Match(ether_type=(LLDP, 0xFFFF)), priority=_LLDP_PRIORITY, action=Action("trap")
    )


def _thresholds(switch: SwitchPlan) -> Ecn:
    """Where all ports mark: `raddle.controller.plan.lossless_check` has seen that it is one place."""
    own = dict(switch.qos.ecn_speeds)
    found = {own.get(port.speed_bps, switch.qos.ecn) for port in switch.ports if port.peer}
    assert len(found) <= 1
    return found.pop() if found else switch.qos.ecn


def _routes(
    switch: SwitchPlan, neighbors: tuple[Neighbor, ...], member_of: Mapping[str, int]
) -> dict[str, _Hops]:
    """Members by prefix, sorted; none for what ends at the switch."""
    routes: dict[str, _Hops] = {}
    for interface in switch.interfaces:
        if interface.prefix:
            here = ip_interface(interface.prefix)
            routes[f"{ip_text(here.ip)}/{here.max_prefixlen}"] = ()
    for neighbor in neighbors:
        for address, bits in neighbor.addresses:
            routes[f"{address}/{bits}"] = ((member_of[neighbor.port], 1),)
    for route in switch.routes:
        if route.origin == "fabric":
            routes[route.prefix] = _hops(route.next_hops, member_of)
    return routes


def _hops(next_hops: tuple[NextHop, ...], member_of: Mapping[str, int]) -> _Hops:
    return tuple(sorted((member_of[hop.port], hop.weight) for hop in next_hops))


def group_ids(all_hops: Iterable[_Hops]) -> dict[_Hops, int]:
    """An id for each set of members that depends on the set alone, so that plans share their groups."""
    ids: dict[_Hops, int] = {}
    taken: set[int] = set()
    for hops in sorted(set(all_hops)):
        id = zlib.crc32(repr(hops).encode()) >> 8 or 1
        while id in taken:
            id += 1
        taken.add(id)
        ids[hops] = id
    return ids


def wide_address(prefix: str) -> int:
    """An address as the program's tables of both families have it: IPv4 in its mapped form."""
    network = ip_network(prefix)
    address = int(network.network_address)
    return address | _IPV4_MAPPED if network.version == 4 else address
