"""Units of what expectations compare: how a wanted value is read, and how a measured one is printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from raddle.units import format_size, format_time, parse_ratio, parse_size_bytes, parse_time_ps

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,12})?")
_BANDWIDTH = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,12})?) ?GB(?:/s|ps)")


@dataclass(frozen=True, slots=True)
class Unit:
    """`name` is for documents; `parse` takes a text and raises ValueError; `text` prints a value."""

    name: str
    example: str
    parse: Callable[[str], float]
    text: Callable[[float], str]


def parse_number(text: str) -> float:
    """`1.05` -> 1.05."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"'{text}' is not a number")
    return float(text)


def _share(text: str) -> float:
    return parse_ratio(text) if text.endswith("%") else parse_number(text)


def _bandwidth(text: str) -> float:
    match = _BANDWIDTH.fullmatch(text)
    if not match:
        raise ValueError(f"'{text}' is not a bandwidth in GB/s")
    return float(match[1])


GBS = Unit("GB/s", "45 GB/s", _bandwidth, lambda value: f"{value:.4g} GB/s")
"""10^9 bytes a second, as nccl-tests prints."""
TIME = Unit("ps", "10 ms", lambda text: float(parse_time_ps(text)), lambda value: format_time(round(value)))
SIZE = Unit("B", "1 MB", lambda text: float(parse_size_bytes(text)), lambda value: format_size(round(value)))
SHARE = Unit("", "1%", _share, lambda value: f"{value:.4g}" if value == 0 else f"{value:.3%}")
NUMBER = Unit("", "0.95", parse_number, lambda value: f"{value:.4g}")
RATIO = Unit("", "1.05", parse_number, lambda value: f"{value:.4g}x")
"""Times something."""
COUNT = Unit("", "0", parse_number, lambda value: f"{value:.0f}")
