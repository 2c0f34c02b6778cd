"""What each fidelity takes and is off by against packets: the same work on the same programmed switches.

Usage: scripts/validate-trains [PAGE]      PAGE: the document whose table is written anew
"""

from __future__ import annotations

import os
import pickle
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.fidelity import Measured, error_cells, prepared_run, rounds_run, write_table
from raddle import load, loads
from raddle.lab.run.settings import Fidelity
from raddle.topology import find
from raddle.topology.rate_control import CongestionControl

_FIDELITIES = ("packet", "train:2", "train:4", "train:8", "train:15", "fluid")
_HEAD = """\
| work | routing | cc | size | fidelity | last flow | last flow | mean FCT | worst flow | CPU s | MB |
|---|---|---|---|---|---|---|---|---|---|---|"""
_SMALL, _LARGE = "leaf-spine-16", "rail-256-h100"
_CASES: tuple[tuple[str, str, str, CongestionControl, str], ...] = (
    (_SMALL, "ring", "pinned", "dcqcn", "16M"),
    (_SMALL, "all-to-all", "pinned", "dcqcn", "16M"),
    (_SMALL, "permutation", "pinned", "dcqcn", "16M"),
    (_SMALL, "permutation", "ecmp", "dcqcn", "16M"),
    (_SMALL, "permutation", "ecmp", "none", "16M"),
    (_SMALL, "all-to-all", "ecmp", "none", "16M"),
    (_SMALL, "incast 8:1", "pinned", "dcqcn", "16M"),
    (_SMALL, "incast 8:1", "pinned", "none", "16M"),
    (_LARGE, "ring", "pinned", "dcqcn", "16M"),
    (_LARGE, "permutation", "pinned", "none", "16M"),
)
_SEEDED: tuple[tuple[str, str, str, CongestionControl, str, int], ...] = (
    (_SMALL, "all-to-all", "ecmp", "none", "8M", 3),
    (_SMALL, "all-to-all", "ecmp", "none", "16M", 3),
    (_SMALL, "all-to-all", "ecmp", "none", "16M", 6),
    (_SMALL, "permutation", "ecmp", "dcqcn", "16M", 3),
    (_SMALL, "permutation", "ecmp", "dcqcn", "16M", 4),
    ("100G", "all-to-all", "ecmp", "none", "768K", 1),
    ("100G", "all-to-all", "ecmp", "none", "768K", 2),
    ("100G", "all-to-all", "ecmp", "none", "768K", 3),
    ("100G, mtu 512", "ring", "pinned", "none", "128K", 1),
    ("100G, mtu 512", "ring", "pinned", "none", "1M", 1),
)
"""Other hashes, and messages that have few trains."""
_ROUND_FABRIC, _ROUND_RANKS, _ROUNDS = "white-box-512", 128, ("32M", "64M", "224M", "256M", "272M")
"""Of all-to-alls in rounds, whose ranks wait for each other."""
_SLOW = """
raddle: 1
name: slow
fabric:
  kind: leaf-spine
  leaves: {{count: 3, model: white-box-12.8t}}
  spines: {{count: 2, model: white-box-12.8t}}
  uplinks: {{per_pair: {uplinks}, speed: {speed}, cable: 30m}}
hosts:
  - {{per_leaf: 4, nics: {{count: 1, speed: 100G, cable: 3m}}}}
roce: {{mtu: {mtu}}}
"""
_TEXTS = {
    "100G": _SLOW.format(uplinks=1, speed="100G", mtu=4096),
    "100G, mtu 512": _SLOW.format(uplinks=2, speed="400G", mtu=512),
}
"""Of fabrics that do not come with raddle: 3 leaves of 4 hosts, 2 spines."""


@dataclass(frozen=True)
class Cost:
    """A run, and by how many bytes the process has grown for it at most."""

    measured: Measured
    grown_bytes: int


def main() -> None:
    write_table(_HEAD, _rows(), "scripts/validate-trains")


def _rows() -> Iterator[str]:
    cases = [(f"{case[1]} on {case[0]}", *case, 1) for case in _CASES]
    cases += [(f"{case[1]} on {case[0]}, seed {case[-1]}", *case) for case in _SEEDED]
    for what, name, work, routing, cc, size, seed in cases:
        loaded = loads(_TEXTS[name]) if name in _TEXTS else load(find(name))
        fabric = replace(loaded, roce=replace(loaded.roce, congestion_control=cc))
        yield from _rows_of(what, routing, cc, size, prepared_run(fabric, routing, work, size, seed))
    for size in _ROUNDS:
        what = f"all-to-all of {_ROUND_RANKS} ranks on {_ROUND_FABRIC}"
        yield from _rows_of(what, "pinned", "dcqcn", size, rounds_run(_ROUND_FABRIC, _ROUND_RANKS, size))


def _rows_of(
    what: str, routing: str, cc: str, size: str, run: Callable[[Fidelity], Measured]
) -> Iterator[str]:
    packets = None
    for fidelity in _FIDELITIES:
        cost = _in_child(partial(run, fidelity))
        packets = packets or cost.measured
        last_us = cost.measured.last_ps / 1e6
        cells = error_cells(packets, cost.measured) if fidelity != "packet" else "| | |"
        cells += f" | {cost.measured.cpu_s:.2f} | {cost.grown_bytes / 1e6:.0f}"
        yield f"| {what} | {routing} | {cc} | {size} | {fidelity} | {last_us:.2f} us {cells} |"


def _in_child(run: partial[Measured]) -> Cost:
    """A run in a process of its own, which has what is prepared already."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        before = pages * resource.getpagesize()
        measured = run()
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        with os.fdopen(writing, "wb") as file:
            pickle.dump(Cost(measured, max(most - before, 0)), file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        text = file.read()
    os.wait()
    found = pickle.loads(text)
    assert isinstance(found, Cost)
    return found


if __name__ == "__main__":
    main()
