"""Connections of several queue pairs."""

from __future__ import annotations

import numpy as np
import pytest

from raddle.traffic import Lanes, Striped, build
from raddle.traffic import stripe as stripe_over
from raddle.workload import NOWHERE, Schedule


def stripe(schedule: Schedule, qps: int, splits_data: bool) -> Striped:
    """Over one pair of ports for each connection."""
    ports = np.arange(int(schedule.qp.max()) + 1, dtype=np.int32)
    return stripe_over(schedule, Lanes.single(ports, ports), qps, splits_data)


def two_ports(weights: tuple[int, int]) -> Lanes:
    """Of the four connections of `ring`, the first has one pair of ports, the others have two."""
    src = np.arange(7, dtype=np.int32)
    weight = np.array([1, *weights * 3], np.int64)
    return Lanes(np.array([0, 1, 3, 5, 7]), src, src + 7, weight)


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


@pytest.mark.parametrize(
    ("weights", "sizes"),
    [
        ((1, 1), [5120, 4880]),  # 5000 rounded up to 40 * 128, and the rest
        ((4, 1), [8064, 1936]),  # four fifths of 10,000, rounded up to 63 * 128
    ],
)
def test_ports_take_shares_of_each_message_by_their_speed(weights: tuple[int, int], sizes: list[int]) -> None:
    schedule = ring()
    striped = stripe_over(schedule, two_ports(weights), 1, splits_data=False)
    for flow in range(schedule.flows):
        parts = slice(*striped.offsets[flow : flow + 2])
        connection = int(schedule.qp[flow])
        assert striped.schedule.size_bytes[parts].tolist() == (sizes if connection else [10_000])
        lanes = striped.lane[striped.schedule.qp[parts]].tolist()
        assert lanes == ([2 * connection - 1, 2 * connection] if connection else [0])


def test_parts_over_ports_wait_for_all_parts_of_what_their_message_waits_for() -> None:
    schedule, lanes = ring(), two_ports((1, 1))
    striped = stripe_over(schedule, lanes, 2, splits_data=True)
    sent = striped.schedule
    for flow in range(sent.flows):
        whole = striped.message[flow]
        before = schedule.dep_ids[schedule.dep_offsets[whole] : schedule.dep_offsets[whole + 1]]
        waits = sent.dep_ids[sent.dep_offsets[flow] : sent.dep_offsets[flow + 1]]
        wanted = [part for d in before.tolist() for part in range(*striped.offsets[d : d + 2])]
        assert waits.tolist() == wanted
        assert len(wanted) in (0, 2, 4)


def test_a_connection_inside_a_domain_stays_whole() -> None:
    schedule = ring()
    nowhere = np.full(4, NOWHERE, np.int32)
    striped = stripe_over(schedule, Lanes.single(nowhere, nowhere), 4, splits_data=True)
    assert striped.schedule.size_bytes.tolist() == schedule.size_bytes.tolist()
    assert striped.schedule.qp.tolist() == schedule.qp.tolist()


def test_large_messages_are_cut_right_beside_connections_inside_a_domain() -> None:
    """Those weigh 1 where ports weigh their bits per second: 1 GiB times 400e9 is more than 64 bits hold."""
    schedule = build("all_reduce", "ring", 4, 1 << 32)
    striped = stripe_over(schedule, two_ports((400 * 10**9, 400 * 10**9)), 1, splits_data=False)
    assert (striped.schedule.size_bytes >= 0).all()
    assert (np.add.reduceat(striped.schedule.size_bytes, striped.offsets[:-1]) == 1 << 30).all()
