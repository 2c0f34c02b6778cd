"""`train.busbw >= 45 GB/s`: a line of a scenario, read."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from raddle.errors import SourceSpan, with_hint
from raddle.lab.scenario.metrics import METRICS, Metric
from raddle.lab.scenario.units import GBS, parse_number
from raddle.topology.yaml.reading import did_you_mean

_LINE = re.compile(r"\s*([A-Za-z0-9][\w.-]*(?: p\d+| max)?)\s*(>=|<=|==|<|>)\s*(\S.*?)\s*")
_RELATIVE = re.compile(r"(\S+?) ?x (baseline|line|ideal)")
_SHARE_OF_LINE = re.compile(r"([0-9.]+)% of line")

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a metric is to be.

    Attributes:
        text: as written.
        job: whose; empty for the run as a whole.
        value: in the metric's unit; a factor where it is `relative_to` something.
        span: where it stands; None for one that every scenario has.
    """

    text: str
    metric: Metric
    job: str
    operator: str
    value: float
    relative_to: Literal["", "baseline", "line"]
    span: SourceSpan | None

    @property
    def measured(self) -> str:
        """What it speaks of: `train.busbw`."""
        return f"{self.job}.{self.metric.name}" if self.job else self.metric.name

    def holds(self, value: float, reference: float) -> bool:
        """Whether a value is as expected.

        Args:
            reference: what it is relative to, 1.0 if nothing.
        """
        return OPERATORS[self.operator](value, self.value * reference)


def parse_expectation(text: str, jobs: Mapping[str, bool], span: SourceSpan) -> Expectation:
    """Read a line.

    Args:
        jobs: whether each is a collective, by name.

    Raises:
        ValueError: it is not of the form, or names no job or metric; behind "; " is a way out.
    """
    match = _LINE.fullmatch(text)
    if not match:
        raise ValueError(f"'{text}' is no expectation; write it as train.busbw >= 45 GB/s")
    job, _, name = match[1].rpartition(".")
    value_text = match[3]
    if name.startswith("fct ") and value_text.endswith("ideal"):
        name = name.replace("fct", "slowdown")
    if name not in METRICS:
        hint = did_you_mean(name, METRICS, f"metrics are {', '.join(METRICS)}")
        raise ValueError(f"'{name}' is no metric; {hint}")
    metric = METRICS[name]
    _check_whose(metric, job, jobs)
    value, relative = _value(metric, value_text)
    return Expectation(text, metric, job, match[2], value, relative, span)


def _check_whose(metric: Metric, job: str, jobs: Mapping[str, bool]) -> None:
    if job and job not in jobs:
        hint = did_you_mean(job, jobs, f"jobs are {', '.join(jobs)}")
        raise ValueError(f"there is no job '{job}'; {hint}")
    if metric.of in ("job", "collective") and not job:
        raise ValueError(
            f"'{metric.name}' is of a job; write it as {next(iter(jobs), 'train')}.{metric.name}"
        )
    if metric.of == "collective" and not jobs[job]:
        raise ValueError(f"'{metric.name}' is of a collective, and '{job}' is a workload; take {job}.time")
    if metric.of == "run" and job:
        raise ValueError(f"'{metric.name}' is of the run as a whole; leave '{job}.' out")


def _value(metric: Metric, text: str) -> tuple[float, Literal["", "baseline", "line"]]:
    if share := _SHARE_OF_LINE.fullmatch(text):
        return _of_line(metric, parse_number(share[1]) / 100)
    if relative := _RELATIVE.fullmatch(text):
        factor = parse_number(relative[1])
        if relative[2] == "baseline":
            return factor, "baseline"
        if relative[2] == "line":
            return _of_line(metric, factor)
        if not metric.name.startswith("slowdown"):
            raise ValueError(f"'{metric.name}' has no ideal; write fct p99 <= 2x ideal")
        return factor, ""
    try:
        return metric.unit.parse(text), ""
    except ValueError as error:
        message = with_hint(error)[0]
        raise ValueError(f"{message}; '{metric.name}' is written as {metric.unit.example}") from None


def _of_line(metric: Metric, factor: float) -> tuple[float, Literal["line"]]:
    if metric.unit is not GBS:
        raise ValueError(f"'{metric.name}' is no bandwidth; write it as {metric.unit.example}")
    return factor, "line"
