"""Gather: the root ends with the shares of all ranks."""

from __future__ import annotations

import numpy as np

from raddle.traffic.collectives import rooted
from raddle.traffic.collectives.record import Cells, Collective, own_share
from raddle.traffic.sizes import shared_buffer


def gather(root: int) -> Collective:
    """To this rank."""
    buffer = shared_buffer(redop="none", root=root)
    return Collective(
        name="gather",
        algorithms=rooted.of_shares("gather", root, buffer, up=True),
        bus_factor=lambda ranks: (ranks - 1) / ranks,
        buffer=buffer,
        held=own_share,
        promised=lambda ranks, chunks: Cells(
            np.arange(chunks) + root * chunks, np.repeat(np.arange(ranks), chunks // ranks)
        ),
        at_root=gather,
    )


GATHER = gather(0)
