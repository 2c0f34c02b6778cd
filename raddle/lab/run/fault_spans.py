"""Faults as spans of a page's timeline."""

from __future__ import annotations

from collections.abc import Iterable

from raddle.lab.run.faults import Fault
from raddle.report.page.model import Span
from raddle.sim import NEVER


def fault_spans(faults: Iterable[Fault], end_ps: int) -> list[Span]:
    """Each fault from its beginning to its end, or to the end of the run, which is `end_ps`."""
    spans = []
    for fault in faults:
        until_ps = end_ps if fault.until_ps == NEVER else fault.until_ps
        begin, end = fault.from_ps / 1e12, max(fault.from_ps, until_ps) / 1e12
        spans.append(Span(str(fault.port), begin, end, f"{fault.what} {fault.port}", fault.what))
    return spans
