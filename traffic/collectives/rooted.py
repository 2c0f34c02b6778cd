"""Algorithms of operations between one root and all others: `up` to it, or down from it.

Of whole buffers: broadcast and reduce. Of a share for each rank: gather and scatter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives import blocks, chain, direct, rooted_tree
from raddle.traffic.collectives.record import Algorithm, Pairs
from raddle.traffic.collectives.rounds import Ints
from raddle.traffic.latency import always
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import BufferSize, split_elements
from raddle.workload import COPY, REDUCE, Schedule

Buffer = Callable[[int, int], BufferSize]
"""What a requested size becomes among so many ranks."""


def of_buffers(name: str, root: int, buffer: Buffer, *, up: bool) -> tuple[Algorithm, ...]:
    """Of the whole buffer, summed on the way up and copied on the way down."""

    def order(shape: Shape) -> Ints:
        return chain.to_root(shape, root) if up else chain.from_root(shape, root)

    def ring(shape: Shape, size_bytes: int) -> Schedule:
        size_bytes = buffer(shape.ranks, size_bytes).size_bytes
        return chain.schedule(f"{name} ring", shape, order(shape), size_bytes, REDUCE if up else COPY)

    def tree(shape: Shape, size_bytes: int) -> Schedule:
        size_bytes = buffer(shape.ranks, size_bytes).size_bytes
        return rooted_tree.schedule(f"{name} tree", shape, root, size_bytes, up=up)

    return (
        Algorithm(
            "ring",
            ring,
            chain.count_flows,
            lambda shape: chain.pairs(order(shape)),
            latency=always("ring"),
        ),
        Algorithm(
            "tree",
            tree,
            lambda shape, size_bytes: rooted_tree.count_flows(shape, root, size_bytes),
            lambda shape: rooted_tree.pairs(shape, root, up=up),
            latency=always("tree"),
        ),
    )


def of_shares(name: str, root: int, buffer: Buffer, *, up: bool) -> tuple[Algorithm, ...]:
    """Of one share for each rank, all at once."""

    def pairs(shape: Shape) -> Iterator[Pairs]:
        others = direct.others(shape.ranks, root)
        at_root = np.full_like(others, root)
        yield (others, at_root) if up else (at_root, others)

    def share_bytes(ranks: int, size_bytes: int) -> NDArray[np.int64]:
        return split_elements(buffer(ranks, size_bytes).size_bytes, ranks)

    def schedule(shape: Shape, size_bytes: int) -> Schedule:
        [(src, dst)] = pairs(shape)
        share = src if up else dst
        return direct.schedule(
            f"{name} direct", shape.ranks, src, dst, share, share_bytes(shape.ranks, size_bytes)
        )

    return (
        Algorithm("direct", schedule, lambda shape, _: shape.ranks - 1, pairs),
        blocks.RailShares(f"{name} pxn", pairs, up, share_bytes).algorithm(),
    )
