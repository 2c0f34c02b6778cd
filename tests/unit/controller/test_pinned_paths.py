"""Pinned paths, tested by following the routes of the plan and counting flows per link."""

import time
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from itertools import product

import numpy as np
import pytest

from raddle import loads
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.errors import InputError
from raddle.topology.model import Fabric
from raddle.workload import Demand
from tests.unit.controller.fabrics import demand, halving_doubling, leaf_spine, placement, ring, shifts

PLACEMENTS = ["linear", "strided", "random"]


def busiest(fabric: Fabric, plan: Plan, flows: Demand, acks: bool = False) -> int:
    """Most flows of one phase on one direction of a link; a hop where the switch would hash fails."""
    routes = {
        switch.name: [(ip_network(route.prefix), route.next_hops) for route in switch.routes]
        for switch in plan.switches
    }
    peers = {(s.name, port.name): port.peer.split(":")[0] for s in plan.switches for port in s.ports}
    address = dict(plan.endpoints)
    load: Counter[tuple[int, str, str]] = Counter()
    src, dst = (flows.dst, flows.src) if acks else (flows.src, flows.dst)
    for phase, start, end in zip(flows.phase.tolist(), src.tolist(), dst.tolist(), strict=True):
        here = fabric.switches[fabric.endpoints[start].leaf].name
        there = fabric.switches[fabric.endpoints[end].leaf].name
        to = ip_address(address[fabric.endpoints[end].name])
        while here != there:
            _, hops = max(
                ((net.prefixlen, hops) for net, hops in routes[here] if to in net), key=lambda found: found[0]
            )
            assert len(hops) == 1, f"{here} would hash"
            load[phase, here, hops[0].port] += 1
            here = peers[here, hops[0].port]
    return max(load.values(), default=0)


@pytest.mark.parametrize("kind", PLACEMENTS)
@pytest.mark.parametrize("shape", [(4, 4, 4, 1), (4, 2, 4, 2), (8, 4, 4, 1), (3, 5, 5, 1)])
def test_a_ring_never_shares_a_link(shape: tuple[int, int, int, int], kind: str) -> None:
    fabric = leaf_spine(*shape)
    flows = ring(placement(kind, fabric))
    plan = make_plan(fabric, "pinned", flows)
    assert plan.pins is not None
    assert busiest(fabric, plan, flows) == 1 == plan.pins.data.worst
    assert plan.pins.method == "edge-colouring"


@pytest.mark.parametrize("kind", PLACEMENTS)
def test_loads_of_the_report_are_those_of_the_routes(kind: str) -> None:
    fabric = leaf_spine(4, 4, 8)
    for flows in (ring(placement(kind, fabric)), shifts(placement(kind, fabric))):
        plan = make_plan(fabric, "pinned", flows)
        assert plan.pins is not None
        assert busiest(fabric, plan, flows) == plan.pins.data.worst
        assert busiest(fabric, plan, flows, acks=True) == plan.pins.acks.worst


@pytest.mark.parametrize("kind", ["linear", "strided"])
@pytest.mark.parametrize("shape", [(4, 4, 4, 1), (4, 2, 4, 2), (4, 4, 8, 1)])
@pytest.mark.parametrize("pattern", [shifts, halving_doubling])
def test_shift_all_to_all_and_halving_doubling_reach_the_bound_in_every_phase(
    pattern: Callable[[list[int]], Demand], shape: tuple[int, int, int, int], kind: str
) -> None:
    fabric = leaf_spine(*shape)
    flows = pattern(placement(kind, fabric))
    plan = make_plan(fabric, "pinned", flows)
    assert plan.pins is not None
    # Every phase is a permutation, so a leaf sends at most one flow per host.
    bound = -(-shape[2] // (shape[1] * shape[3]))
    assert busiest(fabric, plan, flows) == plan.pins.data.worst == plan.pins.data.bound == bound


def test_a_random_all_to_all_is_spread_better_than_by_destination_alone() -> None:
    fabric = leaf_spine(4, 4, 8)
    flows = shifts(placement("random", fabric))
    plan = make_plan(fabric, "pinned", flows)
    by_destination = Counter(
        (phase, fabric.endpoints[src].leaf, dst % 4)
        for phase, src, dst in zip(flows.phase.tolist(), flows.src.tolist(), flows.dst.tolist(), strict=True)
        if fabric.endpoints[src].leaf != fabric.endpoints[dst].leaf
    )
    assert plan.pins is not None
    assert plan.pins.data.bound <= plan.pins.data.worst < max(by_destination.values())


@pytest.mark.parametrize("seed", [1, 10, 17])
def test_a_search_mends_what_the_colouring_leaves(seed: int) -> None:
    fabric = leaf_spine(4, 4, 8)
    flows = halving_doubling(placement("random", fabric, seed))
    plan = make_plan(fabric, "pinned", flows)
    assert plan.pins is not None
    assert plan.pins.method.endswith("+search")
    assert busiest(fabric, plan, flows) == plan.pins.data.bound == 2


FAT_TREE = """
raddle: 1
name: fat-tree
fabric:
  kind: fat-tree
  pods: 4
  leaves: {per_pod: %d}
  spines: {per_pod: %d}
  superspines: {count: %d}
  spine_uplinks: {per_pair: %d}
hosts: {per_leaf: %d}
"""


@pytest.mark.parametrize(
    ("shape", "load"),
    [((2, 2, 4, 1, 2), 1), ((2, 4, 8, 1, 4), 1), ((3, 3, 9, 2, 6), 2), ((4, 2, 4, 1, 4), 4)],
)
def test_three_tiers_reach_the_bound_of_the_narrowest_tier(shape: tuple[int, ...], load: int) -> None:
    fabric = loads(FAT_TREE % shape)
    count = len(fabric.endpoints)
    order = np.random.default_rng(1).permutation(count // 4)
    # Every host sends to one of the next pod.
    to_next = demand(
        (0, src, (src // len(order) + 1) % 4 * len(order) + int(order[src % len(order)]))
        for src in range(count)
    )
    for flows in (to_next, ring(placement("random", fabric))):
        plan = make_plan(fabric, "pinned", flows)
        assert plan.pins is not None
        assert busiest(fabric, plan, flows) == plan.pins.data.worst == plan.pins.data.bound
        assert busiest(fabric, plan, flows, acks=True) == plan.pins.acks.worst
        assert flows is not to_next or plan.pins.acks.worst == plan.pins.data.bound == load


def test_three_tiers_avoid_dead_links_of_both() -> None:
    dead_links = "{ends: [leaf0, spine0], state: down}, {ends: [spine3, superspine2], state: down}"
    document = f"{FAT_TREE % (2, 2, 4, 1, 2)}overrides: {{links: [{dead_links}]}}"
    fabric = loads(document)
    flows = ring(placement("strided", fabric))
    plan = make_plan(fabric, "pinned", flows)
    assert plan.pins is not None
    assert busiest(fabric, plan, flows) == plan.pins.data.worst == plan.pins.data.bound == 2
    dead = {end.port for link in fabric.links if not link.is_up for end in (link.a,) if end.device == "leaf0"}
    assert not dead & {hop.port for route in plan.switches[0].routes for hop in route.next_hops}


def busiest_of_each_phase(fabric: Fabric, plan: Plan, flows: Demand) -> list[int]:
    phases = [flows.phase == phase for phase in np.unique(flows.phase)]
    return [busiest(fabric, plan, Demand(flows.src[own], flows.dst[own], flows.phase[own])) for own in phases]


@pytest.mark.parametrize("seed", range(5))
def test_a_random_all_to_all_is_as_good_in_all_phases_as_host_routes_can_be(seed: int) -> None:
    fabric = leaf_spine(2, 2, 3)
    flows = shifts(placement("random", fabric, seed))
    plan = make_plan(fabric, "pinned", flows)
    # With two leaves a host route is one of 6 destinations: try all ways to give them 2 spines.
    least = min(
        sum(
            max(
                Counter(
                    (dst // 3, spine[dst])
                    for src, dst in zip(flows.src[own].tolist(), flows.dst[own].tolist(), strict=True)
                    if src // 3 != dst // 3
                ).values(),
                default=0,
            )
            for own in (flows.phase == phase for phase in np.unique(flows.phase))
        )
        for spine in product(range(2), repeat=6)
    )
    assert plan.pins is not None
    assert sum(busiest_of_each_phase(fabric, plan, flows)) == plan.pins.data.total == least


def test_only_flows_between_leaves_are_pinned() -> None:
    plan = make_plan(leaf_spine(2, 2, 2), "pinned", demand([(0, 0, 1), (0, 1, 2)]))
    pins = {(s.name, route.prefix) for s in plan.switches for route in s.routes if route.origin == "pin"}
    # 1 -> 2 crosses leaves; its acknowledgements go 2 -> 1.
    assert pins == {("leaf0", "10.0.0.5/32"), ("leaf1", "10.0.0.3/32")}
    assert plan.pins is not None
    assert (plan.pins.flows, plan.pins.pins) == (2, 2)


def test_incast_from_one_leaf_shares_one_uplink_and_says_so() -> None:
    fabric = leaf_spine(2, 4, 4)
    flows = demand((0, src, 7) for src in range(4))
    plan = make_plan(fabric, "pinned", flows)
    assert plan.pins is not None
    assert (plan.pins.data.worst, plan.pins.data.bound) == (4, 1)


def test_parallel_links_are_pinned_at_the_spine_too() -> None:
    fabric = leaf_spine(2, 1, 2, per_pair=2)
    flows = demand([(0, 0, 2), (0, 1, 3)])
    plan = make_plan(fabric, "pinned", flows)
    assert busiest(fabric, plan, flows) == 1
    spine = plan.switches[-1]
    assert sum(route.origin == "pin" for route in spine.routes) == 4


@pytest.mark.parametrize("per_pair", [1, 2])
def test_pins_avoid_dead_links_and_balance_what_is_left(per_pair: int) -> None:
    fabric = leaf_spine(4, 4 // per_pair, 4, per_pair, down=[(0, 0, 0), (2, 1, 0)])
    flows = ring(placement("strided", fabric))
    plan = make_plan(fabric, "pinned", flows)
    dead = {link.a.port for link in fabric.links if link.a.device == "leaf0" and not link.is_up}
    assert not dead & {hop.port for route in plan.switches[0].routes for hop in route.next_hops}
    assert plan.pins is not None
    # 4 flows over 3 live uplinks.
    assert busiest(fabric, plan, flows) == plan.pins.data.worst == plan.pins.data.bound == 2
    assert plan.pins.data.key_bound == 2


def test_the_bound_knows_which_spines_two_leaves_have_in_common() -> None:
    fabric = leaf_spine(2, 3, 4, down=[(0, 0, 0), (1, 2, 0)])
    flows = demand((0, src, src + 4) for src in range(4))
    plan = make_plan(fabric, "pinned", flows)
    assert plan.pins is not None
    assert busiest(fabric, plan, flows) == plan.pins.data.worst == plan.pins.data.bound == 4


def test_flows_to_an_isolated_leaf_have_no_pin() -> None:
    fabric = leaf_spine(2, 1, 1, down=[(1, 0, 0)])
    plan = make_plan(fabric, "pinned", demand([(0, 0, 1)]))
    assert plan.pins is not None
    assert (plan.pins.pins, plan.switches[0].routes) == (0, ())


def test_an_empty_demand_pins_nothing() -> None:
    plan = make_plan(leaf_spine(2, 2, 2), "pinned", demand([]))
    assert plan.pins is not None
    assert (plan.pins.pins, plan.pins.data.worst, plan.pins.data.bound) == (0, 0, 0)


def test_pinned_routing_without_a_demand_is_an_error() -> None:
    with pytest.raises(InputError, match="no-demand"):
        make_plan(leaf_spine(2, 2, 2), "pinned")


def test_512_endpoints_plan_in_seconds() -> None:
    # Limits are ten times what two slow cores need, so that only a wrong complexity fails.
    fabric = leaf_spine(32, 16, 16)
    cases = (
        (ring(placement("strided", fabric)), 2.0, "edge-colouring"),
        (shifts(placement("linear", fabric)), 10.0, "destination-modulo"),
    )
    for flows, limit_s, method in cases:
        start = time.perf_counter()
        plan = make_plan(fabric, "pinned", flows)
        assert time.perf_counter() - start < limit_s
        assert plan.pins is not None
        assert plan.pins.data.worst == plan.pins.data.bound == 1
        assert plan.pins.method == method


@pytest.mark.parametrize("shape", [(1, 0, 2), (2, 0, 2)])
def test_a_fabric_without_spines_has_nothing_to_pin(shape: tuple[int, int, int]) -> None:
    fabric = leaf_spine(*shape)
    plan = make_plan(fabric, "pinned", ring(placement("linear", fabric)))
    assert plan.pins is not None
    assert (plan.pins.pins, plan.pins.data.worst) == (0, 0)
    assert not any(switch.routes for switch in plan.switches)
