"""Faults, until when nobody has noticed them, and what a controller did, as spans of a page's timeline."""

from __future__ import annotations

from collections.abc import Iterable

from raddle.lab.run.settings import RunSettings
from raddle.report.model import RepairRow
from raddle.report.page.model import Span
from raddle.sim import NEVER

_CUTS = ("down", "flap")


def fault_spans(settings: RunSettings, end_ps: int, repairs: Iterable[RepairRow] = ()) -> list[Span]:
    """Each fault from its beginning to its end, or to the end of the run, which is `end_ps`.

    Of a cut also the time until its ends have noticed, and of a controller's repair that from when it heard
    until the last switch forwarded by the new routes.
    """
    spans = []
    for fault in settings.faults:
        until_ps = end_ps if fault.until_ps == NEVER else fault.until_ps
        begin, end = fault.from_ps / 1e12, max(fault.from_ps, until_ps) / 1e12
        port = str(fault.port)
        spans.append(Span(port, begin, end, f"{fault.what} {port}", fault.what))
        noticed = min(end, begin + settings.detection_ps / 1e12)
        if fault.what in _CUTS and noticed > begin:
            label = (
                f"{port}: switches still send there"
                if noticed < end
                else f"{port}: it ends before it is noticed"
            )
            spans.append(Span(port, begin, noticed, label, "not noticed"))
    for each in repairs:
        spans.append(Span("controller", each.heard_ps / 1e12, each.done_ps / 1e12, str(each), "repair"))
    return spans
