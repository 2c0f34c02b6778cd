"""Broadcast: every rank ends with the root's buffer."""

from __future__ import annotations

import numpy as np

from raddle.traffic.collectives import chain, rooted_tree
from raddle.traffic.collectives.record import Algorithm, Cells, Collective
from raddle.traffic.latency import always
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import whole_buffer
from raddle.workload import COPY, Schedule


def broadcast(root: int) -> Collective:
    """From this rank."""
    buffer = whole_buffer(redop="none", root=root)

    def ring(shape: Shape, size_bytes: int) -> Schedule:
        order, size_bytes = chain.from_root(shape, root), buffer(shape.ranks, size_bytes).size_bytes
        return chain.schedule("broadcast ring", shape, order, size_bytes, COPY)

    def tree(shape: Shape, size_bytes: int) -> Schedule:
        size_bytes = buffer(shape.ranks, size_bytes).size_bytes
        return rooted_tree.schedule("broadcast tree", shape, root, size_bytes, up=False)

    return Collective(
        name="broadcast",
        aliases=("bcast",),
        algorithms=(
            Algorithm(
                "ring",
                ring,
                chain.count_flows,
                lambda shape: chain.pairs(chain.from_root(shape, root)),
                latency=always("ring"),
            ),
            Algorithm(
                "tree",
                tree,
                lambda shape, size_bytes: rooted_tree.count_flows(shape, root, size_bytes),
                lambda shape: rooted_tree.pairs(shape, root, up=False),
                latency=always("tree"),
            ),
        ),
        bus_factor=lambda ranks: 1.0,
        buffer=buffer,
        held=lambda ranks, chunks: _root_everywhere(np.arange(chunks) + root * chunks, root),
        promised=lambda ranks, chunks: _root_everywhere(np.arange(ranks * chunks), root),
        at_root=broadcast,
    )


def _root_everywhere(cells: np.ndarray, root: int) -> Cells:
    return Cells(cells, np.full(len(cells), root))


BROADCAST = broadcast(0)
