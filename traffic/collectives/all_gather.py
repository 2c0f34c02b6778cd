"""All-gather: every rank ends with the shares of all ranks."""

from __future__ import annotations

from collections.abc import Iterator

from raddle.traffic.collectives import pat, ring, switch, trees
from raddle.traffic.collectives.record import Algorithm, Collective, Pairs, every_share, own_share
from raddle.traffic.latency import always
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import shared_buffer, split_elements
from raddle.workload import Schedule

_buffer = shared_buffer(redop="none")


def _ring(shape: Shape, size_bytes: int, most_steps: int = ring.ALL_STEPS) -> Schedule:
    """n-1 steps; share r of the chunks is rank r's. `size_bytes` is the receive buffer's size."""
    buffer_bytes = _buffer(shape.ranks, size_bytes).size_bytes
    return ring.schedule(
        "all_gather ring", shape, buffer_bytes, min(shape.ranks - 1, most_steps), reducing=0, offset=0
    )


def _pat(shape: Shape, size_bytes: int) -> Schedule:
    return pat.schedule("all_gather pat", shape, _buffer(shape.ranks, size_bytes).size_bytes, reduces=False)


def _nvls(shape: Shape, size_bytes: int) -> Schedule:
    """Every rank's share goes to its domain's switch once, which copies it to all others."""
    lane_bytes = split_elements(_buffer(shape.ranks, size_bytes).size_bytes, shape.ranks)
    parts = _nvls_slices(shape, size_bytes)
    return trees.schedule("all_gather nvls", switch.heads_of_shares(shape), lane_bytes, parts, up=False)


def _nvls_slices(shape: Shape, size_bytes: int) -> int:
    return switch.slices_of_share(shape, _buffer(shape.ranks, size_bytes).size_bytes, hops=1)


def _nvls_flows(shape: Shape, size_bytes: int) -> int:
    return shape.ranks * (shape.ranks - 1) * _nvls_slices(shape, size_bytes)


def _nvls_pairs(shape: Shape) -> Iterator[Pairs]:
    return trees.pairs(switch.heads_of_shares(shape), up=False)


ALL_GATHER = Collective(
    name="all_gather",
    aliases=("allgather",),
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
        Algorithm("pat", _pat, pat.count_flows(_buffer), pat.pairs_of(reduces=False), latency=always("pat")),
        Algorithm("nvls", _nvls, _nvls_flows, _nvls_pairs, switch.refuses_one, always("nvls")),
    ),
    bus_factor=lambda ranks: (ranks - 1) / ranks,
    buffer=_buffer,
    held=own_share,
    promised=every_share,
)
