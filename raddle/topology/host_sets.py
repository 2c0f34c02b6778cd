"""Sets of hosts as files and options write them: `host[0-7,9]`, `host3`, or several with commas."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAME = r"[A-Za-z0-9._-]"
_NUMBERS = r"[0-9]{1,5}(?:-[0-9]{1,5})?"
_PART = re.compile(rf"({_NAME}*)(?:\[ *({_NUMBERS}(?: *, *{_NUMBERS})*) *\]({_NAME}*))?")
_COMMA = re.compile(r",(?![^\[]*\])")
"""Between sets, not within the brackets of one."""


def check_host_set(text: str) -> str:
    """The text, if it is a set of hosts.

    Raises:
        ValueError: it is none.
    """
    for part in _COMMA.split(text):
        match = _PART.fullmatch(part.strip())
        if not part.strip() or not match or any(first > last for first, last, _ in _ranges(match[2] or "")):
            raise ValueError(f"'{text}' names no hosts; write host3, host[0-15] or host[0-7,9],host12")
    return text


def expand_names(text: str) -> Iterator[str]:
    """`host[0-2,7]` -> host0, host1, host2, host7; leading zeros stay: `host[00-02]`. Raises as the check."""
    for part in _COMMA.split(check_host_set(text)):
        match = _PART.fullmatch(part.strip())
        assert match
        before, numbers, after = match.groups()
        if numbers is None:
            yield before
        for first, last, width in _ranges(numbers or ""):
            for number in range(first, last + 1):
                yield f"{before}{number:0{width}}{after}"


def _ranges(numbers: str) -> Iterator[tuple[int, int, int]]:
    """(first, last, digits) of each part of `0-2,7`."""
    for part in filter(None, numbers.split(",")):
        first, _, last = part.strip().partition("-")
        yield int(first), int(last or first), len(first) if first.startswith("0") else 1
