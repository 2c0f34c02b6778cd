"""Reduce-scatter: rank r ends with the sum of all ranks' shares number r."""

from __future__ import annotations

from raddle.traffic.collectives import ring
from raddle.traffic.collectives.record import Algorithm, Collective, everyone, own_contribution
from raddle.traffic.sizes import shared_buffer, split_elements
from raddle.workload import Schedule

_buffer = shared_buffer(redop="sum")


def _ring(ranks: int, size_bytes: int) -> Schedule:
    """n-1 steps; rank r ends with the sum of chunk r. `size_bytes` is the send buffer's size."""
    chunk_bytes = split_elements(_buffer(ranks, size_bytes).size_bytes, ranks)
    return ring.schedule("reduce_scatter ring", ranks, chunk_bytes, ranks - 1, reducing=ranks - 1, offset=-1)


REDUCE_SCATTER = Collective(
    name="reduce_scatter",
    aliases=("reducescatter",),
    algorithms=(Algorithm("ring", _ring, lambda ranks: ranks * (ranks - 1), ring.pairs),),
    bus_factor=lambda ranks: (ranks - 1) / ranks,
    buffer=_buffer,
    held=own_contribution,
    promised=lambda ranks, chunks: ((rank * chunks + rank, everyone(ranks)) for rank in range(ranks)),
)
