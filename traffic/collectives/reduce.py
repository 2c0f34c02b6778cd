"""Reduce: the root ends with the sum of all ranks' buffers."""

from __future__ import annotations

import numpy as np

from raddle.traffic.collectives import chain, rooted_tree
from raddle.traffic.collectives.record import EVERYONE, Algorithm, Cells, Collective, own_contribution
from raddle.traffic.latency import always
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import whole_buffer
from raddle.workload import REDUCE as ADD
from raddle.workload import Schedule


def reduce(root: int) -> Collective:
    """To this rank."""
    buffer = whole_buffer(redop="sum", root=root)

    def ring(shape: Shape, size_bytes: int) -> Schedule:
        order, size_bytes = chain.to_root(shape, root), buffer(shape.ranks, size_bytes).size_bytes
        return chain.schedule("reduce ring", shape, order, size_bytes, ADD)

    def tree(shape: Shape, size_bytes: int) -> Schedule:
        size_bytes = buffer(shape.ranks, size_bytes).size_bytes
        return rooted_tree.schedule("reduce tree", shape, root, size_bytes, up=True)

    return Collective(
        name="reduce",
        algorithms=(
            Algorithm(
                "ring",
                ring,
                chain.count_flows,
                lambda shape: chain.pairs(chain.to_root(shape, root)),
                latency=always("ring"),
            ),
            Algorithm(
                "tree",
                tree,
                lambda shape, size_bytes: rooted_tree.count_flows(shape, root, size_bytes),
                lambda shape: rooted_tree.pairs(shape, root, up=True),
                latency=always("tree"),
            ),
        ),
        bus_factor=lambda ranks: 1.0,
        buffer=buffer,
        held=own_contribution,
        promised=lambda ranks, chunks: Cells(np.arange(chunks) + root * chunks, np.full(chunks, EVERYONE)),
        at_root=reduce,
    )


REDUCE = reduce(0)
