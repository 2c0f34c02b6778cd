"""What a collective and an algorithm are: everything about one stands in one record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.sizes import Buffer
from raddle.workload import Schedule

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Ranks that send and ranks that receive at the same time."""

Cells = Mapping[int, int]
"""What buffers hold: cell `rank * chunks + chunk` -> whose contributions, a bit for each rank (bit r: rank
r's). A cell that is not there holds nothing."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to run a collective.

    Attributes:
        name: as written and printed.
        schedule: its flows among so many ranks with buffers of so many bytes.
        flows: how many that are, among so many ranks.
        pairs: who sends to whom among so many ranks, phase by phase; phases with the same pairs may be given
            once.
    """

    name: str
    schedule: Callable[[int, int], Schedule]
    flows: Callable[[int], int]
    pairs: Callable[[int], Iterator[Pairs]]


@dataclass(frozen=True, slots=True)
class Collective:
    """What ranks want from each other.

    Attributes:
        name: as written and printed; aliases: what else is understood.
        algorithms: the usual one first.
        bus_factor: busbw / algbw among so many ranks, as nccl-tests' PERFORMANCE.md defines it.
        buffer: what nccl-tests makes of a requested size in bytes among so many ranks.
        checks_in_place: nccl-tests counts wrong elements in the in-place half too.
        at_root: the same with another root; None: it has no root.
        of_matrix: the same with other bytes from each rank to each; None: it takes no matrix.
        held: what buffers of so many chunks hold before it, among so many ranks.
        promised: (cell, content) that they must hold after it, where it promises anything.
    """

    name: str
    algorithms: tuple[Algorithm, ...]
    bus_factor: Callable[[int], float]
    buffer: Buffer
    held: Callable[[int, int], Cells]
    promised: Callable[[int, int], Iterable[tuple[int, int]]]
    aliases: tuple[str, ...] = ()
    checks_in_place: bool = True
    at_root: Callable[[int], Collective] | None = None

    def bandwidth_gbs(self, ranks: int, size_bytes: int, time_ps: int) -> tuple[float, float]:
        """(algbw, busbw) in GB/s of a run of `time_ps` > 0 with buffers of `size_bytes` (the size column)."""
        algbw_gbs = size_bytes * 1000 / time_ps
        return algbw_gbs, algbw_gbs * self.bus_factor(ranks)


def everyone(ranks: int) -> int:
    """The contributions of all ranks."""
    return (1 << ranks) - 1


def own_contribution(ranks: int, chunks: int) -> Cells:
    """Every rank holds its own contribution to every chunk."""
    return {rank * chunks + chunk: 1 << rank for rank in range(ranks) for chunk in range(chunks)}
