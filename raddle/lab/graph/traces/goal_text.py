"""A workload as GOAL, and what each rank sends each as a matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.lab.graph.assemble import Assembled

_NS = 1000


def goal_text(laid_out: Assembled) -> str:
    """Each flow as a calc, or as a send and a recv with its number as tag; ends that nobody waits for are
    left out."""
    schedule, work = laid_out.workload.schedule, laid_out.workload
    own = schedule.src == schedule.dst
    lines: list[list[str]] = [[] for _ in range(schedule.ranks)]
    columns = zip(schedule.src.tolist(), schedule.dst.tolist(), schedule.size_bytes.tolist(), strict=True)
    is_end = laid_out.is_mark.copy()
    is_end[schedule.dep_ids] = False
    waits_for_none = np.diff(schedule.dep_offsets) == 0
    # What waits for nothing begins at its start, which has the delay in it.
    time_ns = np.where(waits_for_none, work.starts_ps, work.delays_ps) // _NS
    for flow, (src, dst, size) in enumerate(columns):
        if is_end[flow]:
            continue
        if src == dst:
            lines[src].append(f"f{flow}: calc {time_ns[flow]}")
        else:
            lines[src].append(f"f{flow}: send {size}b to {dst} tag {flow}")
            lines[dst].append(f"r{flow}: recv {size}b from {src} tag {flow}")
    owner = np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets))
    for flow, before in zip(owner.tolist(), schedule.dep_ids.tolist(), strict=True):
        if is_end[flow]:
            continue
        src = int(schedule.src[flow])
        what = "r" if not own[before] and schedule.src[before] != src else "f"
        lines[src].append(f"f{flow} requires {what}{before}")
    body = (
        f"\nrank {rank} {{\n" + "".join(f"{line}\n" for line in of) + "}\n" for rank, of in enumerate(lines)
    )
    return f"num_ranks {schedule.ranks}\n" + "".join(body)


def lost_in_goal(laid_out: Assembled) -> Iterator[str]:
    """What a workload has and GOAL does not."""
    work, schedule = laid_out.workload, laid_out.workload.schedule
    own = schedule.src == schedule.dst
    if (work.delays_ps[~own] > 0).any() or (work.starts_ps[~own] > 0).any():
        yield "a library's time before a message"
    if ((work.delays_ps % _NS > 0) | (work.starts_ps % _NS > 0)).any():
        yield "parts of a nanosecond"
    if (np.bincount(schedule.qp[~own]) > 1).any():
        yield "the order of messages on a queue pair"
    if (schedule.fan != 0).any():
        yield "copies and sums in switches of a scale-up domain, which are messages of their own"
    if work.is_lossy is not None:
        yield "the traffic class of lossy jobs"
    yield "names of jobs and nodes, and where ranks are"


def matrix_csv(laid_out: Assembled) -> str:
    """Bytes that each rank (row) sends each in all; without time and order."""
    schedule = laid_out.workload.schedule
    own = schedule.src == schedule.dst
    found = np.zeros((schedule.ranks, schedule.ranks), np.int64)
    np.add.at(found, (schedule.src[~own], schedule.dst[~own]), schedule.size_bytes[~own])
    return "".join(",".join(map(str, row)) + "\n" for row in found.tolist())
