"""What dispatch and combine send: straight to each rank, or through one rank of each node.

Source: DeepEP (github.com/deepseek-ai/DeepEP, docs/legacy.md, csrc/legacy/internode.cu). Normal kernels send
a token to each node once, to the rank with the sender's place there, which passes it on; what comes back is
summed in the node first. Low-latency kernels send it to each rank that has one of its experts.
"""

from __future__ import annotations

import numpy as np

from raddle.lab.graph.model import Ints
from raddle.lab.graph.moe.routing import Hits
from raddle.traffic.collectives import direct
from raddle.workload import COPY, Schedule

_SLICES = 8
_LEAST_SLICE_BYTES = 1 << 18
"""Messages between nodes are passed on in so many parts, of at least so much. Assumption: DeepEP has chunks
of a few tokens; 8 parts leave an eighth of the second hop that nothing hides."""

FP8_BLOCK = 128
"""Values that share a scale of 4 bytes."""


def copy_bytes(hidden: int, precision: str) -> int:
    """Of one token's copy: FP8 with its scales, or BF16."""
    return hidden + hidden // FP8_BLOCK * 4 if precision == "fp8" else 2 * hidden


def straight(hits: Hits, tokens: int, each_bytes: int, *, combines: bool) -> Schedule:
    """Each rank's messages to all others at once; for combine the way back."""
    ranks = hits.rank.shape[-1]
    by_rank = np.broadcast_to(hits.rank, (ranks, ranks))
    src, dst = np.nonzero(~np.eye(ranks, dtype=bool))
    sizes = np.rint(tokens * by_rank[src, dst] * each_bytes).astype(np.int64)
    ends = (dst, src) if combines else (src, dst)
    return direct.schedule("moe", ranks, *ends, np.arange(len(src)), sizes)


def through_nodes(hits: Hits, tokens: int, each_bytes: int, *, combines: bool) -> Schedule:
    """Each token once to each node, and on to its ranks from there; for combine the way back, with sums."""
    ranks, nodes = hits.rank.shape[-1], hits.node.shape[-1]
    width = ranks // nodes
    rank_bytes, node_bytes = (
        tokens * each_bytes * np.broadcast_to(each, (ranks, each.shape[-1]))
        for each in (hits.rank, hits.node)
    )
    parts = int(np.clip(node_bytes.max(initial=0) // _LEAST_SLICE_BYTES, 1, _SLICES))
    # Part by part, as a rank passes on what it has of all senders before it waits for more of one.
    part, src, node = (grid.reshape(-1) for grid in np.mgrid[0:parts, 0:ranks, 0:nodes])
    far = src // width != node
    src, node, part = src[far], node[far], part[far]
    gate = node * width + src % width
    far_size = _part_of(node_bytes[src, node], part, parts)
    # Beside the gate, all ranks of its node; of the sender's own node, all that are not the sender.
    of_far = np.repeat(np.arange(len(src)), width)
    place = np.tile(np.arange(width), len(src))
    onward = gate[of_far] % width != place
    of_far, place = of_far[onward], place[onward]
    reached = node[of_far] * width + place
    near_size = _part_of(rank_bytes[src[of_far], reached], part[of_far], parts)
    own, other = np.nonzero(
        ~np.eye(ranks, dtype=bool) & (np.arange(ranks)[:, None] // width == np.arange(ranks) // width)
    )
    own_size = np.rint(rank_bytes[own, other]).astype(np.int64)
    hops = [(src, gate, far_size), (gate[of_far], reached, near_size)]
    near = len(src) + np.arange(len(of_far))
    if combines:
        # What the other node waits for goes first, then what stays in this one.
        hops = [(dst, source, size) for source, dst, size in (*hops, (own, other, own_size))]
        return _schedule(ranks, hops, of_far, near)
    # What is passed on comes later than what stays here.
    return _schedule(ranks, [(own, other, own_size), *hops], near + len(own), of_far + len(own))


def _part_of(whole: np.ndarray, part: Ints, parts: int) -> Ints:
    """Whole bytes of one of so many parts, which add up to the whole, rounded."""
    size = np.rint(whole).astype(np.int64)
    found: Ints = size * (part + 1) // parts - size * part // parts
    return found


def _schedule(ranks: int, hops: list[tuple[Ints, Ints, Ints]], waiting: Ints, before: Ints) -> Schedule:
    src, dst, size = (np.concatenate(column) for column in zip(*hops, strict=True))
    count = len(src)
    order = np.argsort(waiting, kind="stable")
    zero = np.zeros(count, np.int32)
    return Schedule(
        name="moe",
        ranks=ranks,
        src=src.astype(np.int32),
        dst=dst.astype(np.int32),
        size_bytes=size,
        step=zero,
        qp=np.unique(src * ranks + dst, return_inverse=True)[1].astype(np.int32),
        dep_offsets=np.concatenate([[0], np.cumsum(np.bincount(waiting, minlength=count))]).astype(np.int64),
        dep_ids=before[order].astype(np.int32),
        chunk=zero,
        chunk_count=zero,
        op=np.full(count, COPY, np.int8),
        fan=zero,
        chunk_bytes=np.zeros(0, np.int64),
    )
