"""Gather: the root ends with the shares of all ranks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives import blocks, direct
from raddle.traffic.collectives.record import Algorithm, Cells, Collective, Pairs, own_share
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import shared_buffer, split_elements
from raddle.workload import Schedule


def gather(root: int) -> Collective:
    """To this rank."""
    buffer = shared_buffer(redop="none", root=root)

    def pairs(shape: Shape) -> Iterator[Pairs]:
        src = direct.others(shape.ranks, root)
        yield src, np.full_like(src, root)

    def schedule(shape: Shape, size_bytes: int) -> Schedule:
        [(src, dst)] = pairs(shape)
        chunk_bytes = share_bytes(shape.ranks, size_bytes)
        return direct.schedule("gather direct", shape.ranks, src, dst, src, chunk_bytes)

    def share_bytes(ranks: int, size_bytes: int) -> NDArray[np.int64]:
        return split_elements(buffer(ranks, size_bytes).size_bytes, ranks)

    return Collective(
        name="gather",
        algorithms=(
            Algorithm("direct", schedule, lambda shape, _: shape.ranks - 1, pairs),
            blocks.RailShares("gather pxn", pairs, True, share_bytes).algorithm(),
        ),
        bus_factor=lambda ranks: (ranks - 1) / ranks,
        buffer=buffer,
        held=own_share,
        promised=lambda ranks, chunks: Cells(
            np.arange(chunks) + root * chunks, np.repeat(np.arange(ranks), chunks // ranks)
        ),
        at_root=gather,
    )


GATHER = gather(0)
