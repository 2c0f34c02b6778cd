"""A schedule several times in a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from raddle.workload import Schedule

_Ints = NDArray[np.int64]


def repeated(schedule: Schedule, times: int) -> Schedule:
    """The schedule `times` times: flow i of repetition k is flow k * schedule.flows + i.

    A rank begins a repetition when every flow that it sends and receives in the one before is complete.
    Steps, queue pairs and chunks keep their numbers.
    """
    if times == 1 or not schedule.flows:
        return schedule
    flows = schedule.flows
    own = np.repeat(np.arange(flows), np.diff(schedule.dep_offsets))
    joint, before = _joined(schedule, own)
    owner = np.concatenate([own, joint])
    order = np.argsort(owner, kind="stable")
    # What a flow waits for in the repetition before has a negative number here.
    later = np.concatenate([schedule.dep_ids.astype(np.int64), before - flows])[order]
    counts = np.bincount(owner, minlength=flows)
    shifts = np.arange(1, times)[:, None] * flows
    ids = np.concatenate([schedule.dep_ids.astype(np.int64), (later + shifts).reshape(-1)])
    offsets = np.cumsum([0, *np.diff(schedule.dep_offsets), *np.tile(counts, times - 1)])
    return replace(
        schedule,
        src=np.tile(schedule.src, times),
        dst=np.tile(schedule.dst, times),
        size_bytes=np.tile(schedule.size_bytes, times),
        step=np.tile(schedule.step, times),
        qp=np.tile(schedule.qp, times),
        dep_offsets=offsets.astype(np.int64),
        dep_ids=ids.astype(np.int32),
        chunk=np.tile(schedule.chunk, times),
        chunk_count=np.tile(schedule.chunk_count, times),
        op=np.tile(schedule.op, times),
        fan=np.tile(schedule.fan, times),
    )


def waits_of(schedule: Schedule, times: int) -> int:
    """How many times a flow waits for another in `repeated`, which holds each of these.

    Where a rank sends to and hears from all at once, a repetition has about 2 * ranks**3 of them.
    """
    waits = len(schedule.dep_ids)
    if times == 1 or not schedule.flows:
        return waits
    first, (rank, _) = joints(schedule, np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets)))
    lasts = np.bincount(rank, minlength=int(schedule.src.max()) + 1)
    return waits + (times - 1) * (waits + int(lasts[schedule.src[first]].sum()))


def joints(schedule: Schedule, owner: _Ints) -> tuple[_Ints, tuple[_Ints, _Ints]]:
    """The flows that wait for what their rank does before, and those that what it does next waits for, the
    latter as ranks, in order, and flows.

    The first are those that are the first of their queue pair and follow no flow that their sender sent: all
    others start after one of these. The last ones of a rank are each flow that is the last of its queue pair
    and that no other flow of this rank waits for: all others are complete before one of these.

    Args:
        owner: the flow that each of `dep_ids` is of.
    """
    flows = schedule.flows
    waits_for_own = schedule.src[owner] == schedule.src[schedule.dep_ids]
    follows = np.zeros(flows, np.bool_)
    follows[owner[waits_for_own]] = True
    is_last_of_src, is_last_of_dst = _is_last(schedule.qp), _is_last(schedule.qp)
    is_last_of_src[schedule.dep_ids[waits_for_own]] = False
    is_last_of_dst[schedule.dep_ids[~waits_for_own]] = False
    rank = np.concatenate([schedule.src[is_last_of_src], schedule.dst[is_last_of_dst]])
    last = np.concatenate([np.flatnonzero(is_last_of_src), np.flatnonzero(is_last_of_dst)])
    order = np.lexsort((last, rank))
    first = np.flatnonzero(_is_last(schedule.qp[::-1])[::-1] & ~follows)
    return first, (rank[order], last[order])


def _joined(schedule: Schedule, owner: _Ints) -> tuple[_Ints, _Ints]:
    """Which flow waits for which one of the repetition before."""
    first, (rank, last) = joints(schedule, owner)
    begin = np.searchsorted(rank, schedule.src[first], side="left")
    counts = np.searchsorted(rank, schedule.src[first], side="right") - begin
    place = np.arange(counts.sum()) + np.repeat(begin - np.cumsum(counts) + counts, counts)
    return np.repeat(first, counts), last[place]


def _is_last(qp: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Of each flow, whether it is the last one of its queue pair."""
    found = np.zeros(len(qp), np.bool_)
    last = np.zeros(int(qp.max()) + 1, np.int64)
    last[qp] = np.arange(len(qp))  # later ones overwrite
    found[last] = True
    return found
