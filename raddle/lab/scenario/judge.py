"""Expectations against what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raddle.errors import Diagnostic, InputError
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
    expectation: Expectation, measured: Sequence[Measured], baseline: Mapping[str, float] | None
) -> Verdict:
    """Whether an expectation holds for every run.

    Raises:
        InputError: `no-baseline`, it is relative to an earlier run that is not given or did not measure it.
    """
    values = tuple(each.values[expectation.measured] for each in measured)
    references = [_reference(expectation, each, baseline) for each in measured]
    held = [
        value is not None and expectation.holds(value, reference)
        for value, reference in zip(values, references, strict=True)
    ]
    why = ""
    if not all(held):
        run = held.index(False)
        why = measured[run].unfinished[expectation.job]
        if expectation.relative_to:
            wanted = expectation.metric.unit.text(expectation.value * references[run])
            why = f"{expectation.operator} {wanted} is asked{'; ' if why else ''}{why}"
    where = expectation.span
    return Verdict(
        text=expectation.text,
        measured=expectation.measured,
        unit=expectation.metric.unit.name,
        values=values,
        holds=all(held),
        shown=_shown(expectation, [value for value in values if value is not None], len(values)),
        why=why,
        line=where.line if where else 0,
        column=where.column if where else 0,
    )


def _reference(expectation: Expectation, run: Measured, baseline: Mapping[str, float] | None) -> float:
    if expectation.relative_to == "line":
        return run.line_gbs[expectation.job]
    if expectation.relative_to == "":
        return 1.0
    if baseline is None or expectation.measured not in baseline:
        what = "none is given" if baseline is None else f"it has no {expectation.measured}"
        message = f"'{expectation.text}' compares with a baseline, and {what}"
        hint = "write one with --save-baseline FILE, and give it with --baseline FILE"
        raise InputError([Diagnostic("no-baseline", message, expectation.span, hint)])
    return baseline[expectation.measured]


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
