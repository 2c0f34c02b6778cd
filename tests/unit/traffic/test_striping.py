"""Connections of several queue pairs."""

from __future__ import annotations

import numpy as np
import pytest

from raddle.traffic import build, stripe
from raddle.workload import Schedule


def ring() -> Schedule:
    return build("all_reduce", "ring", 4, 40_000)


def test_one_queue_pair_leaves_a_schedule_as_it_is() -> None:
    schedule = ring()
    assert stripe(schedule, 1, splits_data=True).schedule is schedule


def test_messages_take_turns_over_the_queue_pairs_of_their_connection() -> None:
    schedule = ring()
    striped = stripe(schedule, 2, splits_data=False).schedule
    for connection in range(4):
        of = np.flatnonzero(schedule.qp == connection)
        assert len(of) == 6  # 2 (n - 1) steps
        assert (striped.qp[of] - striped.qp[of[0]]).tolist() == [0, 1] * 3
    assert striped.dep_ids is schedule.dep_ids


def test_fewer_messages_than_queue_pairs_use_as_many_as_there_are() -> None:
    striped = stripe(ring(), 16, splits_data=False).schedule
    assert np.unique(striped.qp).tolist() == list(range(4 * 6))


@pytest.mark.parametrize(
    ("size", "parts", "sizes"),
    [
        (10_000, 4, [2560, 2560, 2560, 2320]),  # 2500 rounded up to 20 * 128
        (4096, 4, [1024] * 4),
        (300, 4, [128, 128, 44, 0]),
        (0, 2, [0, 0]),
    ],
)
def test_parts_are_equal_in_units_of_128_bytes(size: int, parts: int, sizes: list[int]) -> None:
    schedule = build("all_reduce", "ring", 4, 4 * size)
    striped = stripe(schedule, parts, splits_data=True)
    assert striped.schedule.size_bytes.reshape(-1, parts)[0].tolist() == sizes
    assert striped.schedule.size_bytes.sum() == schedule.size_bytes.sum()


def test_each_part_waits_for_all_parts_of_what_its_message_waits_for() -> None:
    schedule, parts = ring(), 3
    striped = stripe(schedule, parts, splits_data=True).schedule
    for flow in range(striped.flows):
        whole = flow // parts
        before = schedule.dep_ids[schedule.dep_offsets[whole] : schedule.dep_offsets[whole + 1]]
        waits = striped.dep_ids[striped.dep_offsets[flow] : striped.dep_offsets[flow + 1]]
        assert sorted(waits.tolist()) == sorted(
            d * parts + part for d in before.tolist() for part in range(3)
        )
    for qp in np.unique(striped.qp):
        of = striped.qp == qp
        assert len(np.unique(striped.src[of])) == len(np.unique(striped.dst[of])) == 1


def test_a_message_lasts_from_its_first_part_to_its_last() -> None:
    striped = stripe(ring(), 2, splits_data=True)
    times = np.arange(striped.schedule.flows, dtype=np.int64)
    assert striped.first(times).tolist() == list(range(0, len(times), 2))
    assert striped.last(times).tolist() == list(range(1, len(times), 2))
    assert striped.spread(striped.first(times))[:4].tolist() == [0, 0, 2, 2]
