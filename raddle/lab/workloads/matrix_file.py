"""MATRIX.csv -> bytes from each rank to each: a row for each sender, a column for each receiver."""

from __future__ import annotations

import csv
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.lab.workloads.csv_columns import open_csv, other_separator
from raddle.traffic.collectives.all_to_all_v import rounded

_MOST_BYTES = 10**15


class _Reader:
    """Reads row by row and keeps what is wrong."""

    def __init__(self, path: Path) -> None:
        self.file = str(path)
        self.rows: list[list[int]] = []
        self.problems: list[Diagnostic] = []

    def row(self, line: int, cells: list[str]) -> None:
        text = ",".join(cells)
        if separator := other_separator(cells):
            self.problem(f"columns are separated by {separator}", line, text, hint="separate them by commas")
            return
        starts = accumulate((len(cell) + 1 for cell in cells), initial=1)
        self.rows.append([self.size(cell, line, at, text) for cell, at in zip(cells, starts, strict=False)])
        if len(cells) != len(self.rows[0]):
            first = len(self.rows[0])
            self.problem(f"a row of {len(cells)} columns after rows of {first}", line, text, len(text))

    def size(self, cell: str, line: int, at: int, text: str) -> int:
        plain = cell.strip()
        if plain.isascii() and plain.isdigit() and len(plain) < 19 and int(plain) <= _MOST_BYTES:
            return int(plain)
        what = "is negative" if plain.startswith("-") else f"is no whole number of bytes up to {_MOST_BYTES}"
        self.problem(f"'{plain}' {what}", line, text, max(len(cell), 1), at)
        return 0

    def problem(
        self, message: str, line: int = 1, text: str = "", length: int = 1, at: int = 1, hint: str = ""
    ) -> None:
        span = SourceSpan(self.file, line, at, max(length, 1), text)
        self.problems.append(Diagnostic("bad-matrix", message, span, hint))


def read_matrix(path: Path) -> NDArray[np.int64]:
    """A square matrix of bytes, int64; nothing else stands in the file.

    Raises:
        InputError: `no-matrix`, the file cannot be read; `bad-matrix`, all that is wrong with it, by place.
    """
    reader = _Reader(path)
    last = 1
    try:
        with open_csv(path) as lines:
            for cells in lines:
                if any(cell.strip() for cell in cells):
                    last = lines.line_num
                    reader.row(last, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError.unreadable("no-matrix", path, error) from None
    rows = reader.rows
    if not rows and not reader.problems:
        reader.problem("the file is empty")
    elif not reader.problems and len(rows) != len(rows[0]):
        reader.problem(
            f"{len(rows)} rows of {len(rows[0])} columns are no square",
            last,
            hint="give a row and a column for each rank, in the order of ranks",
        )
    if reader.problems:
        raise InputError(reader.problems)
    matrix = np.array(rows, np.int64)
    if not rounded(matrix)[~np.eye(len(matrix), dtype=bool)].any():
        reader.problem("no rank sends another one 16 bytes or more")
        raise InputError(reader.problems)
    return matrix
