"""How popular experts are, from a file: with everybody, or with the tokens of each rank."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.lab.graph.moe.routing import Floats

_MOST = 1e12


def read_weights(path: Path, experts: int, ranks: int, top_k: int) -> Floats:
    """Shares of experts.

    float64[experts] of rows `expert,weight` behind a header; or float64[ranks, experts] of a matrix without
    header, a row for each rank of the group, a column for each expert.

    Raises:
        InputError: `no-matrix`, it cannot be read; `bad-weights` and `unknown-expert`, with all lines.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.unreadable("no-matrix", path, error) from None
    is_list = bool(rows) and [cell.strip() for cell in rows[0]] == ["expert", "weight"]
    found = np.zeros(experts if is_list else (ranks, experts))
    problems = _listed(rows, found) if is_list else _matrix(rows, found)
    if problems := problems or list(_too_few(found, top_k, is_list)):
        texts = [",".join(cells) for cells in rows] or [""]
        raise InputError(
            Diagnostic(code, what, SourceSpan(str(path), line, 1, text=texts[line - 1]), hint)
            for line, code, what, hint in problems
        )
    shares: Floats = found / found.sum(axis=-1, keepdims=True)
    return shares


_Problem = tuple[int, str, str, str]
"""Line, code, message, hint."""


def _listed(rows: Sequence[Sequence[str]], found: Floats) -> list[_Problem]:
    problems = []
    seen: set[int] = set()
    hint = f"experts are 0..{len(found) - 1}"
    for line, cells in enumerate(rows[1:], 2):
        if len(cells) != 2:
            problems.append((line, "bad-weights", f"{len(cells)} cells, not expert,weight", hint))
            continue
        number = cells[0].strip()
        if not (number.isascii() and number.isdigit() and len(number) < 9 and int(number) < len(found)):
            problems.append((line, "unknown-expert", f"there is no expert '{number}'", hint))
        elif int(number) in seen:
            problems.append(
                (line, "bad-weights", f"expert {int(number)} has a row above", "give each one row")
            )
        elif (value := _weight(cells[1])) is None:
            problems.append((line, "bad-weights", _no_weight(cells[1]), hint))
        else:
            seen.add(int(number))
            found[int(number)] = value
    return problems


def _matrix(rows: Sequence[Sequence[str]], found: Floats) -> list[_Problem]:
    ranks, experts = found.shape
    hint = "a row for each rank and a column for each expert, or rows expert,weight behind that header"
    if len(rows) != ranks:
        return [(max(len(rows), 1), "bad-weights", f"{len(rows)} rows for {ranks} ranks", hint)]
    problems = []
    for line, cells in enumerate(rows, 1):
        values = [_weight(cell) for cell in cells]
        if len(cells) != experts:
            problems.append((line, "bad-weights", f"{len(cells)} cells for {experts} experts", hint))
        elif None in values:
            problems.append((line, "bad-weights", _no_weight(cells[values.index(None)]), hint))
        else:
            found[line - 1] = values
    return problems


def _too_few(found: Floats, top_k: int, is_list: bool) -> Iterator[_Problem]:
    for row, count in enumerate(np.count_nonzero(np.atleast_2d(found), axis=1).tolist(), 1):
        if count < top_k:
            message = f"{count} experts have a weight, and a token takes {top_k}"
            yield 1 if is_list else row, "bad-weights", message, f"give {top_k} or more a weight above 0"


def _weight(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < _MOST else None


def _no_weight(text: str) -> str:
    return f"'{text.strip()}' is no weight, which is 0 or more"
