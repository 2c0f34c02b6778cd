"""Inside scale-up domains: times by hand, for each topology, and what the switch sums or copies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import raddle
from raddle import traffic
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.lab.planned_states import planned_state
from raddle.sim import Simulation
from raddle.sim.ideal import ideal_fcts_ps
from raddle.topology.model import Fabric
from raddle.traffic.shape import Shape
from raddle.workload import NOWHERE, Schedule, Sent

PORT = 370.8e9
"""Bytes per second of an accelerator's port."""

LATENCY_S = 1e-6
MIB = 1 << 20


def servers(count: int = 1, topology: str = "crossbar", accelerators: int = 8, more: str = "") -> Fabric:
    """Servers with one NIC each at one leaf."""
    return raddle.loads(f"""
raddle: 1
name: servers
models: {{switch: {{ports: 8, port_speed: 400G, buffer: 64MB}}}}
fabric:
  kind: leaf-spine
  leaves: {{count: 1, model: switch}}
  spines: {{count: 1, model: switch}}
  uplinks: {{per_pair: 1}}
hosts:
  per_leaf: {count}
  accelerators:
    kind: gpu
    count: {accelerators}
    scale_up: {{kind: nvlink, topology: {topology}, bandwidth: 2966.4G, latency: 1us{more}}}
""")


def schedule_of(messages: list[tuple[int, int, int]], ranks: int) -> Schedule:
    """Messages (source, destination, bytes), each on its own queue pair, all at once."""
    src, dst, size = (np.array(column) for column in zip(*messages, strict=True))
    numbers, zero = np.arange(len(src), dtype=np.int32), np.zeros(len(src), np.int32)
    return Schedule(
        name="messages", ranks=ranks, src=src.astype(np.int32), dst=dst.astype(np.int32),
        size_bytes=size.astype(np.int64), step=zero, qp=numbers, dep_offsets=np.zeros(len(src) + 1, np.int64),
        dep_ids=np.empty(0, np.int32), chunk=zero, chunk_count=zero, op=zero.astype(np.int8), fan=zero,
        chunk_bytes=np.zeros(1, np.int64),
    )  # fmt: skip


def run(
    fabric: Fabric, schedule: Schedule, threads: int = 1, delay_ps: np.ndarray | None = None
) -> Simulation:
    """The schedule among a fabric's accelerators; what goes to another server takes both's first NIC."""
    accelerators = fabric.accelerators
    ranks = np.arange(schedule.ranks, dtype=np.int32)
    qps = int(schedule.qp.max()) + 1
    src, dst = np.full((2, qps), NOWHERE, np.int32)
    across = accelerators.domain[schedule.src] != accelerators.domain[schedule.dst]
    first = accelerators.endpoints[accelerators.endpoint_offsets[:-1]]
    src[schedule.qp[across]] = first[schedule.src[across]]
    dst[schedule.qp[across]] = first[schedule.dst[across]]
    plan = make_plan(fabric, "ecmp")
    states = {switch.name: planned_state(fabric, plan, switch.name) for switch in fabric.switches}
    sent = Sent(schedule, src, dst, accelerators.domain[ranks], ranks)
    simulation = Simulation(
        fabric, endpoint_addresses(fabric), states, sent, 1, threads=threads, delay_ps=delay_ps
    )
    shares: list[float] = []
    simulation.run(shares.append)
    assert simulation.is_done
    assert shares[-1] == pytest.approx(1)
    assert shares == sorted(shares)
    return simulation


def seconds(simulation: Simulation) -> list[float]:
    return [float(ps) / 1e12 for ps in simulation.flows().finish_ps]


def test_a_lone_message_takes_its_bytes_by_the_rate_and_the_latency() -> None:
    simulation = run(servers(), schedule_of([(0, 1, 64 * MIB)], 8))
    assert seconds(simulation) == pytest.approx([64 * MIB / PORT + LATENCY_S], rel=1e-6)
    ideal = ideal_fcts_ps(simulation, np.zeros(1, np.int32), np.array([64 * MIB]))
    assert ideal[0] == pytest.approx(simulation.flows().finish_ps[0], abs=200)
    assert simulation.packets.injected == 0


@pytest.mark.parametrize(("topology", "share"), [("crossbar", 1), ("mesh", 7), ("ring", 2)])
def test_a_neighbour_gets_what_the_topology_gives_one_link(topology: str, share: int) -> None:
    simulation = run(servers(topology=topology), schedule_of([(0, 1, 64 * MIB)], 8))
    assert seconds(simulation) == pytest.approx([64 * MIB * share / PORT + LATENCY_S], rel=1e-6)


def test_a_ring_goes_the_shorter_way_and_counts_what_it_passes_on() -> None:
    simulation = run(servers(topology="ring"), schedule_of([(0, 6, 64 * MIB), (3, 6, 0)], 8))
    assert seconds(simulation) == pytest.approx(
        [64 * MIB * 2 / PORT + 2 * LATENCY_S, 3 * LATENCY_S], rel=1e-6
    )
    ports = simulation.scale_up_ports()
    assert ports is not None
    sent = dict(zip(ports.accelerator.tolist(), ports.egress_bytes.tolist(), strict=True))
    assert sent == {0: 64 * MIB, 7: 64 * MIB, 6: 0, 3: 0, 4: 0, 5: 0}


@pytest.mark.parametrize("topology", ["crossbar", "mesh"])
def test_all_to_all_uses_all_of_every_port(topology: str) -> None:
    messages = [(src, (src + turn) % 8, 16 * MIB) for src in range(8) for turn in range(1, 8)]
    simulation = run(servers(topology=topology), schedule_of(messages, 8))
    assert max(seconds(simulation)) == pytest.approx(7 * 16 * MIB / PORT, rel=0.01)
    ports = simulation.scale_up_ports()
    assert ports is not None
    assert ports.egress_bytes.tolist() == ports.ingress_bytes.tolist() == [7 * 16 * MIB] * 8
    assert ports.bps.tolist() == [2_966_400_000_000] * 8


def test_all_to_all_on_a_ring_is_bound_by_its_links() -> None:
    # 8 ranks with 1+2+3+4+3+2+1 = 16 hops each over 16 links; 4 hops all go up, so up has 10/16 of the bytes.
    messages = [(src, (src + turn) % 8, 16 * MIB) for src in range(8) for turn in range(1, 8)]
    simulation = run(servers(topology="ring"), schedule_of(messages, 8))
    assert max(seconds(simulation)) == pytest.approx(10 * 16 * MIB * 2 / PORT, rel=0.03)


def test_in_switch_all_reduce_has_the_bus_bandwidth_that_the_file_gives() -> None:
    size = 1 << 30
    shape = Shape.of_servers(1, 8, has_in_network=True)
    schedule = traffic.build("all_reduce", "nvls", shape, size)
    assert schedule.fan.any()
    simulation = run(servers(more=", in_network: 475GBps"), schedule)
    bandwidth = size * 2 * 7 / 8 / max(seconds(simulation))
    assert bandwidth == pytest.approx(475e9, rel=0.01)


def test_switches_neither_copy_nor_sum_where_the_file_does_not_say_so() -> None:
    schedule = schedule_of([(0, 1, MIB), (0, 2, MIB)], 8)
    schedule = dataclasses.replace(schedule, fan=np.full(2, 2, np.int32))
    with pytest.raises(ValueError, match="in_network"):
        run(servers(), schedule)


def test_several_threads_give_what_one_gives_for_any_mix() -> None:
    draw = np.random.default_rng(5)
    fabric = servers(4)
    pairs = [(int(src), int((src + step) % 32)) for src, step in draw.integers((0, 1), (32, 32), (40, 2))]
    schedule = schedule_of([(src, dst, int(draw.integers(0, MIB // 4))) for src, dst in pairs], 32)
    one, several = (run(fabric, schedule, threads) for threads in (1, 3))
    for name in ("start_ps", "finish_ps", "acked_ps", "status"):
        assert np.array_equal(getattr(one.flows(), name), getattr(several.flows(), name))
    domain = fabric.accelerators.domain
    inside = domain[schedule.src] == domain[schedule.dst]
    assert one.inside_bytes == schedule.size_bytes[inside].sum()
    counts = one.packets
    assert counts.injected == counts.delivered + counts.dropped + counts.in_network


@pytest.mark.parametrize("threads", [1, 2])
def test_a_message_starts_a_delay_after_what_it_waits_for(threads: int) -> None:
    """0 -> 1 inside, 1 -> 8 over the network, 8 -> 9 inside, each when its sender has the one before."""
    schedule = dataclasses.replace(
        schedule_of([(0, 1, MIB), (1, 8, MIB), (8, 9, MIB)], 16),
        dep_offsets=np.array([0, 0, 1, 2]),
        dep_ids=np.array([0, 1], np.int32),
    )
    fabric = servers(2)
    at_once = run(fabric, schedule, threads).flows()
    assert at_once.start_ps.tolist() == [0, *at_once.finish_ps[:2].tolist()]
    delay_ps = np.array([3_400_000, 14_000_000, 4_000_000])
    late = run(fabric, schedule, threads, delay_ps).flows()
    # The first waits for nothing, so its delay is none; each other one is late by those up to its own.
    assert (late.start_ps - at_once.start_ps).tolist() == [0, 14_000_000, 18_000_000]
    assert (late.finish_ps - late.start_ps).tolist() == (at_once.finish_ps - at_once.start_ps).tolist()
