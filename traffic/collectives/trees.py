"""Trees that data flows up and down: in servers, in the switches of their domains, and between servers.

A lane is a part of the buffer with a tree of its own, cut into slices. A rank sends a slice up when those of
all its children are in, and down when it has come from its parent; the root turns it around.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives.record import Pairs
from raddle.traffic.collectives.slices import split_each
from raddle.workload import COPY, REDUCE, Schedule

Ints = NDArray[np.int64]
ROOT = -1


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """L trees of the same R ranks.

    Attributes:
        parent: int64[L, R], the rank above each; ROOT at the root.
        copies: int64[L, R], how many ranks get what the parent of this one sends down in one multicast of the
            domain's switch, this one included, which sums as many on the way up; 0: the link is a plain one.
    """

    parent: Ints
    copies: Ints

    @property
    def depth(self) -> Ints:
        """int64[L, R], hops to the root."""
        depth = np.zeros_like(self.parent)
        at = self.parent.copy()
        while (climbing := at != ROOT).any():
            depth += climbing
            at = np.where(climbing, np.take_along_axis(self.parent, np.maximum(at, 0), axis=1), ROOT)
        return depth

    @property
    def edges(self) -> int:
        return int(np.count_nonzero(self.parent != ROOT))


def pairs(trees: Trees, *, up: bool = True, down: bool = True) -> Iterator[Pairs]:
    """One phase: as slices follow each other, all links are busy at the same time."""
    lane, child = np.nonzero(trees.parent != ROOT)
    parent = trees.parent[lane, child]
    ways = [(child, parent)] * up + [(parent, child)] * down
    yield np.concatenate([src for src, _ in ways]), np.concatenate([dst for _, dst in ways])


def schedule(
    name: str,
    trees: Trees,
    lane_bytes: Ints,
    parts: int,
    *,
    up: bool = True,
    down: bool = True,
    ahead: int = 0,
) -> Schedule:
    """Every lane reduced to its root, and copied from there, or one of both.

    Flows are numbered by slice, then by hop. Chunk lane * parts + slice.

    Args:
        lane_bytes: int64[L], what each tree carries.
        parts: slices of a lane.
        ahead: of a tree up and down, how many slices each link may hold: a slice goes up when the sum of the
            one so many links' slices before it has come back down. 0: any number.
    """
    one = _one_slice(trees, up=up, down=down)
    flows = len(one.src)
    total = flows * parts
    chunk_bytes = split_each(lane_bytes, parts)
    part = np.arange(parts, dtype=np.int32)[:, None]
    chunk = (one.lane * np.int32(parts) + part).reshape(-1)
    waits, dep_ids = _repeated(one, parts, ahead)
    return Schedule(
        name=name,
        ranks=trees.parent.shape[1],
        src=np.tile(one.src, parts),
        dst=np.tile(one.dst, parts),
        size_bytes=chunk_bytes[chunk],
        step=_steps(one, parts, ahead),
        qp=np.tile(np.arange(flows, dtype=np.int32), parts),
        dep_offsets=np.concatenate([[0], np.cumsum(waits)]),
        dep_ids=dep_ids,
        chunk=chunk,
        chunk_count=np.ones(total, np.int32),
        op=np.tile(one.op, parts),
        fan=np.tile(one.fan, parts),
        chunk_bytes=chunk_bytes,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Slice:
    """The flows of one slice of every lane, by step.

    Of a flow up, where there are flows down too, `links` is the number of links to the root and back, and
    `returned` the flow that brings it the sum; elsewhere `links` is 0.
    """

    lane: NDArray[np.int32]
    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    step: NDArray[np.int32]
    op: NDArray[np.int8]
    fan: NDArray[np.int32]
    dep_offsets: Ints
    dep_ids: NDArray[np.int32]
    returned: NDArray[np.int32]
    links: NDArray[np.int32]


def _repeated(one: _Slice, parts: int, ahead: int) -> tuple[Ints, NDArray[np.int32]]:
    """How many flows each flow waits for, and which, of all slices."""
    flows = len(one.src)
    part = np.arange(parts, dtype=np.int32)[:, None]
    waits = np.tile(np.diff(one.dep_offsets), parts)
    dep_ids = (one.dep_ids + part * np.int32(flows)).reshape(-1)
    if not ahead:
        return waits, dep_ids
    back = part - one.links * np.int32(ahead)
    late = ((one.links > 0) & (back >= 0)).reshape(-1)
    ends = np.cumsum(waits)[late]
    freed = (one.returned + back * np.int32(flows)).reshape(-1)[late]
    return waits + late, np.insert(dep_ids, ends, freed)


def _steps(one: _Slice, parts: int, ahead: int) -> NDArray[np.int32]:
    """Slices that are under way together have the same steps, later ones those after them."""
    part = np.arange(parts, dtype=np.int32)[:, None]
    # No link has fewer than 2 links' slices under way.
    turn = part // np.int32(2 * ahead) if ahead else 0 * part
    return (one.step + turn * np.int32(one.step.max(initial=0) + 1)).reshape(-1)


def _one_slice(trees: Trees, *, up: bool, down: bool) -> _Slice:
    lane, child = np.nonzero(trees.parent != ROOT)
    parent, copies = trees.parent[lane, child], trees.copies[lane, child]
    depth = trees.depth
    height, edge_depth = int(depth.max()), depth[lane, child]
    edges = len(child)
    # Edges up come first, then edges down: edge e is flow e, and up * edges + e.
    kinds = [(child, parent, height - edge_depth, REDUCE, -copies)] * up
    kinds += [(parent, child, up * height + edge_depth - 1, COPY, copies)] * down
    src, dst, step, op, fan = (
        np.concatenate([np.broadcast_to(kind[at], edges) for kind in kinds]) for at in range(5)
    )
    owner, cause = _waits(trees, lane, child, parent, up=up, down=down)
    order = np.argsort(step, kind="stable")
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    by_owner = np.argsort(number[owner], kind="stable")
    counts = np.bincount(number[owner], minlength=len(order))
    return _Slice(
        lane=np.tile(lane, up + down)[order].astype(np.int32),
        src=src[order].astype(np.int32),
        dst=dst[order].astype(np.int32),
        step=step[order].astype(np.int32),
        op=op[order].astype(np.int8),
        fan=fan[order].astype(np.int32),
        dep_offsets=np.concatenate([[0], np.cumsum(counts)]),
        dep_ids=number[cause][by_owner].astype(np.int32),
        returned=np.roll(number, -edges)[order].astype(np.int32),
        links=np.where(order < edges * (up and down), 2 * edge_depth[order % edges], 0).astype(np.int32),
    )


def _waits(trees: Trees, lane: Ints, child: Ints, parent: Ints, *, up: bool, down: bool) -> tuple[Ints, Ints]:
    """Which flow waits for which: all that come up to a rank before it sends, or the one down to it."""
    ranks = trees.parent.shape[1]
    edges = len(child)
    # The edge above each (lane, rank); ROOT above the root.
    above = np.full(trees.parent.size, ROOT)
    above[lane * ranks + child] = np.arange(edges)
    onward = above[lane * ranks + parent]
    below = np.flatnonzero(onward != ROOT)
    owners, causes = [], []
    if up:
        owners, causes = [onward[below]], [below]
    if down:
        owners.append(up * edges + below)
        causes.append(up * edges + onward[below])
    if up and down:
        # The root waits for all of its children before it sends to any of them.
        turning = np.flatnonzero(onward == ROOT)
        counts = np.bincount(lane[turning], minlength=len(trees.parent))
        begin = np.cumsum(counts) - counts
        each = counts[lane[turning]]
        ends = np.cumsum(each)
        owners.append(edges + np.repeat(turning, each))
        causes.append(turning[np.arange(each.sum()) - np.repeat(ends - each - begin[lane[turning]], each)])
    return np.concatenate(owners), np.concatenate(causes)
