"""A host's bus limits what its NICs send and take."""

from __future__ import annotations

import numpy as np
import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.lab.planned_states import planned_state
from raddle.sim import Simulation
from raddle.workload import Schedule, Sent

SIZE = 64 << 20

FABRIC = """
raddle: 1
name: buses
models: {{switch: {{ports: 8, port_speed: 400G, buffer: 64MB}}}}
devices:
  leaf0: {{role: leaf, model: switch}}
  a: {{role: host, nics: {{speed: 400G, ack_interval: 8, {0}}}}}
  b: {{role: host, nics: {{speed: 400G, ack_interval: 8, {1}}}}}
links:
  - {{ends: ['leaf0:Ethernet0', 'a:eth0']}}
  - {{ends: ['leaf0:Ethernet8', 'b:eth0']}}
roce: {{congestion_control: none}}
"""


@pytest.mark.parametrize(
    "limited", [("bus: 40GBps", ""), ("", "bus: 40GBps"), ("bus: 40GBps", "bus: 48GBps")]
)
def test_a_message_takes_the_slower_bus(limited: tuple[str, str]) -> None:
    fabric = raddle.loads(FABRIC.format(*limited))
    zero = np.zeros(1, np.int32)
    schedule = Schedule(
        name="one", ranks=2, src=zero, dst=zero + 1, size_bytes=np.array([SIZE]), step=zero, qp=zero,
        dep_offsets=np.zeros(2, np.int64), dep_ids=np.empty(0, np.int32), chunk=zero, chunk_count=zero,
        op=np.zeros(1, np.int8), fan=zero, chunk_bytes=np.zeros(1, np.int64),
    )  # fmt: skip
    plan = make_plan(fabric, "ecmp")
    states = {switch.name: planned_state(fabric, plan, switch.name) for switch in fabric.switches}
    sent = Sent.between(schedule, np.arange(2, dtype=np.int32))
    simulation = Simulation(fabric, endpoint_addresses(fabric), states, sent, 1)
    simulation.run()
    # The first frame's way, and two frames that the NIC has read ahead.
    assert simulation.flows().finish_ps[0] / 1e12 == pytest.approx(SIZE / 40e9, rel=1.5e-3)
    assert simulation.packets.dropped == 0
