"""The classic deadlocks: found on paper, and happening in the packet simulator; mended, gone from both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses, plan_addresses
from raddle.controller.plan.model import NextHop, Plan, Route
from raddle.controller.plan.replan import with_links
from raddle.controller.verify.failures import Verdict, judge
from raddle.controller.verify.network import entries_of_plan, network_of
from raddle.controller.verify.reach import cut_off_pairs
from raddle.controller.verify.tables import tables_of
from raddle.lab.planned_states import planned_state
from raddle.lab.verify.findings import mend
from raddle.sim import Simulation
from raddle.topology.model import Fabric
from raddle.workload import Schedule, Sent

# Little buffer and no DCQCN, so that only pauses hold traffic back.
FABRIC = """
raddle: 1
name: small-buffer
fabric:
  kind: leaf-spine
  leaves: {count: LEAVES, model: small}
  spines: {count: SPINES, model: small}
  uplinks: {per_pair: 1, speed: 400G, cable: 10m}
hosts: {per_leaf: 3, nics: {count: 1, speed: 400G, cable: 3m}}
roce: {congestion_control: none}
models:
  small: {ports: 8, port_speed: 400G, lanes_per_port: 8, buffer: 4MiB, cell: 254B, latency: 600ns,
          hwsku: small, platform: small, source: made up for this test}
"""
PER_LEAF = 3
FLOW_BYTES = 8 << 20


def fabric(leaves: int, spines: int, down: list[tuple[int, int]]) -> Fabric:
    """`down` are failed links as (leaf, spine); they may leave pairs that only a bounce connects."""
    whole = raddle.loads(FABRIC.replace("LEAVES", str(leaves)).replace("SPINES", str(spines)))
    failed = {(f"leaf{a}", f"spine{b}") for a, b in down}
    return with_links(whole, [(link.a.device, link.b.device) not in failed for link in whole.links])


def reroute(plan: Plan, fabric: Fabric, at: str, to: int, via: str) -> Plan:
    """The plan with the route of switch `at` to leaf `to` through its neighbour `via` alone."""
    switches = {switch.name: switch for switch in plan.switches}
    prefix = prefix_of(plan, fabric, to)
    port = next(port for port in switches[at].ports if port.peer.startswith(f"{via}:"))
    far = port.peer.partition(":")[2]
    address = next(each.prefix for each in switches[via].interfaces if each.name == far).partition("/")[0]
    kept = [route for route in switches[at].routes if route.prefix != prefix]
    route = Route(prefix, (NextHop(address, port.name),), "fabric")
    changed = replace(switches[at], routes=(*kept, route))
    return replace(plan, switches=tuple(changed if s.name == at else s for s in plan.switches))


def prefix_of(plan: Plan, fabric: Fabric, leaf: int) -> str:
    return str(plan_addresses(fabric).leaf_prefixes[leaf][0])


def verdict(fabric: Fabric, plan: Plan) -> Verdict:
    network = network_of(fabric)
    tables = tables_of(network, {switch.name: entries_of_plan(switch) for switch in plan.switches})
    return judge(network, tables, network.is_up, None)


def simulate(fabric: Fabric, plan: Plan, leaf_pairs: list[tuple[int, int]]) -> Simulation:
    """Every host of the first leaf of each pair sends to its counterpart at the second."""
    flows = [(a * PER_LEAF + i, b * PER_LEAF + i) for a, b in leaf_pairs for i in range(PER_LEAF)]
    count, ranks = len(flows), len(fabric.endpoints)
    schedule = Schedule(
        name="pairs",
        ranks=ranks,
        src=np.array([a for a, _ in flows], np.int32),
        dst=np.array([b for _, b in flows], np.int32),
        size_bytes=np.full(count, FLOW_BYTES, np.int64),
        step=np.zeros(count, np.int32),
        qp=np.arange(count, dtype=np.int32),
        dep_offsets=np.zeros(count + 1, np.int64),
        dep_ids=np.empty(0, np.int32),
        chunk=np.zeros(count, np.int32),
        chunk_count=np.zeros(count, np.int32),
        op=np.zeros(count, np.int8),
        fan=np.zeros(count, np.int32),
        chunk_bytes=np.zeros(1, np.int64),
    )
    states = {switch.name: planned_state(fabric, plan, switch.name) for switch in plan.switches}
    addresses = np.array(endpoint_addresses(fabric), np.uint32)
    return Simulation(fabric, addresses, states, Sent.between(schedule, np.arange(ranks, dtype=np.int32)), 1)


def stands_still(simulation: Simulation) -> bool:
    """Within 20 ms, a tenth of which is enough for all traffic, flows are left and no switch sends data."""
    simulation.advance(10_000_000_000)
    before = simulation.ports().tx_bytes[:, 3].sum()
    simulation.advance(20_000_000_000)
    is_left = bool((simulation.flows().status != 2).any())
    return is_left and before == simulation.ports().tx_bytes[:, 3].sum()


def bounced() -> tuple[Fabric, Plan]:
    """Leaf2 has lost spine0 and leaf3 spine1; what is between them goes down, up and down again."""
    model = fabric(4, 2, [(2, 0), (3, 1)])
    plan = make_plan(model, "ecmp")
    for at, to, via in (
        ("leaf3", 2, "spine0"), ("spine0", 2, "leaf1"), ("leaf2", 3, "spine1"), ("spine1", 3, "leaf0"),
        ("leaf0", 1, "spine0"), ("leaf1", 0, "spine1"),
    ):  # fmt: skip
        plan = reroute(plan, model, at, to, via)
    return model, plan


def ring() -> tuple[Fabric, Plan]:
    """Three leaves and three spines in a ring; every leaf reaches the one before it the long way round."""
    model = fabric(3, 3, [(0, 1), (1, 2), (2, 0)])
    plan = make_plan(model, "ecmp")
    for leaf in range(3):
        after, target = (leaf + 1) % 3, (leaf + 2) % 3
        plan = reroute(plan, model, f"leaf{leaf}", target, f"spine{leaf}")
        plan = reroute(plan, model, f"spine{leaf}", target, f"leaf{after}")
    return model, plan


BOUNCE_PAIRS = [(3, 2), (2, 3), (0, 1), (1, 0)]
RING_PAIRS = [(0, 2), (1, 0), (2, 1)]


def test_a_route_that_bounces_after_two_failures_deadlocks_and_its_mended_plan_does_not() -> None:
    model, faulty = bounced()
    found = verdict(model, faulty)
    assert found.lost == 0
    assert found.cycle is not None
    assert len(found.cycle.channels) == 4
    assert {channel.partition(":")[0] for channel in found.cycle.channels} == {
        "leaf0", "spine0", "leaf1", "spine1"
    }  # fmt: skip
    assert "second lossless class" in mend(found.cycle)
    assert stands_still(simulate(model, faulty, BOUNCE_PAIRS))

    mended = reroute(faulty, model, "leaf1", 0, "spine0")
    assert verdict(model, mended) == Verdict(0, 0, "", None)
    simulation = simulate(model, mended, BOUNCE_PAIRS)
    simulation.advance(20_000_000_000)
    assert (simulation.flows().status == 2).all()
    assert simulation.ports().drops.sum() == 0


def test_flows_that_close_a_ring_deadlock_and_the_short_way_does_not() -> None:
    model, faulty = ring()
    found = verdict(model, faulty)
    assert found.cycle is not None
    assert len(found.cycle.channels) == 6
    assert stands_still(simulate(model, faulty, RING_PAIRS))

    planned = make_plan(model, "ecmp")
    assert verdict(model, planned).cycle is None
    simulation = simulate(model, planned, RING_PAIRS)
    simulation.advance(20_000_000_000)
    assert (simulation.flows().status == 2).all()


def test_each_step_of_a_cycle_has_a_flow_whose_route_takes_both_its_buffers() -> None:
    for model, plan in (bounced(), ring()):
        cycle = verdict(model, plan).cycle
        assert cycle is not None
        ring_of = (*cycle.channels, cycle.channels[0])
        for step, (flow, route) in enumerate(zip(cycle.flows, cycle.routes, strict=True)):
            assert route[-2:] == ring_of[step : step + 2]
            assert route[0].partition(":")[0] == flow[0]


def test_a_plan_without_the_failures_has_neither_bounce_nor_cycle() -> None:
    model = fabric(4, 2, [])
    assert verdict(model, make_plan(model, "ecmp")) == Verdict(0, 0, "", None)


def test_pairs_that_two_failures_leave_only_a_bounce_are_cut_off_and_not_lost() -> None:
    model = fabric(4, 2, [(2, 0), (3, 1)])
    assert verdict(model, make_plan(model, "ecmp")).lost == 0
    network = network_of(model)
    assert cut_off_pairs(network, network.is_up) == 2 * PER_LEAF * PER_LEAF
