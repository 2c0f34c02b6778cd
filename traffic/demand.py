"""What a schedule asks of the fabric: which endpoints talk to which at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.workload import Demand, Schedule


def steps_of(schedule: Schedule) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """The ranks that send and receive in each step."""
    order = np.argsort(schedule.step, kind="stable")
    starts = np.flatnonzero(np.diff(schedule.step[order], prepend=-1))
    src, dst = (np.split(column[order], starts)[1:] for column in (schedule.src, schedule.dst))
    return zip(src, dst, strict=True)


def demand_of_pairs(
    steps: Iterable[tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]], placement: NDArray[np.int32]
) -> Demand:
    """The distinct endpoint pairs of each phase, sorted by (phase, src, dst).

    Steps with the same set of pairs are one phase (a ring has one phase); phases count from 0 in the
    order of their first step.

    Args:
        steps: the ranks that send and receive in each.
        placement: int32, endpoint of each rank, as `traffic.place` returns it.
    """
    endpoints = placement.astype(np.int64)
    width = int(endpoints.max()) + 1
    pairs = (np.unique(endpoints[src] * width + endpoints[dst]) for src, dst in steps)
    # Insertion order numbers the phases; equal pair sets of later steps fall onto the first one.
    phases = {part.tobytes(): part for part in pairs}
    distinct = np.concatenate([np.empty(0, np.int64), *phases.values()])
    lengths = [len(part) for part in phases.values()]
    return Demand(
        src=(distinct // width).astype(np.int32),
        dst=(distinct % width).astype(np.int32),
        phase=np.repeat(np.arange(len(phases), dtype=np.int32), lengths),
    )
