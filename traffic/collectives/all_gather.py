"""All-gather: every rank ends with the shares of all ranks."""

from __future__ import annotations

from raddle.traffic.collectives import ring
from raddle.traffic.collectives.record import Algorithm, Collective, every_share, own_share
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import shared_buffer
from raddle.workload import Schedule

_buffer = shared_buffer(redop="none")


def _ring(shape: Shape, size_bytes: int) -> Schedule:
    """n-1 steps; share r of the chunks is rank r's. `size_bytes` is the receive buffer's size."""
    buffer_bytes = _buffer(shape.ranks, size_bytes).size_bytes
    return ring.schedule("all_gather ring", shape, buffer_bytes, shape.ranks - 1, reducing=0, offset=0)


ALL_GATHER = Collective(
    name="all_gather",
    aliases=("allgather",),
    algorithms=(Algorithm("ring", _ring, ring.count_flows(1, _buffer), ring.pairs),),
    bus_factor=lambda ranks: (ranks - 1) / ranks,
    buffer=_buffer,
    held=own_share,
    promised=every_share,
)
