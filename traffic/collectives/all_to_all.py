"""All-to-all: every rank sends a block of its own to every rank."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives import blocks
from raddle.traffic.collectives.record import Algorithm, Cells, Collective, Pairs
from raddle.traffic.collectives.rounds import Round, assemble
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import shared_buffer
from raddle.workload import COPY, Schedule

_buffer = shared_buffer(redop="none")


def _pairwise(shape: Shape, size_bytes: int) -> Schedule:
    """Pairwise exchange, n-1 steps: in step p rank i sends rank i + p + 1 (mod n) its block.

    A rank begins its next step when it has received this step's block and its own is acknowledged.
    Chunk i * n + j is the block from rank i for rank j; `size_bytes` is one rank's whole send buffer.
    Source: Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in MPICH",
    IJHPCA 19(1), 2005 (all-to-all, long messages, any number of processes).
    """
    ranks = shape.ranks
    share_bytes = _buffer(ranks, size_bytes).size_bytes // ranks
    chunk_bytes = np.full(ranks * ranks, share_bytes, np.int64)
    rounds = [Round(src, dst, src * ranks + dst, 1, COPY) for src, dst in _pairs(shape)]
    return assemble("all_to_all pairwise", ranks, rounds, chunk_bytes, waits_for_ack=True)


def _direct(shape: Shape, size_bytes: int) -> Schedule:
    return blocks.direct("all_to_all direct", shape, _block_bytes(shape, size_bytes))


def _rail_aligned(shape: Shape, size_bytes: int) -> Schedule:
    return blocks.rail_aligned("all_to_all pxn", shape, _block_bytes(shape, size_bytes))


def _rail_aligned_flows(shape: Shape, size_bytes: int) -> int:
    return blocks.rail_aligned_flows(shape, _buffer(shape.ranks, size_bytes).size_bytes // shape.ranks)


def _block_bytes(shape: Shape, size_bytes: int) -> NDArray[np.int64]:
    ranks = shape.ranks
    return np.full((ranks, ranks), _buffer(ranks, size_bytes).size_bytes // ranks)


def _pairs(shape: Shape) -> Iterator[Pairs]:
    src = np.arange(shape.ranks)
    return ((src, (src + distance) % shape.ranks) for distance in range(1, shape.ranks))


def _count_flows(shape: Shape, size_bytes: int) -> int:
    return shape.ranks * (shape.ranks - 1)


def _held(ranks: int, chunks: int) -> Cells:
    """Every rank holds its blocks for all."""
    chunk = np.arange(chunks)
    src, _ = _ends(ranks, chunk)
    return Cells(src * chunks + chunk, src)


def _promised(ranks: int, chunks: int) -> Cells:
    """Every rank holds the blocks for it."""
    chunk = np.arange(chunks)
    src, dst = _ends(ranks, chunk)
    return Cells(dst * chunks + chunk, src)


def _ends(ranks: int, chunk: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ranks that chunks are from and for; a block is as many in a row as all have."""
    src, dst = np.divmod(chunk // (len(chunk) // ranks**2), ranks)
    return src, dst


ALL_TO_ALL = Collective(
    name="all_to_all",
    aliases=("alltoall",),
    algorithms=(
        Algorithm("pairwise", _pairwise, _count_flows, _pairs),
        Algorithm("direct", _direct, _count_flows, blocks.direct_pairs),
        Algorithm(
            "pxn",
            _rail_aligned,
            _rail_aligned_flows,
            blocks.rail_aligned_pairs,
            blocks.refuses_rails,
        ),
    ),
    bus_factor=lambda ranks: (ranks - 1) / ranks,
    buffer=_buffer,
    held=_held,
    promised=_promised,
    checks_in_place=False,
)
