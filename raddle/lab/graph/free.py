"""When flows would be done if messages took no time: what computing and waiting alone come to."""

from __future__ import annotations

import numpy as np

from raddle.lab.graph.model import Ints
from raddle.workload import Workload


def free_finish_ps(work: Workload) -> Ints:
    """int64, of each flow; messages and what libraries do around them take none.

    Flows are taken in waves: those whose last predecessor was in the wave before.
    """
    schedule = work.schedule
    own_ps = np.where(schedule.src == schedule.dst, work.delays_ps, 0)
    owner = np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets))
    order = np.argsort(schedule.dep_ids, kind="stable")
    dependents = owner[order]
    offsets = np.searchsorted(schedule.dep_ids[order], np.arange(schedule.flows + 1))
    left = np.diff(schedule.dep_offsets).copy()
    begun_ps = np.where(schedule.src == schedule.dst, work.starts_ps - own_ps, 0)
    finish_ps = np.full(schedule.flows, -1, np.int64)
    wave = np.flatnonzero(left == 0)
    while len(wave):
        finish_ps[wave] = begun_ps[wave] + own_ps[wave]
        counts = offsets[wave + 1] - offsets[wave]
        places = np.arange(counts.sum()) + np.repeat(offsets[wave] - np.cumsum(counts) + counts, counts)
        after = dependents[places]
        np.maximum.at(begun_ps, after, np.repeat(finish_ps[wave], counts))
        np.subtract.at(left, after, 1)
        wave = np.unique(after[left[after] == 0])
    return finish_ps
