"""A table of fabrics: counts, and the user CPU seconds and peak of memory of plan, verify and an all-reduce.

Usage: scripts/bench_fabrics [--limit SECONDS] [--bench-limit SECONDS] [NAME...]
    NAME: an example fabric, `NAME@NETWORK` or a file (default: all examples, and all networks of each)

`plan` and `verify` are for ECMP; `verify` as the fabric stands, without failures. The all-reduce is of 1 MiB
on the first 64 ranks at most, packet by packet; most of its time is that of programming all
switches. A command that takes more CPU time than its limit is ended: its cell says so; so is one that takes
more than 9 GB. With the limits as they are, the whole table takes less than 30 minutes of CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import raddle
from raddle.lab.workloads.ranks import Scope, place_ranks
from raddle.topology import bundled_examples, find, network_names
from raddle.topology.views.capacity import oversubscription

RANKS = 64
MEMORY_BYTES = 9 * 10**9
HEAD = "| fabric | switches | endpoints | links | over | `plan` | `verify` | all-reduce | `bench` |"


def run(words: list[str], limit_s: int) -> tuple[str, str]:
    """(stdout, cost) of a command; the cost is user seconds and peak of memory, or why there is none."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    with tempfile.TemporaryFile() as out:
        command = [sys.executable, "-m", "raddle", *words]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, preexec_fn=limit)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode()
    if process.returncode < 0 and usage.ru_utime + usage.ru_stime > limit_s - 1:
        return "", f"> {limit_s} s"
    if process.returncode < 0 or (process.returncode and usage.ru_maxrss * 1024 > MEMORY_BYTES // 2):
        return "", f"> {MEMORY_BYTES / 1e9:.0f} GB"
    if process.returncode:
        return text, f"refused ({process.returncode})"
    return text, f"{usage.ru_utime:.1f} s, {usage.ru_maxrss * 1024 / 1e9:.2f} GB"


def row(name: str, limit_s: int, bench_limit_s: int) -> str:
    """A row of the table."""
    fabric = raddle.load(find(name))
    ranks = len(place_ranks(fabric, Scope()))
    shown = f"{name.split('@')[0]}@{fabric.network.name}" if fabric.network else Path(name).stem
    counts = [len(fabric.switches), len(fabric.endpoints), len(fabric.links)]
    over = f"{oversubscription(fabric):.3g}:1"
    _, plan = run(["plan", name, "--routing", "ecmp"], limit_s)
    _, verify = run(["verify", name, "--routing", "ecmp", "--failures", "0"], limit_s)
    sizes = ["-b", "1M", "-e", "1M", "--ranks", str(min(RANKS, ranks))]
    text, bench = run(["bench", name, "--routing", "ecmp", *sizes, "--json"], bench_limit_s)
    busbw = f"{json.loads(text)['average_busbw_gbs']:.1f} GB/s" if text else ""
    return f"| {' | '.join([shown, *map(str, counts), over, plan, verify, busbw, bench])} |"


def all_names() -> Iterator[str]:
    for name, path in bundled_examples().items():
        yield from [f"{name}@{network}" for network in network_names(path)] or [name]


def main() -> None:
    parser = argparse.ArgumentParser(description="A table of fabrics, their counts and what commands take.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--limit", type=int, default=120, help="CPU seconds of plan and verify (120)")
    parser.add_argument("--bench-limit", type=int, default=240, help="CPU seconds of bench (240)")
    options = parser.parse_args()
    print(HEAD + "\n|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.names or all_names():
        print(row(name, options.limit, options.bench_limit), flush=True)


if __name__ == "__main__":
    main()
