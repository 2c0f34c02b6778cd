"""What the hosts send: a schedule of dependent flows in flat arrays.

A schedule speaks of ranks, not of hosts; `Seats` say where in the fabric each rank is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

COPY = 0
"""The receiver's chunk becomes the sender's (all-gather, all-to-all)."""

REDUCE = 1
"""The sender's chunk is added to the receiver's (reduce-scatter)."""

NOWHERE = -1
"""In place of the number of an endpoint, an accelerator or a scale-up domain: there is none."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A collective as a dependency graph of F flows between ranks.

    A flow is one message on one queue pair. It starts when all flows it depends on are complete: a flow
    that the sender *receives* is complete when its last byte has arrived there, a flow that the sender
    itself *sent* when its last byte is acknowledged. (Every dependency is one of these two, so that a
    rank acts on what it knows itself.) Flows of one queue pair start in the order of their index. A flow from
    a rank to itself is computing: without bytes, and done as it starts, its delay after what it waits for.

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
        fan: int32, 0 for a plain flow. k > 1: the switch of the scale-up domain copies, this is one of the k
            flows of a multicast that the sender sends once. -k: it sums, one of k flows that arrive as one.
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
    fan: NDArray[np.int32]
    chunk_bytes: NDArray[np.int64]

    @property
    def flows(self) -> int:
        return len(self.src)


@dataclass(frozen=True, slots=True, eq=False)
class Seats:
    """Where the R ranks of a job are.

    Attributes:
        accelerator: int32[R], its index in the fabric, host by host; NOWHERE for a bare endpoint.
        endpoint_offsets: int64[R + 1], the NIC ports of rank r are
            `endpoints[endpoint_offsets[r]:endpoint_offsets[r + 1]]`; it may have none.
        endpoints: int32, in the order of ports and planes.
        domain: int32[R], scale-up domain; NOWHERE outside of any.
    """

    accelerator: NDArray[np.int32]
    endpoint_offsets: NDArray[np.int64]
    endpoints: NDArray[np.int32]
    domain: NDArray[np.int32]

    @classmethod
    def of_endpoints(cls, endpoints: NDArray[np.int32]) -> Seats:
        """Ranks that are an endpoint each, int32[R], and in no scale-up domain."""
        nowhere = np.full(len(endpoints), NOWHERE, np.int32)
        return cls(nowhere, np.arange(len(endpoints) + 1), endpoints, nowhere)

    @property
    def ranks(self) -> int:
        return len(self.domain)

    @property
    def first_endpoint(self) -> NDArray[np.int32]:
        """int32[R], the first port of each rank; NOWHERE where it has none."""
        has_one = np.diff(self.endpoint_offsets) > 0
        first = np.full(self.ranks, NOWHERE, np.int32)
        first[has_one] = self.endpoints[self.endpoint_offsets[:-1][has_one]]
        return first


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """What goes over queue pairs: parts of messages, over the ports and queue pairs of their connections.

    Attributes:
        schedule: its flows are those parts.
        qp_src, qp_dst: int32[Q], endpoints of each queue pair; NOWHERE for one inside a scale-up domain.
        ranks_domain: int32[R], scale-up domain of each rank; NOWHERE outside of any.
        ranks_accelerator: int32[R], as in `Seats`.
    """

    schedule: Schedule
    qp_src: NDArray[np.int32]
    qp_dst: NDArray[np.int32]
    ranks_domain: NDArray[np.int32]
    ranks_accelerator: NDArray[np.int32]

    @classmethod
    def between(cls, schedule: Schedule, endpoints: NDArray[np.int32]) -> Sent:
        """A schedule whose ranks are an endpoint each, int32[R], one queue pair for each of its own."""
        count = int(schedule.qp.max()) + 1 if schedule.flows else 0
        src, dst = np.zeros((2, count), np.int32)
        src[schedule.qp] = endpoints[schedule.src]
        dst[schedule.qp] = endpoints[schedule.dst]
        nowhere = np.full(schedule.ranks, NOWHERE, np.int32)
        return cls(schedule, src, dst, nowhere, nowhere)


def first_flows(sent: Sent, count: int) -> Sent:
    """The first flows of a schedule, none of which waits for a later one, over the same queue pairs."""
    schedule = sent.schedule
    offsets = schedule.dep_offsets[: count + 1]
    columns = ("src", "dst", "size_bytes", "step", "qp", "chunk", "chunk_count", "op", "fan")
    cut = {name: getattr(schedule, name)[:count] for name in columns}
    ids = schedule.dep_ids[: offsets[-1]]
    return replace(sent, schedule=replace(schedule, dep_offsets=offsets, dep_ids=ids, **cut))


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
        seats: where its ranks are.
        start_ps: int64, the earliest start of each flow; None: as soon as what it waits for is complete.
        delay_ps: int64, from when all that a flow waits for is complete until it starts: what a library does
            in between. None: nothing.
        is_lossy: of each flow, whether it goes in the class of DSCP 0, which is dropped where it does not
            fit; the same for all flows of a queue pair. None: none does.
        owner: int64, of each flow, whose it is, from 0 on; the same for all flows of a queue pair. None:
            nobody asks.
        names: what each flow is called; empty: as its ranks are.
        rank_names: what each rank is called; empty: by its number.
        repeat: how often the schedule runs. A rank begins again when all flows that it sends and receives
            are complete, so ranks need not begin at the same time.
    """

    schedule: Schedule
    seats: Seats
    start_ps: NDArray[np.int64] | None = None
    delay_ps: NDArray[np.int64] | None = None
    is_lossy: NDArray[np.bool_] | None = None
    owner: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    rank_names: tuple[str, ...] = ()
    repeat: int = 1

    @property
    def starts_ps(self) -> NDArray[np.int64]:
        """int64, the earliest start of each flow."""
        return np.zeros(self.schedule.flows, np.int64) if self.start_ps is None else self.start_ps

    @property
    def delays_ps(self) -> NDArray[np.int64]:
        """int64, the delay of each flow."""
        return np.zeros(self.schedule.flows, np.int64) if self.delay_ps is None else self.delay_ps
