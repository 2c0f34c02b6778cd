"""The lossless promise: with PFC no packet of a lossless class is ever dropped, whatever the incast."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.southbound.sonic.tables import bootstrap
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import program, read_states, switch_farm
from raddle.sim import Simulation
from raddle.state import SwitchState
from raddle.topology.model import Fabric
from raddle.workload import Schedule, Sent

# A switch with little buffer, so that a small incast fills it; no DCQCN, so that only PFC holds it back.
FABRIC = """
raddle: 1
name: small-buffer
fabric:
  kind: leaf-spine
  leaves: {count: 3, model: small}
  spines: {count: 2, model: small}
  uplinks: {per_pair: 1, speed: 400G, cable: 40m}
hosts: {per_leaf: 3, nics: {count: 1, speed: 400G, cable: 5m}}
roce: {congestion_control: none, pfc: PFC, lossless: {priority: 3, dscp: 26}}
models:
  small: {ports: 8, port_speed: 400G, lanes_per_port: 8, buffer: 12MiB, cell: CELL, latency: LATENCY,
          hwsku: small, platform: small, source: made up for this test}
"""
HOSTS = 9


@cache
def programmed(pfc: str, latency: str = "600ns", cell: str = "254B") -> tuple[Fabric, dict[str, SwitchState]]:
    """The fabric and what its switches forward with after they were programmed over gNMI."""
    fabric = raddle.loads(FABRIC.replace("PFC", pfc).replace("LATENCY", latency).replace("CELL", cell))
    plan = make_plan(fabric, "ecmp")
    with switch_farm(fabric, plan) as farm:
        switches = Inventory(fabric.name, dict(farm.addresses))
        program(plan, switches)
        return fabric, read_states(switches)


def incast(receiver: int, sizes_bytes: list[int]) -> Schedule:
    """Sender i of all hosts but the receiver sends sizes_bytes[i]; all start at once."""
    senders = [host for host in range(HOSTS) if host != receiver][: len(sizes_bytes)]
    count = len(senders)
    return Schedule(
        name="incast",
        ranks=HOSTS,
        src=np.array(senders, np.int32),
        dst=np.full(count, receiver, np.int32),
        size_bytes=np.array(sizes_bytes, np.int64),
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


def simulate(
    pfc: str, schedule: Schedule, seed: int, latency: str = "600ns", cell: str = "254B"
) -> Simulation:
    fabric, states = programmed(pfc, latency, cell)
    addresses = np.array(endpoint_addresses(fabric), np.uint32)
    sent = Sent.between(schedule, np.arange(HOSTS, dtype=np.int32))
    simulation = Simulation(fabric, addresses, states, sent, seed)
    simulation.run()
    return simulation


sizes = st.lists(st.integers(8 << 20, 10 << 20), min_size=5, max_size=HOSTS - 1)


@settings(max_examples=25, deadline=None)
@given(receiver=st.integers(0, HOSTS - 1), sizes_bytes=sizes, seed=st.integers(0, 1000))
def test_incast_pauses_and_loses_nothing_with_pfc_and_loses_without(
    receiver: int, sizes_bytes: list[int], seed: int
) -> None:
    schedule = incast(receiver, sizes_bytes)
    lossless = simulate("true", schedule, seed)
    ports = lossless.ports()
    assert ports.drops.sum() == 0
    assert ports.pauses.sum() > 0
    assert (lossless.flows().status == 2).all()

    lossy = simulate("false", schedule, seed)
    assert 0 < lossy.ports().drops.sum() < lossy.packets.injected / 2
    assert lossy.ports().pauses.sum() == 0
    assert (lossy.flows().status == 2).any()

    for simulation in (lossless, lossy):
        packets = simulation.packets
        assert packets.injected == packets.delivered + packets.dropped + packets.in_network


@settings(max_examples=10, deadline=None)
@given(receiver=st.integers(0, HOSTS - 1), sizes_bytes=sizes)
def test_priority_groups_never_hold_more_than_threshold_and_headroom(
    receiver: int, sizes_bytes: list[int]
) -> None:
    simulation = simulate("true", incast(receiver, sizes_bytes), 1)
    fabric, states = programmed("true")
    held = simulation.ports().max_pg_bytes
    for switch in fabric.switches:
        state = states[switch.name]
        for index, port in enumerate(state.ports):
            row = held[simulation.port_index[raddle.topology.model.PortRef(switch.name, port.name)]]
            profile = port.pgs[3]
            if profile is None:
                assert row[3] == 0
                continue
            limits = state.buffer_profiles[profile]
            pool = state.buffer_pools[limits.pool]
            assert row[3] <= pool.size_bytes + limits.xoff_bytes, (switch.name, index)


@pytest.mark.parametrize("latency", ["100ns", "4us", "6us"])
@pytest.mark.parametrize("cell", ["64B", "254B"])
def test_headroom_covers_the_pipeline_whatever_the_cell(latency: str, cell: str) -> None:
    simulation = simulate("true", incast(0, [6 << 20] * 8), 1, latency, cell)
    assert simulation.ports().pauses.sum() > 0
    assert simulation.ports().drops.sum() == 0


def test_lone_flow_needs_no_pfc() -> None:
    simulation = simulate("false", incast(0, [3 << 20]), 1)
    assert simulation.ports().drops.sum() == 0
    assert (simulation.flows().status == 2).all()


def test_bootstrap_carries_the_pfc_switch() -> None:
    for pfc, enabled in (("true", "3"), ("false", None)):
        fabric, _ = programmed(pfc)
        tables = bootstrap(make_plan(fabric, "ecmp").switches[0]).config_db
        assert tables["PORT_QOS_MAP"]["Ethernet0"].get("pfc_enable") == enabled
