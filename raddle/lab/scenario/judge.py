"""Expectations against what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raddle.errors import Diagnostic, InputError
from raddle.lab.scenario.baseline import Baselines, Earlier
from raddle.lab.scenario.expectation import Expectation
from raddle.report.scenario import Verdict

_RESAMPLED = 2000
_FEW = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run came to.

    Attributes:
        values: of what expectations speak of; None where what did not end has none.
        line_gbs: of each job, the payload rate of its slowest rank.
        times_ps: of the jobs, in their order.
        unfinished: of each job, and of all under "": why the first message that did not end did not.
    """

    values: Mapping[str, float | None]
    line_gbs: Mapping[str, float]
    times_ps: tuple[int | None, ...]
    unfinished: Mapping[str, str]


def verdict_of(
    expectation: Expectation,
    measured: Sequence[Measured],
    seeds: Sequence[int],
    scenario: str,
    baselines: Baselines,
) -> Verdict:
    """Whether an expectation holds for every run; beside a baseline of other seeds, whether the mean does.

    Args:
        seeds: of the runs.
        scenario: its name, by which the baseline goes.

    Raises:
        InputError: `no-baseline`, it is relative to an earlier run that is not given or did not measure it.
    """
    values = tuple(each.values[expectation.measured] for each in measured)
    shown = _shown(expectation, [value for value in values if value is not None], len(values))
    judged, why = values, ""
    holds: bool | None = None
    references: Sequence[float] | None = [_reference(expectation, each) for each in measured]
    if expectation.relative_to == "baseline":
        earlier = _earlier(expectation, scenario, baselines)
        judged, references, beside = _beside(values, seeds, earlier)
        shown += f"; {beside}" if beside else ""
    if references is not None:
        held = [
            value is not None and expectation.holds(value, reference)
            for value, reference in zip(judged, references, strict=True)
        ]
        holds = all(held)
        why = "" if holds else _why(expectation, measured, references, held.index(False))
    where = expectation.span
    return Verdict(
        text=expectation.text,
        measured=expectation.measured,
        unit=expectation.metric.unit.name,
        values=values,
        holds=holds,
        shown=shown,
        why=why,
        line=where.line if where else 0,
        column=where.column if where else 0,
    )


def _reference(expectation: Expectation, run: Measured) -> float:
    return run.line_gbs[expectation.job] if expectation.relative_to == "line" else 1.0


def _earlier(expectation: Expectation, scenario: str, baselines: Baselines) -> Earlier | None:
    """What the baseline has of it; None where one is begun that has it from now on."""
    baseline = baselines.of(scenario)
    if baseline and expectation.measured in baseline:
        return baseline[expectation.measured]
    if baselines.is_begun:
        return None
    what = "none is given" if baseline is None else f"it has no {expectation.measured}"
    message = f"'{expectation.text}' compares with a baseline, and {what}"
    hint = "write one with --save-baseline FILE, and give it with --baseline FILE"
    raise InputError([Diagnostic("no-baseline", message, expectation.span, hint)])


def _beside(
    values: tuple[float | None, ...], seeds: Sequence[int], earlier: Earlier | None
) -> tuple[tuple[float | None, ...], Sequence[float] | None, str]:
    """What is judged, beside what, and in words: seed beside seed where the baseline has all seeds, else the
    mean beside the mean; None where there is no baseline yet."""
    if earlier is None:
        return values, None, "not judged: no baseline has it yet"
    if all(seed in earlier.by_seed for seed in seeds):
        told = "each seed beside the same of the baseline" if len(seeds) > 1 else ""
        return values, [earlier.by_seed[seed] for seed in seeds], told
    ended = [value for value in values if value is not None]
    mean = float(np.mean(ended)) if len(ended) == len(values) else None
    return (mean,), [earlier.mean], "mean beside mean, as the baseline has not all of these seeds"


def _why(expectation: Expectation, measured: Sequence[Measured], references: Sequence[float], at: int) -> str:
    """Why it does not hold for what is judged there: a run, or the mean of all."""
    is_each = len(references) == len(measured)
    stuck = [each.unfinished[expectation.job] for each in measured]
    why = stuck[at] if is_each else next(filter(None, stuck), "")
    if expectation.relative_to:
        wanted = expectation.metric.unit.text(expectation.value * references[at])
        why = f"{expectation.operator} {wanted} is asked{'; ' if why else ''}{why}"
    return why


def _shown(expectation: Expectation, values: Sequence[float], runs: int) -> str:
    """The worst value, and of several the mean with its confidence."""
    if len(values) < runs:
        why = expectation.metric.without
        return why if runs == 1 else f"{why}, with {runs - len(values)} of {runs} seeds"
    text = expectation.metric.unit.text
    worst = max(values) if expectation.metric.is_worst_high else min(values)
    if min(values) == max(values):
        return text(worst)
    told = f"{text(worst)} at worst, {text(float(np.mean(values)))} on average"
    if runs < _FEW:
        return told
    low, high = confidence(values)
    return f"{told} (95%: {text(low)} to {text(high)})"


def confidence(values: Sequence[float]) -> tuple[float, float]:
    """95 % confidence interval of the mean, by the percentile bootstrap (Efron, Ann. Statist. 7, 1979)."""
    draws = np.random.default_rng(1).choice(np.asarray(values), (_RESAMPLED, len(values)))
    low, high = np.quantile(draws.mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
