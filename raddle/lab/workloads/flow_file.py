"""FLOWS.csv -> flows between a fabric's endpoints.

A header names the columns. `src`, `dst` (endpoint names, or their numbers) and `bytes` are needed. A bond has
its own name, too, and that of a host without other NICs: what waits for a flow of it goes by that one's port,
other queue pairs of it by its two ports in turn. There may
be `id` (default: the row's number from 1), `start_ns` (default 0), `qp` (flows of one src, dst and qp share a
queue pair and go in order; default: each flow has its own), `after` (ids of earlier rows to wait for,
separated by blanks) and `delay_ns` (default 0: how long after all these and its start time it begins).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path

import numpy as np

from raddle.errors import Diagnostic, InputError, SourceSpan, why_unreadable
from raddle.lab.workloads.csv_columns import (
    CsvRows,
    did_you_mean,
    header_problems,
    open_csv,
    other_separator,
)
from raddle.lab.workloads.plain_flows import (
    COLUMNS,
    MOST_BYTES,
    MOST_NS,
    NEEDED,
    FlowFileColumns,
    plain_columns,
)
from raddle.topology.model import Fabric
from raddle.units import parse_message_bytes
from raddle.workload import COPY, Schedule, Seats, Workload

_GUESSES = 20


def _bonds(fabric: Fabric) -> Iterator[tuple[str, tuple[int, int]]]:
    """The names of bonds, and of hosts that have nothing else, and their ports."""
    for each in fabric.endpoints:
        if each.twin is not None and each.index < each.twin:
            host = fabric.hosts[each.host]
            yield each.interface, (each.index, each.twin)
            if len(host.nics) == 2:
                yield host.name, (each.index, each.twin)


class _Reader:
    """Reads row by row and keeps what is wrong."""

    def __init__(self, fabric: Fabric, path: Path) -> None:
        self.path = path
        self.endpoints = {endpoint.name: endpoint.index for endpoint in fabric.endpoints}
        self.interfaces = [endpoint.interface for endpoint in fabric.endpoints]
        self.bonds = dict(_bonds(fabric))
        self.problems: list[Diagnostic] = []
        self.line = 1
        self.rows: dict[str, int] = {}
        self.src: list[int] = []
        self.dst: list[int] = []
        self.size: list[int] = []
        self.start: list[int] = []
        self.delay: list[int] = []
        self.qp: list[int] = []
        self.deps: list[list[int]] = []
        self._qps: dict[tuple[int, int, str], int] = {}
        self._ends: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._turns: Counter[tuple[int, int]] = Counter()
        self.text = ""
        self.places: dict[str, tuple[int, int]] = {}

    def begin(self, line: int, header: list[str], cells: list[str]) -> None:
        """Remember where the cells of a row stand; approximate where some are quoted."""
        self.line, self.text = line, ",".join(cells)
        starts = accumulate((len(cell) + 1 for cell in cells), initial=1)
        self.places = {name: (at, len(cell)) for name, at, cell in zip(header, starts, cells, strict=False)}

    def problem(self, code: str, message: str, hint: str = "", column: str = "") -> None:
        """Note a problem of the row, or of one column of it."""
        at, length = self.places.get(column, (1, 1))
        span = SourceSpan(str(self.path), self.line, at, max(length, 1), self.text)
        self.problems.append(Diagnostic(code, message, span, hint))

    def endpoint(self, column: str, text: str) -> int:
        if text in self.endpoints:
            return self.endpoints[text]
        if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < len(self.endpoints):
            return int(text)
        last = len(self.endpoints) - 1
        # Looking for what a name is like takes a while in a large fabric.
        guess = did_you_mean(text, self.endpoints) if len(self.problems) < _GUESSES else ""
        hint = guess or f"use a name or 0..{last}"
        self.problem("unknown-endpoint", f"{column} '{text}' is no endpoint", hint, column)
        return -1

    def ends(self, cells: Mapping[str, str]) -> tuple[int, int]:
        """Source and destination; of bonds the ports that the flow's queue pair goes by."""
        names = cells["src"], cells["dst"]
        if not self.bonds or not self.bonds.keys() & set(names):
            return self.endpoint("src", names[0]), self.endpoint("dst", names[1])
        key = (*names, cells.get("qp", ""))
        if key[2] and key in self._ends:
            return self._ends[key]
        waits = [self.rows[text] for text in cells.get("after", "").split() if text in self.rows]
        near = [end for row in waits for end in (self.src[row], self.dst[row])]
        src, dst = (
            self._port(column, text, near) for column, text in zip(("src", "dst"), names, strict=True)
        )
        self._ends[key] = src, dst
        return src, dst

    def _port(self, column: str, text: str, near: list[int]) -> int:
        """An endpoint; of a bond a port that is among those at hand, else the next one in turn."""
        if text not in self.bonds:
            return self.endpoint(column, text)
        ports = self.bonds[text]
        if column == "src" and (held := [port for port in near if port in ports]):
            return held[0]
        self._turns[ports] += 1
        return ports[(self._turns[ports] - 1) % 2]

    def number(self, column: str, text: str, most: int) -> int:
        if text.isascii() and text.isdigit() and len(text) < 19 and int(text) <= most:
            return int(text)
        message = f"{column} '{text}' is not a whole number from 0 to {most}"
        self.problem("bad-number", message, _in_digits(column, text), column=column)
        return 0

    def time_ps(self, column: str, cells: Mapping[str, str]) -> int:
        return self.number(column, cells.get(column) or "0", MOST_NS) * 1000

    def row(self, cells: Mapping[str, str]) -> None:
        number = len(self.src)
        name = cells.get("id") or str(number + 1)
        if name in self.rows:
            self.problem("duplicate-id", f"id '{name}' is there twice", column="id")
        src, dst = self.ends(cells)
        if min(src, dst) >= 0 and self.interfaces[src] == self.interfaces[dst]:
            self.problem("same-endpoint", f"'{cells['src']}' sends to itself", column="dst")
        self.deps.append(
            [dep for text in cells.get("after", "").split() for dep in self.dependency(text, src)]
        )
        self.rows.setdefault(name, number)
        self.src.append(src)
        self.dst.append(dst)
        self.size.append(self.number("bytes", cells["bytes"], MOST_BYTES))
        self.start.append(self.time_ps("start_ns", cells))
        self.delay.append(self.time_ps("delay_ns", cells))
        shared = cells.get("qp", "")
        key = (src, dst, f"qp {shared}" if shared else f"flow {number}")
        self.qp.append(self._qps.setdefault(key, len(self._qps)))

    def dependency(self, text: str, src: int) -> list[int]:
        dep = self.rows.get(text)
        if dep is None:
            self.problem("unknown-flow", f"after '{text}' names no earlier row", column="after")
            return []
        if src >= 0 and src not in (self.src[dep], self.dst[dep]):
            self.problem("foreign-flow", f"flow '{text}' neither starts nor ends where this one starts",
                         "a sender can wait only for what it sent or received itself", "after")  # fmt: skip
            return []
        return [dep]


def read_flows(fabric: Fabric, path: Path) -> Workload:
    """Read a flow file: flows between endpoints, each of which is a rank, with their ids as names.

    Raises:
        InputError: everything that is wrong with it, by line.
    """
    if (plain := plain_columns(fabric, path)) is not None:
        return workload_of(fabric, plain)
    reader = _Reader(fabric, path)
    try:
        with open_csv(path) as rows:
            _read_rows(reader, rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reader.problem("unreadable-flows", f"cannot read the file: {why_unreadable(error)}")
    if not reader.problems and not reader.src:
        reader.problem("no-flows", "the file has no flow")
    if reader.problems:
        raise InputError(reader.problems)
    return workload_of(
        fabric,
        FlowFileColumns(
            names=tuple(reader.rows),
            src=np.array(reader.src, np.int32),
            dst=np.array(reader.dst, np.int32),
            size_bytes=np.array(reader.size, np.int64),
            start_ps=np.array(reader.start, np.int64),
            delay_ps=np.array(reader.delay, np.int64),
            qp=np.array(reader.qp, np.int32),
            dep_offsets=np.cumsum([0, *map(len, reader.deps)]).astype(np.int64),
            dep_ids=np.array([dep for deps in reader.deps for dep in deps], np.int32),
        ),
    )


def workload_of(fabric: Fabric, flows: FlowFileColumns) -> Workload:
    """Flows between endpoints, each of which is a rank."""
    zeros = np.zeros(len(flows.src), np.int32)
    schedule = Schedule(
        name="flows",
        ranks=len(fabric.endpoints),
        src=flows.src,
        dst=flows.dst,
        size_bytes=flows.size_bytes,
        step=zeros,
        qp=flows.qp,
        dep_offsets=flows.dep_offsets,
        dep_ids=flows.dep_ids,
        chunk=zeros,
        chunk_count=zeros,
        op=np.full(len(zeros), COPY, np.int8),
        fan=zeros,
        chunk_bytes=np.zeros(0, np.int64),
    )
    every = np.arange(len(fabric.endpoints), dtype=np.int32)
    start_ps = flows.start_ps + flows.delay_ps
    return Workload(schedule, Seats.of_endpoints(every), start_ps, flows.delay_ps, names=flows.names)


def _read_rows(reader: _Reader, rows: CsvRows) -> None:
    first = next(iter(rows), [])
    header = [name.strip() for name in first]
    reader.begin(1, header, first)
    if problems := list(header_problems(reader.path, first, COLUMNS, NEEDED)):
        reader.problems += problems
        return
    for cells in rows:
        reader.begin(rows.line_num, header, cells)
        if not any(cells):
            continue
        if len(cells) != len(header):
            separator = other_separator(cells)
            hint = f"its cells are separated by {separator}; separate them by commas" if separator else ""
            reader.problem("bad-row", f"{len(cells)} cells, the header has {len(header)}", hint)
            continue
        reader.row(dict(zip(header, (cell.strip() for cell in cells), strict=True)))


def _in_digits(column: str, text: str) -> str:
    """A size with a unit as the column takes it; empty where it is none."""
    try:
        return f"write {parse_message_bytes(text)}, in digits" if column == "bytes" else ""
    except ValueError:
        return ""
