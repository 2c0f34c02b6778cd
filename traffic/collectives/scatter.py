"""Scatter: every rank ends with its share of the root's buffer."""

from __future__ import annotations

import numpy as np

from raddle.traffic.collectives import rooted
from raddle.traffic.collectives.record import Cells, Collective, own_share
from raddle.traffic.sizes import shared_buffer


def scatter(root: int) -> Collective:
    """From this rank."""
    buffer = shared_buffer(redop="none", root=root)
    return Collective(
        name="scatter",
        algorithms=rooted.of_shares("scatter", root, buffer, up=False),
        bus_factor=lambda ranks: (ranks - 1) / ranks,
        buffer=buffer,
        held=lambda ranks, chunks: Cells(np.arange(chunks) + root * chunks, np.full(chunks, root)),
        promised=lambda ranks, chunks: Cells(own_share(ranks, chunks).cell, np.full(chunks, root)),
        at_root=scatter,
    )


SCATTER = scatter(0)
