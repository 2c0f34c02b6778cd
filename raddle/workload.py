"""What the hosts send: a schedule of dependent flows in flat arrays.

A schedule speaks of ranks, not of hosts; a placement says which endpoint of the fabric each rank is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COPY = 0
"""The receiver's chunk becomes the sender's (all-gather, all-to-all)."""

REDUCE = 1
"""The sender's chunk is added to the receiver's (reduce-scatter)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A collective as a dependency graph of F flows between ranks.

    A flow is one message on one queue pair. It starts when all flows it depends on are complete: a flow
    that the sender *receives* is complete when its last byte has arrived there, a flow that the sender
    itself *sent* when its last byte is acknowledged. (Every dependency is one of these two, so that a
    rank acts on what it knows itself.) Flows of one queue pair start in the order of their index.

    Shapes: all arrays have F entries, except `dep_offsets` (F + 1) and `dep_ids` (its last value). The
    flows that flow i waits for are `dep_ids[dep_offsets[i]:dep_offsets[i + 1]]`.

    Attributes:
        name: what it is, as printed ("all_reduce ring").
        ranks: number of ranks.
        src, dst: int32, rank that sends and rank that receives.
        size_bytes: int64, payload of the message; may be 0.
        step: int32, step of the algorithm; flows of one step run at the same time and compete.
        qp: int32, queue pair; all flows of a queue pair have the same src and dst.
        chunk, chunk_count: int32, the flow moves chunks [chunk, chunk + chunk_count) of the buffer.
        op: int8, COPY or REDUCE.
        chunk_bytes: int64 of the number of chunks, size of each chunk.
    """

    name: str
    ranks: int
    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    size_bytes: NDArray[np.int64]
    step: NDArray[np.int32]
    qp: NDArray[np.int32]
    dep_offsets: NDArray[np.int64]
    dep_ids: NDArray[np.int32]
    chunk: NDArray[np.int32]
    chunk_count: NDArray[np.int32]
    op: NDArray[np.int8]
    chunk_bytes: NDArray[np.int64]

    @property
    def flows(self) -> int:
        return len(self.src)


@dataclass(frozen=True, slots=True)
class Demand:
    """The flows between endpoints that a planner places on paths, phase by phase.

    Flows of one phase compete for links, flows of different phases do not. `src` and `dst` are endpoint
    indices of the fabric (int32), `phase` int32; one entry per distinct (phase, src, dst).
    """

    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    phase: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """What is sent, wherever it comes from: a collective, a flow file, traffic on running switches.

    Attributes:
        schedule: the flows between ranks.
        placement: int32, endpoint of each rank.
        start_ps: int64, the earliest start of each flow; None: as soon as what it waits for is complete.
        names: what each flow is called; empty: as its ranks are.
        repeat: how often the schedule runs. A rank begins again when all flows that it sends and receives
            are complete, so ranks need not begin at the same time.
    """

    schedule: Schedule
    placement: NDArray[np.int32]
    start_ps: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    repeat: int = 1

    @property
    def starts_ps(self) -> NDArray[np.int64]:
        """int64, the earliest start of each flow."""
        return np.zeros(self.schedule.flows, np.int64) if self.start_ps is None else self.start_ps
