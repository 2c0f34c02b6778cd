"""Results as cases of a test, which every form of report for pipelines is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from raddle.errors import Diagnostic, SourceSpan
from raddle.report.scenario import ScenarioResult


@dataclass(frozen=True, slots=True)
class Case:
    """Something that was tried.

    Attributes:
        suite: what it belongs to: a scenario, a file.
        name: `verify`, or an expectation.
        file: that it speaks of.
        problems: what was found; it failed if one is an error.
        fact: what there is to say where nothing was found.
        seconds: that it took; of a scenario's, which come from the same runs, an equal share.
        details: more lines, for who wants them.
        values: what was measured with each seed; empty where there is one alone, or none.
    """

    suite: str
    name: str
    file: str
    problems: tuple[Diagnostic, ...] = ()
    fact: str = ""
    seconds: float = 0.0
    details: tuple[str, ...] = ()
    values: tuple[float | None, ...] = ()

    @property
    def ok(self) -> bool:
        return not any(each.severity == "error" for each in self.problems)


def cases_of(results: Sequence[ScenarioResult]) -> list[Case]:
    """A case for each expectation and each check of scenarios."""
    return [case for result in results for case in _sharing(list(_cases(result)), result.seconds)]


def _sharing(cases: list[Case], seconds: float) -> Iterator[Case]:
    """The cases of one scenario, each with its share of the time."""
    for case in cases:
        yield replace(case, seconds=seconds / len(cases))


def _cases(result: ScenarioResult) -> Iterator[Case]:
    for verdict in result.verdicts:
        message = f"{verdict.text}: {verdict.shown}{'; ' if verdict.why else ''}{verdict.why}"
        problem = _problem("expectation-failed", message, result.file, verdict.line, verdict.column)
        if verdict.holds is None:
            problem = replace(problem, code="no-baseline", severity="warning")
        found = () if verdict.holds else (problem,)
        values = verdict.values if len(verdict.values) > 1 else ()
        yield Case(result.name, verdict.text, result.file, found, verdict.shown, values=values)
    for check in result.checks:
        message = f"{check.command}: exit code {check.exit_code}{'; ' if check.output else ''}{check.output}"
        problem = _problem("check-failed", message, result.file, check.line, check.column)
        yield Case(result.name, check.command, result.file, (problem,) if check.exit_code else ())


def _problem(code: str, message: str, file: str, line: int, column: int) -> Diagnostic:
    return Diagnostic(code, message, SourceSpan(file, max(line, 1), max(column, 1)))
