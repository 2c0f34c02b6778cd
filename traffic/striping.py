"""The ways of each connection: the ports that its data is spread over, and several queue pairs on each.

Source: NCCL's InfiniBand transport (src/transport/net_ib.cc), whose merged devices take a part of every
message each, and its environment variables NCCL_IB_QPS_PER_CONNECTION and NCCL_IB_SPLIT_DATA_ON_QPS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from raddle.workload import NOWHERE, Schedule

PART_ALIGNMENT_BYTES = 128
"""A part of a message is a multiple of this, but for the last ones (ncclIbMultiSend)."""

_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """Pairs of ports that C connections have, those of a connection in a row.

    Attributes:
        offsets: int64[C + 1], connection c has `src[offsets[c]:offsets[c + 1]]`, at least one.
        src, dst: int32, endpoints; NOWHERE for the one lane of a connection inside a scale-up domain.
        weight: int64, shares of a message.
    """

    offsets: _Ints
    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    weight: _Ints

    @classmethod
    def single(cls, src: NDArray[np.int32], dst: NDArray[np.int32]) -> Lanes:
        """One lane for each connection."""
        return cls(np.arange(len(src) + 1), src, dst, np.ones(len(src), np.int64))


@dataclass(frozen=True)
class Striped:
    """A schedule over more queue pairs.

    Attributes:
        schedule: what is sent: each message of the original is some flows in a row, its parts.
        offsets: int64[F + 1], the parts of message f are `offsets[f]` to `offsets[f + 1]`.
        lane: int64[Q], of each queue pair.
        per_lane: int64[F], how many parts of a message go over each of its lanes.
    """

    schedule: Schedule
    offsets: _Ints
    lane: _Ints
    per_lane: _Ints

    @cached_property
    def message(self) -> _Ints:
        """int64[flows], the message that each is a part of."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def first(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """The least value of each message's parts."""
        return np.minimum.reduceat(column, self.offsets[:-1]) if len(column) else column

    def last(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """The largest value of each message's parts."""
        return np.maximum.reduceat(column, self.offsets[:-1]) if len(column) else column

    def spread(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """A message's value for each of its parts."""
        return column[self.message]


def stripe(schedule: Schedule, lanes: Lanes, qps: int, splits_data: bool) -> Striped:
    """Give each connection (a queue pair of `schedule`) `qps` queue pairs on each of its lanes.

    Every message is cut into a part for each lane, by weight. With `splits_data` each of these is cut into
    one for each queue pair, else whole ones take turns. What waits for a message waits for all of its parts.
    A connection inside a domain stays whole.
    """
    connection = schedule.qp.astype(np.int64)
    lane_count = np.diff(lanes.offsets)
    per_lane = np.where(lanes.src[lanes.offsets[:-1]] == NOWHERE, 1, qps)
    cuts = per_lane if splits_data else np.ones_like(per_lane)
    offsets = np.concatenate([[0], np.cumsum((lane_count * cuts)[connection])])
    message = np.repeat(np.arange(schedule.flows), np.diff(offsets))
    of = connection[message]
    place = np.arange(len(message)) - offsets[message]
    lane = lanes.offsets[of] + place // cuts[of]
    turn = place % cuts[of] if splits_data else (_places(connection) % per_lane[connection])[message]
    base = np.concatenate([[0], np.cumsum(lane_count * per_lane)])
    number = base[of] + (lane - lanes.offsets[of]) * per_lane[of] + turn
    _, first, qp = np.unique(number, return_index=True, return_inverse=True)
    if len(message) == schedule.flows:
        cut = replace(schedule, qp=qp.astype(np.int32)) if qps > 1 else schedule
    else:
        size = _part_sizes(schedule.size_bytes, message, offsets, _ratios(lanes)[lane])
        cut = _cut(schedule, message, offsets, size, qp.astype(np.int32))
    return Striped(cut, offsets, lane[first], cuts[connection])


def _places(connection: _Ints) -> _Ints:
    """Of each message, how many of its connection come before it."""
    order = np.argsort(connection, kind="stable")
    ordered = connection[order]
    place = np.empty(len(connection), np.int64)
    place[order] = np.arange(len(connection)) - np.searchsorted(ordered, ordered)
    return place


def _ratios(lanes: Lanes) -> _Ints:
    """Weights as small whole numbers, so that bytes times one fit 64 bits; a lane alone has 1."""
    is_alone = np.repeat(np.diff(lanes.offsets) == 1, np.diff(lanes.offsets))
    shared = lanes.weight[~is_alone]
    found: _Ints = np.where(is_alone, 1, lanes.weight // max(int(np.gcd.reduce(shared)), 1))
    return found


def _part_sizes(size_bytes: _Ints, message: _Ints, offsets: _Ints, weight: _Ints) -> _Ints:
    """Bytes of each part: its share of the message, rounded up to whole units while there are any left."""
    whole = np.add.reduceat(weight, offsets[:-1])
    share = -(-size_bytes[message] * weight // whole[message])
    part = -(-share // PART_ALIGNMENT_BYTES) * PART_ALIGNMENT_BYTES
    ends = np.cumsum(part)
    before = ends - part - (ends - part)[offsets[:-1]][message]
    size: _Ints = np.clip(size_bytes[message] - before, 0, part)
    return size


def _cut(schedule: Schedule, message: _Ints, offsets: _Ints, size: _Ints, qp: NDArray[np.int32]) -> Schedule:
    # Each part waits for all parts of each message that the whole one waits for.
    waits = np.diff(schedule.dep_offsets)[message]
    before = schedule.dep_ids[_ranges(schedule.dep_offsets[message], waits)].astype(np.int64)
    parts = np.diff(offsets)[before]
    ends = np.concatenate([[0], np.cumsum(parts)])
    return replace(
        schedule,
        src=schedule.src[message],
        dst=schedule.dst[message],
        size_bytes=size,
        step=schedule.step[message],
        qp=qp,
        dep_offsets=ends[np.concatenate([[0], np.cumsum(waits)])].astype(np.int64),
        dep_ids=_ranges(offsets[before], parts).astype(np.int32),
        chunk=schedule.chunk[message],
        chunk_count=schedule.chunk_count[message],
        op=schedule.op[message],
        fan=schedule.fan[message],
    )


def _ranges(starts: _Ints, lengths: _Ints) -> _Ints:
    """The numbers from each start on, so many as it has, one after the other."""
    found: _Ints = np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    return found
