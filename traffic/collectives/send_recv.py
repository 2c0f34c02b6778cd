"""Send and receive: every rank sends its buffer to the next one, as nccl-tests' sendrecv does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.traffic.collectives import direct
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
    chunk_bytes = np.full(shape.ranks, _buffer(shape.ranks, size_bytes).size_bytes, np.int64)
    [(src, dst)] = _pairs(shape)
    return direct.schedule("send_recv direct", shape.ranks, src, dst, src, chunk_bytes)


def _promised(ranks: int, chunks: int) -> Cells:
    """Every rank holds the buffer of the one before."""
    src = np.arange(ranks)
    return Cells((src + 1) % ranks * chunks + src, src)


SEND_RECV = Collective(
    name="send_recv",
    aliases=("sendrecv",),
    algorithms=(Algorithm("direct", _direct, lambda shape, _: shape.ranks, _pairs),),
    bus_factor=lambda ranks: 1.0,
    buffer=_buffer,
    held=own_share,
    promised=_promised,
    checks_in_place=False,
)
