"""Rings: every rank sends to its successor only, one chunk per step, on a ring of its own for each channel.

A rank forwards in step s the chunk that its predecessor sent it in step s - 1, and waits for nothing
else. Source: Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
workstations", JPDC 69(2), 2009. A message is passed on slice by slice, as NCCL does
(src/device/prims_simple.h).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from raddle.traffic.collectives.chains import chains
from raddle.traffic.collectives.record import Pairs
from raddle.traffic.collectives.slices import slices, split_each
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import Buffer, split_elements
from raddle.workload import COPY, REDUCE, Schedule

ALL_STEPS = 1 << 30
"""More than a ring has."""


def schedule(name: str, shape: Shape, size_bytes: int, steps: int, *, reducing: int, offset: int) -> Schedule:
    """In step s the rank in place p of a ring sends the share of the rank in place p - s + offset.

    The first `reducing` steps reduce. A share has `channels * slices` chunks in a row, one channel's after
    the other's. Flows are numbered by step, slice, channel and place.
    """
    order = chains(shape).astype(np.int32)
    channels, ranks = order.shape
    parts = _slices(shape, size_bytes, steps)
    grid = (steps, parts, channels, ranks)
    step, part, channel, place = np.ogrid[tuple(slice(0, size) for size in grid)]
    row = (place - step + offset) % ranks
    share = order[channel, row]
    chunk = (share * (channels * parts) + (channel * parts + part)).astype(np.int32).reshape(-1)
    chunk_bytes = split_each(split_elements(size_bytes, ranks), channels * parts)
    flows, first = chunk.size, parts * channels * ranks
    before = np.roll(np.arange(first, dtype=np.int32).reshape(grid[1:]), 1, axis=-1).reshape(1, -1)

    def column(values: np.ndarray, kind: type = np.int32) -> np.ndarray:
        return np.broadcast_to(values, grid).astype(kind).reshape(-1)

    return Schedule(
        name=name,
        ranks=ranks,
        src=column(order),
        dst=column(np.roll(order, -1, axis=1)),
        size_bytes=chunk_bytes[chunk],
        step=column(step),
        qp=column(channel * ranks + order),
        dep_offsets=np.maximum(np.arange(-first, flows - first + 1), 0),
        dep_ids=(before + np.arange(0, flows - first, first, dtype=np.int32)[:, None]).reshape(-1),
        chunk=chunk,
        chunk_count=np.ones(flows, np.int32),
        op=column(np.where(step < reducing, REDUCE, COPY), np.int8),
        fan=np.zeros(flows, np.int32),
        chunk_bytes=chunk_bytes,
    )


def count_flows(halves: int, buffer: Buffer) -> Callable[[Shape, int], int]:
    """Flows of a ring of `halves` (n - 1) steps, by shape and size; `buffer` rounds the size."""

    def count(shape: Shape, size_bytes: int) -> int:
        steps = halves * (shape.ranks - 1)
        size_bytes = buffer(shape.ranks, size_bytes).size_bytes
        return steps * shape.ranks * shape.channels * _slices(shape, size_bytes, steps)

    return count


def _slices(shape: Shape, size_bytes: int, steps: int) -> int:
    """Of a channel's message in one step.

    A slice is half of a message, or the library's where that is less. Where a server is small, so that few
    messages wait for its NIC, two are the least that hides the latency of a hop.
    """
    message_bytes = size_bytes // (shape.ranks * shape.channels)
    half_bytes = max(-(-message_bytes // 2), shape.protocol.least_slice_bytes)
    longest = max(len(server) for server in shape.servers)
    unit = min(shape.protocol.ring_slice_bytes, half_bytes)
    return slices(message_bytes, unit, longest if longest > 2 else max(longest, steps // 100), steps)


def pairs(shape: Shape) -> Iterator[Pairs]:
    """One phase: all steps have the same pairs."""
    order = chains(shape)
    yield order.reshape(-1), np.roll(order, -1, axis=1).reshape(-1)


def count_pairs(shape: Shape) -> int:
    """One in each channel for every rank."""
    return shape.ranks * shape.channels
