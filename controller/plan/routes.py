"""Routes over all equal-cost paths: one aggregate per leaf."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address

from controller.plan.addresses import AddressPlan
from controller.plan.model import NextHop, Route
from controller.plan.wiring import Wiring


def fabric_routes(wiring: Wiring, addresses: AddressPlan) -> tuple[tuple[Route, ...], ...]:
    """The routes of every switch, leaves first, then spines.

    A leaf reaches another leaf over all its live links to spines that themselves have a live link to that
    leaf; a spine reaches a leaf over all its live links to it. A switch that has no such link has no
    route. Links that are down carry nothing.
    """
    prefixes = [str(prefix) for prefix in addresses.leaf_prefixes]
    up: list[dict[int, list[NextHop]]] = [{} for _ in range(wiring.leaves)]
    down: list[dict[int, list[NextHop]]] = [{} for _ in range(wiring.spines)]
    for uplink in wiring.uplinks:
        if uplink.is_up:
            up[uplink.leaf].setdefault(uplink.spine, []).append(uplink.up)
            down[uplink.spine].setdefault(uplink.leaf, []).append(uplink.down)

    groups: dict[tuple[int, frozenset[int]], tuple[NextHop, ...]] = {}
    leaf_routes = []
    for leaf, hops in enumerate(up):
        routes = []
        for other in range(wiring.leaves):
            spines = frozenset(hops) & frozenset(up[other])
            if other == leaf or not spines:
                continue
            group = groups.get((leaf, spines))
            if group is None:
                group = sort_next_hops(hop for spine in spines for hop in hops[spine])
                groups[leaf, spines] = group
            routes.append(Route(prefixes[other], group, "fabric"))
        leaf_routes.append(tuple(routes))
    spine_routes = [
        tuple(Route(prefixes[leaf], sort_next_hops(hops), "fabric") for leaf, hops in sorted(to_leaf.items()))
        for to_leaf in down
    ]
    return (*leaf_routes, *spine_routes)


def sort_next_hops(next_hops: Iterable[NextHop]) -> tuple[NextHop, ...]:
    """By address as a number, the order in which a switch numbers a group's members."""
    return tuple(sorted(next_hops, key=lambda hop: _number(hop.address)))


@cache
def _number(address: str) -> int:
    return int(IPv4Address(address))
