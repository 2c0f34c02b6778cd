"""All-to-all: every rank sends a block of its own to every rank."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.traffic.collectives.record import Algorithm, Collective, Pairs
from raddle.traffic.collectives.rounds import Round, assemble
from raddle.traffic.sizes import shared_buffer
from raddle.workload import COPY, Schedule

_buffer = shared_buffer(redop="none")


def _pairwise(ranks: int, size_bytes: int) -> Schedule:
    """Pairwise exchange, n-1 steps: in step p rank i sends rank i + p + 1 (mod n) its block.

    A rank begins its next step when it has received this step's block and its own is acknowledged.
    Chunk i * n + j is the block from rank i for rank j; `size_bytes` is one rank's whole send buffer.
    Source: Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in MPICH",
    IJHPCA 19(1), 2005 (all-to-all, long messages, any number of processes).
    """
    share_bytes = _buffer(ranks, size_bytes).size_bytes // ranks
    chunk_bytes = np.full(ranks * ranks, share_bytes, np.int64)
    rounds = [Round(src, dst, src * ranks + dst, 1, COPY) for src, dst in _pairs(ranks)]
    return assemble("all_to_all pairwise", ranks, rounds, chunk_bytes, waits_for_ack=True)


def _pairs(ranks: int) -> Iterator[Pairs]:
    src = np.arange(ranks)
    return ((src, (src + distance) % ranks) for distance in range(1, ranks))


def _blocks(ranks: int) -> Iterator[tuple[int, int]]:
    """Every rank, and every rank that it has a block for."""
    return ((src, dst) for src in range(ranks) for dst in range(ranks))


ALL_TO_ALL = Collective(
    name="all_to_all",
    aliases=("alltoall",),
    algorithms=(Algorithm("pairwise", _pairwise, lambda ranks: ranks * (ranks - 1), _pairs),),
    bus_factor=lambda ranks: (ranks - 1) / ranks,
    buffer=_buffer,
    held=lambda ranks, chunks: {src * chunks + src * ranks + dst: 1 << src for src, dst in _blocks(ranks)},
    promised=lambda ranks, chunks: (
        (dst * chunks + src * ranks + dst, 1 << src) for src, dst in _blocks(ranks)
    ),
    checks_in_place=False,
)
