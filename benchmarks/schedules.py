"""Every operation and algorithm among servers: built, replayed, and replayed with single flows left out.

Of each schedule: flows, CPU seconds to build and to check it, wrong elements (0), and how many of the flows
that were left out, one at a time, left something wrong (all).

Usage: scripts/bench_schedules [SERVERS [ACCELERATORS [SIZE [LEFT_OUT [ALGORITHM ...]]]]]
       (default: 16 servers of 8, 64MiB, 200 flows left out, all algorithms)
"""

import resource
import sys
import time
from dataclasses import replace

import numpy as np

from raddle import traffic
from raddle.errors import InputError
from raddle.traffic.collectives.record import Cells, Collective
from raddle.traffic.registry import COLLECTIVES
from raddle.units import parse_size_bytes
from raddle.workload import Schedule


def main() -> None:
    words = [*sys.argv[1:], *("16", "8", "64MiB", "200")[len(sys.argv) - 1 :]]
    servers, accelerators, size_bytes, left_out = (
        int(words[0]), int(words[1]), parse_size_bytes(words[2]), int(words[3])
    )  # fmt: skip
    shape = traffic.Shape.of_servers(servers, accelerators, has_in_network=True)
    print(f"{'schedule':<32}{'flows':>10}{'build s':>9}{'check s':>9}{'wrong':>7}{'seen':>10}")
    for collective in COLLECTIVES:
        for name in (way.name for way in collective.algorithms):
            if not words[4:] or name in words[4:]:
                _row(collective, name, shape, size_bytes, left_out)
    print(f"largest memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


def _row(collective: Collective, name: str, shape: traffic.Shape, size_bytes: int, left_out: int) -> None:
    began = time.process_time()
    try:
        schedule = traffic.build(collective.name, name, shape, size_bytes)
    except InputError as error:
        print(f"{collective.name + ' ' + name:<32} {error.diagnostics[0].message}")
        return
    built = time.process_time()
    start = schedule.step.astype(np.int64)
    wrong = traffic.count_wrong(schedule, collective, start, start + 1)
    checked = time.process_time()
    followed = _Followed(schedule, collective)
    flows = np.random.default_rng(1).integers(0, schedule.flows, left_out).tolist()
    seen = sum(followed.is_wrong_without(flow) for flow in flows)
    print(
        f"{schedule.name:<32}{schedule.flows:>10}{built - began:>9.1f}{checked - built:>9.1f}{wrong:>7}"
        f"{seen:>6}/{left_out}",
        flush=True,
    )


class _Followed:
    """A schedule of which single chunks are replayed: chunks never mix, so others need no replay."""

    def __init__(self, schedule: Schedule, collective: Collective) -> None:
        self.schedule, self.collective = schedule, collective
        chunks = len(schedule.chunk_bytes)
        self.cells = [make(schedule.ranks, chunks) for make in (collective.held, collective.promised)]
        self.chunk_of = [(cells.cell % chunks).astype(np.int32) for cells in self.cells]

    def is_wrong_without(self, flow: int) -> bool:
        """Whether the chunks of a flow end wrong without it."""
        schedule = self.schedule
        first, end = schedule.chunk[flow], schedule.chunk[flow] + schedule.chunk_count[flow]
        others = np.flatnonzero((schedule.chunk < end) & (schedule.chunk + schedule.chunk_count > first))
        others = others[others != flow]
        columns = ("src", "dst", "step", "chunk", "chunk_count", "op")
        part = replace(schedule, **{name: getattr(schedule, name)[others] for name in columns})
        held, promised = (
            Cells(cells.cell[chosen], cells.content[chosen])
            for cells, chunk in zip(self.cells, self.chunk_of, strict=True)
            for chosen in [(chunk >= first) & (chunk < end)]
        )
        one = replace(self.collective, held=lambda *_: held, promised=lambda *_: promised)
        start = part.step.astype(np.int64)
        return bool(traffic.count_wrong(part, one, start, start + 1))


if __name__ == "__main__":
    main()
