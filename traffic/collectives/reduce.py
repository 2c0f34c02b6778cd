"""Reduce: the root ends with the sum of all ranks' buffers."""

from __future__ import annotations

import numpy as np

from raddle.traffic.collectives import rooted
from raddle.traffic.collectives.record import EVERYONE, Cells, Collective, own_contribution
from raddle.traffic.sizes import whole_buffer


def reduce(root: int) -> Collective:
    """To this rank."""
    buffer = whole_buffer(redop="sum", root=root)
    return Collective(
        name="reduce",
        algorithms=rooted.of_buffers("reduce", root, buffer, up=True),
        bus_factor=lambda ranks: 1.0,
        buffer=buffer,
        held=own_contribution,
        promised=lambda ranks, chunks: Cells(np.arange(chunks) + root * chunks, np.full(chunks, EVERYONE)),
        at_root=reduce,
    )


REDUCE = reduce(0)
