"""A graph as one schedule of flows: each rank's beginning and end of a step are flows to itself.

So what a rank waits for is one flow for each step before, and the times of these flows are those of the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.lab.graph.model import Graph, Ints, Job, Node, Part, Step
from raddle.traffic.repeat import joints
from raddle.workload import COPY, Schedule, Workload

_CHANNELS = 1 << 12
"""More queue pairs than any two ranks have in one schedule."""


@dataclass(frozen=True, slots=True, eq=False)
class RankSteps:
    """Rank by rank what each step is in the schedule; S entries, in the order of steps.

    Attributes:
        job, node, step: int32, numbers: of the job, of the node in it, of the step in that.
        rank: int32.
        begin, end: int32, the flows at its beginning and its end; one flow where the rank computes.
        label: int32, index into `labels`.
    """

    job: NDArray[np.int32]
    node: NDArray[np.int32]
    step: NDArray[np.int32]
    rank: NDArray[np.int32]
    begin: NDArray[np.int32]
    end: NDArray[np.int32]
    label: NDArray[np.int32]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Assembled:
    """A graph as a workload, and where its steps are in it.

    Attributes:
        node_of_flow: int32, the node that each flow is of, counted over all jobs.
        is_mark: of each flow, whether it only stands for a rank's beginning or end of messages.
    """

    workload: Workload
    steps: RankSteps
    node_of_flow: NDArray[np.int32]
    is_mark: NDArray[np.bool_]


_COLUMNS = ("src", "dst", "size", "step", "key", "delay", "start", "fan", "node", "is_mark")


@dataclass(slots=True)
class _Flows:
    """Columns of flows that grow, and which waits for which."""

    ranks: int
    count: int = 0
    steps: int = 0
    nodes: int = 0
    columns: dict[str, list[Ints]] = field(default_factory=lambda: {name: [] for name in _COLUMNS})
    waits: list[tuple[Ints, Ints]] = field(default_factory=list)

    def add(self, count: int, **columns: NDArray[Any] | int) -> Ints:
        """So many flows; returns their numbers."""
        for name in _COLUMNS:
            value = self.nodes if name == "node" else columns.get(name, 0)
            self.columns[name].append(np.broadcast_to(np.asarray(value, np.int64), (count,)))
        self.count += count
        return np.arange(self.count - count, self.count)

    def key(self, stream: int, src: Ints, dst: Ints, channel: Ints | int = 0) -> Ints:
        """The queue pair between ranks in a stream, as a number."""
        return ((stream * self.ranks + src) * self.ranks + dst) * _CHANNELS + channel

    def wait(self, waiting: Ints, before: Ints) -> None:
        """Flows wait for others, pair by pair."""
        self.waits.append((waiting.astype(np.int64), before.astype(np.int64)))

    def column(self, name: str) -> Ints:
        return np.concatenate([np.zeros(0, np.int64), *self.columns[name]])


@dataclass(slots=True)
class _Places:
    """Of a step, each rank's flows at its beginning and its end."""

    ranks: Ints
    begin: Ints
    end: Ints


def assemble(graph: Graph) -> Assembled:
    """The schedule of a graph; ranks are those of its seats."""
    flows = _Flows(graph.seats.ranks)
    streams: dict[tuple[int, str], int] = {}
    labels: dict[str, int] = {}
    rows: list[NDArray[np.int32]] = []
    for number, job in enumerate(graph.jobs):
        flows.steps = 0  # steps of several jobs run, and compete, at the same time
        rows += _add_job(flows, job, number, streams, labels)
    table = np.concatenate([np.zeros((7, 0), np.int32), *rows], axis=1)
    job, node, step, rank, begin, end, label = table
    steps = RankSteps(job, node, step, rank, begin, end, label, tuple(labels))
    columns = {name: flows.column(name) for name in _COLUMNS}
    lossy = [job.is_lossy for job in graph.jobs for _ in job.nodes]
    job_of_node = np.array([number for number, job in enumerate(graph.jobs) for _ in job.nodes], np.int64)
    workload = Workload(
        schedule=_schedule(graph, flows, columns),
        seats=graph.seats,
        start_ps=columns["start"],
        delay_ps=columns["delay"],
        is_lossy=np.array(lossy)[columns["node"]] if any(lossy) else None,
        owner=job_of_node[columns["node"]] if len(graph.jobs) > 1 else None,
    )
    return Assembled(workload, steps, columns["node"].astype(np.int32), columns["is_mark"] > 0)


def _add_job(
    flows: _Flows, job: Job, number: int, streams: dict[tuple[int, str], int], labels: dict[str, int]
) -> list[NDArray[np.int32]]:
    """Adds the flows of a job; returns the columns of its `RankSteps`."""
    last: dict[str, Ints] = {}
    places: dict[str, list[_Places]] = {}
    rows = []
    for node_number, node in enumerate(job.nodes):
        for step_number, step in enumerate(node.steps):
            stream = streams.setdefault((number, step.stream), len(streams))
            here = _add_step(flows, step, stream, job.start_ps)
            before = last.setdefault(step.stream, np.full(flows.ranks, -1))
            follows = before[here.ranks] >= 0
            flows.wait(here.begin[follows], before[here.ranks[follows]])
            before[here.ranks] = here.end
            places.setdefault(node.name, []).append(here)
            label = labels.setdefault(step.label, len(labels))
            numbers = np.array([[number], [node_number], [step_number]]), here.ranks, here.begin, here.end
            rows.append(_rows(*numbers, label))
        flows.nodes += 1
    for node in job.nodes:
        _connect(flows, node, places)
    return rows


def _rows(numbers: Ints, ranks: Ints, begin: Ints, end: Ints, label: int) -> NDArray[np.int32]:
    wide = np.broadcast_to(numbers, (3, len(ranks)))
    return np.vstack([wide, ranks, begin, end, np.full(len(ranks), label)]).astype(np.int32)


def _add_step(flows: _Flows, step: Step, stream: int, start_ps: int) -> _Places:
    """The flows of a step, those at its beginning and its end included."""
    ranks = np.concatenate([part.ranks for part in step.parts])
    time_ps = np.concatenate(
        [np.zeros(len(part.ranks), np.int64) if part.time_ps is None else part.time_ps for part in step.parts]
    )
    with_messages = [part for part in step.parts if part.messages is not None]
    own: dict[str, NDArray[Any] | int] = {"src": ranks, "dst": ranks, "key": flows.key(stream, ranks, ranks)}
    own["is_mark"] = int(bool(with_messages))
    begin = flows.add(len(ranks), **own, step=flows.steps, delay=time_ps, start=start_ps + time_ps)
    flows.steps += 1
    if not with_messages:
        return _Places(ranks, begin, begin)
    of_rank = np.zeros(flows.ranks, np.int64)
    of_rank[ranks] = begin
    exits = [_add_messages(flows, part, stream, of_rank) for part in with_messages]
    flows.steps += max(int(part.messages.schedule.step.max(initial=0)) for part in with_messages) + 1  # type: ignore[union-attr]
    end = flows.add(len(ranks), **own, step=flows.steps)
    flows.steps += 1
    flows.wait(end, begin)
    of_rank[ranks] = end
    for rank, flow in exits:
        flows.wait(of_rank[rank], flow)
    return _Places(ranks, begin, end)


def _add_messages(flows: _Flows, part: Part, stream: int, begin: Ints) -> tuple[Ints, Ints]:
    """The messages of a part, after their senders' beginnings; returns each rank's last flows."""
    assert part.messages is not None
    schedule = part.messages.schedule
    src, dst = part.ranks[schedule.src], part.ranks[schedule.dst]
    # What waits for nothing here begins when its rank does, and then takes what it would take from the start.
    delay_ps = np.maximum(part.messages.delays_ps, part.messages.starts_ps)
    numbers = flows.add(
        schedule.flows,
        src=src,
        dst=dst,
        size=schedule.size_bytes,
        step=flows.steps + schedule.step.astype(np.int64),
        key=flows.key(stream, src, dst, _channel(schedule)),
        delay=delay_ps,
        fan=schedule.fan,
    )
    owner = np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets))
    flows.wait(numbers[owner], numbers[schedule.dep_ids])
    first, (rank, last) = joints(schedule, owner)
    flows.wait(numbers[first], begin[src[first]])
    return part.ranks[rank], numbers[last]


def _channel(schedule: Schedule) -> Ints:
    """Of each flow, which of the queue pairs between its ranks it takes."""
    qps, first, of = np.unique(schedule.qp, return_index=True, return_inverse=True)
    pair = schedule.src[first].astype(np.int64) * schedule.ranks + schedule.dst[first]
    order = np.argsort(pair, kind="stable")
    ordered = pair[order]
    channel = np.empty(len(qps), np.int64)
    channel[order] = np.arange(len(qps)) - np.searchsorted(ordered, ordered)
    return channel[of]


def _connect(flows: _Flows, node: Node, places: dict[str, list[_Places]]) -> None:
    """Lets the steps of a node wait for one another and for those of other nodes."""
    own = places[node.name]
    for here, step in zip(own, node.steps, strict=True):
        for number in step.after:
            _wait_for(flows, here, own[number])
    if not node.after:
        return
    for here in _first_steps(node, own):
        for name in node.after:
            for before in places[name]:
                _wait_for(flows, here, before)


def _first_steps(node: Node, places: Sequence[_Places]) -> Iterable[_Places]:
    """Of each step, the ranks that have no step of this node to wait for."""
    for here, step in zip(places, node.steps, strict=True):
        if not step.after:
            yield here
            continue
        before = np.concatenate([places[number].ranks for number in step.after])
        free = ~np.isin(here.ranks, before)
        if free.any():
            yield _Places(here.ranks[free], here.begin[free], here.end[free])


def _wait_for(flows: _Flows, here: _Places, before: _Places) -> None:
    _, mine, theirs = np.intersect1d(here.ranks, before.ranks, assume_unique=True, return_indices=True)
    flows.wait(here.begin[mine], before.end[theirs])


def _schedule(graph: Graph, flows: _Flows, columns: dict[str, Ints]) -> Schedule:
    waiting, before = (
        np.concatenate([np.zeros(0, np.int64), *(pair[end] for pair in flows.waits)]) for end in (0, 1)
    )
    order = np.argsort(waiting, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(waiting, minlength=flows.count))])
    zero = np.zeros(flows.count, np.int32)
    return Schedule(
        name=graph.name,
        ranks=flows.ranks,
        src=columns["src"].astype(np.int32),
        dst=columns["dst"].astype(np.int32),
        size_bytes=columns["size"],
        step=columns["step"].astype(np.int32),
        qp=np.unique(columns["key"], return_inverse=True)[1].astype(np.int32),
        dep_offsets=offsets.astype(np.int64),
        dep_ids=before[order].astype(np.int32),
        chunk=zero,
        chunk_count=zero,
        op=np.full(flows.count, COPY, np.int8),
        fan=columns["fan"].astype(np.int32),
        chunk_bytes=np.zeros(0, np.int64),
    )
