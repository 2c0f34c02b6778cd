"""Metrics in Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4"
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

Sample = tuple[Mapping[str, str], float]
"""Labels and a value."""


def family(
    name: str, kind: Literal["counter", "gauge"], says: str, samples: Iterable[Sample]
) -> Iterator[str]:
    """The lines of a metric; none where it has no samples."""
    lines = [f"{name}{labels(each)} {number(value)}" for each, value in samples]
    if lines:
        yield from head(name, kind, says)
        yield from lines


def head(name: str, kind: str, says: str) -> Iterator[str]:
    """What stands in front of a metric's samples."""
    yield f"# HELP {name} {says}"
    yield f"# TYPE {name} {kind}"


def labels(values: Mapping[str, str]) -> str:
    """Labels with their values escaped, in braces; nothing if there are none."""
    if not values:
        return ""
    return "{" + ",".join(f'{key}="{value.translate(_ESCAPED)}"' for key, value in values.items()) + "}"


def number(value: float) -> str:
    """A value without digits that it does not have."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def process() -> Iterator[str]:
    """What this process takes, as Prometheus' clients name it."""
    yield from family(
        "process_cpu_seconds_total", "counter", "User and system time.", [({}, time.process_time())]
    )
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    resident: list[Sample] = [({}, float(pages * os.sysconf("SC_PAGE_SIZE")))]
    yield from family("process_resident_memory_bytes", "gauge", "Memory that it holds.", resident)
