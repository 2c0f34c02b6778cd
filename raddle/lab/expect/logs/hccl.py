"""The output of hccl_test.

Source: CANN's HCCL performance tester, its manual's "Result Description" (columns, units, results) and
src/hccl_test of oam-tools, which spells `aveg_time`; tables come with bars and without.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from raddle import traffic
from raddle.lab.expect.logs.record import Line, Log, LogRow, number

HEAD = re.compile(r"data_size\(Bytes\):?.*ave?r?a?g_?e?_?time\(us\)")
_TEST = re.compile(
    r"\b(all_?reduce|all_?gather|reduce_scatter|all_?to_?all|alltoallv|broadcast|reduce|scatter)_test\b"
)
_RANKS = re.compile(r"\b(?:world_size|rank_?size)\D{0,6}(\d+)|mpirun.*?\s-np?\s+(\d+)")
_RESULTS = {"success": 0, "failed": 1, "null": None}


def is_row(text: str) -> bool:
    """Whether it begins as a row of a table does."""
    cells = _cells(text)
    return bool(cells) and cells[0].isdigit() and (len(cells) == 1 or cells[1][0].isdigit())


def read_hccl(file: str, lines: Sequence[Line]) -> Log:
    """The log of these lines.

    Raises:
        InputError: `bad-log`, a row cannot be read, or there is none.
    """
    rows, name, ranks, is_inside = [], "", 0, False
    for line in lines:
        if test := _TEST.search(line.text):
            name = name or test[1]
        if size := _RANKS.search(line.text):
            ranks = ranks or int(size[1] or size[2])
        if HEAD.match(line.text):
            is_inside = True
            continue
        if is_inside and is_row(line.text):
            rows.append(_row(file, line, _cells(line.text)))
    if not rows:
        raise lines[0].problem(file, "there is no row with a size and a time")
    known = traffic.find_collective(name).name if name else ""
    return Log(file, "hccl_test", known, ranks, (), tuple(rows), {})


def _cells(text: str) -> list[str]:
    return [cell for cell in re.split(r"[|\s]+", text) if cell]


def _row(file: str, line: Line, cells: Sequence[str]) -> LogRow:
    if len(cells) != 4 or cells[3].lower() not in _RESULTS:
        raise line.problem(
            file, "a row is data_size, aveg_time, alg_bandwidth and success, failed or NULL", cells[-1]
        )
    size = number(file, line, cells[0], int, "size in bytes")
    time_us = number(file, line, cells[1], float, "time in us")
    return LogRow(int(size), time_us, _RESULTS[cells[3].lower()], line.number)
