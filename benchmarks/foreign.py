"""The CPU that other processes use while something is measured: a loaded machine slows programs unevenly.

Of two simulators on a loaded machine the one that misses its caches more suffers more, so that a ratio of CPU
times measured there holds for no other machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ALLOWED_CORES = 0.05
"""What others may use of a core, on average, for a ratio to be printed."""

_STAT = Path("/proc/stat")


@dataclass(slots=True)
class ForeignLoad:
    """How many cores other processes kept busy, on average; known when the measurement has ended."""

    cores: float = 0.0

    def __str__(self) -> str:
        used = f"other processes used {self.cores:.2f} of a core meanwhile"
        if self.cores <= ALLOWED_CORES:
            return used
        return f"{used}: above {ALLOWED_CORES:.2f}, no ratio is printed; measure on an idle machine"


@contextmanager
def measure_foreign() -> Iterator[ForeignLoad]:
    """Fills in the load of the time within."""
    load = ForeignLoad()
    busy_s, own_s, begin_s = _busy_s(_STAT.read_text()), _own_s(), time.monotonic()
    yield load
    wall_s = time.monotonic() - begin_s
    load.cores = foreign_cores(_busy_s(_STAT.read_text()) - busy_s, _own_s() - own_s, wall_s)


def foreign_cores(busy_s: float, own_s: float, wall_s: float) -> float:
    """Cores that others used: all busy time less this process's and its children's, never below 0.

    /proc/stat counts in ticks of 10 ms, so that it may lag behind what we know of ourselves.
    """
    return max(0.0, busy_s - own_s) / wall_s if wall_s > 0 else 0.0


def _busy_s(stat: str) -> float:
    """Seconds that all cores have worked (proc(5)): user, nice, system, irq and softirq."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
