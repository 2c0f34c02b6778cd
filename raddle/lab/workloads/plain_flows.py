"""The columns of a flow file in which nothing is wrong, read a block of rows at a time.

A file with anything out of the ordinary (a problem, rows that name other rows, empty lines) is left to the
reader of flow_file.py, which goes row by row and can say what is wrong where.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raddle.lab.workloads.csv_columns import CsvRows, open_csv
from raddle.topology.model import Fabric

NEEDED = ("src", "dst", "bytes")
COLUMNS = (*NEEDED, "id", "start_ns", "qp", "after", "delay_ns")
MOST_BYTES = 10**15
MOST_NS = 10**15
_PLAIN = frozenset(COLUMNS) - {"qp", "after"}
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class FlowFileColumns:
    """What a flow file says, an entry per flow; `dep_offsets` and `dep_ids` as in a `Schedule`."""

    names: tuple[str, ...]
    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    size_bytes: NDArray[np.int64]
    start_ps: NDArray[np.int64]
    delay_ps: NDArray[np.int64]
    qp: NDArray[np.int32]
    dep_offsets: NDArray[np.int64]
    dep_ids: NDArray[np.int32]


def plain_columns(fabric: Fabric, path: Path) -> FlowFileColumns | None:
    """What a file says in which every row is right and stands for itself; None of any other."""
    if any(endpoint.twin is not None for endpoint in fabric.endpoints):
        return None  # flows of bonds take their ports in turn
    endpoints = {str(number): number for number in range(len(fabric.endpoints))}
    endpoints |= {endpoint.name: endpoint.index for endpoint in fabric.endpoints}
    try:
        with open_csv(path) as rows:
            header = [name.strip() for name in next(iter(rows), [])]
            if not set(NEEDED) <= set(header) <= _PLAIN or len(set(header)) < len(header):
                return None
            return _columns(_blocks(rows), header, endpoints)
    except (OSError, ValueError, KeyError, OverflowError, csv.Error):
        return None


def _blocks(rows: CsvRows) -> Iterable[list[list[str]]]:
    while block := list(islice(rows, _BLOCK)):
        yield block


def _columns(
    blocks: Iterable[list[list[str]]], header: Sequence[str], endpoints: Mapping[str, int]
) -> FlowFileColumns | None:
    """Raises ValueError or KeyError where some cell or row is not as it must be."""
    names: list[str] = []
    src, dst, size, start, delay = ([np.zeros(0, np.int64)] for _ in range(5))
    for rows in blocks:
        # `strict` tells rows of different lengths, an empty line among them.
        cells = dict(zip(header, zip(*rows, strict=True), strict=True))
        names += map(str.strip, cells["id"]) if "id" in cells else ()
        src.append(_looked_up(cells["src"], endpoints))
        dst.append(_looked_up(cells["dst"], endpoints))
        size.append(_numbers(cells["bytes"], MOST_BYTES))
        for column, times in (("start_ns", start), ("delay_ns", delay)):
            blank = ("0",) * len(rows)
            times.append(_numbers([each or "0" for each in cells.get(column, blank)], MOST_NS) * 1000)
    sources, destinations = np.concatenate(src), np.concatenate(dst)
    count = len(sources)
    names = names or list(map(str, range(1, count + 1)))
    if not count or (sources == destinations).any() or not all(names) or len(set(names)) < count:
        return None
    return FlowFileColumns(
        names=tuple(names),
        src=sources.astype(np.int32),
        dst=destinations.astype(np.int32),
        size_bytes=np.concatenate(size),
        start_ps=np.concatenate(start),
        delay_ps=np.concatenate(delay),
        qp=np.arange(count, dtype=np.int32),
        dep_offsets=np.zeros(count + 1, np.int64),
        dep_ids=np.zeros(0, np.int32),
    )


def _looked_up(cells: Sequence[str], endpoints: Mapping[str, int]) -> NDArray[np.int64]:
    return np.fromiter((endpoints[cell] for cell in cells), np.int64, len(cells))


def _numbers(cells: Sequence[str], most: int) -> NDArray[np.int64]:
    digits = "".join(cells)
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(digits)
    numbers = np.fromiter(map(int, cells), np.int64, len(cells))
    if numbers.max(initial=0) > most:
        raise ValueError(most)
    return numbers
