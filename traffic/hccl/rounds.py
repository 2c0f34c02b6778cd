"""From what is sent step by step to a schedule.

A rank goes on to its next step when it has all that it receives in this one, and all that it sends is
acknowledged: HCCL's templates wait for both ends of a step before they post the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.workload import Schedule

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Chunks that are sent at the same time, one entry each: int64, all of a length; all do `op`."""

    op: int
    src: Ints
    dst: Ints
    chunk: Ints


def assemble(name: str, ranks: int, steps: Sequence[Moves], chunk_bytes: Ints) -> Schedule:
    """What one rank sends another in a step is a message for each row of chunks, on one queue pair."""
    flows = [_messages(step, moves) for step, moves in enumerate(steps)]
    step, src, dst, chunk, count, op = np.concatenate(flows, axis=1)
    ends = np.concatenate([[0], np.cumsum(chunk_bytes)])
    qp = np.unique(src * ranks + dst, return_inverse=True)[1]
    offsets, ids = _dependencies(ranks, step, src, dst)
    return Schedule(
        name=name,
        ranks=ranks,
        src=src.astype(np.int32),
        dst=dst.astype(np.int32),
        size_bytes=(ends[chunk + count] - ends[chunk]).astype(np.int64),
        step=step.astype(np.int32),
        qp=qp.astype(np.int32),
        dep_offsets=offsets,
        dep_ids=ids.astype(np.int32),
        chunk=chunk.astype(np.int32),
        chunk_count=count.astype(np.int32),
        op=op.astype(np.int8),
        fan=np.zeros(len(src), np.int32),
        chunk_bytes=chunk_bytes,
    )


def _messages(step: int, moves: Moves) -> Ints:
    """int64[6, flows]: step, src, dst, first chunk, number of chunks, op; by sender, then receiver."""
    order = np.lexsort((moves.chunk, moves.dst, moves.src))
    src, dst, chunk = moves.src[order], moves.dst[order], moves.chunk[order]
    goes_on = (np.diff(src) == 0) & (np.diff(dst) == 0) & (np.diff(chunk) == 1)
    first = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    count = np.diff(np.append(first, len(src)))
    same = np.full(len(first), step), np.full(len(first), moves.op)
    return np.stack([same[0], src[first], dst[first], chunk[first], count, same[1]])


def _dependencies(ranks: int, step: Ints, src: Ints, dst: Ints) -> tuple[Ints, Ints]:
    """`dep_offsets` and `dep_ids`.

    The first message of a sender to a receiver in a step waits for the last ones of its sender's step before;
    those behind it follow on their queue pair.
    """
    steps, pair = int(step.max()) + 1, (step * ranks + src) * ranks + dst
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    last = np.flatnonzero(np.diff(pair, append=-1))
    # Rank by rank and step by step, the last messages that it sends and receives.
    turn = np.concatenate([src[last], dst[last]]) * steps + np.tile(step[last], 2)
    order = np.lexsort((np.tile(last, 2), turn))
    message = np.tile(last, 2)[order]
    turns, begin, count = np.unique(turn[order], return_index=True, return_counts=True)
    before = np.searchsorted(turns, src[first] * steps + step[first]) - 1
    waits = (before >= 0) & (turns[before] // steps == src[first])
    first, before = first[waits], before[waits]
    spans = count[before]
    place = np.arange(spans.sum()) + np.repeat(begin[before] - np.cumsum(spans) + spans, spans)
    counts = np.zeros(len(src), np.int64)
    counts[first] = spans
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), message[place]


def pairs(steps: Iterable[Moves], ranks: int) -> list[tuple[Ints, Ints]]:
    """Who sends to whom, step by step."""
    found = []
    for moves in steps:
        src, dst = np.divmod(np.unique(moves.src * ranks + moves.dst), ranks)
        found.append((src, dst))
    return found
