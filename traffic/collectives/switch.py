"""In-switch sums and copies (NVLS) of one scale-up domain: every rank is the head of a part of the buffer.

To reduce, the switch reads the part from all ranks and gives their sum to the head; to gather, the head
stores once and the switch copies to all. Source: NCCL's src/device/all_reduce.h, all_gather.h and
reduce_scatter.h (algorithm NVLS; multimem.ld_reduce and multimem.st of PTX).
"""

from __future__ import annotations

import numpy as np

from raddle.traffic.collectives.slices import slices
from raddle.traffic.collectives.trees import ROOT, Trees
from raddle.traffic.shape import Shape


def heads_of_shares(shape: Shape) -> Trees:
    """Lane r has rank r at its root and all others below it."""
    ranks = shape.ranks
    parent = np.tile(np.arange(ranks)[:, None], ranks)
    np.fill_diagonal(parent, ROOT)
    copies = np.where(parent == ROOT, 0, ranks - 1 if ranks > 2 else 0)
    return Trees(parent, copies)


def slices_of_share(shape: Shape, size_bytes: int, hops: int) -> int:
    return slices(size_bytes // shape.ranks, shape.protocol.switch_slice_bytes, hops)


def refuses_one(shape: Shape) -> str:
    """NVLS is for one domain."""
    if len(shape.servers) > 1:
        return f"they are on {len(shape.servers)} servers, and NVLS works inside of one"
    return refuses(shape)


def refuses(shape: Shape) -> str:
    """Why ranks cannot have their switches reduce."""
    if not shape.has_in_network:
        return "no scale-up domain of theirs sums in its switches (scale_up.in_network)"
    return ""
