"""Errors are values for the reader: what is wrong, where, what was expected, how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class SourceSpan:
    """A place in an input file. `line` and `column` count from 1; `text` is the line itself."""

    file: str
    line: int
    column: int
    length: int = 1
    text: str = ""

    @classmethod
    def within(cls, text: str, file: str, line: int, column: int) -> Self:
        """A place of a text, whose last line stands for what is behind it."""
        lines = text.splitlines() or [""]
        line = min(line, len(lines))
        return cls(file, line, column, text=lines[line - 1])

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


Place = tuple[str | int, ...]
"""Way from the top of a YAML file to a value: `("links", 3, "speed")`."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem.

    Attributes:
        code: stable and documented, `unknown-key`.
        message: the value quoted, the limit and its unit.
        span: where; None for what has no place in a file.
        hint: one way out.
        related: a second place that belongs to the problem, with what to say of it.
        severity: "error" or "warning".
        place: of what a stage behind the fabric file has found, the way to its cause there; `span` once it is
            looked up.
    """

    code: str
    message: str
    span: SourceSpan | None = None
    hint: str = ""
    related: tuple[SourceSpan, str] | None = None
    severity: str = "error"
    place: Place = ()

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(diagnostic: Diagnostic) -> Iterable[str]:
    head = f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"
    yield f"{diagnostic.span}: {head}" if diagnostic.span else head
    if diagnostic.span and diagnostic.span.text:
        yield from _excerpt(diagnostic.span)
    if diagnostic.related:
        span, note = diagnostic.related
        yield f"  {span}: {note}"
    if diagnostic.hint:
        yield f"  hint: {diagnostic.hint}"


def _excerpt(span: SourceSpan) -> Iterable[str]:
    """The line with a caret under the place; a long line is cut around it."""
    start = max(0, span.column - 60)
    text = span.text[start : start + 110].replace("\t", " ")
    caret = min(span.length, max(1, len(text) - (span.column - 1 - start)))
    yield f"  {span.line:>5} | {text}"
    yield f"        | {' ' * (span.column - 1 - start)}{'^' * caret}"


class RaddleError(Exception):
    """Base of all errors that a user may read. `exit_code` is what the command line ends with."""

    exit_code = 2


class InputError(RaddleError):
    """Input that cannot be used, with all its problems sorted by position, each once.

    Of several problems of one value the first has the way out: who follows two may go against one of them.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(_with_one_way_out(sorted(dict.fromkeys(diagnostics), key=_position)))
        super().__init__("\n".join(str(diagnostic) for diagnostic in self.diagnostics))

    @classmethod
    def of(cls, code: str, message: str, hint: str = "", place: Place = ()) -> Self:
        """An error with one problem; without `place` it has none in a file (an option's value, say)."""
        return cls([Diagnostic(code, message, hint=hint, place=place)])

    @classmethod
    def no_json(cls, code: str, text: str, file: str, error: Exception, hint: str = "") -> Self:
        """A text that `json.loads` refused, at the place where it did."""
        span = SourceSpan.within(text, file, getattr(error, "lineno", 1), getattr(error, "colno", 1))
        is_deep = isinstance(error, RecursionError)
        said = getattr(error, "msg", "nested too deeply" if is_deep else "a number has too many digits")
        return cls([Diagnostic(code, f"not JSON: {said}", span, hint)])

    @classmethod
    def unreadable(cls, code: str, path: object, error: Exception) -> InputError:
        """A file that cannot be read, and why in words."""
        hint = (
            "check its name and the folder that it is named from"
            if isinstance(error, FileNotFoundError)
            else ""
        )
        return cls.of(code, f"cannot read '{path}': {why_unreadable(error)}", hint)


def why_unreadable(error: Exception) -> str:
    """Why a file cannot be read: without errno and names of codecs."""
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or str(error)).replace("No such file or directory", "there is no such file")


def _position(diagnostic: Diagnostic) -> tuple[str, int, int, str]:
    span = diagnostic.span or SourceSpan("", 0, 0)
    return span.file, span.line, span.column, diagnostic.code


def _with_one_way_out(diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Problems in order; of those at one place only the first keeps its hint, if others are other ones.

    Keys that are missing are each a problem of their own, at the place of what they are missing in.
    """
    told: dict[SourceSpan, str] = {}
    for each in diagnostics:
        is_second = each.span is not None and each.hint and told.setdefault(each.span, each.hint) != each.hint
        yield replace(each, hint="") if is_second and each.code != "missing-key" else each


class UnreachableError(RaddleError):
    """A switch or service could not be reached, or refused what was asked."""

    exit_code = 3


_CLOSING = re.compile(r"'(?!\w)")


def with_hint(error: ValueError) -> tuple[str, str]:
    """The message of an error and, behind its first `; `, the way out; what it quotes may hold one itself."""
    text, at = str(error), 0
    while at < len(text):
        is_opening = text[at] == "'" and not text[at - 1 : at].isalnum()
        if is_opening and (closing := _CLOSING.search(text, at + 1)):
            at = closing.end()
        elif text.startswith("; ", at):
            return text[:at], text[at + 2 :]
        else:
            at += 1
    return text, ""
