"""Cases as Markdown, for the summary of a pipeline or a comment on a change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from raddle.report.cases import Case
from raddle.report.plots import sparkline

_BAR = 20
"""Signs of a bar."""

_MOST = 50
"""Problems that are listed."""


def markdown(cases: Sequence[Case]) -> str:
    """A line that sums up with a bar, a table of all cases, what was found, and details that unfold."""
    return "\n".join(_lines(cases)) + "\n"


def _lines(cases: Sequence[Case]) -> Iterator[str]:
    failed = sum(not case.ok for case in cases)
    yield f"## raddle: {f'{failed} of {len(cases)} failed' if failed else f'all {len(cases)} passed'}"
    yield ""
    yield f"`{_passed(len(cases) - failed, len(cases))}`"
    yield ""
    yield "| | | what | | by seed |"
    yield "|---|---|---|---|---|"
    for suite, each in groupby(cases, key=lambda case: case.suite):
        shown = f"`{suite}`"
        for case in each:
            chart = f"`{sparkline(case.values)}`" if case.values else ""
            warns = "⚠️" if case.problems else "✅"
            sign = warns if case.ok else "❌"
            yield f"| {sign} | {shown} | {_cell(case.name)} | {_cell(case.fact)} | {chart} |"
            shown = ""
    problems = [(case, problem) for case in cases for problem in case.problems]
    if problems:
        yield ""
        for case, problem in problems[:_MOST]:
            place = f"`{problem.span or case.file}`"
            hint = f" ({problem.hint})" if problem.hint else ""
            yield f"- **{problem.severity}** {place} {_cell(problem.message + hint)}"
        if len(problems) > _MOST:
            yield f"- and {len(problems) - _MOST} more"
    for case in cases:
        if case.details:
            yield from ("", f"<details><summary>{_cell(case.suite)}: {_cell(case.name)}</summary>", "", "```")
            yield from case.details
            yield from ("```", "", "</details>")


def _passed(passed: int, cases: int) -> str:
    """How many of all passed, as a bar."""
    full = _BAR * passed // max(cases, 1)
    return "█" * full + "░" * (_BAR - full)


def _cell(text: str) -> str:
    """The text in a cell of a table; what Markdown would take for its own stays as it is."""
    for sign in "\\|*_<>`[]":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", " ")
