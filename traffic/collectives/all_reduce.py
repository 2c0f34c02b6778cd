"""All-reduce: every rank ends with the sum of all ranks' buffers."""

from __future__ import annotations

from raddle.traffic.collectives import halving_doubling, ring
from raddle.traffic.collectives.record import Algorithm, Collective, everyone, own_contribution
from raddle.traffic.sizes import split_elements, whole_buffer
from raddle.workload import Schedule

_buffer = whole_buffer(redop="sum")


def _ring(ranks: int, size_bytes: int) -> Schedule:
    """Reduce-scatter, then all-gather: 2(n-1) steps of 1/n of the buffer."""
    chunk_bytes = split_elements(_buffer(ranks, size_bytes).size_bytes, ranks)
    return ring.schedule("all_reduce ring", ranks, chunk_bytes, 2 * (ranks - 1), reducing=ranks - 1, offset=0)


def _halving_doubling(ranks: int, size_bytes: int) -> Schedule:
    return halving_doubling.schedule("all_reduce", ranks, _buffer(ranks, size_bytes).size_bytes)


ALL_REDUCE = Collective(
    name="all_reduce",
    aliases=("allreduce",),
    algorithms=(
        Algorithm("ring", _ring, lambda ranks: 2 * ranks * (ranks - 1), ring.pairs),
        Algorithm(
            "halving_doubling", _halving_doubling, halving_doubling.count_flows, halving_doubling.pairs
        ),
    ),
    bus_factor=lambda ranks: 2 * (ranks - 1) / ranks,
    buffer=_buffer,
    held=own_contribution,
    promised=lambda ranks, chunks: ((cell, everyone(ranks)) for cell in range(ranks * chunks)),
)
