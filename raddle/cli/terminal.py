"""What a terminal gets beside what a pipe gets: plots, and tables as narrow as it is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable

from raddle.report.plots import in_ascii

WIDEST = 100
"""Columns of reports where nobody is at a terminal."""
_NARROWEST = 60


def width() -> int:
    """Columns that a report may take: those of the terminal, 100 at most."""
    return max(_NARROWEST, min(WIDEST, shutil.get_terminal_size().columns)) if is_terminal() else WIDEST


def is_terminal() -> bool:
    """Whether somebody looks at the standard output."""
    return sys.stdout.isatty()


def plot(lines: Callable[[int], Iterable[str]]) -> None:
    """Print lines that a function makes for a width; nothing where the output goes to a file or a pipe."""
    if not is_terminal():
        return
    shown = "".join(f"{line}\n" for line in lines(width()))
    try:
        shown.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        shown = "".join(f"{in_ascii(line)}\n" for line in shown.splitlines())
    print(shown, end="", flush=True)
