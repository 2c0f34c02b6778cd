"""Jobs beside one another: each one alone on the same paths, and what they share of links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.model import Plan
from raddle.ecmp_hash import qp_headers
from raddle.lab.graph.model import Graph, Ints
from raddle.lab.run.drive import Run
from raddle.lab.run.link_use import link_names
from raddle.lab.workloads.source_ports import source_ports
from raddle.report.workload import Cause, SharedLink
from raddle.sim.columns import OwnerColumns
from raddle.workload import NOWHERE

_SHOWN = 100


def alone(graph: Graph, job: int) -> Graph:
    """The graph of one of its jobs."""
    return replace(graph, jobs=(graph.jobs[job],))


def own_ports(run: Run, job_of_message: Ints, job: int, plan: Plan | None) -> NDArray[np.int64]:
    """The UDP source ports of a job's queue pairs in a run of all, as `source_ports` gives them.

    A job's queue pairs follow one another, in the order that they have without the other jobs. So alone, with
    these ports, each of its messages takes the path that it takes beside the others.
    """
    chosen = source_ports(run.fabric, plan, run.queue_pairs) if plan else None
    _, ports = qp_headers(len(run.queue_pairs.qp_src), run.settings.seed, chosen)
    qps = np.unique(run.sent.qp[job_of_message[run.stripes.message] == job])
    found: NDArray[np.int64] = ports[qps]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """What jobs did where: P transmitting ports, J jobs.

    Bytes are of payload, over the paths that switches give queue pairs at the end of the run.

    Attributes:
        sent_bytes: int64[P, J].
        by_owner: marks and pauses, [P, J]; None where there are no packets.
    """

    sent_bytes: Ints
    by_owner: OwnerColumns | None

    def causes(self, job: int, names: Sequence[str]) -> tuple[Cause, ...]:
        """What each job did on the links that one of them sends over."""
        own = self.sent_bytes[:, job] > 0
        found = []
        for other, name in enumerate(names):
            marks = pause_ps = None
            if self.by_owner is not None:
                marks = int(self.by_owner.ecn_marks[own, other].sum())
                pause_ps = round(self.by_owner.pause_ps[own, other].sum())
            sent_bytes = int(self.sent_bytes[own, other].sum())
            if sent_bytes or marks or pause_ps:
                found.append(Cause(name, sent_bytes, marks, pause_ps))
        return tuple(found)


def meeting_of(run: Run, job_of_message: Ints, jobs: int) -> Meeting | None:
    """Where so many jobs met; None for one alone, and where adaptive routing changes paths."""
    simulation = run.simulation
    if simulation.is_adaptive or jobs < 2:
        return None
    job = job_of_message[run.stripes.message]
    qps = len(run.queue_pairs.qp_src)
    qp_bytes = np.bincount(run.sent.qp, run.sent.size_bytes, qps).astype(np.int64)
    qp_job = np.zeros(qps, np.int64)
    qp_job[run.sent.qp] = job
    on_port = np.zeros((len(simulation.port_names), jobs), np.int64)
    for qp in np.flatnonzero((run.queue_pairs.qp_src != NOWHERE) & (qp_bytes > 0)).tolist():
        on_port[simulation.trace(qp).astype(np.int64), qp_job[qp]] += qp_bytes[qp]
    return Meeting(on_port, simulation.by_owner())


def shared_links(run: Run, meeting: Meeting, names: Sequence[str]) -> Iterator[SharedLink]:
    """Links that several jobs sent over, or that one halted to another: most pauses and marks first."""
    simulation, on_port, found = run.simulation, meeting.sent_bytes, meeting.by_owner
    ports, called = simulation.ports(), link_names(simulation)
    halts = np.zeros(on_port.shape) if found is None else found.pause_ps
    shared = np.flatnonzero((((on_port > 0) | (halts >= 1)).sum(axis=1) > 1) & (on_port > 0).any(axis=1))
    pause_ps, marks = ports.pause_ps.sum(axis=1), ports.ecn_marks.sum(axis=1).astype(np.int64)
    shared = shared[np.lexsort((shared, -on_port[shared].sum(axis=1), -marks[shared], -pause_ps[shared]))]

    def by_job(values: NDArray[Any]) -> dict[str, int]:
        return {name: round(value) for name, value in zip(names, values.tolist(), strict=True) if value >= 1}

    for port in shared[:_SHOWN].tolist():
        yield SharedLink(
            name=called[port],
            job_bytes=by_job(on_port[port]),
            ecn_marks=simulation.of_packets(marks[port]),
            pause_ps=simulation.of_packets(pause_ps[port]),
            job_marks=None if found is None else by_job(found.ecn_marks[port]),
            job_pause_ps=None if found is None else by_job(found.pause_ps[port]),
        )
