"""What came of scenarios, as values that every form of report reads, and as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from raddle.report.model import (
    FOR_PAGES,
    FastForward,
    Flowed,
    LinkFlows,
    LinkUse,
    NotForwarded,
    RepairRow,
    as_document,
    auto_lines,
)
from raddle.report.plots import sparkline
from raddle.sim.series import Sample

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation and what was measured.

    Attributes:
        text: the expectation, as written.
        measured: what it speaks of: `train.busbw`.
        unit: of the values: GB/s, ps, B, or empty for counts and ratios.
        values: for each seed; None where what did not end has none.
        holds: for every seed; None where nothing is judged, as there is no baseline yet.
        shown: the worst value, and how they spread where there are several, in words.
        why: why it does not hold, where the value alone does not tell; else empty.
        line, column: in the scenario file, from 1; 0 for what is expected of itself.
    """

    text: str
    measured: str
    unit: str
    values: tuple[float | None, ...]
    holds: bool | None
    shown: str
    why: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Check:
    """A command of the user's own: what it ended with, and the last that it printed; where it stands."""

    command: str
    exit_code: int
    output: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class JobTimes:
    """A job: what it does, its ranks, and its time for each seed in ps, None where it did not end."""

    name: str
    what: str
    ranks: int
    times_ps: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What came of a scenario. `seconds` of computing, on this machine.

    `left_out` is what a run of its `fidelity` does not have. Of the first seed's run are `fast_forward`,
    `not_forwarded` and `flowed`, as a row of a benchmark has them, `repairs`, what the controller did, and
    what JSON leaves out: what links carried, flow by flow, and over time.
    """

    name: str
    file: str
    fabric: str
    routing: str
    congestion_control: str
    fidelity: str
    left_out: tuple[str, ...]
    seeds: tuple[int, ...]
    jobs: tuple[JobTimes, ...]
    verdicts: tuple[Verdict, ...]
    fast_forward: FastForward | None = None
    not_forwarded: NotForwarded | None = None
    flowed: Flowed | None = None
    repairs: tuple[RepairRow, ...] = ()
    checks: tuple[Check, ...] = ()
    seconds: float = 0.0
    links: tuple[LinkUse, ...] = field(default=(), metadata=FOR_PAGES)
    link_flows: tuple[LinkFlows, ...] = field(default=(), metadata=FOR_PAGES)
    series: tuple[Sample, ...] = field(default=(), metadata=FOR_PAGES)
    ends_ps: tuple[int, ...] = field(default=(), metadata=FOR_PAGES)  # one number, or none

    @property
    def ok(self) -> bool:
        """Everything is as expected."""
        held = all(each.holds is not False for each in self.verdicts)
        return held and not any(each.exit_code for each in self.checks)


def scenarios_text(results: Sequence[ScenarioResult]) -> str:
    """A line for each expectation, below a head for each scenario; the last line sums up."""
    lines = [line for result in results for line in _lines(result)]
    of = [each.holds for result in results for each in result.verdicts if each.holds is not None]
    of += [not each.exit_code for result in results for each in result.checks]
    failed = len(of) - sum(of)
    told = f"{failed} of {len(of)} expectations failed" if failed else f"ok, {len(of)} expectations"
    return "\n".join([*lines, told]) + "\n"


_WORDS = {True: "ok", False: "FAIL", None: "new"}


def _lines(result: ScenarioResult) -> Iterator[str]:
    first, last = result.seeds[0], result.seeds[-1]
    seeds = f"seed {first}" if first == last else f"seeds {first}-{last}"
    yield f"# {result.name} on {result.fabric}: {result.routing}, {result.congestion_control}, {seeds}"
    for what in result.left_out:
        yield f"# not simulated: {what}"
    for job in result.jobs:
        yield f"# {job.name}: {job.what}, {job.ranks} ranks"
    for line in auto_lines(result.fast_forward, result.flowed, result.not_forwarded):
        yield f"# {f'seed {first}: ' * (first != last)}{line}"
    yield from (f"# controller {each}" for each in result.repairs)
    width = max([30, *(len(each.text) for each in result.verdicts)])
    for each in result.verdicts:
        yield f"{_WORDS[each.holds]:<5}{each.text:<{width}}  {each.shown}"
        if each.holds is False:
            place = f"{result.file}:{each.line}:{each.column}" if each.line else result.file
            yield f"     {place}{': ' if each.why else ''}{each.why}"
    for check in result.checks:
        word = "FAIL" if check.exit_code else "ok"
        yield f"{word:<5}{check.command:<{width}}  exit code {check.exit_code}"
        if check.exit_code:
            place = f"{result.file}:{check.line}:{check.column}"
            yield f"     {place}{': ' if check.output else ''}{check.output}"


def seeds_plot(results: Sequence[ScenarioResult], width: int) -> Iterator[str]:
    """What was measured with each seed, as a line of columns from 0 to the most."""
    for result in results:
        verdicts = {each.measured: each for each in result.verdicts if any(each.values)}
        if len(result.seeds) < 2 or not verdicts:
            continue
        yield f"{result.name}: each seed, from 0 to the most"
        names = max(map(len, verdicts))
        for name, each in verdicts.items():
            yield f"  {name:<{names}} {sparkline(each.values[: width - names - 3])}"


def scenarios_document(results: Sequence[ScenarioResult]) -> str:
    """The results as JSON, ending in a newline."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "ok": all(result.ok for result in results),
        "scenarios": [{**as_document(result), "ok": result.ok} for result in results],
    }
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"
