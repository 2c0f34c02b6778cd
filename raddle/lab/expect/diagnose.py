"""Measured logs -> the causes that fit them, the likeliest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.make import make_plan
from raddle.lab.expect.cases import Assumed, Case, case_of
from raddle.lab.expect.collisions import states_of
from raddle.lab.expect.hypotheses import HYPOTHESES, Hypothesis
from raddle.lab.expect.logs.record import Log
from raddle.lab.expect.next_test import next_test
from raddle.report.diagnosis import CauseFound, Diagnosis, LogFound, LogPoint
from raddle.topology.model import Fabric

_SPREAD, _SPREAD_OF_LATENCY = 0.04, 0.2
"""Standard deviation of the logarithm of a measured time over the closed form's, where bandwidth and where
latency takes it. Assumption: docs/cli/expect.md has the closed form's own errors against the engine."""

_MOST = 40.0
"""Misfit of a log beyond which it says no more."""

_COLLIDED = 0.7
"""Cost of assuming a draw of the hash that collides, of a log."""

_FREE = 1.2
"""Cost of a log that is slower by any factor, which says less than a draw."""

_GAIN = 1.0
"""By how much a cause must explain the logs better than none, collisions apart, to be named."""

_NEAR = 4.0
"""Causes that cost so much more than the best one are named with it."""

_CONTROLS = (1.0, 1.2, 1.4)
"""How many times of what collisions cost by bandwidth alone: congestion control holds flows that share a link
below their share (docs/models/fluid.md has the engine's DCQCN)."""

_AS_EXPECTED = 0.1
_TIE = 0.05
"""Places of a cause that differ by no more fit alike."""

_SHOWN = 4

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, order=True)
class _Misfit:
    """How far times are from a log: the mean squared deviation of their logarithms, in variances beyond one.

    Attributes:
        cost: with the draw of the hash that fits best, and what it costs.
        stretch: that draw.
        alone: without collisions.
    """

    cost: float
    stretch: float
    alone: float


class _Judge:
    """Tells how far times are from what a log measured."""

    def __init__(self, case: Case) -> None:
        self.case, self.measured, self.usual = case, case.measured_s, case.expected_s
        latency = np.array([point.chain.latency_s for point in case.points]) / self.usual
        self._spread = _SPREAD + _SPREAD_OF_LATENCY * np.minimum(latency, 1.0)
        draws = [draw for draw in np.unique(np.round(case.draws, 2)).tolist() if draw > 1.02]
        rows = [np.ones_like(self.usual)]
        for draw in draws:
            collided = np.array([case.time_s(point, draw) for point in case.points]) / self.usual
            rows += [1 + (collided - 1) * control for control in _CONTROLS]
        self._slower = np.array(rows)
        self._draws = [1.0, *np.repeat(draws, len(_CONTROLS)).tolist()]
        self._costs = np.array([0.0] + [_COLLIDED] * (len(rows) - 1))
        self.plain = self.misfit(self.usual)

    def misfit(self, times: _Floats) -> _Misfit:
        """Of these times."""
        off = np.log(self.measured / np.maximum(times * self._slower, 1e-12)) / self._spread
        costs = np.clip((off**2).mean(axis=1) - 1, 0, _MOST) + self._costs
        at = int(costs.argmin())
        return _Misfit(float(costs[at]), float(self._draws[at]), float(costs[0]))

    def met(self, times: _Floats, share: float) -> _Misfit:
        """Of these times where a cause is met, and of the usual ones where it is not; how likely it is met
        counts."""
        met = _dearer(self.misfit(times), -math.log(max(share, 1e-9)))
        return min(met, _dearer(self.plain, -math.log(1 - share))) if share < 1 else met

    def free(self) -> _Misfit:
        """The same where each size may be slower by any factor."""
        slower = np.maximum(self.measured, self.usual)
        cost = self.misfit(slower).alone + (_FREE if (slower > 1.1 * self.usual).any() else 0.0)
        return _Misfit(cost, 1.0, cost)


def _dearer(misfit: _Misfit, cost: float) -> _Misfit:
    return replace(misfit, cost=misfit.cost + cost, alone=misfit.alone + cost)


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a hypothesis fits all logs.

    Attributes:
        cost: of misfit and assumptions.
        stretch: of each log, the collisions that are assumed.
        alone: the cost without collisions.
        places: that fit as well, its own first.
    """

    hypothesis: Hypothesis
    cost: float
    stretch: tuple[float, ...]
    alone: float
    places: tuple[str, ...] = ()


def diagnose(fabric: Fabric, logs: Sequence[Log], assumed: Assumed) -> Diagnosis:
    """The causes that fit, each with its evidence.

    Where the fabric declares pinned routing, flows do not collide.

    Raises:
        InputError: a log does not fit the fabric.
    """
    plan = make_plan(fabric, "ecmp", None)
    states = dict(states_of(fabric, plan))
    cases = [case_of(fabric, plan, states, log, assumed) for log in logs]
    if fabric.routing.is_declared and fabric.routing.policy == "pinned":
        cases = [replace(case, draws=(1.0,)) for case in cases]
    judges = [_Judge(case) for case in cases]
    none, *others = [_fit(each, judges) for make in HYPOTHESES for each in make(cases)]
    fits = [_told(none, judges), *(fit for fit in others if fit.alone < none.alone - _GAIN)]
    ranked = _best_of_each(sorted(fits, key=lambda fit: fit.cost))
    near = [fit for fit in ranked if fit.cost <= ranked[0].cost + _NEAR]
    return Diagnosis(
        fabric=fabric.name,
        logs=tuple(_log_found(judge) for judge in judges),
        causes=tuple(_cause_found(fit, judges) for fit in near),
        next_test=next_test([fit.hypothesis.cause for fit in near]),
    )


def _best_of_each(fits: Sequence[_Fit]) -> list[_Fit]:
    """The best of each cause, of sorted ones; with all places that fit as well."""
    best: dict[str, _Fit] = {}
    places: dict[str, list[str]] = {}
    for fit in fits:
        cause = fit.hypothesis.cause
        if fit.cost <= best.setdefault(cause, fit).cost + _TIE:
            places.setdefault(cause, []).append(fit.hypothesis.where)
    return [replace(fit, places=tuple(dict.fromkeys(places[cause]))) for cause, fit in best.items()]


def _one_of(places: Sequence[str], joint: str = "or") -> str:
    if len(places) < 2:
        return places[0]
    shown = list(places) if len(places) <= _SHOWN else [*places[: _SHOWN - 1], "another"]
    return f"{', '.join(shown[:-1])} {joint} {shown[-1]}"


def _fit(hypothesis: Hypothesis, judges: Sequence[_Judge]) -> _Fit:
    found = []
    for judge in judges:
        times = hypothesis.predict(judge.case)
        misfit = judge.plain
        if times is not None:
            misfit = judge.met(times, hypothesis.share(judge.case))
        found.append(min(misfit, judge.free()) if hypothesis.is_free(judge.case) else misfit)
    return _Fit(
        hypothesis,
        hypothesis.cost + sum(each.cost for each in found),
        tuple(each.stretch for each in found),
        hypothesis.cost + sum(each.alone for each in found),
    )


def _told(none: _Fit, judges: Sequence[_Judge]) -> _Fit:
    """What it is called that nothing is wrong: draws that collide are a cause of their own, and a log that no
    draw explains is not as expected."""
    own = none.hypothesis
    if off := [judge.case.name for judge in judges if judge.plain.cost > _NEAR]:
        what = f"no cause of the list makes {_one_of(off, 'and')} what was measured"
        return replace(none, hypothesis=replace(own, cause="unexplained", what=what))
    if max(none.stretch) <= 1.02:
        return none
    told = f"the busiest link needs {max(none.stretch):.2f} times as long"
    return replace(none, hypothesis=replace(own, cause="hash-collisions", what=told))


def _log_found(judge: _Judge) -> LogFound:
    case, row, usual_us = judge.case, judge.case.rows[-1], float(judge.usual[-1]) * 1e6
    return LogFound(
        file=case.log.file,
        tool=case.log.tool,
        what=case.name,
        size_bytes=row.size_bytes,
        measured_us=row.time_us,
        expected_us=usual_us,
        busbw_gbs=_busbw(case, row.time_us),
        expected_gbs=_busbw(case, usual_us),
        wrong=sum(each.wrong or 0 for each in case.log.rows),
        notes=case.notes,
        points=tuple(_points(judge)),
    )


def _points(judge: _Judge) -> Iterator[LogPoint]:
    """Every size that was timed; those of the case with what they should be."""
    case = judge.case
    worked_out = {
        row.size_bytes: (
            _busbw(case, usual_s * 1e6, at),
            _busbw(case, case.points[at].loads.time_s() * 1e6, at),
        )
        for at, (row, usual_s) in enumerate(zip(case.rows, judge.usual.tolist(), strict=True))
    }
    factor = case.job.collective.bus_factor(case.job.ranks) if case.job else 1.0
    for row in case.log.rows:
        if row.time_us > 0 and row.size_bytes > 0:
            expected, bound = worked_out.get(row.size_bytes, (None, None))
            yield LogPoint(row.size_bytes, row.size_bytes / row.time_us / 1e3 * factor, expected, bound)


def _busbw(case: Case, time_us: float, at: int = -1) -> float:
    size_bytes = case.points[at].messages.size_bytes
    factor = case.job.collective.bus_factor(case.job.ranks) if case.job else 1.0
    return size_bytes / time_us / 1e3 * factor


def _cause_found(fit: _Fit, judges: Sequence[_Judge]) -> CauseFound:
    hypothesis = fit.hypothesis
    slowest = sorted(
        zip(judges, fit.stretch, strict=True), key=lambda of: -of[0].measured[-1] / of[0].usual[-1]
    )
    evidence = [line for judge, stretch in slowest if (line := _evidence(hypothesis, judge, stretch))]
    usual = sum(abs(np.log(judge.measured[-1] / judge.usual[-1])) < _AS_EXPECTED for judge in judges)
    if len(judges) > 1:
        evidence.append(f"{usual} of {len(judges)} logs are as expected within 10 %")
    return CauseFound(
        hypothesis.cause, _one_of(fit.places), fit.places, hypothesis.what, round(fit.cost, 2),
        tuple(evidence),
    )  # fmt: skip


def _evidence(hypothesis: Hypothesis, judge: _Judge, stretch: float) -> str:
    """What a log says of a cause; empty where it says nothing."""
    case, times = judge.case, hypothesis.predict(judge.case)
    factor = float(judge.measured[-1] / judge.usual[-1])
    told = f"{case.name}: {factor:.2f} times its time"
    share = hypothesis.share(case)
    if share < 1 and factor < 1 + _AS_EXPECTED:
        return f"{told}; its flow goes another way, as {1 - share:.0%} of them do"
    if times is not None and float(np.max(np.abs(np.log(times / judge.usual)))) > 0.03:
        return f"{told}; this would make it {float(times[-1] / judge.usual[-1]):.2f}"
    if stretch > 1.02 and factor > 1.05:
        return f"{told}; draws of the hash give {case.draws[0]:.2f} to {case.draws[-1]:.2f}"
    if hypothesis.is_free(case) and factor > 1.1:
        return f"{told}, and flows share a receiver or a link"
    return ""
