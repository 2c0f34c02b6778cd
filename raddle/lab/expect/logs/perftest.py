"""The output of perftest: ib_write_bw, ib_read_bw, ib_send_bw and their _lat.

Source: linux-rdma/perftest, src/perftest_parameters.h (RESULT_FMT and its like): averages in Gb/sec, 1e9 bit,
or in MB/sec and, as later versions call the same, MiB/sec, 2^20 bytes; latencies in usec.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from raddle.lab.expect.logs.record import Line, Log, LogRow, Pair, number

_TITLE = re.compile(r"(RDMA_Write|RDMA_Read|Send|Atomic)\b.*?\b(BW|Latency) Test", re.IGNORECASE)
HEAD = re.compile(r"#bytes\s+(?:#sl\s+)?#iterations")
_COLUMN = re.compile(r"#\w+|[\w.%]+(?: \w+)*\[.*?\]|tps average")
_UNIT = re.compile(r"BW average\[(Gb|MB|MiB)/sec\]")
_END = re.compile(r"(local|remote) address:")
_GID = re.compile(r"\s*GID:\s*((?:\d+:){15}\d+)")
_QPS = re.compile(r"Number of qps\s*:\s*(\d+)")
_DEVICE = re.compile(r"Device\s*:\s*(\S+)")
_ACCELERATOR = re.compile(r"use_cuda|use_rocm|use_hl|GPU buffer|CUDA Ctx|Using ROCm", re.IGNORECASE)
_BYTES = {"Gb": 1e9 / 8, "MB": float(1 << 20), "MiB": float(1 << 20)}
_VERBS = {"rdma_write": "write", "rdma_read": "read", "send": "send", "atomic": "atomic"}


def is_row(text: str) -> bool:
    """Whether it begins as a row of a table does: with bytes and iterations, or a service level between."""
    words = text.split()
    return len(words) > 1 and words[0].isdigit() and words[1].isdigit()


@dataclass(frozen=True, slots=True)
class _Table:
    """Which column of a row counts, of how many, and what its unit is in bytes/s; 0 of a latency."""

    at: int
    columns: int
    scale: float

    @classmethod
    def of(cls, file: str, line: Line) -> _Table:
        """The table of a head.

        Raises:
            InputError: `bad-log`, it names no bandwidth or latency that is known.
        """
        columns = _COLUMN.findall(line.text)
        for name in ("t_avg[usec]", "t_typical[usec]"):
            if name in columns:
                return cls(columns.index(name), len(columns), 0.0)
        if not (unit := _UNIT.search(line.text)):
            raise line.problem(file, "the head names no 'BW average' in Gb/sec, MB/sec or MiB/sec")
        return cls(columns.index(unit[0]), columns.index(unit[0]) + 1, _BYTES[unit[1]])


def read_perftest(file: str, lines: Sequence[Line]) -> Log:
    """The log of these lines.

    Raises:
        InputError: `bad-log`, a row cannot be read, or there is none.
    """
    rows: list[LogRow] = []
    addresses: dict[str, list[str]] = {"local": [], "remote": []}
    settings: dict[str, str] = {}
    table: _Table | None = None
    verb, side, is_latency, both, on_accelerator = "write", "local", False, False, False
    for line in lines:
        text = line.text
        if title := _TITLE.search(text):
            verb, is_latency = _VERBS[title[1].lower()], title[2].lower() == "latency"
            both = "bidirectional" in text.lower()
        if qps := _QPS.search(text):
            settings["qps"] = qps[1]
        if device := _DEVICE.search(text):
            settings["device"] = device[1]
        on_accelerator |= bool(_ACCELERATOR.search(text))
        if end := _END.match(text):
            side = end[1]
        if gid := _GID.match(text):
            addresses[side].append(_address(gid[1]))
        if HEAD.match(text):
            table = _Table.of(file, line)
            is_latency |= not table.scale
        elif table and is_row(text):
            rows.append(_row(file, line, table))
    if not rows:
        raise lines[0].problem(file, "there is no row with bytes and iterations", hint="did the run end?")
    # Local and remote, as the client prints them; a server prints the same the other way round.
    ends = [next(iter(addresses[each]), "") for each in ("local", "remote")]
    pair = Pair(ends[0], ends[1], both, is_latency, on_accelerator)
    return Log(file, "perftest", verb, 2, (), tuple(rows), settings, pair)


def _row(file: str, line: Line, table: _Table) -> LogRow:
    words = line.text.split()
    if len(words) < table.columns:
        raise line.problem(file, f"a row of {len(words)} columns is cut off", words[-1])
    size, word = int(words[0]), words[table.at]
    if not table.scale:
        return LogRow(size, number(file, line, word, float, "latency in usec"), None, line.number)
    rate = number(file, line, word, float, "bandwidth") * table.scale
    if rate <= 0:
        raise line.problem(file, "the average bandwidth is 0", word, "did the run end early?")
    return LogRow(size, size / rate * 1e6, None, line.number)


def _address(gid: str) -> str:
    """A GID, 16 bytes in decimal, as the IPv4 address that it maps, or as IPv6."""
    octets = [int(part) for part in gid.split(":")]
    if octets[10:12] == [255, 255] and not any(octets[:10]):
        return ".".join(map(str, octets[12:]))
    groups = [f"{octets[at] << 8 | octets[at + 1]:x}" for at in range(0, 16, 2)]
    return ":".join(groups)
