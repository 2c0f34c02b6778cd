"""A workload as GOAL, and what each rank sends each as a matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.lab.graph.assemble import Assembled
from raddle.lab.graph.traces.operations import CALC, SEND, Operation
from raddle.lab.graph.traces.written import lost_as_operations, operations_of

_NS = 1000


def goal_text(laid_out: Assembled) -> str:
    """Each flow as a calc, or as a send and a recv with its number as tag; ends that nobody waits for are
    left out."""
    operations = operations_of(laid_out)
    lines: list[list[str]] = [[] for _ in range(laid_out.workload.schedule.ranks)]
    for each in operations:
        lines[each.rank].append(f"{each.name}: {_said(each)}")
    for each in operations:
        lines[each.rank] += [f"{each.name} requires {operations[before].name}" for before in each.after]
    body = (
        f"\nrank {rank} {{\n" + "".join(f"{line}\n" for line in of) + "}\n" for rank, of in enumerate(lines)
    )
    return f"num_ranks {len(lines)}\n" + "".join(body)


def _said(each: Operation) -> str:
    if each.kind == CALC:
        return f"calc {each.time_ps // _NS}"
    return (
        f"{each.kind} {each.size_bytes}b {'to' if each.kind == SEND else 'from'} {each.peer} tag {each.tag}"
    )


def lost_in_goal(laid_out: Assembled) -> Iterator[str]:
    """What a workload has and GOAL does not."""
    yield from lost_as_operations(laid_out, _NS, "nanosecond")


def matrix_csv(laid_out: Assembled) -> str:
    """Bytes that each rank (row) sends each in all; without time and order."""
    schedule = laid_out.workload.schedule
    own = schedule.src == schedule.dst
    found = np.zeros((schedule.ranks, schedule.ranks), np.int64)
    np.add.at(found, (schedule.src[~own], schedule.dst[~own]), schedule.size_bytes[~own])
    return "".join(",".join(map(str, row)) + "\n" for row in found.tolist())
