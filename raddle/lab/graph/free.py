"""When flows would be done if messages took no time: what computing and waiting alone come to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from raddle.errors import InputError
from raddle.lab.graph.model import Ints
from raddle.topology.yaml.parsers import LONGEST_PS
from raddle.workload import Workload

_PS_PER_US = 10**6


def check_length(work: Workload) -> None:
    """Refuse a graph whose computing and waiting, one after the other, take longer than the engine's clock.

    Raises:
        InputError: `bad-workload`.
    """
    whole = work.delays_ps.sum(dtype=np.float64) + work.starts_ps.max(initial=0)
    if whole <= LONGEST_PS:
        return
    in_us = replace(work, delay_ps=work.delays_ps // _PS_PER_US, start_ps=work.starts_ps // _PS_PER_US)
    longest_us = int(free_finish_ps(in_us).max(initial=0))
    if longest_us * _PS_PER_US > LONGEST_PS:
        what = f"computing and waiting one after the other take {longest_us // 10**6}s"
        raise InputError.of("bad-workload", what, "a run is of 2000000s, 23 days, at most")


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
