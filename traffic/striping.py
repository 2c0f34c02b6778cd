"""Several queue pairs for each connection, so that its data takes several paths through a fabric that hashes.

Source: NCCL's InfiniBand transport (src/transport/net_ib.cc) and its environment variables
NCCL_IB_QPS_PER_CONNECTION and NCCL_IB_SPLIT_DATA_ON_QPS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raddle.workload import Schedule

PART_ALIGNMENT_BYTES = 128
"""A part of a message is a multiple of this, but for the last ones (ncclIbMultiSend)."""


@dataclass(frozen=True, slots=True)
class Striped:
    """A schedule over more queue pairs.

    Attributes:
        schedule: what is sent: each message of the original is `parts` flows in a row.
        parts: 1 where messages stay whole.
    """

    schedule: Schedule
    parts: int

    def first(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """The least value of each message's parts."""
        least: NDArray[np.int64] = column.reshape(-1, self.parts).min(axis=1)
        return least

    def last(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """The largest value of each message's parts."""
        most: NDArray[np.int64] = column.reshape(-1, self.parts).max(axis=1)
        return most

    def spread(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """A message's value for each of its parts."""
        return np.repeat(column, self.parts)


def stripe(schedule: Schedule, qps: int, splits_data: bool) -> Striped:
    """Give each connection (a queue pair of `schedule`) `qps` queue pairs.

    With `splits_data` every message is cut into one part for each; what waits for a message waits for all of
    its parts, and a part may be empty. Without, messages take turns.
    """
    if qps == 1:
        return Striped(schedule, 1)
    return _split(schedule, qps) if splits_data else _take_turns(schedule, qps)


def _take_turns(schedule: Schedule, qps: int) -> Striped:
    order = np.argsort(schedule.qp, kind="stable")
    connection = schedule.qp[order]
    place = np.arange(schedule.flows) - np.searchsorted(connection, connection)
    turn = np.empty(schedule.flows, np.int64)
    turn[order] = place % qps
    return Striped(replace(schedule, qp=_numbered(schedule.qp.astype(np.int64) * qps + turn)), 1)


def _split(schedule: Schedule, parts: int) -> Striped:
    number = np.arange(parts)
    share = -(-schedule.size_bytes // parts)
    part = -(-share // PART_ALIGNMENT_BYTES) * PART_ALIGNMENT_BYTES
    size = np.clip(schedule.size_bytes[:, None] - part[:, None] * number, 0, part[:, None])
    waits = np.repeat(np.diff(schedule.dep_offsets), parts)
    # Each part waits for all parts of each message that the whole one waits for.
    row = np.repeat(np.arange(schedule.flows), parts)
    spans = [schedule.dep_ids[schedule.dep_offsets[i] : schedule.dep_offsets[i + 1]] for i in row.tolist()]
    before = np.concatenate(spans) if spans else np.zeros(0, np.int32)
    striped = replace(
        schedule,
        src=np.repeat(schedule.src, parts),
        dst=np.repeat(schedule.dst, parts),
        size_bytes=size.reshape(-1).astype(np.int64),
        step=np.repeat(schedule.step, parts),
        qp=_numbered((schedule.qp[:, None].astype(np.int64) * parts + number).reshape(-1)),
        dep_offsets=np.concatenate([[0], np.cumsum(waits * parts)]).astype(np.int64),
        dep_ids=(before[:, None].astype(np.int64) * parts + number).reshape(-1).astype(np.int32),
        chunk=np.repeat(schedule.chunk, parts),
        chunk_count=np.repeat(schedule.chunk_count, parts),
        op=np.repeat(schedule.op, parts),
        fan=np.repeat(schedule.fan, parts),
    )
    return Striped(striped, parts)


def _numbered(qp: NDArray[np.int64]) -> NDArray[np.int32]:
    """The queue pairs in use, from 0 up in the same order."""
    return np.unique(qp, return_inverse=True)[1].astype(np.int32)
