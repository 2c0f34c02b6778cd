"""The output of perftest: ib_write_bw, ib_read_bw, ib_send_bw and their _lat.

Source: linux-rdma/perftest, src/perftest_parameters.h (RESULT_FMT and its like): averages in Gb/sec, 1e9 bit,
or in MB/sec and, as later versions call the same, MiB/sec, 2^20 bytes; latencies in usec.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from raddle.lab.expect.logs.record import Line, Log, LogRow, Pair, number

_TITLE = re.compile(r"(RDMA_Write|RDMA_Read|Send|Atomic)\b.*?\b(BW|Latency) Test", re.IGNORECASE)
_HEAD = re.compile(r"#bytes\s+#iterations")
_UNIT = re.compile(r"BW average\[(Gb|MB|MiB)/sec\]")
_GID = re.compile(r"\s*GID:\s*((?:\d+:){15}\d+)")
_QPS = re.compile(r"Number of qps\s*:\s*(\d+)")
_DEVICE = re.compile(r"Device\s*:\s*(\S+)")
_ACCELERATOR = re.compile(r"use_cuda|use_rocm|use_hl|GPU buffer|CUDA Ctx|Using ROCm", re.IGNORECASE)
_BYTES = {"Gb": 1e9 / 8, "MB": float(1 << 20), "MiB": float(1 << 20)}
_VERBS = {"rdma_write": "write", "rdma_read": "read", "send": "send", "atomic": "atomic"}


def is_perftest(lines: Sequence[Line]) -> bool:
    """Whether these are of perftest."""
    return any(_HEAD.search(line.text) for line in lines)


def read_perftest(file: str, lines: Sequence[Line]) -> Log:
    """The log of these lines.

    Raises:
        InputError: `bad-log`, a row cannot be read, or there is none.
    """
    rows: list[LogRow] = []
    addresses: list[str] = []
    settings: dict[str, str] = {}
    verb, columns, scale, is_latency, both, on_accelerator = "write", 0, 0.0, False, False, False
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
        if gid := _GID.match(text):
            addresses.append(_address(gid[1]))
        if _HEAD.search(text):
            is_latency |= "t_avg[usec]" in text
            unit = _UNIT.search(text)
            scale = 0.0 if is_latency else _BYTES[unit[1]] if unit else 0.0
            if not is_latency and not unit:
                raise line.problem(file, "the head names no 'BW average' in Gb/sec, MB/sec or MiB/sec")
            columns = 2 if is_latency else 4
        elif columns and (words := text.split()) and words[0].isdigit():
            rows.append(_row(file, line, words, columns, scale, is_latency))
    if not rows:
        raise lines[0].problem(file, "there is no row with bytes and iterations", hint="did the run end?")
    # Local and remote, as the client prints them; a server prints the same the other way round.
    ends = addresses[0] if addresses else "", addresses[len(addresses) // 2] if len(addresses) > 1 else ""
    pair = Pair(*ends, both, is_latency, on_accelerator)
    return Log(file, "perftest", verb, 2, (), tuple(rows), settings, pair)


def _row(file: str, line: Line, words: Sequence[str], columns: int, scale: float, is_latency: bool) -> LogRow:
    if len(words) < max(columns, 4):
        raise line.problem(file, f"a row of {len(words)} columns is cut off", words[-1])
    size = int(number(file, line, words[0], int, "size in bytes"))
    if is_latency:
        time_us = number(file, line, words[5] if len(words) > 5 else words[4], float, "latency in usec")
        return LogRow(size, time_us, None, line.number)
    rate = number(file, line, words[3], float, "bandwidth") * scale
    if rate <= 0:
        raise line.problem(file, "the average bandwidth is 0", words[3], "did the run end early?")
    return LogRow(size, size / rate * 1e6, None, line.number)


def _address(gid: str) -> str:
    """A GID, 16 bytes in decimal, as the IPv4 address that it maps, or as IPv6."""
    octets = [int(part) for part in gid.split(":")]
    if octets[10:12] == [255, 255] and not any(octets[:10]):
        return ".".join(map(str, octets[12:]))
    groups = [f"{octets[at] << 8 | octets[at + 1]:x}" for at in range(0, 16, 2)]
    return ":".join(groups)
