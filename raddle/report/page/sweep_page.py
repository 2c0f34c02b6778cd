"""The page of `raddle sweep`."""

from __future__ import annotations

from collections.abc import Iterator

from raddle.report.page.model import Axis, Figure, Page, bars, table
from raddle.report.sweep import Extreme, SweepReport
from raddle.units import format_time

_FAILURES = 30
"""Failures that have a bar, the costliest; the table has all."""


def sweep_page(report: SweepReport) -> Page:
    """Of a campaign: its measure by everything that was varied, and what failures cost."""
    best = report.best[0] if report.best else None
    left = report.of_runs - report.runs
    verdict = f"{report.runs} of {report.of_runs} runs are done, {report.unfinished} of them without an end"
    return Page(
        title=report.name,
        subtitle="raddle sweep",
        state="failed" if report.errors else "" if left else "ok",
        verdict=verdict,
        findings=tuple(f"{count} runs: {error}" for error, count in report.errors),
        facts=(
            ("CPU time", f"{report.cpu_s:.1f} s"),
            *([("best", f"{_value(best)}: {best.what}")] if best else []),
        ),
        figures=tuple(_figures(report)),
    )


def _value(run: Extreme) -> str:
    return format_time(run.time_ps) if run.busbw_gbs is None else f"{run.busbw_gbs:.2f} GB/s"


def _figures(report: SweepReport) -> Iterator[Figure]:
    name, unit = ("time", "ms") if report.measure == "time (ms)" else ("bus bandwidth", "GB/s")
    for column in dict.fromkeys(group.column for group in report.groups):
        groups = [group for group in report.groups if group.column == column]
        yield bars(
            f"{name.capitalize()} by {column.replace('_', ' ')}",
            "The mean of all runs that ended, whatever else they had; runs that did not end are not in it.",
            Axis(name, unit),
            [(group.value, group.mean) for group in groups if group.mean is not None],
        )
    if report.groups:
        yield table(
            "Groups",
            "Runs that have a value in common.",
            [
                Axis("of"), Axis("value"), Axis("runs"), Axis("failed"), Axis("mean", unit),
                Axis("least", unit), Axis("most", unit),
            ],
            [
                [
                    each.column, each.value, each.runs, each.failed, each.mean, each.least, each.most,
                ]
                for each in report.groups
            ],
        )  # fmt: skip
    yield from _failures(report)
    runs = [*(("best", each) for each in report.best), *(("worst", each) for each in report.worst)]
    yield table(
        "Best and worst",
        "Of runs that ended.",
        [Axis(""), Axis("bus bandwidth", "GB/s"), Axis("time", "s"), Axis("run"), Axis("number")],
        [[which, each.busbw_gbs, each.time_ps / 1e12, each.what, each.run_id] for which, each in runs],
    )


def _failures(report: SweepReport) -> Iterator[Figure]:
    if not report.failures:
        return
    known = [(each.failure, each.mean) for each in report.failures if each.mean is not None]
    if known:
        yield bars(
            "What failures cost",
            f"Times as long as the same run without, in the mean; the {_FAILURES} that cost most.",
            Axis("times as long", "x"),
            sorted(known, key=lambda each: -each[1])[:_FAILURES],
        )
    yield table(
        "Failures",
        "The costliest first: those that runs do not survive, then by the mean.",
        [Axis("failure"), Axis("runs"), Axis("did not end"), Axis("mean", "x"), Axis("worst", "x")],
        [[each.failure, each.runs, each.failed, each.mean, each.worst] for each in report.failures],
    )
