"""Pairwise-exchange all-to-all.

Source: Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in MPICH",
IJHPCA 19(1), 2005 (all-to-all, long messages, any number of processes).
"""

from __future__ import annotations

import numpy as np

from raddle.traffic.collectives.rounds import Round, assemble
from raddle.traffic.sizes import ELEMENT_BYTES, buffer_size
from raddle.workload import COPY, Schedule


def all_to_all(ranks: int, size_bytes: int) -> Schedule:
    """n-1 steps: in step p rank i sends its block for rank i + p + 1 (mod n) straight to it.

    A rank begins its next step when it has received this step's block and its own is acknowledged.
    Chunk i * n + j is the block from rank i for rank j; `size_bytes` is one rank's whole send buffer.
    """
    share = buffer_size("all_to_all", ranks, size_bytes).count
    chunk_bytes = np.full(ranks * ranks, share * ELEMENT_BYTES, np.int64)
    src = np.arange(ranks)
    targets = [(src + distance) % ranks for distance in range(1, ranks)]
    rounds = [Round(src, dst, src * ranks + dst, 1, COPY) for dst in targets]
    return assemble("all_to_all pairwise", ranks, rounds, chunk_bytes, waits_for_ack=True)
