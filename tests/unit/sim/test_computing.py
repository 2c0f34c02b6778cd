"""Computing between messages: flows from a rank to itself, and delays of single flows."""

from __future__ import annotations

import numpy as np
import pytest

from raddle.controller.plan.make import make_plan
from raddle.lab.planned_states import planned_state
from raddle.lab.run.drive import set_up
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.ranks import place_ranks, seats_of
from raddle.sim import FlowColumns
from raddle.topology import find, load
from raddle.topology.model import Fabric
from raddle.workload import Schedule, Workload

US = 1_000_000


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return load(find("leaf-spine-16"))


def flows(
    fabric: Fabric,
    messages: list[tuple[int, int, int, list[int]]],
    delay_us: list[int],
    start_us: list[int] | None = None,
    qp: list[int] | None = None,
    threads: int = 1,
) -> FlowColumns:
    """Messages (from, to, bytes, what they wait for) with their delays, run to the end."""
    src, dst, size = (np.array([each[column] for each in messages]) for column in range(3))
    deps = [each[3] for each in messages]
    count = len(messages)
    zero = np.zeros(count, np.int32)
    schedule = Schedule(
        name="messages", ranks=16, src=src.astype(np.int32), dst=dst.astype(np.int32),
        size_bytes=size.astype(np.int64), step=zero, qp=np.array(qp or range(count), np.int32),
        dep_offsets=np.cumsum([0, *map(len, deps)]),
        dep_ids=np.array([before for each in deps for before in each], np.int32),
        chunk=zero, chunk_count=zero, op=zero.astype(np.int8), fan=zero, chunk_bytes=np.zeros(0, np.int64),
    )  # fmt: skip
    starts = np.array(start_us or [0] * count, np.int64) * US
    work = Workload(
        schedule, seats_of(fabric, place_ranks(fabric)), starts, np.array(delay_us, np.int64) * US
    )
    plan = make_plan(fabric, "ecmp")
    states = {switch.name: planned_state(fabric, plan, switch.name) for switch in fabric.switches}
    run = set_up(fabric, states, work, RunSettings(threads=threads), plan)
    run.simulation.run()
    assert run.simulation.is_done
    return run.messages()


@pytest.mark.parametrize("threads", [1, 2])
def test_computing_takes_its_time_between_messages_on_any_number_of_threads(
    fabric: Fabric, threads: int
) -> None:
    """0 computes 50 us and sends to 15, which computes 30 us and sends back."""
    chain = [(0, 0, 0, []), (0, 15, 100_000, [0]), (15, 15, 0, [1]), (15, 0, 100_000, [2]), (0, 0, 0, [3])]
    found = flows(fabric, chain, [50, 0, 30, 0, 7], [50, 0, 0, 0, 0], threads=threads)
    start, finish = found.start_ps.tolist(), found.finish_ps.tolist()
    assert start[0] == finish[0] == 50 * US
    assert start[1] == finish[0]
    assert finish[2] == finish[1] + 30 * US
    assert start[3] == finish[2]
    assert finish[4] == finish[3] + 7 * US
    assert finish[3] - start[3] == finish[1] - start[1]


def test_computing_waits_for_all_that_it_needs(fabric: Fabric) -> None:
    """5 computes 10 us when it has both messages, and its other computing is done."""
    found = flows(
        fabric,
        [(1, 5, 4096, []), (2, 5, 1_000_000, []), (5, 5, 0, []), (5, 5, 0, [0, 1, 2])],
        [0, 0, 90, 10],
        [0, 0, 90, 0],
    )
    assert found.finish_ps[3] == 100 * US


def test_flows_of_one_queue_pair_have_delays_of_their_own(fabric: Fabric) -> None:
    messages = [(0, 1, 4096, []), (1, 2, 4096, [0]), (1, 2, 4096, [0])]
    found = flows(fabric, messages, [0, 20, 70], qp=[0, 1, 1])
    assert (found.start_ps[1:] - found.finish_ps[0]).tolist() == [20 * US, 70 * US]


def test_a_flow_starts_neither_before_its_time_nor_within_its_delay(fabric: Fabric) -> None:
    messages = [(0, 1, 4096, []), (1, 2, 4096, [0]), (1, 3, 4096, [0])]
    found = flows(fabric, messages, [0, 5, 5], [0, 40, 1])
    assert found.start_ps[1] == 40 * US
    assert found.start_ps[2] == found.finish_ps[0] + 5 * US


def test_a_second_of_computing_is_no_stall(fabric: Fabric) -> None:
    messages = [(0, 1, 4096, []), (1, 1, 0, [0]), (1, 0, 4096, [1])]
    assert flows(fabric, messages, [0, 30_000_000, 0]).finish_ps[2] > 30_000_000 * US
