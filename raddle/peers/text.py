"""Reads the word-by-word text files of other simulators and keeps what is wrong with them, place by place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.units import parse_rate_bps

CODE = "bad-peer-file"
_MOST_PROBLEMS = 100
_DELAY_PS = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12}


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its place, counted from 1."""

    text: str
    line: int
    column: int


Row = tuple[Word, ...]
"""The words of a line; at least one."""


class PeerText:
    """A file's words, and its problems. Values that are wrong read as the least allowed one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._problems: list[Diagnostic] = []
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError.unreadable(CODE, path, error) from None
        self._lines = text.split("\n")

    def rows(self, comment: str = "") -> Iterator[Row]:
        """The lines that hold words, up to one that begins with `comment`."""
        for number, line in enumerate(self._lines, 1):
            words = tuple(Word(m[0], number, m.start() + 1) for m in re.finditer(r"\S+", line))
            if comment:
                words = tuple(takewhile(lambda word: not word.text.startswith(comment), words))
            if words:
                yield words

    def problem(self, at: Word | int, message: str, hint: str = "") -> None:
        """Note a problem at a word, or at the beginning of a line; after 100 the rest is not looked for."""
        word = at if isinstance(at, Word) else Word(" ", at, 1)
        text = self._lines[word.line - 1] if word.line <= len(self._lines) else ""
        span = SourceSpan(str(self.path), word.line, word.column, len(word.text), text)
        self._problems.append(Diagnostic(CODE, message, span, hint))
        if len(self._problems) == _MOST_PROBLEMS:
            raise InputError(self._problems)

    def check(self) -> None:
        """Raise InputError if there was any problem."""
        if self._problems:
            raise InputError(self._problems)

    def end(self, message: str) -> InputError:
        """What to raise when the file ends too early, with the problems before."""
        filled = [number for number, line in enumerate(self._lines, 1) if line.strip()]
        self.problem(filled[-1] if filled else 1, message)
        return InputError(self._problems)

    def whole(self, word: Word, low: int, high: int, what: str = "") -> int:
        """A whole number from `low` to `high`."""
        if re.fullmatch(r"-?[0-9]{1,19}", word.text) and low <= int(word.text) <= high:
            return int(word.text)
        self.problem(word, f"{what and what + ' '}'{word.text}' is not a whole number from {low} to {high}")
        return low

    def delay_ps(self, word: Word) -> int:
        """`1000ns`, `0.001ms`; a number alone is in seconds."""
        found = re.fullmatch(r"([0-9]{1,9})(?:\.([0-9]{1,12}))?(ps|ns|us|ms|s)?", word.text)
        if found:
            whole, fraction, unit = found[1], found[2] or "", found[3] or "s"
            scaled: int = int(whole + fraction) * _DELAY_PS[unit] // 10 ** len(fraction)
            return scaled
        self.problem(word, f"'{word.text}' is not a time such as 1000ns or 0.001ms")
        return 0

    def speed_bps(self, word: Word) -> int:
        """`400Gbps`, `40Gb/s`, `400G`; a number alone is in bit/s, as ns-3 reads it, also with `.0`."""
        if found := re.fullmatch(r"([0-9]{1,18})(?:\.([0-9]{1,18}))?", word.text):
            if int(found[1]) and not int(found[2] or 0):
                return int(found[1])
            self.problem(word, f"speed '{word.text}' is not a whole number of bit/s above 0")
            return 1
        try:
            speed = parse_rate_bps(word.text.replace("b/s", "bps").replace("kbps", "Kbps"))
            if speed > 0:
                return speed
            self.problem(word, f"speed '{word.text}' is not above 0")
        except ValueError as error:
            self.problem(word, str(error))
        return 1

    def instant(self, word: Word, high: int, what: str) -> int:
        """A time of whole units, which may be written with a fraction of zeros."""
        whole, _, fraction = word.text.partition(".")
        if not fraction.strip("0"):
            word = Word(whole, word.line, word.column)
        return self.whole(word, 0, high, what)

    def real(self, word: Word, low: float, high: float, what: str, *, is_above: bool = False) -> float:
        """A decimal number from `low` to `high`, or `is_above` low."""
        if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?|\.[0-9]{1,18}", word.text):
            value = float(word.text)
            if low <= value <= high and not (is_above and value == low):
                return value
        limits = f"above {low:g} and at most {high:g}" if is_above else f"from {low:g} to {high:g}"
        self.problem(word, f"{what} '{word.text}' is not a number {limits}")
        return low

    def loss(self, word: Word, what: str) -> float:
        """The share of packets that a link loses, which cannot be all."""
        share = self.real(word, 0, 1, what)
        if share == 1:
            self.problem(word, "a link that loses every packet", "take it out, or give it a rate below 1")
        return share


def counted(text: PeerText, rows: Sequence[Row], count: int, said_at: Word, what: str) -> Sequence[Row]:
    """The first `count` rows, as ns-3 reads them: that there are more is noted, fewer are a problem."""
    if len(rows) < count:
        raise text.end(f"{len(rows)} {what}, but line {said_at.line} says {said_at.text}")
    if len(rows) > count:
        message = f"{len(rows)} lines of {what}, but line {said_at.line} says {said_at.text}"
        text.notes.append(
            f"{text.path}:{rows[count][0].line}:1: {message}: left out from here on, as by ns-3"
        )
    return rows[:count]


def has_words(text: PeerText, row: Sequence[Word], least: int, what: str, most: int = 0) -> bool:
    """Whether a row has that many words, and no more than `most`, if given; notes a problem if not."""
    if len(row) >= least and (not most or len(row) <= most):
        return True
    text.problem(row[-1] if len(row) < least else row[most], f"{len(row)} words; {what}")
    return False
