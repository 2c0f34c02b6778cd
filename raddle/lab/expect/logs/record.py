"""What a tool has measured, whichever it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from raddle.errors import Diagnostic, InputError, SourceSpan

Tool = Literal["nccl-tests", "rccl-tests", "hccl_test", "perftest"]

_PREFIX = re.compile(r"\s*(?:\[\d+,\d+\]<std(?:out|err)>:\s?|\d{1,5}:\s)")
"""What launchers put before each line: Open MPI's --tag-output, srun -l."""

_SPACE = re.compile(r"\s*")


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

    def problem(self, file: str, message: str, word: str = "", hint: str = "") -> InputError:
        """What is wrong with it, at a word of it."""
        found = re.search(rf"(?<!\S){re.escape(word)}(?!\S)", self.text) if word else None
        column = self.start + (found.start() if found else 0) + 1
        return InputError([Diagnostic("bad-log", message, SourceSpan(file, self.number, column), hint)])


def lines_of(text: str, heads: Sequence[re.Pattern[str]]) -> list[Line]:
    """The lines of a file, without what stands before the first head of a table, its numbers aside.

    That is how times, ranks, hosts, `[stdout]` and marks of quotations are told from what a tool prints,
    whatever wrote them.
    """
    raw = text.splitlines()
    before = (
        line[: found.start()]
        for line in raw
        if (found := _first(heads, line)) and line[: found.start()].strip()
    )
    learned = _pattern_of(next(before, ""))
    return [_line(number, line, learned) for number, line in enumerate(raw, 1)]


def _first(heads: Sequence[re.Pattern[str]], text: str) -> re.Match[str] | None:
    return next(filter(None, (head.search(text) for head in heads)), None)


def _pattern_of(prefix: str) -> re.Pattern[str]:
    """What matches such a prefix with other numbers; the empty one matches nothing."""
    parts = re.split(r"\d+", prefix.strip())
    return re.compile(r"\d+".join(map(re.escape, parts)))


def _line(number: int, text: str, learned: re.Pattern[str]) -> Line:
    start = 0
    for pattern in (_PREFIX, _SPACE, learned, _SPACE):
        if found := pattern.match(text, start):
            start = found.end()
    return Line(number, start, text[start:])


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
