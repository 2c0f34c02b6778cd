"""Broadcast: every rank ends with the root's buffer."""

from __future__ import annotations

import numpy as np

from raddle.traffic.collectives import rooted
from raddle.traffic.collectives.record import Cells, Collective
from raddle.traffic.sizes import whole_buffer


def broadcast(root: int) -> Collective:
    """From this rank."""
    buffer = whole_buffer(redop="none", root=root)
    return Collective(
        name="broadcast",
        aliases=("bcast",),
        algorithms=rooted.of_buffers("broadcast", root, buffer, up=False),
        bus_factor=lambda ranks: 1.0,
        buffer=buffer,
        held=lambda ranks, chunks: _root_everywhere(np.arange(chunks) + root * chunks, root),
        promised=lambda ranks, chunks: _root_everywhere(np.arange(ranks * chunks), root),
        at_root=broadcast,
    )


def _root_everywhere(cells: np.ndarray, root: int) -> Cells:
    return Cells(cells, np.full(len(cells), root))


BROADCAST = broadcast(0)
