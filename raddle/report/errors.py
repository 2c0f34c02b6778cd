"""What went wrong, as a JSON document: what a command with `--json` prints where it has no result.

Its schema is schemas/errors.schema.json (`raddle schema errors`).
"""

from __future__ import annotations

from typing import Any

from raddle.errors import Diagnostic, InputError, RaddleError, SourceSpan

SCHEMA_VERSION = 1


def document(error: RaddleError) -> dict[str, Any]:
    """The error with all its problems, each with its place in a file where it has one."""
    problems = error.diagnostics if isinstance(error, InputError) else (_whole(error),)
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": False,
        "exit_code": error.exit_code,
        "problems": [_problem(each) for each in problems],
    }


def _whole(error: RaddleError) -> Diagnostic:
    """An error that is no list of problems: a switch that does not answer."""
    return Diagnostic("unreachable" if error.exit_code == 3 else "error", str(error))


def _problem(problem: Diagnostic) -> dict[str, Any]:
    span, note = problem.related or (None, "")
    return {
        "code": problem.code,
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
        "place": _place(problem.span),
        "related": {"place": _place(span), "note": note} if span else None,
    }


def _place(span: SourceSpan | None) -> dict[str, Any] | None:
    """Lines and columns count from 1; `length` is in characters."""
    if span is None:
        return None
    return {"file": span.file, "line": span.line, "column": span.column, "length": span.length}
