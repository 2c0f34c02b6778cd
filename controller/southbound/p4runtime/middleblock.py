"""A switch's plan as entities of SONiC PINS: the `middleblock` program's routing tables.

Source: sonic-pins sai_p4/fixed/routing.p4 and sai_p4/instantiations/google/middleblock.p4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address, ip_network

from finsy import Action, IndirectAction, Match, P4Schema, P4TableEntry
from finsy.proto import p4r

from raddle.controller.plan.model import NextHop, SwitchPlan
from raddle.controller.southbound.p4runtime.neighbors import neighbors_of
from raddle.errors import InputError

_ADMIT_PRIORITY = 1
_LLDP = 0x88CC
_LLDP_PRIORITY = 100
_DEFAULT_VRF = ""
_CPU_QUEUE = "INBAND_PRIORITY_4"
"""A queue to the CPU in SONiC PINS' configuration."""

_Hops = tuple[tuple[str, int], ...]


def middleblock_entities(
    schema: P4Schema, switch: SwitchPlan, macs: Mapping[str, str]
) -> Iterator[p4r.Entity]:
    """Everything that the switch's tables must hold.

    A port is a router interface and a next hop of its name; a neighbor's id is the link-local address of its
    MAC address. A route with one next hop names it, others name a WCMP group.

    Raises:
        InputError: `carrier-not-supported`, the plan has policy routes.
    """
    if switch.policies:
        raise InputError.of(
            "carrier-not-supported",
            f"{switch.name} has {len(switch.policies)} policy routes, which are not written to SONiC PINS",
            "let host routes or UDP source ports carry the pins",
            ("routing", "pins"),
        )
    neighbors = neighbors_of(switch, macs)
    order = {neighbor.port: place for place, neighbor in enumerate(neighbors)}
    yield _entry(
        schema, "l3_admit_table", Match(dst_mac=(switch.mac, "ff:ff:ff:ff:ff:ff")), Action("admit_to_l3"),
        priority=_ADMIT_PRIORITY,
    )  # fmt: skip
    lldp = Match(ether_type=(_LLDP, 0xFFFF))
    trap = Action("acl_trap", qos_queue=_CPU_QUEUE)
    yield _entry(schema, "acl_ingress_table", lldp, trap, priority=_LLDP_PRIORITY)
    for neighbor in neighbors:
        port, link_local = neighbor.port, _link_local(neighbor.mac)
        yield _entry(
            schema, "router_interface_table", Match(router_interface_id=port),
            Action("set_port_and_src_mac", port=port, src_mac=switch.mac),
        )  # fmt: skip
        yield _entry(
            schema, "neighbor_table", Match(router_interface_id=port, neighbor_id=link_local),
            Action("set_dst_mac", dst_mac=neighbor.mac),
        )  # fmt: skip
        yield _entry(
            schema, "nexthop_table", Match(nexthop_id=port),
            Action("set_ip_nexthop", router_interface_id=port, neighbor_id=link_local),
        )  # fmt: skip

    routes: dict[str, _Hops] = {
        f"{address}/{bits}": ((neighbor.port, 1),)
        for neighbor in neighbors
        for address, bits in neighbor.addresses
    }
    for route in switch.routes:
        routes[route.prefix] = _hops(route.next_hops, order)
    groups = sorted({hops for hops in routes.values() if len(hops) > 1})
    for hops in groups:
        yield _group(schema, hops)
    for prefix, hops in routes.items():
        family = "ipv4" if ip_network(prefix).version == 4 else "ipv6"
        action = (
            Action("set_nexthop_id", nexthop_id=hops[0][0])
            if len(hops) == 1
            else Action("set_wcmp_group_id", wcmp_group_id=_group_id(hops))
        )
        match = Match(vrf_id=_DEFAULT_VRF, **{f"{family}_dst": prefix})
        yield _entry(schema, f"{family}_table", match, action)


def _entry(schema: P4Schema, table: str, match: Match, action: Action, priority: int = 0) -> p4r.Entity:
    return P4TableEntry(table, match=match, action=action, priority=priority).encode(schema)


def _group(schema: P4Schema, hops: _Hops) -> p4r.Entity:
    """A WCMP group; each of its members is skipped while its port is down."""
    actions = [(weight, Action("set_nexthop_id", nexthop_id=port)) for port, weight in hops]
    entity = P4TableEntry(
        "wcmp_group_table", match=Match(wcmp_group_id=_group_id(hops)), action=IndirectAction(actions)
    ).encode(schema)
    members = entity.table_entry.action.action_profile_action_set.action_profile_actions
    for member, (port, _) in zip(members, hops, strict=True):
        member.watch_port = port.encode()
    return entity


def _group_id(hops: _Hops) -> str:
    """A name for a set of members that depends on the set alone."""
    text = ",".join(f"{port}x{weight}" for port, weight in hops)
    return f"{len(hops)}-{hashlib.blake2s(text.encode(), digest_size=8).hexdigest()}"


def _hops(next_hops: tuple[NextHop, ...], order: Mapping[str, int]) -> _Hops:
    """(port, weight) in the order of addresses."""
    return tuple(sorted(((hop.port, hop.weight) for hop in next_hops), key=lambda hop: order[hop[0]]))


def _link_local(mac: str) -> str:
    """The link-local IPv6 address of a MAC address (RFC 4291, appendix A: modified EUI-64)."""
    number = int(mac.replace(":", ""), 16) ^ 0x02 << 40
    return str(IPv6Address(0xFE80 << 112 | number >> 24 << 40 | 0xFFFE << 24 | number & 0xFFFFFF))
