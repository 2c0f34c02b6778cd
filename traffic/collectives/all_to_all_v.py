"""All-to-all-v: every rank sends every rank a block of its own size.

Source: nccl-tests 2.19, src/alltoallv.cu: sizes are those of a matrix or, without one, grow with the distance
from sender to receiver (NCCL_TESTS_ALLTOALLV_SPREAD 1.0); each is a multiple of 16 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.traffic.collectives import blocks, direct
from raddle.traffic.collectives.all_to_all import ALL_TO_ALL
from raddle.traffic.collectives.record import Algorithm, Collective, Pairs
from raddle.traffic.collectives.rounds import Ints, Round, assemble
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import FLOAT, BufferSize, Elements, shared_buffer
from raddle.workload import COPY, Schedule

_shared = shared_buffer(redop="none")


def all_to_all_v(matrix: Ints | None = None) -> Collective:
    """With blocks of `matrix` (bytes, from a row's rank to a column's); None: of the size, by distance."""

    is_sent = None if matrix is None else rounded(matrix) > 0

    def block_sizes(ranks: int, size_bytes: int) -> Ints:
        return by_distance(ranks, size_bytes) if matrix is None else rounded(matrix)

    def buffer(ranks: int, size_bytes: int, elements: Elements = FLOAT) -> BufferSize:
        sizes = block_sizes(ranks, size_bytes)
        largest = int(max(sizes.sum(axis=0).max(), sizes.sum(axis=1).max()))
        # nccl-tests has no count for a matrix, and prints 0.
        count = _shared(ranks, size_bytes, elements).count if matrix is None else 0
        return BufferSize(largest, count, elements.datatype, "none", -1)

    def rounds(shape: Shape, size_bytes: int) -> Iterator[Pairs]:
        """In round p rank i sends to rank i + p + 1 (mod n), unless there is nothing to send."""
        src, sizes = np.arange(shape.ranks), block_sizes(shape.ranks, size_bytes)
        for distance in range(1, shape.ranks):
            dst = (src + distance) % shape.ranks
            sends = (sizes[src, dst] > 0) | (matrix is None)
            yield src[sends], dst[sends]

    def pairs(shape: Shape) -> Iterator[Pairs]:
        return (each for each in rounds(shape, 0) if len(each[0]))

    def all_pairs(shape: Shape) -> Iterator[Pairs]:
        src, dst = zip(*rounds(shape, 0), strict=True)
        yield np.concatenate(src), np.concatenate(dst)

    def pairwise(shape: Shape, size_bytes: int) -> Schedule:
        ranks = shape.ranks
        parts = [Round(src, dst, src * ranks + dst, 1, COPY) for src, dst in rounds(shape, size_bytes)]
        chunk_bytes = block_sizes(ranks, size_bytes).reshape(-1)
        return assemble("all_to_all_v pairwise", ranks, parts, chunk_bytes, waits_for_ack=True)

    def at_once(shape: Shape, size_bytes: int) -> Schedule:
        [(src, dst)] = all_pairs(shape)
        chunk_bytes = block_sizes(shape.ranks, size_bytes).reshape(-1)
        return direct.schedule(
            "all_to_all_v direct", shape.ranks, src, dst, src * shape.ranks + dst, chunk_bytes
        )

    def flows(shape: Shape, size_bytes: int) -> int:
        return sum(len(src) for src, _ in rounds(shape, size_bytes))

    def along_rails(shape: Shape, size_bytes: int) -> Schedule:
        sizes = block_sizes(shape.ranks, size_bytes)
        return blocks.rail_aligned("all_to_all_v pxn", shape, sizes, is_sent)

    def along_rails_flows(shape: Shape, size_bytes: int) -> int:
        largest_bytes = int(block_sizes(shape.ranks, size_bytes).max())
        return blocks.rail_aligned_flows(shape, largest_bytes, is_sent)

    return Collective(
        name="all_to_all_v",
        aliases=("alltoallv", "all_to_allv"),
        algorithms=(
            Algorithm("pairwise", pairwise, flows, pairs),
            Algorithm("direct", at_once, flows, all_pairs),
            Algorithm(
                "pxn",
                along_rails,
                along_rails_flows,
                lambda shape: blocks.rail_aligned_pairs(shape, is_sent),
                blocks.refuses_rails,
            ),
        ),
        bus_factor=ALL_TO_ALL.bus_factor,
        buffer=buffer,
        held=ALL_TO_ALL.held,
        promised=ALL_TO_ALL.promised,
        checks_in_place=False,
        of_matrix=all_to_all_v,
    )


def by_distance(ranks: int, size_bytes: int) -> Ints:
    """int64[ranks, ranks]: what rank i sends rank j is (j - i mod n) parts of n(n - 1)/2 of the buffer."""
    total = _shared(ranks, size_bytes).size_bytes
    distance = (np.arange(ranks) - np.arange(ranks)[:, None]) % ranks
    return rounded(distance * total // (ranks * (ranks - 1) // 2))


def rounded(sizes: Ints) -> Ints:
    """Down to multiples of 16 bytes, as nccl-tests does."""
    return sizes // 16 * 16


ALL_TO_ALL_V = all_to_all_v()
