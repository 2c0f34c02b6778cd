"""Quantities with units: parsed once, at the edge, and printed. Inside the code they are plain numbers.

Decimal prefixes are powers of 1000 (KB, MB, G), binary ones powers of 1024 (KiB, MiB).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z%]*)")

_RATES = {"bps": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_RATES |= {f"{prefix}bps": factor for prefix, factor in _RATES.items() if len(prefix) == 1}
_BANDWIDTHS = _RATES | {"MBps": 8 * 10**6, "GBps": 8 * 10**9, "TBps": 8 * 10**12}
_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_LENGTHS = {"m": 1.0, "cm": 0.01, "km": 1000.0}
_TIMES_PS = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12}
_MESSAGE_SIZES = _SIZES | {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def _parse(text: str, units: dict[str, int] | dict[str, float], what: str, example: str) -> float:
    match = _NUMBER.fullmatch(text.strip())
    if not match or match[2] not in units:
        names = ", ".join(name for name in units if name)
        raise ValueError(f"'{text}' is not a {what}; write it as {example} (units: {names})")
    if len(match[1]) > 18:
        raise ValueError(f"'{text}' has too many digits for a {what}")
    return float(match[1]) * units[match[2]]


def _whole(value: float, text: str, what: str, unit: str) -> int:
    if value != int(value):
        raise ValueError(f"'{text}' is not a whole number of {unit}, as a {what} must be")
    return int(value)


def parse_rate_bps(text: str) -> int:
    """`400G` -> 400_000_000_000 bits per second."""
    return _whole(round(_parse(text, _RATES, "speed", "400G"), 3), text, "speed", "bits per second")


def parse_bandwidth_bps(text: str) -> int:
    """`48.5GBps` -> 388_000_000_000 bits per second; `400G` is bits already."""
    value = round(_parse(text, _BANDWIDTHS, "bandwidth", "48.5GBps or 400G"), 3)
    return _whole(value, text, "bandwidth", "bits per second")


def parse_size_bytes(text: str) -> int:
    """`800KB` -> 800_000, `4KiB` -> 4096 bytes."""
    return _whole(round(_parse(text, _SIZES, "size", "800KB or 4KiB"), 3), text, "size", "bytes")


def parse_length_m(text: str) -> float:
    """`30m` -> 30.0 metres."""
    return round(_parse(text, _LENGTHS, "length", "30m"), 6)


def parse_time_ps(text: str) -> int:
    """`200ms` -> 200_000_000_000 picoseconds."""
    return _whole(round(_parse(text, _TIMES_PS, "time", "200ms"), 3), text, "time", "picoseconds")


def parse_ratio(text: str) -> float:
    """`20%` -> 0.2."""
    return _parse(text, {"%": 0.01}, "percentage", "20%")


def parse_message_bytes(text: str) -> int:
    """A size as nccl-tests takes it, `1M` -> 1_048_576 (powers of 1024), or with its unit, `1MB`, `1MiB`."""
    value = round(_parse(text, _MESSAGE_SIZES, "size", "1M, 256KiB or 4MB"), 3)
    return _whole(value, text, "size", "bytes")


def format_rate(bps: int) -> str:
    """400_000_000_000 -> `400G`."""
    for name, factor in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if bps >= factor:
            return f"{bps / factor:g}{name}"
    return f"{bps}bps"


def format_size(size_bytes: int) -> str:
    """4096 -> `4KiB`, 3_200_000 -> `3200KB`: the shortest exact form."""
    forms = [f"{size_bytes // factor}{name}" for name, factor in _SIZES.items() if size_bytes % factor == 0]
    return min(forms, key=len) if size_bytes else "0B"


def format_time(time_ps: int) -> str:
    """1_500_000 -> `1.5us`."""
    for name, factor in (("s", 10**12), ("ms", 10**9), ("us", 10**6), ("ns", 10**3)):
        if time_ps >= factor:
            return f"{time_ps / factor:.4g}{name}"
    return f"{time_ps}ps" if time_ps else "0s"


def format_length(length_m: float) -> str:
    """30.0 -> `30m`."""
    return f"{length_m:g}m"


def counted(count: int, one: str, more: str) -> str:
    """`1 switch`, `2 switches`."""
    return f"{count} {one if count == 1 else more}"


def few(names: Sequence[str], most: int = 8) -> str:
    """`host0, host1`; of many the first, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def format_span(seconds: float) -> str:
    """How long something takes, roughly: `3 min`, `13.6 h`."""
    for unit, length, digits in (("h", 3600, 1), ("min", 60, 0), ("s", 1, 0)):
        if seconds >= length:
            return f"{seconds / length:.{digits}f} {unit}"
    return f"{seconds * 1000:.3g} ms"


_MAPPED = re.compile(r"::ffff:(\d+)\.(\d+)\.(\d+)\.(\d+)")


def ip_text(address: object) -> str:
    """An address or prefix of `ipaddress`, or a text with some, as every Python writes it: `::ffff:a00:1`.

    Python 3.13 and later write IPv4-mapped IPv6 addresses as `::ffff:10.0.0.1`. RFC 5952, 5 allows both.
    """
    text = str(address)
    return _MAPPED.sub(_in_groups, text) if "::ffff:" in text else text


def _in_groups(octets: re.Match[str]) -> str:
    a, b, c, d = map(int, octets.groups())
    return f"::ffff:{a << 8 | b:x}:{c << 8 | d:x}"
