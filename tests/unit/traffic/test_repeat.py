"""A schedule several times in a row: no rank begins again before it is done."""

import numpy as np
import pytest

from raddle import traffic
from raddle.traffic import build, repeated
from raddle.workload import Schedule


def finished(schedule: Schedule, size_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of each flow where flow i takes `size_s[i]`, and a queue pair sends one after another."""
    start, end = np.zeros(schedule.flows), np.zeros(schedule.flows)
    free: dict[int, float] = {}
    # Flows of a queue pair go in order and wait for flows of lower number only.
    for flow in range(schedule.flows):
        deps = schedule.dep_ids[schedule.dep_offsets[flow] : schedule.dep_offsets[flow + 1]]
        assert (deps < flow).all()
        start[flow] = max([0.0, free.get(schedule.qp[flow], 0.0), *end[deps]])
        end[flow] = free[schedule.qp[flow]] = start[flow] + size_s[flow]
    return start, end


@pytest.mark.parametrize(
    ("collective", "algorithm"),
    [("all_reduce", "ring"), ("all_reduce", "halving_doubling"), ("all_to_all", "pairwise")],
)
@pytest.mark.parametrize("ranks", [2, 5, 8])
def test_a_rank_begins_again_when_all_of_its_flows_are_complete(
    collective: str, algorithm: str, ranks: int
) -> None:
    once = build(collective, algorithm, ranks, 1 << 16)
    thrice = repeated(once, 3)
    assert thrice.flows == 3 * once.flows
    start, end = finished(thrice, np.random.default_rng(7).uniform(1, 9, thrice.flows))
    for round_ in (1, 2):
        now = slice(round_ * once.flows, (round_ + 1) * once.flows)
        before = slice((round_ - 1) * once.flows, round_ * once.flows)
        for rank in range(ranks):
            begins = start[now][thrice.src[now] == rank].min()
            is_its = (thrice.src[before] == rank) | (thrice.dst[before] == rank)
            assert begins >= end[before][is_its].max()


def test_every_wait_is_for_what_the_sender_sent_or_received() -> None:
    schedule = repeated(build("all_reduce", "halving_doubling", 6, 1 << 16), 2)
    owner = np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets))
    rank = schedule.src[owner]
    assert ((schedule.src[schedule.dep_ids] == rank) | (schedule.dst[schedule.dep_ids] == rank)).all()


def test_once_is_the_schedule_itself() -> None:
    schedule = build("all_reduce", "ring", 4, 4096)
    assert repeated(schedule, 1) is schedule


def test_each_repetition_ends_with_what_the_collective_promises() -> None:
    once = build("all_reduce", "ring", 5, 4000)
    twice = repeated(once, 2)
    start, end = (column.astype(np.int64) for column in finished(twice, np.full(twice.flows, 10.0)))
    second = slice(once.flows, None)
    assert traffic.count_wrong(once, traffic.find_collective("all_reduce"), start[second], end[second]) == 0
