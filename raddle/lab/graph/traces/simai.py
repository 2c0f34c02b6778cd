"""Workload files of SimAI, which AICB writes.

Source: aliyun/SimAI, astra-sim's Workload.cc (HYBRID_TRANSFORMER_FWD_IN_BCKWD) and AICB's
SimAI_training_workload_generator.py: a line of parallelism, the number of rows, and rows `name -1 forward_ns
comm bytes input_grad_ns comm bytes weight_grad_ns comm bytes update`. Bytes are those of the whole
collective; rows are those of all micro-batches (`ga`), which AICB writes out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from raddle.errors import InputError
from raddle.lab.graph.traces.operations import wrong

FORM = "HYBRID_TRANSFORMER_FWD_IN_BCKWD"
OPERATIONS = {
    "ALLREDUCE": "all_reduce",
    "ALLGATHER": "all_gather",
    "REDUCESCATTER": "reduce_scatter",
    "ALLTOALL": "all_to_all",
}
_GROUPS = ("", "_EP", "_DP_EP")
_KEYS = ("model_parallel_NPU_group", "ep", "pp", "all_gpus")
_CELLS = 12


@dataclass(frozen=True, slots=True)
class Communication:
    """A collective: its operation, the suffix of its group, its whole bytes."""

    operation: str
    suffix: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Row:
    """A layer: computing in nanoseconds, and what is sent after it, in each of three passes."""

    name: str
    forward_ns: int
    forward: Communication | None
    input_ns: int
    input: Communication | None
    weight_ns: int
    weight: Communication | None


@dataclass(frozen=True, slots=True)
class SimaiWorkload:
    """A file: sizes of groups, and rows."""

    tp: int
    ep: int
    ranks: int
    rows: tuple[Row, ...]


def read_simai(path: Path) -> SimaiWorkload:
    """Read a workload file.

    Raises:
        InputError: `no-trace`, it cannot be read; `bad-trace`, the first thing that is wrong with it, by
        line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.unreadable("no-trace", path, error) from None
    file = str(path)
    head = _head(file, lines[0] if lines else "")
    if len(lines) < 2 or not re.fullmatch(r"\s*\d{1,6}\s*", lines[1]):
        raise wrong(file, 2, "the second line is not the number of rows")
    count, rows = int(lines[1]), [(at, line) for at, line in enumerate(lines[2:], 3) if line.strip()]
    if len(rows) != count or not rows:
        hint = "it is cut off" if len(rows) < count else ""
        raise wrong(file, len(lines), f"there are {len(rows)} rows, the second line says {count}", hint)
    made = tuple(_row(file, at, line) for at, line in rows)
    return SimaiWorkload(head["model_parallel_NPU_group"], head["ep"], head["all_gpus"], made)


def _head(file: str, line: str) -> dict[str, int]:
    if not line.startswith(FORM):
        raise wrong(
            file, 1, f"the first line does not begin with {FORM}", "other forms are not simulated", line
        )
    found = {key: int(value) for key, value in re.findall(r"(\w+):\s*(\d{1,9})\b", line)}
    for key in _KEYS:
        if found.get(key, 0) < 1:
            raise wrong(file, 1, f"'{key}:' is missing or 0", text=line)
    if found["pp"] > 1:
        hint = "its rows are of one stage; take one file for each and 'send' between them"
        raise wrong(file, 1, f"{found['pp']} pipeline stages", hint, line)
    ranks, tp, ep = found["all_gpus"], found["model_parallel_NPU_group"], found["ep"]
    if ranks % (tp * ep):
        raise wrong(file, 1, f"TP {tp} x EP {ep} do not divide {ranks} ranks", text=line)
    return found


def _row(file: str, at: int, line: str) -> Row:
    cells = line.split()
    if len(cells) != _CELLS:
        raise wrong(file, at, f"a row of {len(cells)} words, not {_CELLS}", "it is cut off", line)

    def number(place: int) -> int:
        if not re.fullmatch(r"\d{1,15}", cells[place]):
            raise wrong(file, at, f"'{cells[place]}' is no whole number", text=line)
        return int(cells[place])

    def communication(place: int) -> Communication | None:
        name, size = cells[place], number(place + 1)
        if name == "NONE":
            return None
        suffix = next((each for each in sorted(_GROUPS, key=len, reverse=True) if name.endswith(each)), "")
        plain = name.removesuffix(suffix) if suffix else name
        if plain not in OPERATIONS:
            raise wrong(
                file, at, f"there is no communication '{name}'", f"there is {', '.join(OPERATIONS)}", line
            )
        return Communication(OPERATIONS[plain], suffix, size) if size else None

    return Row(
        cells[0], number(2), communication(3), number(5), communication(6), number(8), communication(9)
    )
