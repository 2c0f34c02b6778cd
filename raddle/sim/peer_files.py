"""Topology and flow files of other simulators.

Sources: the readers in scratch/third.cc of alibaba-edu/High-Precision-Congestion-Control (topology, flows)
and the SimAI fork's six-field first line; datacenter/connection_matrix.cpp of Broadcom/csg-htsim.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raddle.errors import InputError
from raddle.units import parse_rate_bps


@dataclass(frozen=True, slots=True)
class PeerLink:
    """A cable between nodes `a` and `b`."""

    a: int
    b: int
    speed_bps: int
    delay_ps: int


@dataclass(frozen=True, slots=True)
class PeerTopology:
    """Nodes 0..nodes-1, of which `switches` forward and the others send and receive."""

    nodes: int
    switches: tuple[int, ...]
    links: tuple[PeerLink, ...]


@dataclass(frozen=True, slots=True)
class PeerFlows:
    """One entry per flow: nodes, payload, start. `after` is the flow whose last acknowledgement must have
    reached its sender before this one starts, or -1."""

    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    size_bytes: NDArray[np.int64]
    start_ps: NDArray[np.int64]
    after: NDArray[np.int64]


def _bad(path: Path, line: int, what: str) -> InputError:
    return InputError.of("bad-peer-file", f"{path}:{line}: {what}")


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that hold something, with their numbers."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.of("bad-peer-file", f"{path}: {error}") from None
    return [(i, line.split()) for i, line in enumerate(text.splitlines(), 1) if line.strip()]


def _int(path: Path, line: int, text: str, low: int = 0, high: int = 2**62) -> int:
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or not low <= int(text) <= high:
        raise _bad(path, line, f"'{text}' is not a whole number from {low} to {high}")
    return int(text)


def _delay_ps(path: Path, line: int, text: str) -> int:
    scale = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12}
    match = re.fullmatch(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?(ps|ns|us|ms|s)", text)
    if match is None:
        raise _bad(path, line, f"'{text}' is not a delay such as 1000ns or 0.001ms")
    whole, fraction, unit = match.groups()
    digits = fraction or ""
    scaled: int = int(whole + digits) * scale[unit] // 10 ** len(digits)
    return scaled


def _speed_bps(path: Path, line: int, text: str) -> int:
    try:
        speed = parse_rate_bps(re.sub("bps$", "", text))
    except ValueError as error:
        raise _bad(path, line, str(error)) from None
    if speed <= 0:
        raise _bad(path, line, f"'{text}' is not above 0")
    return speed


def read_ns3_topology(path: Path) -> PeerTopology:
    """Read a topology of ns3-hpcc (`nodes switches links`) or SimAI (`nodes per_server nvswitches switches
    links kind`).

    Raises:
        InputError: the file is not of that form.
    """
    rows = _rows(path)
    if len(rows) < 2:
        raise _bad(path, 1, "the file ends before the list of switches")
    line, head = rows[0]
    if len(head) not in (3, 6):
        raise _bad(path, line, f"{len(head)} fields; 'nodes switches links' has 3, SimAI's first line 6")
    counts = head if len(head) == 3 else [head[0], head[3], head[4]]
    nodes, switch_count, link_count = (_int(path, line, text, 0, 10**7) for text in counts)
    line, names = rows[1]
    if len(names) != switch_count:
        raise _bad(path, line, f"{len(names)} switches, but the first line says {switch_count}")
    switches = tuple(_int(path, line, name, 0, nodes - 1) for name in names)
    if len(rows) - 2 < link_count:
        raise _bad(path, rows[-1][0], f"{len(rows) - 2} links, but the first line says {link_count}")
    links = []
    for line, fields in rows[2 : 2 + link_count]:
        if len(fields) < 4:
            raise _bad(path, line, f"{len(fields)} fields; a link has node, node, rate, delay")
        a, b = (_int(path, line, text, 0, nodes - 1) for text in fields[:2])
        links.append(PeerLink(a, b, _speed_bps(path, line, fields[2]), _delay_ps(path, line, fields[3])))
    return PeerTopology(nodes, switches, tuple(links))


def read_ns3_flows(path: Path) -> PeerFlows:
    """Read flows of ns3-hpcc: a count, then `src dst pg dport bytes start_s`; with a whole number in the last
    column for the flow to wait for (-1: none).

    Start times count from the earliest one.

    Raises:
        InputError: the file is not of that form.
    """
    rows = _rows(path)
    if not rows:
        raise _bad(path, 1, "the file is empty")
    count = _int(path, rows[0][0], rows[0][1][0], 0, 10**8)
    if len(rows) - 1 < count:
        raise _bad(path, rows[-1][0], f"{len(rows) - 1} flows, but the first line says {count}")
    table = np.zeros((count, 5), np.int64)
    for i, (line, fields) in enumerate(rows[1 : 1 + count]):
        if len(fields) != 6:
            raise _bad(path, line, f"{len(fields)} fields; a flow has 6")
        src, dst, size = (_int(path, line, fields[k]) for k in (0, 1, 4))
        is_time = "." in fields[5]
        start = _delay_ps(path, line, f"{fields[5]}s") if is_time else 0
        after = -1 if is_time else _int(path, line, fields[5], -1, count - 1)
        table[i] = src, dst, size, start, after
    return _flows(table)


def _flows(table: NDArray[np.int64]) -> PeerFlows:
    src, dst, size, start, after = (np.ascontiguousarray(table[:, k]) for k in range(5))
    return PeerFlows(src, dst, size, start - (start.min() if len(start) else 0), after)


def read_spines(path: Path) -> Iterator[tuple[int, int, int]]:
    """The rows of a `src,dst,spine` table: the uplink, counted from 0, of each flow's data."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            yield int(row["src"]), int(row["dst"]), int(row["spine"])
