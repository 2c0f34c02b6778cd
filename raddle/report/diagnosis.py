"""What measured logs say, as text and JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from raddle.report.plots import bars
from raddle.units import format_size

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class LogPoint:
    """A size of a log, as bandwidths: measured, and where the fabric was asked, expected and at most."""

    size_bytes: int
    busbw_gbs: float
    expected_gbs: float | None
    bound_gbs: float | None


@dataclass(frozen=True, slots=True)
class LogFound:
    """A log at its largest size.

    Attributes:
        points: its sizes.
        wrong: elements that were not as promised, over all sizes.
        notes: what was taken for granted.
    """

    file: str
    tool: str
    what: str
    size_bytes: int
    measured_us: float
    expected_us: float
    busbw_gbs: float
    expected_gbs: float
    wrong: int
    notes: tuple[str, ...]
    points: tuple[LogPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class CauseFound:
    """A cause that fits.

    Attributes:
        where: the host, port or leaf, some of them where several fit alike; empty for all.
        places: all of those.
        what: how strong, in words.
        cost: of what does not fit and of what is assumed; the least is the likeliest.
    """

    cause: str
    where: str
    places: tuple[str, ...]
    what: str
    cost: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`causes` fit about as well as one another, the likeliest first; `next_test` tells them apart."""

    fabric: str
    logs: tuple[LogFound, ...]
    causes: tuple[CauseFound, ...]
    next_test: str


CAUSES = {
    "as-expected": "as expected",
    "hash-collisions": "hash collisions",
    "unexplained": "not as expected, and unexplained",
    "nic": "NIC, rail or port slow or missing",
    "link": "link between switches slow",
    "algorithm": "wrong algorithm or too few channels",
    "pfc-ecn": "PFC or ECN misconfigured",
    "latency": "latency",
    "straggler": "straggler",
    "oversubscription": "oversubscription: uplinks missing",
    "host-bus": "host bus",
}
"""In words."""


def diagnosis_text(result: Diagnosis) -> str:
    """A line for each log, then the causes with their evidence, then the next command."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: Diagnosis) -> Iterator[str]:
    plural = "s" if len(result.logs) > 1 else ""
    beside = f"what {result.fabric} should give, at the largest size of each"
    yield f"# {len(result.logs)} log{plural} beside {beside}"
    yield f"# {'size':>11} {'measured':>10} {'expected':>10} {'':>6}  log"
    yield f"# {'(B)':>11} {'(GB/s)':>10} {'(GB/s)':>10}"
    for log in result.logs:
        share = log.busbw_gbs / log.expected_gbs
        yield (
            f"{log.size_bytes:>13} {log.busbw_gbs:>10.2f} {log.expected_gbs:>10.2f} {share:>6.0%}"
            f"  {log.file}: {log.what}"
        )
        for note in log.notes:
            yield f"#   note: {note}"
        if log.wrong:
            yield f"#   {log.wrong} elements are wrong: mend that before looking at speed"
    yield f"causes that fit, the likeliest first ({len(result.causes)}):"
    for cause in result.causes:
        place = f", {cause.where}" if cause.where else ""
        what = f": {cause.what}" if cause.what else ""
        yield f"- {CAUSES[cause.cause]}{place}{what}"
        for line in cause.evidence[:6]:
            yield from textwrap.wrap(line, 100, initial_indent="    ", subsequent_indent="      ")
    if result.next_test:
        yield f"next: {result.next_test}"


def diagnosis_plot(result: Diagnosis, width: int) -> Iterator[str]:
    """Measured bus bandwidth of each log's sizes, beside what is expected at the largest."""
    for log in result.logs:
        yield from bars(
            f"{log.file} in GB/s; | is expected at the largest size, {log.expected_gbs:.2f}",
            [(format_size(each.size_bytes), each.busbw_gbs) for each in log.points],
            lambda value: f"{value:.2f}",
            width,
            log.expected_gbs,
        )


def diagnosis_document(result: Diagnosis) -> str:
    """The result as JSON, ending in a newline."""
    document = {"schema_version": SCHEMA_VERSION, **asdict(result)}
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"
