"""Rows of a campaign -> its report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from raddle.lab.sweep.model import NO_FAILURE, Row
from raddle.lab.sweep.store import About
from raddle.report.sweep import Extreme, FailureCost, Group, SweepReport, in_words
from raddle.topology.naming import natural
from raddle.units import format_size

_COLUMNS = (
    "routing", "congestion_control", "collective", "algorithm", "size_bytes", "placement", "qps", "seed",
)  # fmt: skip
_EXTREMES = 3


def summary_of(about: About, rows: Sequence[Row]) -> SweepReport:
    """Groups by everything that differs, the cost of failures, the best and the worst runs."""
    ended = sorted((row for row in rows if row.time_ps is not None), key=_badness)
    varied = [column for column in _keys(rows) if len({_value(row, column) for row in rows}) > 1]

    def extreme(row: Row) -> Extreme:
        values = [(column, _text(column, _value(row, column))) for column in varied]
        if row.failure != NO_FAILURE:
            values.append(("failure", row.failure))
        return Extreme(row.run_id, in_words(values) or row.run_id, row.busbw_gbs, row.time_ps or 0)

    return SweepReport(
        name=about.name,
        measure="busbw (GB/s)" if any(row.busbw_gbs is not None for row in rows) else "time (ms)",
        runs=len(rows),
        of_runs=about.runs,
        unfinished=len(rows) - len(ended),
        cpu_s=round(sum(row.cpu_s for row in rows), 3),
        groups=tuple(group for column in varied if column != "seed" for group in _groups(rows, column)),
        failures=tuple(_costs(rows)),
        best=tuple(extreme(row) for row in ended[:_EXTREMES]),
        worst=tuple(extreme(row) for row in reversed(ended[-_EXTREMES:])),
        errors=tuple(sorted(Counter(row.error for row in rows if row.error).items())),
    )


def _badness(row: Row) -> float:
    return (row.time_ps or 0) if row.busbw_gbs is None else -row.busbw_gbs


def _measure(row: Row) -> float | None:
    """Bus bandwidth; of what has none, its time in ms."""
    return row.time_ps / 1e9 if row.of and row.time_ps is not None else row.busbw_gbs


def _keys(rows: Sequence[Row]) -> Iterator[str]:
    names = {name: None for row in rows for name in json.loads(row.variables)}
    yield from (f"variables.{name}" for name in names)
    yield from _COLUMNS


def _value(row: Row, column: str) -> Any:
    name = column.removeprefix("variables.")
    return json.loads(row.variables).get(name) if name != column else getattr(row, column)


def _text(column: str, value: Any) -> str:
    return format_size(value) if column == "size_bytes" else str(value)


def _groups(rows: Sequence[Row], column: str) -> Iterator[Group]:
    values = list(dict.fromkeys(_value(row, column) for row in rows))
    for value in sorted(values, key=lambda each: (isinstance(each, str), natural(str(each)))):
        own = [row for row in rows if _value(row, column) == value]
        found = [each for each in map(_measure, own) if each is not None]
        failed = sum(row.time_ps is None or bool(row.not_held) for row in own)
        yield Group(
            column, _text(column, value), len(own), failed,
            *((round(fmean(found), 6), min(found), max(found)) if found else (None, None, None)),
        )  # fmt: skip


def _costs(rows: Sequence[Row]) -> Iterator[FailureCost]:
    """The costliest first: what does not finish, then by the mean."""

    def rest(row: Row) -> tuple[Any, ...]:
        return (row.variables, row.fidelity, *(getattr(row, column) for column in _COLUMNS))

    sound = {rest(row): row.time_ps for row in rows if row.failure == NO_FAILURE}
    found = []
    for failure in dict.fromkeys(row.failure for row in rows if row.failure != NO_FAILURE):
        own = [row for row in rows if row.failure == failure]
        ratios = [row.time_ps / usual for row in own if row.time_ps and (usual := sound.get(rest(row)))]
        failed = sum(row.time_ps is None for row in own)
        mean = round(fmean(ratios), 6) if ratios else None
        found.append(FailureCost(failure, len(own), failed, mean, round(max(ratios), 6) if ratios else None))
    yield from sorted(found, key=lambda cost: (-cost.failed, -(cost.mean or 0.0), cost.failure))
