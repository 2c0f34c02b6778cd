"""What a collective and an algorithm are: everything about one stands in one record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.latency import NO_LATENCY, StepLatency
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import Buffer
from raddle.workload import Schedule

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Ranks that send and ranks that receive at the same time."""

EVERYONE = -1
"""In place of a rank: the sum of all ranks' contributions."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """What buffers hold, or must hold; a cell that is not listed holds nothing, or may hold anything.

    Attributes:
        cell: int64, `rank * chunks + chunk`, each at most once.
        content: int64, the rank whose contribution the cell holds, or EVERYONE.
    """

    cell: NDArray[np.int64]
    content: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to run a collective.

    Attributes:
        name: as written and printed.
        schedule: its flows among the ranks of a shape with buffers of so many bytes.
        flows: how many that are.
        pairs: who sends to whom, inside domains and between them, phase by phase; phases with the same pairs
            may be given once. Pairs of one phase compete.
        refuses: why it is not for a shape; empty where it is.
        latency: what the library spends on each message of a shape and size; none without a published figure.
        buffer: its own rounding of sizes; None: the collective's.
        count_pairs: how many pairs that is over all phases; None: as many as flows.
        some_steps: its flows of so many steps at most, in their order, which stand for all: the first ones of
            steps that are all alike, or some from everywhere; None: none do.
        judge: its own count of wrong elements (of so many bytes) of a schedule whose flows started and ended
            at these times, -1 for never; None: the interpreter's.
    """

    name: str
    schedule: Callable[[Shape, int], Schedule]
    flows: Callable[[Shape, int], int]
    pairs: Callable[[Shape], Iterator[Pairs]]
    refuses: Callable[[Shape], str] = lambda shape: ""
    latency: Callable[[Shape, int], StepLatency] = lambda shape, size_bytes: NO_LATENCY
    buffer: Buffer | None = None
    count_pairs: Callable[[Shape], int] | None = None
    some_steps: Callable[[Shape, int, int], Schedule] | None = None
    judge: Callable[[Schedule, NDArray[np.int64], NDArray[np.int64], int], int] | None = None


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
        promised: what they must hold after it, where it promises anything.
    """

    name: str
    algorithms: tuple[Algorithm, ...]
    bus_factor: Callable[[int], float]
    buffer: Buffer
    held: Callable[[int, int], Cells]
    promised: Callable[[int, int], Cells]
    aliases: tuple[str, ...] = ()
    checks_in_place: bool = True
    at_root: Callable[[int], Collective] | None = None
    of_matrix: Callable[[NDArray[np.int64]], Collective] | None = None

    def bandwidth_gbs(self, ranks: int, size_bytes: int, time_ps: int) -> tuple[float, float]:
        """(algbw, busbw) in GB/s of a run of `time_ps` > 0 with buffers of `size_bytes` (the size column)."""
        algbw_gbs = size_bytes * 1000 / time_ps
        return algbw_gbs, algbw_gbs * self.bus_factor(ranks)


def own_contribution(ranks: int, chunks: int) -> Cells:
    """Every rank holds its own contribution to every chunk."""
    return Cells(np.arange(ranks * chunks), np.repeat(np.arange(ranks), chunks))


def every_sum(ranks: int, chunks: int) -> Cells:
    """Every rank holds the sum of every chunk."""
    return Cells(np.arange(ranks * chunks), np.full(ranks * chunks, EVERYONE))


def own_share(ranks: int, chunks: int) -> Cells:
    """Rank r holds its contribution to share r of the chunks."""
    return Cells(*_shares(ranks, chunks))


def own_sum(ranks: int, chunks: int) -> Cells:
    """Rank r holds the sum of share r of the chunks."""
    cell, _ = _shares(ranks, chunks)
    return Cells(cell, np.full(len(cell), EVERYONE))


def every_share(ranks: int, chunks: int) -> Cells:
    """Every rank holds the contributions of all ranks, each to its share of the chunks."""
    return Cells(np.arange(ranks * chunks), np.tile(np.repeat(np.arange(ranks), chunks // ranks), ranks))


def _shares(ranks: int, chunks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cells of each rank's own share, and the rank. A share is `chunks / ranks` chunks in a row."""
    assert chunks % ranks == 0
    share = chunks // ranks
    rank = np.repeat(np.arange(ranks), share)
    return rank * chunks + np.arange(ranks * share), rank
