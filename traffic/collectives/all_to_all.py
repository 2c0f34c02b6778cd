"""All-to-all: every rank sends a block of its own to every rank."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives import blocks
from raddle.traffic.collectives.record import Algorithm, Cells, Collective, Pairs
from raddle.traffic.collectives.ring import ALL_STEPS
from raddle.traffic.collectives.rounds import Round, assemble
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import shared_buffer
from raddle.workload import COPY, Schedule

_buffer = shared_buffer(redop="none")


_BLOCK = 4
"""Rounds in a row, where some stand for all: what is late in one meets the next."""

_GOLDEN = 0.6180339887


def _pairwise(shape: Shape, size_bytes: int, most_steps: int = ALL_STEPS) -> Schedule:
    """Pairwise exchange, n-1 steps: in step p rank i sends rank i + p + 1 (mod n) its block.

    A rank begins its next step when it has received this step's block and its own is acknowledged. Of more
    than `most_steps` rounds there are some from everywhere, a few in a row.
    Chunk i * n + j is the block from rank i for rank j; `size_bytes` is one rank's whole send buffer.
    Source: Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in MPICH",
    IJHPCA 19(1), 2005 (all-to-all, long messages, any number of processes).
    """
    ranks, src = shape.ranks, np.arange(shape.ranks)
    share_bytes = _buffer(ranks, size_bytes).size_bytes // ranks
    distances = _some_distances(ranks, most_steps)
    if len(distances) == ranks - 1:
        chunks = ranks * ranks
        rounds = [Round(src, dst, src * ranks + dst, 1, COPY) for src, dst in _pairs(shape)]
    else:
        # Chunks of other rounds are nowhere: block i of round k is chunk k * n + i.
        chunks = len(distances) * ranks
        rounds = [
            Round(src, (src + distance) % ranks, src + number * ranks, 1, COPY)
            for number, distance in enumerate(distances)
        ]
    chunk_bytes = np.full(chunks, share_bytes, np.int64)
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


def _some_distances(ranks: int, most: int) -> list[int]:
    """Rounds of a pairwise exchange by the distance from sender to receiver: all, or blocks of some.

    There is a block in each of as many equal parts, at a place that differs from part to part (by the golden
    section), so that blocks do not fall into step with servers or leaves.
    """
    if most >= ranks - 1:
        return list(range(1, ranks))
    blocks, each = max(1, most // _BLOCK), min(most, _BLOCK)
    width = (ranks - 1) / blocks
    places = (block * width + (block * _GOLDEN + 0.5) % 1 * (width - each) for block in range(blocks))
    return [int(place) + 1 + number for place in places for number in range(each)]


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
        Algorithm("pairwise", _pairwise, _count_flows, _pairs, some_steps=_pairwise),
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
