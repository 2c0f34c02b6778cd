"""What each rank's time in a job went to: computing, communication that nothing hides, nothing at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from raddle.lab.graph.assemble import RankSteps
from raddle.lab.graph.model import COMPUTE, Ints

IDLE = "idle"
"""The label of time in which a rank neither computes nor communicates."""


@dataclass(frozen=True, slots=True)
class Span:
    """A step of one rank."""

    begin_ps: int
    end_ps: int
    label: str


def time_shares(spans: Iterable[Span], begin_ps: int, end_ps: int) -> dict[str, int]:
    """How a rank's time from `begin_ps` to `end_ps` is shared out, in picoseconds by label; sums to it.

    While it computes, that is what counts; else the communication that it began last, and of equals the first
    by name.
    """
    marks: list[tuple[int, int, Span]] = []
    for span in spans:
        if span.end_ps > span.begin_ps:
            marks += [(span.begin_ps, 1, span), (span.end_ps, 0, span)]
    marks.sort(key=lambda mark: mark[:2])
    found: dict[str, int] = {}
    open_: list[Span] = []
    now_ps = begin_ps
    for mark_ps, begins, span in marks:
        time_ps = min(mark_ps, end_ps)
        if time_ps > now_ps:
            label = _counted(open_)
            found[label] = found.get(label, 0) + time_ps - now_ps
            now_ps = time_ps
        if begins:
            open_.append(span)
        else:
            open_.remove(span)
    if end_ps > now_ps:
        found[IDLE] = found.get(IDLE, 0) + end_ps - now_ps
    return found


def _counted(spans: Sequence[Span]) -> str:
    if not spans:
        return IDLE
    if any(span.label == COMPUTE for span in spans):
        return COMPUTE
    return min(spans, key=lambda span: (-span.begin_ps, span.label)).label


def spans_by_rank(steps: RankSteps, job: int, begin_ps: Ints, end_ps: Ints) -> dict[int, list[Span]]:
    """The steps of a job that have ended, rank by rank; times are of all rows of `steps`."""
    found: dict[int, list[Span]] = {}
    rows = np.flatnonzero((steps.job == job) & (end_ps >= 0))
    columns = (column[rows].tolist() for column in (steps.rank, begin_ps, end_ps, steps.label))
    for rank, begin, end, label in zip(*columns, strict=True):
        found.setdefault(rank, []).append(Span(begin, end, steps.labels[label]))
    return found
