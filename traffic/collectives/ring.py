"""Rings: every rank sends to its successor only, one chunk per step.

A rank forwards in step s the chunk that its predecessor sent it in step s - 1, and waits for nothing
else. Source: Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
workstations", JPDC 69(2), 2009.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.traffic.collectives.record import Pairs
from raddle.traffic.collectives.rounds import Ints, Round, assemble
from raddle.workload import COPY, REDUCE, Schedule


def schedule(name: str, ranks: int, chunk_bytes: Ints, steps: int, *, reducing: int, offset: int) -> Schedule:
    """In step s rank r sends chunk r - s + offset (mod n); the first `reducing` steps reduce."""
    [(src, dst)] = pairs(ranks)
    rounds = (
        Round(src, dst, (src - step + offset) % ranks, 1, REDUCE if step < reducing else COPY)
        for step in range(steps)
    )
    return assemble(name, ranks, rounds, chunk_bytes, waits_for_ack=False)


def pairs(ranks: int) -> Iterator[Pairs]:
    """One phase: all steps have the same pairs."""
    src = np.arange(ranks)
    yield src, (src + 1) % ranks
