"""Ring algorithms: every rank sends to its successor only, one chunk per step.

A rank forwards in step s the chunk that its predecessor sent it in step s - 1, and waits for nothing
else. Source: Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
workstations", JPDC 69(2), 2009.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.traffic.collectives.rounds import Round, assemble
from raddle.traffic.sizes import buffer_size, split_elements
from raddle.workload import COPY, REDUCE, Schedule


def all_reduce(ranks: int, size_bytes: int) -> Schedule:
    """Reduce-scatter, then all-gather: 2(n-1) steps of 1/n of the buffer."""
    chunk_bytes = split_elements(buffer_size("all_reduce", ranks, size_bytes).size_bytes, ranks)
    rounds = _rounds(ranks, 2 * (ranks - 1), reducing=ranks - 1, offset=0)
    return assemble("all_reduce ring", ranks, rounds, chunk_bytes, waits_for_ack=False)


def all_gather(ranks: int, size_bytes: int) -> Schedule:
    """n-1 steps; chunk r is rank r's share. `size_bytes` is the receive buffer's size."""
    chunk_bytes = split_elements(buffer_size("all_gather", ranks, size_bytes).size_bytes, ranks)
    rounds = _rounds(ranks, ranks - 1, reducing=0, offset=0)
    return assemble("all_gather ring", ranks, rounds, chunk_bytes, waits_for_ack=False)


def reduce_scatter(ranks: int, size_bytes: int) -> Schedule:
    """n-1 steps; rank r ends with the sum of chunk r. `size_bytes` is the send buffer's size."""
    chunk_bytes = split_elements(buffer_size("reduce_scatter", ranks, size_bytes).size_bytes, ranks)
    rounds = _rounds(ranks, ranks - 1, reducing=ranks - 1, offset=-1)
    return assemble("reduce_scatter ring", ranks, rounds, chunk_bytes, waits_for_ack=False)


def _rounds(ranks: int, steps: int, reducing: int, offset: int) -> Iterator[Round]:
    """In step s rank r sends chunk r - s + offset (mod n); the first `reducing` steps reduce."""
    src = np.arange(ranks)
    dst = (src + 1) % ranks
    for step in range(steps):
        yield Round(src, dst, (src - step + offset) % ranks, 1, REDUCE if step < reducing else COPY)
