"""Send and receive: every rank sends its buffer to the next one, as nccl-tests' sendrecv does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives import blocks, direct
from raddle.traffic.collectives.record import Algorithm, Cells, Collective, Pairs, own_share
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import whole_buffer
from raddle.workload import Schedule

# nccl-tests names a reduction here, though nothing is reduced.
_buffer = whole_buffer(redop="sum")


def _pairs(shape: Shape) -> Iterator[Pairs]:
    src = np.arange(shape.ranks)
    yield src, (src + 1) % shape.ranks


def _direct(shape: Shape, size_bytes: int) -> Schedule:
    """Chunk r is the buffer of rank r."""
    [(src, dst)] = _pairs(shape)
    return direct.schedule(
        "send_recv direct", shape.ranks, src, dst, src, _buffer_bytes(shape.ranks, size_bytes)
    )


def _buffer_bytes(ranks: int, size_bytes: int) -> NDArray[np.int64]:
    return np.full(ranks, _buffer(ranks, size_bytes).size_bytes, np.int64)


def _promised(ranks: int, chunks: int) -> Cells:
    """Every rank holds the buffer of the one before."""
    src = np.repeat(np.arange(ranks), chunks // ranks)
    return Cells((src + 1) % ranks * chunks + np.arange(chunks), src)


SEND_RECV = Collective(
    name="send_recv",
    aliases=("sendrecv",),
    algorithms=(
        Algorithm("direct", _direct, lambda shape, _: shape.ranks, _pairs),
        blocks.RailShares("send_recv pxn", _pairs, True, _buffer_bytes).algorithm(),
    ),
    bus_factor=lambda ranks: 1.0,
    buffer=_buffer,
    held=own_share,
    promised=_promised,
    checks_in_place=False,
)
