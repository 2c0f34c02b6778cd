"""What came of a campaign, as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from raddle.report.plots import bars
from raddle.units import format_time

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that have a value in common, and the report's measure of those that finished.

    `failed` are those that did not, or where something is not as a scenario expects.
    """

    column: str
    value: str
    runs: int
    failed: int
    mean: float | None
    least: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class FailureCost:
    """What a failure costs: time over that of the same run without it.

    Attributes:
        runs, failed: with this failure; of them those that did not finish.
        mean, worst: of the others; None where nothing can be compared.
    """

    failure: str
    runs: int
    failed: int
    mean: float | None
    worst: float | None


@dataclass(frozen=True, slots=True)
class Extreme:
    """A run in words."""

    run_id: str
    what: str
    busbw_gbs: float | None
    time_ps: int


@dataclass(frozen=True, slots=True)
class SweepReport:
    """`failures` the costliest first; `best` and `worst` by the measure; `errors` with their numbers.

    `measure` is bus bandwidth in GB/s, or of scenarios and workloads time in ms.
    """

    name: str
    measure: Literal["busbw (GB/s)", "time (ms)"]
    runs: int
    of_runs: int
    unfinished: int
    cpu_s: float
    groups: tuple[Group, ...]
    failures: tuple[FailureCost, ...]
    best: tuple[Extreme, ...]
    worst: tuple[Extreme, ...]
    errors: tuple[tuple[str, int], ...]


_SHOWN = 20


def sweep_text(report: SweepReport) -> str:
    """Tables up to 100 columns."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: SweepReport) -> Iterator[str]:
    yield (
        f"# {report.name}: {report.runs} of {report.of_runs} runs, {report.unfinished} without an end,"
        f" {report.cpu_s:.1f} CPU s"
    )
    if report.groups:
        head = f"{'':<20} {'':<24} {'runs':>6} {'failed':>6} {'mean':>9} {'least':>9} {'most':>9}"
        yield f"{head}  {report.measure}"
    for group in report.groups:
        numbers = " ".join(_number(value) for value in (group.mean, group.least, group.most))
        yield f"{group.column:<20} {group.value:<24} {group.runs:>6} {group.failed:>6} {numbers}"
    if report.failures:
        yield f"{'failure':<52} {'runs':>6} {'failed':>6} {'mean':>9} {'worst':>9}  times as long"
    for cost in report.failures[:_SHOWN]:
        told = f"{_number(cost.mean)} {_number(cost.worst)}"
        yield f"{cost.failure:<52} {cost.runs:>6} {cost.failed:>6} {told}"
    if len(report.failures) > _SHOWN:
        yield f"... and {len(report.failures) - _SHOWN} that cost no more"
    for word, runs in (("best", report.best), ("worst", report.worst)):
        for run in runs:
            rate = "" if run.busbw_gbs is None else f"{run.busbw_gbs:>9.2f} GB/s "
            yield f"{word:<6} {rate}{format_time(run.time_ps):>9}  {run.what}"
    for error, count in report.errors:
        yield f"{count} runs: {error}"


def _number(value: float | None) -> str:
    return "-".rjust(9) if value is None else f"{value:9.3f}"


def sweep_plot(report: SweepReport, width: int) -> Iterator[str]:
    """The mean of each group as a bar."""
    for column in dict.fromkeys(group.column for group in report.groups):
        rows = [(group.value, group.mean) for group in report.groups if group.column == column]
        title = f"Mean {report.measure} by {column.replace('_', ' ')}"
        yield from bars(title, rows, lambda value: f"{value:.2f}", width)


def sweep_document(report: SweepReport) -> str:
    """The report as JSON, ending in a newline."""
    document = {"schema_version": SCHEMA_VERSION, **asdict(report)}
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"


def in_words(values: Sequence[tuple[str, str]]) -> str:
    """`routing pinned, size 1MiB`."""
    return ", ".join(f"{column} {value}" for column, value in values)
