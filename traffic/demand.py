"""What a schedule asks of the fabric: which endpoints talk to which at the same time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.workload import Demand, Schedule


def demand(schedule: Schedule, placement: NDArray[np.int32]) -> Demand:
    """The distinct endpoint pairs of each phase, sorted by (phase, src, dst).

    Steps with the same set of pairs are one phase (a ring has one phase); phases count from 0 in the
    order of their first step.

    Args:
        placement: int32, endpoint of each rank, as `traffic.place` returns it.
    """
    endpoints = placement.astype(np.int64)
    width = int(endpoints.max()) + 1
    pairs = endpoints[schedule.src] * width + endpoints[schedule.dst]
    order = np.lexsort((pairs, schedule.step))
    starts = np.flatnonzero(np.diff(schedule.step[order], prepend=-1))
    # Insertion order numbers the phases; equal pair sets of later steps fall onto the first one.
    phases = {part.tobytes(): part for part in map(np.unique, np.split(pairs[order], starts)[1:])}
    distinct = np.concatenate([np.empty(0, np.int64), *phases.values()])
    lengths = [len(part) for part in phases.values()]
    return Demand(
        src=(distinct // width).astype(np.int32),
        dst=(distinct % width).astype(np.int32),
        phase=np.repeat(np.arange(len(phases), dtype=np.int32), lengths),
    )
