"""A schedule as operations of ranks, as traces of other tools have them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.lab.graph.assemble import Assembled
from raddle.lab.graph.traces.operations import CALC, RECV, SEND, Operation


def operations_of(laid_out: Assembled) -> list[Operation]:
    """Each flow as a calc, or as a send and a receipt with its number as tag.

    They are called f and r with the flow's number. Ends that nobody waits for are left out.
    """
    work, schedule = laid_out.workload, laid_out.workload.schedule
    is_end = laid_out.is_mark.copy()
    is_end[schedule.dep_ids] = False
    # What waits for nothing begins at its start, which has the delay in it.
    waits_for_none = np.diff(schedule.dep_offsets) == 0
    time_ps = np.where(waits_for_none, work.starts_ps, work.delays_ps).tolist()
    made: list[Operation] = []
    place, arrival = np.full(schedule.flows, -1), np.full(schedule.flows, -1)
    columns = zip(schedule.src.tolist(), schedule.dst.tolist(), schedule.size_bytes.tolist(), strict=True)
    for flow, (src, dst, size) in enumerate(columns):
        if is_end[flow]:
            continue
        place[flow] = len(made)
        if src == dst:
            made.append(Operation(CALC, src, 0, time_ps=time_ps[flow], name=f"f{flow}"))
            continue
        ends = {"size_bytes": size, "tag": flow}
        made.append(Operation(SEND, src, 0, peer=dst, name=f"f{flow}", **ends))
        arrival[flow] = len(made)
        made.append(Operation(RECV, dst, 0, peer=src, name=f"r{flow}", **ends))
    owner = np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets))
    for flow, before in zip(owner.tolist(), schedule.dep_ids.tolist(), strict=True):
        if not is_end[flow]:
            came = arrival[before] >= 0 and schedule.src[before] != schedule.src[flow]
            made[place[flow]].after.append(int(arrival[before] if came else place[before]))
    return made


def lost_as_operations(laid_out: Assembled, unit_ps: int, unit: str) -> Iterator[str]:
    """What a workload has and operations whose times are whole units do not."""
    work, schedule = laid_out.workload, laid_out.workload.schedule
    own = schedule.src == schedule.dst
    if (work.delays_ps[~own] > 0).any() or (work.starts_ps[~own] > 0).any():
        yield "a library's time before a message"
    if ((work.delays_ps % unit_ps > 0) | (work.starts_ps % unit_ps > 0))[own].any():
        yield f"parts of a {unit}"
    if (np.bincount(schedule.qp[~own]) > 1).any():
        yield "the order of messages on a queue pair"
    if (schedule.fan != 0).any():
        yield "copies and sums in switches of a scale-up domain, which are messages of their own"
    if work.is_lossy is not None:
        yield "the traffic class of lossy jobs"
    yield "names of jobs and nodes, and where ranks are"
