"""`#wrong` is 0 for a schedule that ran as it must, and counts what it must when it did not."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from raddle import traffic
from raddle.traffic import interpreter
from raddle.traffic.prune import keep_flows

EVERY = [
    (collective, name)
    for collective, names in traffic.algorithms().items()
    for name in names
    # In-switch reduction needs servers (test_servers.py).
    if not traffic.find_algorithm(traffic.find_collective(collective), name).refuses(traffic.Shape.flat(8))
]
SIZE = 64 * 1024


def run(schedule, seed=0):
    """Start and finish of every flow when each takes a random time once its dependencies are met.

    A queue pair starts its flows in order. A received flow counts as complete at its finish, a sent one too
    (a prompt acknowledgement, the least that a schedule may rely on).
    """
    lasts = np.random.default_rng(seed).integers(1, 1000, schedule.flows).tolist()
    start, finish = [0] * schedule.flows, [0] * schedule.flows
    busy: dict[int, int] = {}
    for flow in range(schedule.flows):
        waits_for = schedule.dep_ids[schedule.dep_offsets[flow] : schedule.dep_offsets[flow + 1]]
        qp = int(schedule.qp[flow])
        start[flow] = max([busy.get(qp, 0), *(finish[other] for other in waits_for)])
        finish[flow] = start[flow] + lasts[flow]
        busy[qp] = start[flow]
    return np.array(start, np.int64), np.array(finish, np.int64)


def counted(schedule, collective, start, finish):
    return traffic.count_wrong(schedule, traffic.find_collective(collective), start, finish)


def wrong(schedule, collective, seed=0):
    return counted(schedule, collective, *run(schedule, seed))


@pytest.mark.parametrize("ranks", [2, 3, 4, 5, 8, 12, 13, 16])
@pytest.mark.parametrize(("collective", "algorithm"), EVERY)
def test_a_schedule_that_keeps_its_dependencies_leaves_nothing_wrong(collective, algorithm, ranks):
    schedule = traffic.build(collective, algorithm, ranks, SIZE)
    assert [wrong(schedule, collective, seed) for seed in range(5)] == [0] * 5


@pytest.mark.parametrize("ranks", [2, 5, 8])
@pytest.mark.parametrize(("collective", "algorithm"), EVERY)
def test_any_one_missing_flow_leaves_something_wrong(collective, algorithm, ranks):
    schedule = traffic.build(collective, algorithm, ranks, SIZE)
    for flow in range(schedule.flows):
        assert wrong(keep_flows(schedule, np.arange(schedule.flows) != flow), collective) > 0


@pytest.mark.parametrize("ranks", [2, 5, 8])
@pytest.mark.parametrize(("collective", "algorithm"), EVERY)
def test_any_one_missing_step_leaves_something_wrong(collective, algorithm, ranks):
    schedule = traffic.build(collective, algorithm, ranks, SIZE)
    for step in range(schedule.step.max() + 1):
        assert wrong(traffic.without_step(schedule, step), collective) > 0


@pytest.mark.parametrize("collective", ["all_reduce", "all_gather", "reduce_scatter"])
def test_a_flow_that_starts_before_the_chunk_it_forwards_arrives_leaves_something_wrong(collective):
    schedule = traffic.build(collective, "ring", 4, SIZE)
    start, finish = run(schedule)
    for flow in range(4, schedule.flows):
        early = start.copy()
        early[flow] = 0
        assert counted(schedule, collective, early, finish) > 0


def test_a_flow_that_starts_the_instant_its_chunk_arrives_is_right():
    schedule = traffic.build("all_reduce", "ring", 4, SIZE)
    start = schedule.step.astype(np.int64) * 10
    assert counted(schedule, "all_reduce", start, start + 10) == 0
    assert counted(schedule, "all_reduce", start, start + 11) > 0


def test_a_contribution_that_is_added_twice_is_wrong():
    schedule = traffic.build("reduce_scatter", "ring", 2, SIZE)
    double: dict[str, Any] = {
        name: np.concatenate([getattr(schedule, name)] * 2)
        for name in ("src", "dst", "size_bytes", "step", "qp", "chunk", "chunk_count", "op")
    }
    twice = replace(schedule, **double, dep_offsets=np.zeros(5, np.int64), dep_ids=np.zeros(0, np.int32))
    start = np.arange(4, dtype=np.int64)
    # Both chunks of SIZE / 2 bytes hold a sum that is too large, in the one rank that must have it.
    assert counted(twice, "reduce_scatter", start, start + 10) == SIZE // 4


@pytest.mark.parametrize(
    ("collective", "wrong_parts"),
    [
        # Of n = 4 ranks, in shares of 1/4 of the buffer: nothing is summed anywhere (n * n); the n - 1 other
        # ranks' shares are missing (n * (n-1)); each rank's own share is not summed (n).
        ("all_reduce", 16),
        ("all_gather", 12),
        ("reduce_scatter", 4),
        ("all_to_all", 12),
    ],
)
def test_when_no_flow_starts_all_that_must_move_is_wrong(collective, wrong_parts):
    schedule = traffic.build(collective, None, 4, SIZE)
    never = np.full(schedule.flows, -1, np.int64)
    assert counted(schedule, collective, never, never) == wrong_parts * SIZE // 4 // 4


def test_a_flow_that_starts_and_never_finishes_leaves_its_chunk_wrong():
    schedule = traffic.build("all_to_all", "pairwise", 4, SIZE)
    start, finish = run(schedule)
    finish[5] = -1
    assert counted(schedule, "all_to_all", start, finish) == SIZE // 4 // 4


def test_without_step_drops_only_that_step_and_what_waited_for_it_waits_no_more():
    schedule = traffic.build("all_reduce", "ring", 4, SIZE)
    pruned = traffic.without_step(schedule, 2)
    assert pruned.step.tolist() == [step for step in schedule.step.tolist() if step != 2]
    waits = np.diff(pruned.dep_offsets)
    assert waits[pruned.step == 3].tolist() == [0] * 4
    assert waits[pruned.step == 4].tolist() == [1] * 4
    assert pruned.step[pruned.dep_ids[pruned.dep_offsets[-5]]] == 4


def test_what_would_not_fit_memory_is_not_counted(monkeypatch):
    schedule = traffic.build("all_reduce", "halving_doubling", 8, SIZE)
    carried = int(schedule.chunk_count.sum())
    # Halving and doubling carry 7 of 8 parts each way, of every rank.
    assert carried == 2 * 7 * 8
    monkeypatch.setattr(interpreter, "MOST_CARRIED", carried)
    assert wrong(schedule, "all_reduce") == 0
    monkeypatch.setattr(interpreter, "MOST_CARRIED", carried - 1)
    assert wrong(schedule, "all_reduce") is None


def test_a_ring_of_512_ranks_is_checked_in_a_few_seconds():
    schedule = traffic.build("all_reduce", "ring", 512, 1 << 30)
    start = schedule.step.astype(np.int64)
    began = time.perf_counter()
    assert counted(schedule, "all_reduce", start, start + 1) == 0
    assert time.perf_counter() - began < 10
