"""Schedules with flows left out: what a broken implementation of a collective would run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from raddle.workload import Schedule


def without_step(schedule: Schedule, step: int) -> Schedule:
    """The schedule without the flows of one step."""
    return keep_flows(schedule, schedule.step != step)


def keep_flows(schedule: Schedule, kept: NDArray[np.bool_]) -> Schedule:
    """The schedule with only the flows where `kept` (F entries) is true.

    Nothing waits for a flow that is left out. Steps, queue pairs and chunks keep their numbers.
    """
    owner = np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets))
    stays = kept[owner] & kept[schedule.dep_ids]
    counts = np.bincount(owner[stays], minlength=schedule.flows)[kept]
    new_id = np.cumsum(kept) - 1
    return replace(
        schedule,
        src=schedule.src[kept],
        dst=schedule.dst[kept],
        size_bytes=schedule.size_bytes[kept],
        step=schedule.step[kept],
        qp=schedule.qp[kept],
        dep_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        dep_ids=new_id[schedule.dep_ids[stays]].astype(np.int32),
        chunk=schedule.chunk[kept],
        chunk_count=schedule.chunk_count[kept],
        op=schedule.op[kept],
        fan=schedule.fan[kept],
    )
