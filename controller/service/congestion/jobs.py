"""The jobs that run on a fabric: who sends to whom, from a file."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.topology.model import Fabric
from raddle.workload import Demand

_COLUMNS = ["job", "src", "dst"]


@dataclass(frozen=True, slots=True)
class JobFlow:
    """Queue pairs of a job from one endpoint to another, by their numbers in the fabric."""

    job: str
    src: int
    dst: int
    name: str

    def __str__(self) -> str:
        return self.name


def read_jobs(fabric: Fabric, text: str, file: str) -> tuple[JobFlow, ...]:
    """The flows of a CSV text: `job,src,dst`, endpoints by name (`host3`, `host3:eth1`).

    Raises:
        InputError: `bad-jobs`, all that is wrong by line.
    """
    numbers = {endpoint.name: index for index, endpoint in enumerate(fabric.endpoints)}
    numbers |= {f"{fabric.hosts[e.host].name}:{e.nic}": index for index, e in enumerate(fabric.endpoints)}
    problems: list[Diagnostic] = []
    found: list[JobFlow] = []
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    header = [name.strip() for name in next(rows, [])]
    if header != _COLUMNS:
        place = SourceSpan(file, 1, 1)
        raise InputError(
            [Diagnostic("bad-jobs", f"the first line is '{','.join(header)}', not job,src,dst", place)]
        )
    for cells in rows:
        values = [cell.strip() for cell in cells]
        if not any(values):
            continue
        if len(values) != len(_COLUMNS):
            wrong = f"{len(values)} cells, the header has {len(_COLUMNS)}"
        elif unknown := [each for each in values[1:] if each not in numbers]:
            wrong = f"'{unknown[0]}' is no endpoint; write it as host3 or host3:eth0"
        elif numbers[values[1]] == numbers[values[2]]:
            wrong = f"'{values[1]}' sends to itself"
        else:
            job, src, dst = values
            found.append(JobFlow(job, numbers[src], numbers[dst], f"{job}: {src} -> {dst}"))
            continue
        problems.append(Diagnostic("bad-jobs", wrong, SourceSpan(file, rows.line_num, 1)))
    if not found and not problems:
        problems.append(Diagnostic("bad-jobs", "there is no flow in it", SourceSpan(file, 1, 1)))
    if problems:
        raise InputError(problems)
    return tuple(dict.fromkeys(found))


def demand_of_jobs(flows: tuple[JobFlow, ...]) -> Demand:
    """All flows at once, as a planner takes them."""
    pairs = np.array(sorted({(flow.src, flow.dst) for flow in flows}), np.int32)
    return Demand(pairs[:, 0].copy(), pairs[:, 1].copy(), np.zeros(len(pairs), np.int32))
