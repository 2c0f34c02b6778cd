"""From rounds of simultaneous sends to a schedule with dependencies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.workload import Schedule

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Round:
    """One step of an algorithm: sends that run at the same time.

    `src`, `dst` (ranks) and `chunk` (first chunk) have one entry per flow; a rank sends and receives
    at most one flow of a round. Every flow moves `chunk_count` chunks with `op`.
    """

    src: Ints
    dst: Ints
    chunk: Ints
    chunk_count: int
    op: int


def assemble(
    name: str, ranks: int, rounds: Iterable[Round], chunk_bytes: Ints, *, waits_for_ack: bool
) -> Schedule:
    """The schedule of rounds that every rank runs in order, at its own pace.

    A rank's flow waits for the flow that the rank received last in an earlier round, for the one before if it
    has sent none in between and, with `waits_for_ack`, for the flow that it sent last. A pair of ranks uses
    one queue pair per direction.
    """
    all_rounds = tuple(rounds)
    lengths = [len(part.src) for part in all_rounds]
    src = np.concatenate([part.src for part in all_rounds])
    dst = np.concatenate([part.dst for part in all_rounds])
    chunk = np.concatenate([part.chunk for part in all_rounds])
    chunk_count = np.repeat([part.chunk_count for part in all_rounds], lengths)
    ends = np.concatenate([[0], np.cumsum(chunk_bytes)])
    dep_offsets, dep_ids = _dependencies(ranks, all_rounds, waits_for_ack)
    return Schedule(
        name=name,
        ranks=ranks,
        src=src.astype(np.int32),
        dst=dst.astype(np.int32),
        size_bytes=(ends[chunk + chunk_count] - ends[chunk]).astype(np.int64),
        step=np.repeat(np.arange(len(all_rounds), dtype=np.int32), lengths),
        qp=np.unique(src * ranks + dst, return_inverse=True)[1].astype(np.int32),
        dep_offsets=dep_offsets,
        dep_ids=dep_ids,
        chunk=chunk.astype(np.int32),
        chunk_count=chunk_count.astype(np.int32),
        op=np.repeat(np.array([part.op for part in all_rounds], np.int8), lengths),
        fan=np.zeros(len(src), np.int32),
        chunk_bytes=chunk_bytes,
    )


def _dependencies(
    ranks: int, rounds: tuple[Round, ...], waits_for_ack: bool
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """`dep_offsets` and `dep_ids` of the flows of all rounds."""
    received = np.full(ranks, -1, np.int32)
    # What a rank received before that, if it has sent nothing since.
    earlier = np.full(ranks, -1, np.int32)
    unused = np.zeros(ranks, np.int32)
    sent = np.full(ranks, -1, np.int32)
    waits = []
    first = 0
    for part in rounds:
        assert unused[part.src].max(initial=0) <= 2
        acked = sent[part.src] if waits_for_ack else np.full(len(part.src), -1, np.int32)
        waits.append(np.stack([received[part.src], acked, earlier[part.src]], axis=1))
        earlier[part.src], unused[part.src] = -1, 0
        flows = np.arange(first, first + len(part.src), dtype=np.int32)
        earlier[part.dst] = np.where(unused[part.dst] > 0, received[part.dst], -1)
        received[part.dst] = flows
        unused[part.dst] += 1
        sent[part.src] = flows
        first += len(flows)
    table = np.concatenate(waits)
    exists = table >= 0
    dep_offsets = np.concatenate([[0], np.cumsum(exists.sum(axis=1))]).astype(np.int64)
    return dep_offsets, table[exists]
