"""CSV files that users write: how they are opened, and what is wrong with their first line."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from raddle.errors import Diagnostic, SourceSpan

_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}


class CsvRows(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __next__(self) -> list[str]: ...

    def __iter__(self) -> Iterator[list[str]]: ...


@contextmanager
def open_csv(path: Path) -> Iterator[CsvRows]:
    """The rows of a UTF-8 file, with or without the byte order mark that spreadsheets write."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        yield csv.reader(file, strict=True)


def header_problems(
    path: Path, cells: Sequence[str], known: Sequence[str], needed: Sequence[str]
) -> Iterator[Diagnostic]:
    """What is wrong with the cells of a first line that is to name columns.

    Args:
        known: columns that there may be; needed: those that there must be.
    """
    text, names = ",".join(cells), [cell.strip() for cell in cells]
    hint = f"the first line names the columns: {','.join(needed)}"

    def problem(code: str, message: str, hint: str, at: int = 1, length: int = 1) -> Diagnostic:
        return Diagnostic(code, message, SourceSpan(str(path), 1, at, max(length, 1), text), hint)

    if separator := other_separator(cells):
        where = min(text.find(each) for each in _SEPARATORS if each in text) + 1
        yield problem("bad-header", f"columns are separated by {separator}", "separate them by commas", where)
        return
    if not any(names) and path.stat().st_size > 3:  # a byte order mark at most is an empty file
        yield problem("bad-header", "the first line is empty", hint)
        return
    for name, at in zip(names, accumulate((len(cell) + 1 for cell in cells), initial=1), strict=False):
        if name not in known:
            guess = did_you_mean(name, known)
            also = f"known: {', '.join(known)}"
            yield problem(
                "unknown-column",
                f"unknown column '{name}'",
                f"{guess} {also}" if guess else also,
                at,
                len(name),
            )
    missing = [name for name in needed if name not in names]
    if missing or len(set(names)) < len(names):
        what = f"column {', '.join(missing)} is missing" if missing else "a column is there twice"
        yield problem("bad-header", what, hint)


def other_separator(cells: Sequence[str]) -> str | None:
    """What separates the cells of a row that commas do not, in words."""
    if len(cells) != 1:
        return None
    return next((word for separator, word in _SEPARATORS.items() if separator in cells[0]), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'host3'?`, or nothing where nothing is like it."""
    names = list(known)
    plain = {name.lower(): name for name in names}
    found = plain.get(word.lower()) or next(iter(difflib.get_close_matches(word, names, n=1)), None)
    return f"did you mean '{found}'?" if found else ""
