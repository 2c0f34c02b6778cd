"""What the groups of a training step send one another.

All-reduce, all-gather and reduce-scatter are rings of whole messages on one channel, without a library's
latencies; inside a scale-up domain and between servers each rank sends its successor alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from raddle.lab.graph.kinds.send import pairs_of
from raddle.lab.graph.model import Ints, Part
from raddle.traffic import Shape
from raddle.traffic.collectives import direct, ring
from raddle.workload import Schedule, Seats, Workload

_NOWHERE = Seats.of_endpoints(np.zeros(0, np.int32))


class Messages:
    """Makes parts, and keeps the schedules that it has made."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int, int], Workload] = {}

    def ring(self, what: str, groups: Ints, size_bytes: int) -> tuple[Part, ...]:
        """`all_reduce`, `all_gather` or `reduce_scatter` of buffers of a size in each row of `groups`."""
        ranks = groups.shape[1]
        key = (what, ranks, size_bytes)
        if key not in self._made:
            self._made[key] = Workload(_ring(what, ranks, size_bytes), _NOWHERE)
        return tuple(Part(row, self._made[key]) for row in groups)

    def all_to_all(self, groups: Ints, size_bytes: int) -> tuple[Part, ...]:
        """Each rank of a row shares out so many bytes evenly, all at once; its own share stays."""
        ranks = groups.shape[1]
        key = ("all_to_all", ranks, size_bytes)
        if key not in self._made:
            src, dst = np.nonzero(~np.eye(ranks, dtype=bool))
            sizes = np.full(len(src), size_bytes // ranks, np.int64)
            schedule = direct.schedule("all_to_all", ranks, src, dst, np.arange(len(src)), sizes)
            self._made[key] = Workload(schedule, _NOWHERE)
        return tuple(Part(row, self._made[key]) for row in groups)

    def passed_on(self, groups: Ints, size_bytes: int) -> tuple[Part, ...]:
        """Blocks of a size go once round each row: every rank sends its successor all but one of them."""
        ranks = groups.shape[1]
        return self.ring("all_gather", groups, size_bytes * ranks)

    def send(self, src: Ints, dst: Ints, size_bytes: int) -> tuple[Part, ...]:
        """A message from each rank to its counterpart."""
        return (pairs_of(src.reshape(-1), dst.reshape(-1), size_bytes, "send"),)


def sent_bytes(parts: Iterable[Part], ranks: int) -> Ints:
    """int64[ranks], what each sends in all."""
    found = np.zeros(ranks, np.int64)
    for part in parts:
        if part.messages is not None:
            schedule = part.messages.schedule
            np.add.at(found, part.ranks[schedule.src], schedule.size_bytes)
    return found


def _ring(what: str, ranks: int, size_bytes: int) -> Schedule:
    shape, half = Shape.flat(ranks), ranks - 1
    if what == "all_reduce":
        return ring.schedule(what, shape, size_bytes, 2 * half, reducing=half, offset=0)
    if what == "reduce_scatter":
        return ring.schedule(what, shape, size_bytes, half, reducing=half, offset=-1)
    return ring.schedule(what, shape, size_bytes, half, reducing=0, offset=0)
