"""Reduce-scatter: rank r ends with the sum of all ranks' shares number r."""

from __future__ import annotations

from raddle.traffic.collectives import ring
from raddle.traffic.collectives.record import Algorithm, Collective, own_contribution, own_sum
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import shared_buffer
from raddle.workload import Schedule

_buffer = shared_buffer(redop="sum")


def _ring(shape: Shape, size_bytes: int) -> Schedule:
    """n-1 steps; rank r ends with the sum of share r. `size_bytes` is the send buffer's size."""
    buffer_bytes, steps = _buffer(shape.ranks, size_bytes).size_bytes, shape.ranks - 1
    return ring.schedule("reduce_scatter ring", shape, buffer_bytes, steps, reducing=steps, offset=-1)


REDUCE_SCATTER = Collective(
    name="reduce_scatter",
    aliases=("reducescatter",),
    algorithms=(Algorithm("ring", _ring, ring.count_flows(1, _buffer), ring.pairs),),
    bus_factor=lambda ranks: (ranks - 1) / ranks,
    buffer=_buffer,
    held=own_contribution,
    promised=own_sum,
)
