"""What a tool has measured, whichever it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from raddle.errors import Diagnostic, InputError, SourceSpan

Tool = Literal["nccl-tests", "rccl-tests", "hccl_test", "perftest"]

_PREFIX = re.compile(r"\s*(?:\[\d+,\d+\]<std(?:out|err)>:\s?|\d{1,5}:\s)")
"""What launchers put before each line: Open MPI's --tag-output, srun -l."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One measured size: `time_us` of an operation; `wrong` None where it was not checked; `line` from 1."""

    size_bytes: int
    time_us: float
    wrong: int | None
    line: int


@dataclass(frozen=True, slots=True)
class Pair:
    """The two ends of a perftest run, by address; empty where it does not tell."""

    source: str
    target: str
    is_bidirectional: bool
    is_latency: bool
    uses_accelerator_memory: bool


@dataclass(frozen=True, slots=True)
class Log:
    """A measurement.

    Attributes:
        collective: its name here; of perftest the verb.
        places: host and device of each rank, in their order; empty where the log does not say.
        ranks: 0 where it does not say.
        settings: what the log tells of how it was run: `algorithm`, `channels`, `qps`, `network`, `root`.
    """

    file: str
    tool: Tool
    collective: str
    ranks: int
    places: tuple[tuple[str, int], ...]
    rows: tuple[LogRow, ...]
    settings: dict[str, str]
    pair: Pair | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line without what a launcher put before it; `start` is where it begins in the file's line."""

    number: int
    start: int
    text: str

    @classmethod
    def of(cls, number: int, text: str) -> Line:
        prefix = _PREFIX.match(text)
        start = prefix.end() if prefix else 0
        return cls(number, start, text[start:])

    def problem(self, file: str, message: str, word: str = "", hint: str = "") -> InputError:
        """What is wrong with it, at a word of it."""
        found = re.search(rf"(?<!\S){re.escape(word)}(?!\S)", self.text) if word else None
        column = self.start + (found.start() if found else 0) + 1
        return InputError([Diagnostic("bad-log", message, SourceSpan(file, self.number, column), hint)])


def number(file: str, line: Line, word: str, kind: Callable[[str], float], what: str) -> float:
    """A cell as a number that is not negative.

    Raises:
        InputError: `bad-log`.
    """
    try:
        value = kind(word)
        if not 0 <= value < 1e18:
            raise ValueError
    except ValueError:
        raise line.problem(file, f"'{word}' is no {what}", word) from None
    return value
