"""All-gather: every rank ends with the shares of all ranks."""

from __future__ import annotations

from raddle.traffic.collectives import ring
from raddle.traffic.collectives.record import Algorithm, Collective
from raddle.traffic.sizes import shared_buffer, split_elements
from raddle.workload import Schedule

_buffer = shared_buffer(redop="none")


def _ring(ranks: int, size_bytes: int) -> Schedule:
    """n-1 steps; chunk r is rank r's share. `size_bytes` is the receive buffer's size."""
    chunk_bytes = split_elements(_buffer(ranks, size_bytes).size_bytes, ranks)
    return ring.schedule("all_gather ring", ranks, chunk_bytes, ranks - 1, reducing=0, offset=0)


ALL_GATHER = Collective(
    name="all_gather",
    aliases=("allgather",),
    algorithms=(Algorithm("ring", _ring, lambda ranks: ranks * (ranks - 1), ring.pairs),),
    bus_factor=lambda ranks: (ranks - 1) / ranks,
    buffer=_buffer,
    held=lambda ranks, chunks: {rank * chunks + rank: 1 << rank for rank in range(ranks)},
    promised=lambda ranks, chunks: (
        (rank * chunks + chunk, 1 << chunk) for rank in range(ranks) for chunk in range(chunks)
    ),
)
