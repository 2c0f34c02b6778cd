"""Replays a simulated schedule on buffers that remember whose data they hold.

This is where `#wrong` comes from: the replay knows only when flows started and finished, so a flow that
is missing, late or started before the data it forwards was there leaves wrong elements behind.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from raddle.splitmix import splitmix64
from raddle.traffic.collectives.record import EVERYONE, Cells, Collective
from raddle.traffic.sizes import FLOAT
from raddle.workload import COPY, Schedule

# A rank's contribution is a random number of 64 bits and a sum of contributions their sum (mod 2**64), so
# that a chunk takes 8 bytes whatever the number of ranks. A contribution that is missing or there twice
# gives another sum; a wrong chunk passes for a right one with probability 2**-64.

_Ints = NDArray[np.int64]
_Sums = NDArray[np.uint64]

MOST_CARRIED = 1 << 28
"""Chunks that all flows carry together, 8 bytes each: 2 GiB."""

_FIRST_BATCH = 64
_LARGEST_BATCH = 1 << 20


def count_wrong(
    schedule: Schedule,
    collective: Collective,
    start_ps: NDArray[np.int64],
    finish_ps: NDArray[np.int64],
    element_bytes: int = FLOAT.bytes,
) -> int | None:
    """Elements that are not what the collective promises, summed over ranks, as nccl-tests' #wrong.

    None where flows carry more than MOST_CARRIED chunks, as a replay would not fit memory.

    A flow carries what its sender holds at its start, and changes the receiver's buffer at its finish.
    At one instant flows finish before others start. Flows in a domain's switch (`fan`) are as others here.

    Args:
        start_ps: when each flow's first byte may be read from the sender's buffer; -1: never.
        finish_ps: when each flow's last byte is at the receiver, after its start; -1: never.
    """
    if int(schedule.chunk_count.sum(dtype=np.int64)) > MOST_CARRIED:
        return None
    chunks = len(schedule.chunk_bytes)
    before = collective.held(schedule.ranks, chunks)
    promised = collective.promised(schedule.ranks, chunks)
    sums = _contributions(schedule.ranks)
    replay = _Replay(schedule, before.cell, promised.cell)
    replay.held[replay.places(before.cell)] = _content(before, sums)
    replay.run(start_ps, finish_ps)
    is_wrong = replay.held[replay.places(promised.cell)] != _content(promised, sums)
    # Chunks are cut at 4 bytes, be an element smaller or larger.
    return -(-int(schedule.chunk_bytes[promised.cell[is_wrong] % chunks].sum()) // element_bytes)


def _contributions(ranks: int) -> _Sums:
    """A random number for each rank, and the sum of all at the end (where EVERYONE, -1, finds it)."""
    words = splitmix64(1)
    own = np.array([next(words) for _ in range(ranks)], np.uint64)
    return np.append(own, own.sum(dtype=np.uint64))


def _content(cells: Cells, sums: _Sums) -> _Sums:
    assert EVERYONE == -1
    content: _Sums = sums[cells.content]
    return content


class _Replay:
    """Buffers of all ranks. Only cells that something touches have a place; `held` is what each holds."""

    def __init__(self, schedule: Schedule, *others: _Ints) -> None:
        chunks = len(schedule.chunk_bytes)
        self.count = schedule.chunk_count.astype(np.int64)
        self.is_copy = schedule.op == COPY
        first = np.stack([schedule.src, schedule.dst]).astype(np.int64) * chunks + schedule.chunk
        self.touched: _Ints | None = None
        cells = schedule.ranks * chunks
        if cells > 4 * (schedule.flows + sum(map(len, others))) + (1 << 20):
            spans = _spans(first.reshape(-1), np.tile(self.count, 2))
            touched = np.sort(np.concatenate([spans, *others]))
            self.touched = touched[np.diff(touched, prepend=-1) > 0]
            cells = len(self.touched)
        # CORRECTNESS: a flow's cells are in a row, and so are their places: all of them are touched.
        self.src, self.dst = self.places(first[0]), self.places(first[1])
        self.held = np.zeros(cells, np.uint64)

    def places(self, cell: _Ints) -> _Ints:
        if self.touched is None:
            return cell
        return np.searchsorted(self.touched, cell)

    def run(self, start_ps: _Ints, finish_ps: _Ints) -> None:
        """Apply all flows, in the order of time, in batches whose reads may all come before their writes."""
        offsets = np.concatenate([[0], np.cumsum(self.count)])
        carried = np.zeros(int(offsets[-1]), np.uint64)
        for reads, writes in self._batches(_events(start_ps, finish_ps)):
            count = self.count[reads]
            carried[_spans(offsets[reads], count)] = self.held[_spans(self.src[reads], count)]
            for flows, copies in (
                (writes[~self.is_copy[writes]], False),
                (writes[self.is_copy[writes]], True),
            ):
                count = self.count[flows]
                cells, content = _spans(self.dst[flows], count), carried[_spans(offsets[flows], count)]
                if copies:
                    self.held[cells] = content
                else:
                    np.add.at(self.held, cells, content)

    def _batches(self, events: _Ints) -> Iterator[tuple[_Ints, _Ints]]:
        """Flows that start and flows that finish; a batch ends before it would touch what it wrote."""
        begin, size = 0, _FIRST_BATCH
        while begin < len(events):
            batch = events[begin : begin + size]
            batch = batch[: self._conflict(batch)]
            begin += len(batch)
            size = min(2 * len(batch) + _FIRST_BATCH, _LARGEST_BATCH)
            flow, starts = batch >> 1, batch & 1 == 1
            yield flow[starts], flow[~starts]

    def _conflict(self, events: _Ints) -> int:
        """How many events come before the first one that touches a cell that one before it wrote.

        Sums to one cell are no conflict: their order does not matter.
        """
        flow, starts = events >> 1, events & 1 == 1
        count = self.count[flow]
        cell = _spans(np.where(starts, self.src[flow], self.dst[flow]), count)
        position = np.repeat(np.arange(len(events)), count)
        kind = np.repeat(np.where(starts, _READ, np.where(self.is_copy[flow], _SET, _ADD)), count)
        # One sort of one number each is several times faster than an order and three columns taken by it.
        shift = len(events).bit_length() + _KIND_BITS
        key = np.sort((cell << shift) | (position << _KIND_BITS) | kind)
        kind, cell = key & _KINDS, key >> shift
        follows = cell[1:] == cell[:-1]
        clash = follows & (kind[:-1] != _READ) & ((kind[:-1] == _SET) | (kind[1:] != _ADD))
        position = key[1:][clash] >> _KIND_BITS & (1 << shift - _KIND_BITS) - 1
        return int(position.min(initial=len(events)))


_READ, _ADD, _SET = 0, 1, 2
_KIND_BITS, _KINDS = 2, 3


def _spans(first: _Ints, count: _Ints) -> _Ints:
    """first[0], first[0] + 1, ... (count[0] numbers), then those of first[1], ..."""
    if np.all(count == 1):
        return first
    ends = np.cumsum(count)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - ends + count, count)


def _events(start_ps: _Ints, finish_ps: _Ints) -> _Ints:
    """Starts (2 * flow + 1) and finishes (2 * flow), by time, then finishes first, then by flow."""
    assert np.all((finish_ps < 0) | ((start_ps >= 0) & (finish_ps > start_ps)))
    finished, started = np.flatnonzero(finish_ps >= 0), np.flatnonzero(start_ps >= 0)
    times = np.concatenate([finish_ps[finished], start_ps[started]])
    events: _Ints = np.concatenate([2 * finished, 2 * started + 1])[np.argsort(times, kind="stable")]
    return events
