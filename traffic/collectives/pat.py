"""PAT: parallel aggregated trees, all-gather and reduce-scatter in log2(n) network latencies.

Source: NCCL's PatAGAlgorithm and PatRSAlgorithm (src/include/collectives.h), with their sends for chunks
that fill a step of the buffer, in their order for powers of two. Every rank's share goes down (all-gather)
or up (reduce-scatter) a binomial tree of its own: the rank at offset o from a share's owner has it from the
one at o without its lowest bit. NCCL joins small chunks for one peer into one message; here they follow
each other on one queue pair. NCCL runs it where each server has one accelerator; here servers make no
difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives.record import Pairs
from raddle.traffic.collectives.slices import slices, split_each
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import Buffer, split_elements
from raddle.workload import COPY, REDUCE, Schedule

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Send:
    """What every rank r does at one place of the order: send share r + `share` to r + `to`.

    `after`: places of the order, and how far from r the rank is whose flow to r it waits for.
    """

    to: int
    share: int
    after: tuple[tuple[int, int], ...]


def _gathering(ranks: int) -> list[_Send]:
    """The farthest peer first, and the shares nearest by."""
    sends: list[_Send] = []
    place: dict[int, int] = {}
    for level in reversed(range((ranks - 1).bit_length())):
        distance = 1 << level
        for offset in range(0, ranks - distance, 2 * distance):
            lowest = offset & -offset
            place[offset + distance] = len(sends)
            sends.append(_Send(-distance, offset, ((place[offset], lowest),) if offset else ()))
    return sends


def _scattering(ranks: int) -> list[_Send]:
    """The nearest peer first, and the shares in the falling order of their reversed bits."""
    levels = (ranks - 1).bit_length()
    sends: list[_Send] = []
    place: dict[int, int] = {}
    for level in range(levels):
        distance = 1 << level
        offsets = range(distance, ranks, 2 * distance)
        for offset in sorted(offsets, key=lambda number: -_reversed_bits(number, levels)):
            below = [1 << i for i in range(level) if offset + (1 << i) < ranks]
            after = tuple((place[offset + each], -each) for each in below)
            place[offset] = len(sends)
            sends.append(_Send(distance, offset, after))
    return sends


def _reversed_bits(number: int, width: int) -> int:
    return int(f"{number:0{width}b}"[::-1], 2)


def schedule(name: str, shape: Shape, size_bytes: int, *, reduces: bool) -> Schedule:
    """n - 1 sends of each rank, slice by slice; share r of the chunks is rank r's."""
    ranks = shape.ranks
    sends = _scattering(ranks) if reduces else _gathering(ranks)
    parts = _slices(shape, size_bytes)
    rank = np.arange(ranks)
    flows = len(sends) * ranks
    to, share = (np.array([getattr(send, key) for send in sends])[:, None] for key in ("to", "share"))
    src, dst = np.tile(rank, len(sends)), ((rank + to) % ranks).reshape(-1)
    chunk_bytes = split_each(split_elements(size_bytes, ranks), parts)
    part = np.arange(parts)[:, None]
    chunk = (((rank + share) % ranks).reshape(-1) * parts + part).astype(np.int32).reshape(-1)
    counts = np.repeat([len(send.after) for send in sends], ranks)
    waits = [np.zeros(0, np.int64)]
    for send in sends:
        if send.after:
            causes = [place * ranks + (rank + off) % ranks for place, off in send.after]
            waits.append(np.stack(causes, axis=1).reshape(-1))
    total = flows * parts
    return Schedule(
        name=name,
        ranks=ranks,
        src=np.tile(src, parts).astype(np.int32),
        dst=np.tile(dst, parts).astype(np.int32),
        size_bytes=chunk_bytes[chunk],
        step=np.tile(np.repeat(np.arange(len(sends), dtype=np.int32), ranks), parts),
        qp=np.tile(np.unique(src * ranks + dst, return_inverse=True)[1].astype(np.int32), parts),
        dep_offsets=np.concatenate([[0], np.cumsum(np.tile(counts, parts))]),
        dep_ids=(np.concatenate(waits) + part * flows).astype(np.int32).reshape(-1),
        chunk=chunk,
        chunk_count=np.ones(total, np.int32),
        op=np.full(total, REDUCE if reduces else COPY, np.int8),
        fan=np.zeros(total, np.int32),
        chunk_bytes=chunk_bytes,
    )


def _slices(shape: Shape, size_bytes: int) -> int:
    hops = (shape.ranks - 1).bit_length()
    return slices(size_bytes // shape.ranks, shape.protocol.tree_slice_bytes, hops, shape.ranks - 1)


def count_flows(buffer: Buffer) -> Callable[[Shape, int], int]:
    """Flows by shape and size; `buffer` rounds the size."""

    def count(shape: Shape, size_bytes: int) -> int:
        rounded_bytes = buffer(shape.ranks, size_bytes).size_bytes
        return shape.ranks * (shape.ranks - 1) * _slices(shape, rounded_bytes)

    return count


def pairs_of(*, reduces: bool) -> Callable[[Shape], Iterator[Pairs]]:
    """One phase for each distance."""

    def pairs(shape: Shape) -> Iterator[Pairs]:
        rank = np.arange(shape.ranks)
        levels = (shape.ranks - 1).bit_length()
        for level in range(levels) if reduces else reversed(range(levels)):
            distance = 1 << level if reduces else -(1 << level)
            yield rank, (rank + distance) % shape.ranks

    return pairs
