"""Reduce-scatter: rank r ends with the sum of all ranks' shares number r."""

from __future__ import annotations

from collections.abc import Iterator

from raddle.traffic.collectives import pat, ring, switch, trees
from raddle.traffic.collectives.record import Algorithm, Collective, Pairs, own_contribution, own_sum
from raddle.traffic.latency import always
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import shared_buffer, split_elements
from raddle.workload import Schedule

_buffer = shared_buffer(redop="sum")


def _ring(shape: Shape, size_bytes: int, most_steps: int = ring.ALL_STEPS) -> Schedule:
    """n-1 steps; rank r ends with the sum of share r. `size_bytes` is the send buffer's size."""
    buffer_bytes, steps = _buffer(shape.ranks, size_bytes).size_bytes, shape.ranks - 1
    return ring.schedule(
        "reduce_scatter ring", shape, buffer_bytes, min(steps, most_steps), reducing=steps, offset=-1
    )


def _pat(shape: Shape, size_bytes: int) -> Schedule:
    return pat.schedule(
        "reduce_scatter pat", shape, _buffer(shape.ranks, size_bytes).size_bytes, reduces=True
    )


def _nvls(shape: Shape, size_bytes: int) -> Schedule:
    """The domain's switch sums every share and gives it to its rank."""
    lane_bytes = split_elements(_buffer(shape.ranks, size_bytes).size_bytes, shape.ranks)
    parts = _nvls_slices(shape, size_bytes)
    return trees.schedule("reduce_scatter nvls", switch.heads_of_shares(shape), lane_bytes, parts, down=False)


def _nvls_slices(shape: Shape, size_bytes: int) -> int:
    return switch.slices_of_share(shape, _buffer(shape.ranks, size_bytes).size_bytes, hops=1)


def _nvls_flows(shape: Shape, size_bytes: int) -> int:
    return shape.ranks * (shape.ranks - 1) * _nvls_slices(shape, size_bytes)


def _nvls_pairs(shape: Shape) -> Iterator[Pairs]:
    return trees.pairs(switch.heads_of_shares(shape), down=False)


REDUCE_SCATTER = Collective(
    name="reduce_scatter",
    aliases=("reducescatter",),
    algorithms=(
        Algorithm(
            "ring",
            _ring,
            ring.count_flows(1, _buffer),
            ring.pairs,
            latency=always("ring"),
            count_pairs=ring.count_pairs,
            some_steps=_ring,
        ),
        Algorithm("pat", _pat, pat.count_flows(_buffer), pat.pairs_of(reduces=True), latency=always("pat")),
        Algorithm("nvls", _nvls, _nvls_flows, _nvls_pairs, switch.refuses_one, always("nvls")),
    ),
    bus_factor=lambda ranks: (ranks - 1) / ranks,
    buffer=_buffer,
    held=own_contribution,
    promised=own_sum,
)
