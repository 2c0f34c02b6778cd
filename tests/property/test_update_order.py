"""No state on the way of an update loops or drops what both its ends deliver."""

from __future__ import annotations

import random
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import dotted, plan_addresses
from raddle.controller.plan.model import NextHop
from raddle.controller.plan.update import (
    Routes,
    Write,
    peers_of,
    routes_of,
    states_on_the_way,
    update_rounds,
    writes_between,
)
from raddle.lab.workloads.collective import collective_demand
from raddle.lab.workloads.ranks import Scope
from raddle.topology.model import PortRef
from tests.fabrics import leaf_spine

FABRIC = raddle.loads(leaf_spine(3, 3))
PEERS = peers_of(make_plan(FABRIC, "ecmp"))
ADDRESSES = plan_addresses(FABRIC)
PREFIXES = [str(prefix) for (prefix,) in ADDRESSES.leaf_prefixes]
LEAVES = [leaf.name for leaf in FABRIC.leaves]
NAMES = [switch.name for switch in FABRIC.switches]
PEER = {end: other for link in FABRIC.links for end, other in ((link.a, link.b), (link.b, link.a))}
NEIGHBOURS = {
    name: [
        (port.name, PEER[end].device)
        for port in FABRIC.switch_by_name[name].ports
        if (end := PortRef(name, port.name)) in PEER and PEER[end].device in NAMES
    ]
    for name in NAMES
}


def some_routes(
    draw: random.Random, leaf: int, prefix: str, into: dict[str, dict[str, tuple[NextHop, ...]]]
) -> None:
    """Next hops without a loop: every switch leads to some of those that come before it in a random order."""
    before = [LEAVES[leaf]]
    for name in draw.sample([each for each in NAMES if each != LEAVES[leaf]], len(NAMES) - 1):
        hops = [port for port, device in NEIGHBOURS[name] if device in before]
        if hops:
            chosen = draw.sample(hops, draw.randint(1, len(hops)))
            into.setdefault(name, {})[prefix] = tuple(NextHop("0.0.0.0", port) for port in sorted(chosen))
            before.append(name)


def sound_routes(draw: random.Random) -> Routes:
    """Arbitrary routes without a loop."""
    while True:
        routes = arbitrary_routes(draw)
        try:
            delivered(routes)
        except AssertionError:
            continue
        return routes


def arbitrary_routes(draw: random.Random) -> Routes:
    """To some leaves a prefix, and to some hosts of theirs a route of its own."""
    routes: dict[str, dict[str, tuple[NextHop, ...]]] = {}
    for leaf, prefix in enumerate(PREFIXES):
        if draw.random() < 0.9:
            some_routes(draw, leaf, prefix, routes)
        for endpoint in FABRIC.endpoints:
            if endpoint.leaf == leaf and draw.random() < 0.3:
                some_routes(draw, leaf, f"{dotted(ADDRESSES.endpoints[endpoint.index])}/32", routes)
    return routes


def is_delivered(routes: Routes, switch: str, endpoint: int, way: tuple[str, ...] = ()) -> bool:
    """Every choice of next hops leads to the endpoint's leaf; a loop fails the test."""
    assert switch not in way, f"loop: {way}"
    if switch == LEAVES[FABRIC.endpoints[endpoint].leaf]:
        return True
    address = ip_address(ADDRESSES.endpoints[endpoint])
    covers = [prefix for prefix in routes.get(switch, {}) if address in ip_network(prefix)]
    if not covers:
        return False
    hops = routes[switch][max(covers, key=lambda prefix: int(prefix.rpartition("/")[2]))]
    onward = [PEER[PortRef(switch, hop.port)].device for hop in hops]
    ends = [is_delivered(routes, device, endpoint, (*way, switch)) for device in onward]
    return all(ends)  # after all of them were walked


def delivered(routes: Routes) -> set[tuple[str, int]]:
    return {
        (leaf, endpoint.index)
        for leaf in LEAVES
        for endpoint in FABRIC.endpoints
        if is_delivered(routes, leaf, endpoint.index)
    }


def partly(draw: random.Random, state: Routes, writes: Iterable[Write]) -> Routes:
    (mixed,) = states_on_the_way(state, [[write for write in writes if draw.random() < 0.5]])
    return mixed


@pytest.mark.parametrize("seed", range(60))
def test_nothing_loops_and_nothing_is_dropped_between_arbitrary_routes(seed: int) -> None:
    draw = random.Random(seed)
    old, new = sound_routes(draw), sound_routes(draw)
    both = delivered(old) & delivered(new)
    rounds = update_rounds(PEERS, old, new)
    state = old
    for writes, after in zip(rounds, states_on_the_way(old, rounds), strict=True):
        for _ in range(6):
            assert delivered(partly(draw, state, writes)) >= both
        state = after
    assert {name: routes for name, routes in state.items() if routes} == new
    assert sum(map(len, rounds)) == len(writes_between(old, new))


def test_a_random_order_does_loop_or_drop() -> None:
    """The property above is not empty: without rounds the same writes do harm."""
    harmful = 0
    for seed in range(60):
        draw = random.Random(seed)
        old, new = sound_routes(draw), sound_routes(draw)
        both = delivered(old) & delivered(new)
        try:
            harmful += not delivered(partly(draw, old, writes_between(old, new))) >= both
        except AssertionError:
            harmful += 1
    assert harmful > 20


def test_other_pins_take_one_round_and_change_no_aggregate() -> None:
    plans = [
        make_plan(FABRIC, "pinned", collective_demand(FABRIC, "all_to_all", None, Scope("random", seed=seed)))
        for seed in (1, 2)
    ]
    rounds = update_rounds(PEERS, routes_of(plans[0]), routes_of(plans[1]))
    assert len(rounds) == 1
    assert {write.prefix for write in rounds[0]}.isdisjoint(PREFIXES)
