"""Chains: data in slices from rank to rank, each slice a hop behind the one before it.

A channel's chain is its ring, cut at the root: a broadcast begins there, a reduction ends there.
Source: NCCL, src/device/broadcast.h and reduce.h (runRing).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.traffic.collectives.chains import chains
from raddle.traffic.collectives.record import Pairs
from raddle.traffic.collectives.rounds import Ints
from raddle.traffic.collectives.slices import slices
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import split_elements
from raddle.workload import Schedule

SLICE_BYTES = 512 << 10
"""NCCL's: one step of the 8 (NCCL_STEPS) of a buffer of 4 MiB (BROADCAST_CHUNKSTEPS, REDUCE_CHUNKSTEPS 1)."""


def from_root(shape: Shape, root: int) -> Ints:
    """The ranks of each channel's chain, the root first: int64[channels, ranks]."""
    return np.stack([np.roll(ring, -int(np.flatnonzero(ring == root)[0])) for ring in chains(shape)])


def to_root(shape: Shape, root: int) -> Ints:
    """The same with the root last."""
    return np.roll(from_root(shape, root), -1, axis=1)


def schedule(name: str, shape: Shape, order: Ints, size_bytes: int, op: int) -> Schedule:
    """Chains along `order` that do `op` at each hop.

    Chunks are slices, one channel's after the other's. Flow (hop * slices + slice) * channels + channel.
    """
    channels, ranks = order.shape
    parts = _parts(shape, size_bytes)
    grid = (ranks - 1, parts, channels)
    hop, part, channel = (each.reshape(-1) for each in np.indices(grid, np.int32))
    chunk_bytes = split_elements(size_bytes, channels * parts)
    chunk = channel * np.int32(parts) + part
    flows, first = chunk.size, parts * channels
    return Schedule(
        name=name,
        ranks=ranks,
        src=order[channel, hop].astype(np.int32),
        dst=order[channel, hop + 1].astype(np.int32),
        size_bytes=chunk_bytes[chunk],
        step=hop + part,
        qp=channel * np.int32(ranks - 1) + hop,
        dep_offsets=np.maximum(np.arange(-first, flows - first + 1), 0),
        dep_ids=np.arange(flows - first, dtype=np.int32),
        chunk=chunk,
        chunk_count=np.ones(flows, np.int32),
        op=np.full(flows, op, np.int8),
        fan=np.zeros(flows, np.int32),
        chunk_bytes=chunk_bytes,
    )


def count_flows(shape: Shape, size_bytes: int) -> int:
    """Of the schedule of so many bytes."""
    return (shape.ranks - 1) * shape.channels * _parts(shape, size_bytes)


def pairs(order: Ints) -> Iterator[Pairs]:
    """One phase: in the middle of it all hops have something to send."""
    yield order[:, :-1].reshape(-1), order[:, 1:].reshape(-1)


def _parts(shape: Shape, size_bytes: int) -> int:
    return slices(size_bytes // shape.channels, slice_bytes(shape), shape.ranks - 1)


def slice_bytes(shape: Shape) -> int:
    """The protocol's single step, as in trees; NCCL's usual one where messages else stay whole."""
    return shape.protocol.tree_slice_bytes or SLICE_BYTES
