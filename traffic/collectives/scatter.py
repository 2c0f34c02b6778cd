"""Scatter: every rank ends with its share of the root's buffer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives import blocks, direct
from raddle.traffic.collectives.record import Algorithm, Cells, Collective, Pairs, own_share
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import shared_buffer, split_elements
from raddle.workload import Schedule


def scatter(root: int) -> Collective:
    """From this rank."""
    buffer = shared_buffer(redop="none", root=root)

    def pairs(shape: Shape) -> Iterator[Pairs]:
        dst = direct.others(shape.ranks, root)
        yield np.full_like(dst, root), dst

    def schedule(shape: Shape, size_bytes: int) -> Schedule:
        [(src, dst)] = pairs(shape)
        chunk_bytes = share_bytes(shape.ranks, size_bytes)
        return direct.schedule("scatter direct", shape.ranks, src, dst, dst, chunk_bytes)

    def share_bytes(ranks: int, size_bytes: int) -> NDArray[np.int64]:
        return split_elements(buffer(ranks, size_bytes).size_bytes, ranks)

    return Collective(
        name="scatter",
        algorithms=(
            Algorithm("direct", schedule, lambda shape, _: shape.ranks - 1, pairs),
            blocks.RailShares("scatter pxn", pairs, False, share_bytes).algorithm(),
        ),
        bus_factor=lambda ranks: (ranks - 1) / ranks,
        buffer=buffer,
        held=lambda ranks, chunks: Cells(np.arange(chunks) + root * chunks, np.full(chunks, root)),
        promised=lambda ranks, chunks: Cells(own_share(ranks, chunks).cell, np.full(chunks, root)),
        at_root=scatter,
    )


SCATTER = scatter(0)
