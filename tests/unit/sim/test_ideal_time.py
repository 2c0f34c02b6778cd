"""The ideal time of a flow is what the engine takes for it on an idle fabric, at any speeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.lab.planned_states import planned_state
from raddle.sim import Simulation
from raddle.sim.engine import NicColumns, RunSetup, packet_engine
from raddle.sim.ideal import ideal_fcts_ps
from raddle.topology.model import Fabric
from raddle.workload import Schedule, Sent

SPEEDS = ("25G", "100G", "400G")

FABRIC = """
raddle: 1
name: speeds
models: {{switch: {{ports: 8, port_speed: 400G, buffer: 64MB, switching: {switching}}}}}
devices:
  leaf0: {{role: leaf, model: switch}}
  leaf1: {{role: leaf, model: switch}}
  spine0: {{role: spine, model: switch}}
  a: {{role: host, nics: {{speed: {0}}}}}
  b: {{role: host, nics: {{speed: {3}}}}}
links:
  - {{ends: ['leaf0:Ethernet0', 'a:eth0'], speed: {0}}}
  - {{ends: ['leaf0:Ethernet8', 'spine0:Ethernet0'], speed: {1}}}
  - {{ends: ['leaf1:Ethernet8', 'spine0:Ethernet8'], speed: {2}}}
  - {{ends: ['leaf1:Ethernet0', 'b:eth0'], speed: {3}}}
roce: {{congestion_control: none}}
"""


def one_flow(fabric: Fabric, size_bytes: int) -> Simulation:
    zero = np.zeros(1, np.int32)
    schedule = Schedule(
        name="one", ranks=2, src=zero, dst=zero + 1, size_bytes=np.array([size_bytes]), step=zero, qp=zero,
        dep_offsets=np.zeros(2, np.int64), dep_ids=np.empty(0, np.int32), chunk=zero, chunk_count=zero,
        op=np.zeros(1, np.int8), fan=zero, chunk_bytes=np.zeros(1, np.int64),
    )  # fmt: skip
    plan = make_plan(fabric, "ecmp")
    states = {switch.name: planned_state(fabric, plan, switch.name) for switch in fabric.switches}
    addresses = np.array(endpoint_addresses(fabric), np.uint32)
    return Simulation(fabric, addresses, states, Sent.between(schedule, np.arange(2, dtype=np.int32)), 1)


def lone_and_ideal(speeds: tuple[str, ...], switching: str, size_bytes: int) -> tuple[int, int]:
    simulation = one_flow(raddle.loads(FABRIC.format(*speeds, switching=switching)), size_bytes)
    simulation.run()
    flows = simulation.flows()
    ideal = ideal_fcts_ps(simulation, np.zeros(1, np.int32), np.array([size_bytes]))
    return int(flows.finish_ps[0] - flows.start_ps[0]), int(ideal[0])


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.sampled_from(SPEEDS)] * 4),
    st.sampled_from(["store-and-forward", "cut-through"]),
    st.integers(0, 40_000),
)
def test_lone_flow_has_a_slowdown_of_exactly_one(
    speeds: tuple[str, ...], switching: str, size_bytes: int
) -> None:
    lone_ps, ideal_ps = lone_and_ideal(speeds, switching, size_bytes)
    assert lone_ps == ideal_ps


def test_short_last_packet_leaves_the_slow_wire_before_a_full_one_would() -> None:
    # 4178 bytes of the first packet and 2130 of the second (payload 2048) on 100G; the first has left the
    # next wire, at 400G, when the second comes, which goes on alone.
    lone_ps, ideal_ps = lone_and_ideal(("100G", "400G", "400G", "400G"), "store-and-forward", 6144)
    way_ps = (2 * 3 + 2 * 30) * 5000 + 3 * 800_000
    assert lone_ps == ideal_ps == (4178 + 2130) * 80 + 3 * 2130 * 20 + way_ps


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda core: core.set_link(10**8, False), "port 100000000 of"),
        (lambda core: core.trace(7, False), "queue pair 7 of 1"),
        (lambda core: core.set_light(99, True), "port 99 of"),
        (lambda core: core.acl_counts(3), "range"),
    ],
)
def test_engine_refuses_numbers_of_what_there_is_not(call: object, message: str) -> None:
    simulation = one_flow(raddle.loads(FABRIC.format(*["400G"] * 4, switching="cut-through")), 4096)
    assert callable(call)
    with pytest.raises(IndexError, match=message):
        call(simulation._core)


def test_engine_refuses_a_nic_without_an_mtu() -> None:
    empty: Any = {
        name: np.zeros(0, np.uint32) for name in ("qp_src", "qp_dst", "qp_hash", "qp_ack_hash", "flow_qp")
    }
    with pytest.raises(ValueError, match="MTU"):
        packet_engine(RunSetup(
            endpoints=0, seed=1, nics=NicColumns(mtu_bytes=0), pipeline_ps=np.zeros(0, np.int64),
            port_node=np.zeros(0, np.uint32), port_peer=np.zeros(0, np.uint32),
            port_bps=np.zeros(0, np.int64), port_propagation_ps=np.zeros(0, np.int64),
            qp_dscp=np.zeros(0, np.uint8), qp_priority=np.zeros(0, np.uint8),
            flow_bytes=np.zeros(0, np.int64), flow_start_ps=np.zeros(0, np.int64),
            dep_offsets=np.zeros(1, np.int64), dep_ids=np.zeros(0, np.uint32), **empty,
        ))  # fmt: skip
