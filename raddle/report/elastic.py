"""What `raddle elastic` finds, as values, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from raddle.report.model import FastForward, NotForwarded, auto_lines
from raddle.report.plots import bars
from raddle.units import format_time

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class StageRow:
    """A part of changing hands.

    Attributes:
        time_ps: that it takes.
        network_ps: of that, what the fabric or its control takes; the rest is others'.
        what: it does, in words.
        pauses: training stands still meanwhile.
    """

    name: str
    time_ps: int
    network_ps: int
    what: str
    pauses: bool = True


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """A time of day; minutes count from midnight.

    Attributes:
        load_per_s: the highest load, tokens/s.
        tokens_per_s: what a serving accelerator comes to beside the training job.
        missing_per_s: the most tokens/s that there is no capacity for.
        step_ps: a step of training beside serving; None where none trains.
        steps: that are trained, what changing hands takes apart.
    """

    begin_min: int
    end_min: int
    load_per_s: float
    serving: int
    training: int
    idle: int
    tokens_per_s: float
    served_tokens: float
    missing_per_s: float
    step_ps: int | None
    steps: float


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """Accelerators change hands.

    Attributes:
        begin_s: since midnight; before it for what is ready at midnight.
        accelerators: that do so; to: what they do afterwards.
        lost_steps: that training does not make while it stands still, at its pace before.
        lost_tokens: that these accelerators could have served in the whole time.
    """

    begin_s: float
    accelerators: int
    to: str
    stages: tuple[StageRow, ...]
    time_ps: int
    network_ps: int
    lost_steps: float
    lost_tokens: float


@dataclass(frozen=True, slots=True)
class AutoRow:
    """What `--fidelity auto` made of a run of so many accelerators that serve and train."""

    serving: int
    training: int
    fast_forward: FastForward | None
    not_forwarded: NotForwarded | None

    def lines(self) -> Iterator[str]:
        who = f"{self.serving} accelerators serve, {self.training} train"
        return (f"{who}: {line}" for line in auto_lines(self.fast_forward, None, self.not_forwarded))


@dataclass(frozen=True, slots=True)
class ElasticResult:
    """A day of an elastic pool; `tokens_per_s` is of an accelerator of one instance that runs alone.

    Attributes:
        by_auto: of each run of periods by `--fidelity auto`.
    """

    name: str
    fabric: str
    pool: int
    storage: int
    fidelity: str
    left_out: tuple[str, ...]
    by_auto: tuple[AutoRow, ...]
    routing: str
    instance: int
    tokens_per_s: float
    periods: tuple[PeriodRow, ...]
    changes: tuple[ChangeRow, ...]

    @property
    def is_served(self) -> bool:
        """Whether the load always finds room."""
        return not any(period.missing_per_s for period in self.periods)


def elastic_document(result: ElasticResult) -> dict[str, Any]:
    """What the JSON holds: the fields of the records, and `schema_version`."""
    return {**asdict(result), "schema_version": SCHEMA_VERSION}


def elastic_json(result: ElasticResult) -> str:
    """One JSON object, keys sorted, ending in a newline; equal runs give equal bytes."""
    return json.dumps(elastic_document(result), indent=2, sort_keys=True, allow_nan=False) + "\n"


def elastic_text(result: ElasticResult) -> str:
    """The report, ending in a newline."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(result))


def _lines(result: ElasticResult) -> Iterator[str]:
    yield f"# {result.name} on {result.fabric}: {result.pool} accelerators, {result.storage} NICs of storage"
    for what in result.left_out:
        yield f"# not simulated: {what}"
    yield from (f"# {line}" for row in result.by_auto for line in row.lines())
    whole = f"{result.instance * result.tokens_per_s:,.0f} tokens/s alone, {result.tokens_per_s:,.0f} of each"
    yield f"# an instance of {result.instance} serves {whole} accelerator"
    line = "{:>5} {:>5} {:>12} {:>8} {:>9} {:>5} {:>13} {:>10} {:>7}"
    heads = "load (tok/s)", "serving", "training", "idle", "served (Mtok)", "step", "steps"
    yield line.format("from", "to", *heads)
    for row in result.periods:
        begin, end = clock(row.begin_min * 60), clock(row.end_min * 60)
        jobs = f"{row.load_per_s:,.0f}", row.serving, row.training, row.idle
        step = "-" if row.step_ps is None else format_time(row.step_ps)
        yield line.format(begin, end, *jobs, f"{row.served_tokens / 1e6:,.1f}", step, f"{row.steps:,.0f}")
        if row.missing_per_s:
            yield f"# no capacity for {row.missing_per_s:,.0f} tokens/s from {begin} on"
    for change in result.changes:
        yield "#"
        yield from _change_lines(change)


def _change_lines(row: ChangeRow) -> Iterator[str]:
    who = f"{row.accelerators} accelerators to {row.to}"
    yield f"# {clock(row.begin_s, True)} {who}: {_minutes(row.time_ps)}"
    cost = f"{row.lost_steps:,.0f} steps, or {row.lost_tokens / 1e6:,.1f} Mtok"
    yield f"#   of it the network's part {_minutes(row.network_ps)}; costs {cost}"
    now_s = row.begin_s
    for stage in row.stages:
        took = f"{_minutes(stage.time_ps):>10} {_minutes(stage.network_ps):>10}"
        yield f"#   {clock(now_s, True)} {stage.name:<14}{took}  {stage.what}"
        now_s += stage.time_ps / 1e12


def _minutes(time_ps: int) -> str:
    return f"{time_ps / 60e12:.2f} min"


def elastic_plot(result: ElasticResult, width: int) -> Iterator[str]:
    """Load and accelerators of each period as bars."""
    rows = [(clock(each.begin_min * 60), each) for each in result.periods]
    load = [(name, each.load_per_s) for name, each in rows]
    yield from bars("Load, tokens/s", load, lambda value: f"{value:,.0f}", width)
    serving = [(name, float(each.serving)) for name, each in rows]
    told = f"Accelerators that serve, of {result.pool}"
    yield from bars(told, serving, lambda value: f"{value:.0f}", width, float(result.pool))


def clock(second: float, has_seconds: bool = False) -> str:
    """Time of day; a day ends at 24:00."""
    whole = round(second)
    whole = whole if whole == 86400 else whole % 86400
    text = f"{whole // 3600:02}:{whole // 60 % 60:02}"
    return f"{text}:{whole % 60:02}" if has_seconds else text
