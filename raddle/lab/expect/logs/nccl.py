"""The output of nccl-tests and rccl-tests.

Columns are those of the head, so that tables with and without `root`, with `error` or `#wrong`, of one half
or two are read alike. Source: nccl-tests, src/common.cu to 2.16 and src/util.cu from 2.17, their samples in
public reports; rccl-tests prints its version besides. Of both halves the slower time counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from raddle import traffic
from raddle.lab.expect.logs.record import Line, Log, LogRow, Tool, number
from raddle.traffic.sizes import DATATYPES

_RANK = re.compile(r"#?\s*Rank\s+(\d+)\s+(?:Group\s+\d+\s+)?Pid\s+\d+ on\s+(\S+)\s+device\s+(\d+)")
OPERATION = re.compile(r"\b(all_?reduce|all_?gather|reduce_scatter|all_?to_?all|alltoallv|broadcast|reduce|"
                   r"sendrecv|gather|scatter)_perf")  # fmt: skip
HEAD = re.compile(r"#?\s*size\s+count\s.*busbw")
_BEGIN = re.compile(r"nThread.*minBytes")
_SETTINGS = {
    "algorithm": re.compile(r"NCCL_ALGO(?: set by environment to |=)([\w,]+)"),
    "protocol": re.compile(r"NCCL_PROTO(?: set by environment to |=)([\w,]+)"),
    "channels": re.compile(r"Channel \d+/(\d+) ?:"),
    "most channels": re.compile(r"NCCL_MAX_N(?:CHANNELS|RINGS)(?: set by environment to |=)(\d+)"),
    "qps": re.compile(r"NCCL_IB_QPS_PER_CONNECTION(?: set by environment to |=)(\d+)"),
    "network": re.compile(r"NCCL INFO Using network (\w+)"),
}
_DEFAULT = ("size", "count", "type", "redop", "root", *("time", "algbw", "busbw", "#wrong") * 2)
_NUMBERLESS = ("N/A", "n/a", "-")


def is_begun(lines: Sequence[Line]) -> bool:
    """Whether these are of nccl-tests or rccl-tests, which have not come to their table."""
    return any(_BEGIN.search(line.text) for line in lines)


def settings_of(lines: Iterable[str]) -> dict[str, str]:
    """What lines of NCCL, or of an environment, tell of how it ran."""
    found = {}
    for line in lines:
        for key, pattern in _SETTINGS.items():
            if match := pattern.search(line):
                found[key] = match[1]
    return found


def read_nccl(file: str, lines: Sequence[Line]) -> Log:
    """The log of these lines.

    Raises:
        InputError: `bad-log`, a row cannot be read, there is none, or several jobs ran beside one another.
    """
    columns: Sequence[str] = _DEFAULT
    places: dict[int, tuple[str, int]] = {}
    found: list[tuple[LogRow, str, str, float]] = []
    name, tool = "", "nccl-tests"
    for line in lines:
        text = line.text
        if (test := OPERATION.search(text)) and "concluded" not in text:
            name = name or test[1]
        if "rccl" in text.lower():
            tool = "rccl-tests"
        if _BEGIN.search(text) and len({host for host, _ in places.values()}) > 1:
            places.clear()  # a run over hosts ended before its table, and another one begins
        if rank := _RANK.match(text):
            _take_rank(file, line, places, int(rank[1]), (rank[2], int(rank[3])))
        elif HEAD.match(text):
            columns = _columns(file, line)
        elif is_row(text):
            found.append(_row(file, line, columns))
    if not found:
        raise lines[0].problem(
            file, "there is no row with a size and a time", hint="did the run fail? look at its end"
        )
    ranks = len(places)
    rows = tuple(each[0] for each in found)
    settings = settings_of(line.text for line in lines)
    if found[-1][2] not in ("-1", ""):
        settings["root"] = found[-1][2]
    known = traffic.find_collective(name).name if name else _guess(found, ranks)
    of: Tool = "rccl-tests" if tool == "rccl-tests" else "nccl-tests"
    return Log(file, of, known, ranks, tuple(places[rank] for rank in sorted(places)), rows, settings)


def _take_rank(
    file: str, line: Line, places: dict[int, tuple[str, int]], rank: int, place: tuple[str, int]
) -> None:
    if places.get(rank, place) != place:
        raise line.problem(
            file,
            f"there are two ranks {rank}, on {places[rank][0]} and {place[0]}: each process ran alone",
            hint="build nccl-tests with MPI=1 and start it with mpirun",
        )
    places[rank] = place


def _columns(file: str, line: Line) -> Sequence[str]:
    """The columns of a head; a time of day has a cell for its date.

    Raises:
        InputError: `bad-log`, it has times of the CPU.
    """
    columns = line.text.lstrip("# ").split()
    if "cputime" in columns:
        message = "the table has the CPU's times, not those of the operation"
        raise line.problem(file, message, "cputime", "run it without -C")
    return [each for name in columns for each in (("date", name) if name == "timestamp" else (name,))]


def is_row(text: str) -> bool:
    """Whether it begins as a row of a table does."""
    words = text.split()
    return len(words) > 2 and words[0].isdigit() and words[1].isdigit() and words[2] in DATATYPES


def _row(file: str, line: Line, columns: Sequence[str]) -> tuple[LogRow, str, str, float]:
    """The row, its reduction and root, and busbw over algbw."""
    words = line.text.split()
    if len(words) != len(columns):
        raise line.problem(
            file,
            f"a row of {len(words)} columns, and the head has {len(columns)}: {' '.join(columns)}",
            words[-1],
            "is it cut off, or are lines of two processes mixed?",
        )
    cells: dict[str, list[str]] = {}
    for column, word in zip(columns, words, strict=True):
        cells.setdefault(column, []).append(word)
    for needed in ("size", "time", "algbw", "busbw"):
        if needed not in cells:
            raise line.problem(file, f"the table has no column '{needed}'")
    size = number(file, line, cells["size"][0], int, "size in bytes")
    timed = [word for word in cells["time"] if word not in _NUMBERLESS]
    times = [number(file, line, word, float, "time in us") for word in timed]
    wrong = [word for word in cells.get("#wrong", cells.get("error", [])) if word not in _NUMBERLESS]
    count = max((int(number(file, line, word, float, "count of errors")) for word in wrong), default=None)
    algbw, busbw = (number(file, line, cells[key][0], float, "bandwidth") for key in ("algbw", "busbw"))
    row = LogRow(int(size), max(times), count, line.number)
    return row, cells.get("redop", [""])[0], cells.get("root", [""])[0], busbw / algbw if algbw > 0.5 else 0.0


def _guess(found: Sequence[tuple[LogRow, str, str, float]], ranks: int) -> str:
    """The operation by its reduction, root and bandwidths; empty where several fit."""
    _, redop, root, _ = found[-1]
    factor = max(each[3] for each in found)
    if not factor or not ranks:
        return ""

    def close(value: float) -> bool:
        return abs(factor - value) < 0.02 * value

    if redop == "sum" and close(2 * (ranks - 1) / ranks):
        return "all_reduce"
    if redop == "sum" and close((ranks - 1) / ranks):
        return "reduce_scatter"
    if redop == "sum" and close(1):
        return "reduce"
    if root not in ("-1", "") and close(1):
        return "broadcast"
    return ""
