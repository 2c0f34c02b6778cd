"""All-reduce: every rank ends with the sum of all ranks' buffers."""

from __future__ import annotations

from collections.abc import Callable

from raddle.traffic.collectives import double_tree, halving_doubling, ring, switch
from raddle.traffic.collectives.record import Algorithm, Collective, every_sum, own_contribution
from raddle.traffic.latency import always
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import whole_buffer
from raddle.workload import Schedule

_buffer = whole_buffer(redop="sum")


def _ring(shape: Shape, size_bytes: int, most_steps: int = ring.ALL_STEPS) -> Schedule:
    """Reduce-scatter, then all-gather: 2(n-1) steps of 1/n of the buffer."""
    buffer_bytes, half = _buffer(shape.ranks, size_bytes).size_bytes, shape.ranks - 1
    return ring.schedule(
        "all_reduce ring", shape, buffer_bytes, min(2 * half, most_steps), reducing=half, offset=0
    )


def _halving_doubling(shape: Shape, size_bytes: int) -> Schedule:
    return halving_doubling.schedule("all_reduce", shape, _buffer(shape.ranks, size_bytes).size_bytes)


def _tree(shape: Shape, size_bytes: int) -> Schedule:
    buffer_bytes = _buffer(shape.ranks, size_bytes).size_bytes
    return double_tree.schedule("all_reduce tree", shape, buffer_bytes, in_switch=False)


def _nvls(name: str) -> Callable[[Shape, int], Schedule]:
    def schedule(shape: Shape, size_bytes: int) -> Schedule:
        buffer_bytes = _buffer(shape.ranks, size_bytes).size_bytes
        return double_tree.schedule(f"all_reduce {name}", shape, buffer_bytes, in_switch=True)

    return schedule


_tree_flows = double_tree.count_flows(_buffer, in_switch=False)
_tree_pairs = double_tree.pairs_of(in_switch=False)
_nvls_flows = double_tree.count_flows(_buffer, in_switch=True)
_nvls_pairs = double_tree.pairs_of(in_switch=True)

ALL_REDUCE = Collective(
    name="all_reduce",
    aliases=("allreduce",),
    algorithms=(
        Algorithm(
            "ring",
            _ring,
            ring.count_flows(2, _buffer),
            ring.pairs,
            latency=always("ring"),
            count_pairs=ring.count_pairs,
            some_steps=_ring,
        ),
        Algorithm(
            "halving_doubling", _halving_doubling, halving_doubling.count_flows, halving_doubling.pairs
        ),
        Algorithm("tree", _tree, _tree_flows, _tree_pairs, latency=always("tree")),
        Algorithm("nvls", _nvls("nvls"), _nvls_flows, _nvls_pairs, switch.refuses_one, always("nvls")),
        Algorithm(
            "nvls_tree", _nvls("nvls_tree"), _nvls_flows, _nvls_pairs, switch.refuses, always("nvls_tree")
        ),
    ),
    bus_factor=lambda ranks: 2 * (ranks - 1) / ranks,
    buffer=_buffer,
    held=own_contribution,
    promised=every_sum,
)
