"""Curves and distributions as bars and sparklines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_LEAST_BAR = 10


def bars(
    title: str,
    rows: Sequence[tuple[str, float | None]],
    text: Callable[[float], str],
    width: int,
    mark: float | None = None,
) -> Iterator[str]:
    """A bar from 0 for each row, below a title; nothing without rows.

    Args:
        rows: name and value, None where there is none.
        text: a value in words.
        width: of the widest line, in columns.
        mark: a value that all are held against, drawn as `|`.
    """
    known = [value for _, value in rows if value is not None]
    if not known:
        return
    yield title
    most = max([*known, mark or 0.0]) or 1.0
    told = [(name, "-" if value is None else text(value), value or 0.0) for name, value in rows]
    names, numbers = max(len(name) for name, *_ in told), max(len(number) for _, number, _ in told)
    names = min(names, width - numbers - _LEAST_BAR - 4)
    room = max(_LEAST_BAR, width - names - numbers - 4)
    for name, number, value in told:
        line = _bar(value / most, room)
        if mark:
            place = min(room - 1, int(mark / most * room))
            line = line.ljust(room)
            line = f"{line[:place]}{'|' if line[place] == ' ' else line[place]}{line[place + 1 :]}"
        yield f"  {_cut(name, names):<{names}} {number:>{numbers}} {line}".rstrip()


def _bar(share: float, room: int) -> str:
    eighths = round(min(1.0, max(0.0, share)) * room * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def sparkline(values: Sequence[float | None]) -> str:
    """A column for each value, from 0 to the largest; a blank where there is none."""
    most = max((value for value in values if value is not None), default=0.0) or 1.0
    places = [None if value is None else min(7, int(max(0.0, value) / most * 8)) for value in values]
    return "".join(" " if place is None else _HEIGHTS[place] for place in places)


_PLAIN = str.maketrans(dict.fromkeys("▏▎▍▌", "") | dict.fromkeys("▋▊▉█", "#") | {"…": "~"})


def in_ascii(line: str) -> str:
    """The same for a terminal that shows no block characters; heights become digits."""
    return line.translate(_PLAIN).translate({ord(each): str(at) for at, each in enumerate(_HEIGHTS, 1)})
