"""Direct sends: each block goes straight from its owner to its reader, all of them at once.

Source: nccl-tests, src/gather.cu, scatter.cu and sendrecv.cu: one group of ncclSend and ncclRecv.
"""

from __future__ import annotations

import numpy as np

from raddle.traffic.collectives.rounds import Ints, Round, assemble
from raddle.workload import COPY, Schedule


def schedule(name: str, ranks: int, src: Ints, dst: Ints, chunk: Ints, chunk_bytes: Ints) -> Schedule:
    """Block `chunk[i]` goes from `src[i]` to `dst[i]`; nothing waits."""
    return assemble(name, ranks, [Round(src, dst, chunk, 1, COPY)], chunk_bytes, waits_for_ack=False)


def others(ranks: int, root: int) -> Ints:
    """All ranks but the root, from the next one on."""
    return (root + np.arange(1, ranks)) % ranks
