"""LOAD.csv -> tokens/s through a day, and how many accelerators serve and train at each time."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.lab.workloads.csv_columns import header_problems, open_csv

DAY_MIN = 24 * 60
_COLUMNS = ("time", "tokens_per_s")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Load:
    """Tokens/s from a minute of the day on."""

    minute: int
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Need:
    """What a pool is told to hold.

    Attributes:
        pool: accelerators; instance, replica: those of one serving instance, and of one training replica.
        tokens_per_s: of an accelerator that serves.
        headroom: capacity above the load, as a share of the load.
        least: serving instances at any time.
    """

    pool: int
    instance: int
    replica: int
    tokens_per_s: float
    headroom: float
    least: int


@dataclass(frozen=True, slots=True)
class Period:
    """A time of day in which accelerators keep their jobs.

    Attributes:
        begin_min, end_min: minutes of the day; the end of the last is that of the day.
        asked: tokens/s, and for how many minutes, piece by piece.
        serving, training: accelerators.
    """

    begin_min: int
    end_min: int
    asked: tuple[tuple[float, int], ...]
    serving: int
    training: int

    @property
    def most_per_s(self) -> float:
        """The highest load, tokens/s."""
        return max(tokens_per_s for tokens_per_s, _ in self.asked)

    def served(self, capacity_per_s: float) -> float:
        """Tokens of the load that such a capacity has room for."""
        return sum(min(tokens_per_s, capacity_per_s) * 60 * minutes for tokens_per_s, minutes in self.asked)


def read_loads(path: Path) -> tuple[Load, ...]:
    """A day's load, from midnight on.

    Raises:
        InputError: `no-load`, the file cannot be read; `bad-load`, `bad-header`, all that is wrong with it.
    """
    loads: list[Load] = []
    problems: list[Diagnostic] = []
    try:
        with open_csv(path) as lines:
            head = next(lines, [])
            problems += header_problems(path, head, _COLUMNS, _COLUMNS)
            names = [cell.strip() for cell in head]
            for cells in [] if problems else lines:
                if any(cell.strip() for cell in cells):
                    problem = _row(dict(zip(names, cells, strict=False)), loads)
                    if problem:
                        span = SourceSpan(str(path), lines.line_num, 1, text=",".join(cells))
                        problems.append(Diagnostic("bad-load", problem, span, "as 08:30,120000"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError.unreadable("no-load", path, error) from None
    if not problems and (not loads or loads[0].minute):
        problems.append(Diagnostic("bad-load", "the first row is not of 00:00", SourceSpan(str(path), 2, 1)))
    if problems:
        raise InputError(problems)
    return tuple(loads)


def _row(cells: dict[str, str], loads: list[Load]) -> str:
    """Takes a row over, or says what is wrong with it."""
    clock = _CLOCK.fullmatch(cells.get("time", "").strip())
    if not clock:
        return f"'{cells.get('time', '').strip()}' is no time of day"
    minute = 60 * int(clock[1]) + int(clock[2])
    if loads and minute <= loads[-1].minute:
        return f"{clock[0]} does not come after the row before"
    text = cells.get("tokens_per_s", "").strip()
    if not re.fullmatch(r"\d{1,12}(\.\d+)?", text):
        return f"'{text}' is no number of tokens/s"
    loads.append(Load(minute, float(text)))
    return ""


def schedule(loads: Sequence[Load], need: Need) -> tuple[Period, ...]:
    """As many instances as the load takes, and all replicas that fit beside; equal neighbours are one."""
    found: list[Period] = []
    ends = [*(load.minute for load in loads[1:]), DAY_MIN]
    for load, end_min in zip(loads, ends, strict=True):
        each = need.instance * need.tokens_per_s
        wanted = max(need.least, ceil(load.tokens_per_s * (1 + need.headroom) / each))
        serving = min(wanted, need.pool // need.instance) * need.instance
        training = (need.pool - serving) // need.replica * need.replica
        asked: tuple[tuple[float, int], ...] = ((load.tokens_per_s, end_min - load.minute),)
        begin_min = load.minute
        if found and found[-1].serving == serving:
            last = found.pop()
            begin_min, asked = last.begin_min, (*last.asked, *asked)
        found.append(Period(begin_min, end_min, asked, serving, training))
    return tuple(found)
