"""Jobs of several tenants at the same time, as one workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from raddle.traffic.prune import keep_flows
from raddle.workload import NOWHERE, Demand, Schedule, Seats, Workload

_TYPES = {"src": np.int32, "dst": np.int32, "qp": np.int32, "dep_ids": np.int32, "dep_offsets": np.int64}


def joined(parts: Sequence[tuple[str, Workload]]) -> Workload:
    """Workloads with what each is called, all of which start at once: ranks, queue pairs and flows one after
    the other. Nothing of one waits for another."""
    if len(parts) == 1:
        return parts[0][1]
    return Workload(
        schedule=_schedules([part.schedule for _, part in parts]),
        seats=_seats([part.seats for _, part in parts]),
        start_ps=np.concatenate([part.starts_ps for _, part in parts]),
        delay_ps=np.concatenate([part.delays_ps for _, part in parts]),
        rank_names=tuple(f"{name} rank{rank}" for name, part in parts for rank in range(part.seats.ranks)),
    )


def over_nics(work: Workload) -> tuple[Workload, int]:
    """A workload without its flows inside scale-up domains, and how many. Nothing waits for them."""
    schedule, domain = work.schedule, work.seats.domain
    inside = (domain[schedule.src] == domain[schedule.dst]) & (domain[schedule.src] != NOWHERE)
    if not inside.any():
        return work, 0
    kept = replace(
        work,
        schedule=keep_flows(schedule, ~inside),
        start_ps=None if work.start_ps is None else work.start_ps[~inside],
        delay_ps=None if work.delay_ps is None else work.delay_ps[~inside],
    )
    return kept, int(inside.sum())


def joined_demand(parts: Sequence[Demand]) -> Demand:
    """What jobs ask of a fabric together: the first phases of all compete, the second ones, and so on."""
    if len(parts) == 1:
        return parts[0]
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("phase", "src", "dst")]
    phase, src, dst = np.unique(np.stack(columns), axis=1).astype(np.int32)
    return Demand(src=src, dst=dst, phase=phase)


def _schedules(parts: list[Schedule]) -> Schedule:
    none: dict[str, int] = {"src": 0, "dst": 0, "qp": 0, "dep_ids": 0, "dep_offsets": 0}
    before, shifted = none, []
    for part in parts:
        columns = {name: getattr(part, name) + shift for name, shift in before.items()}
        shifted.append(
            replace(part, **{name: column.astype(_TYPES[name]) for name, column in columns.items()})
        )
        added = {
            "src": part.ranks,
            "dst": part.ranks,
            "qp": int(part.qp.max(initial=-1)) + 1,
            "dep_ids": part.flows,
            "dep_offsets": len(part.dep_ids),
        }
        before = {name: shift + added[name] for name, shift in before.items()}
    whole = {
        each.name: np.concatenate([getattr(part, each.name) for part in shifted])
        for each in fields(Schedule)
        if each.name not in ("name", "ranks", "dep_offsets")
    }
    offsets = [part.dep_offsets[:-1] for part in shifted]
    offsets.append(np.array([before["dep_offsets"]]))
    return Schedule(
        name=" and ".join(dict.fromkeys(part.name for part in parts)),
        ranks=before["src"],
        dep_offsets=np.concatenate(offsets).astype(np.int64),
        **whole,
    )


def _seats(parts: list[Seats]) -> Seats:
    offsets, start = [], 0
    for part in parts:
        offsets.append(part.endpoint_offsets[:-1] + start)
        start += int(part.endpoint_offsets[-1])
    return Seats(
        accelerator=np.concatenate([part.accelerator for part in parts]),
        endpoint_offsets=np.concatenate([*offsets, [start]]).astype(np.int64),
        endpoints=np.concatenate([part.endpoints for part in parts]),
        domain=np.concatenate([part.domain for part in parts]),
    )
