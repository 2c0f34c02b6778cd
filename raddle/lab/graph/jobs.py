"""Jobs beside one another: each one alone on the same paths, and what they share of links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.model import Plan
from raddle.ecmp_hash import qp_headers
from raddle.lab.graph.model import Graph, Ints
from raddle.lab.run.drive import Run
from raddle.lab.run.link_use import link_names
from raddle.lab.workloads.source_ports import source_ports
from raddle.report.workload import SharedLink
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


def shared_links(run: Run, job_of_message: Ints, names: list[str]) -> Iterator[SharedLink]:
    """Links that carried messages of several jobs, those with most pauses, marks and bytes first.

    Bytes are of payload, over the paths that switches give queue pairs at the end of the run; there are none
    where a switch routes adaptively.
    """
    simulation = run.simulation
    if simulation.is_adaptive:
        return
    job = job_of_message[run.stripes.message]
    qps = len(run.queue_pairs.qp_src)
    qp_bytes = np.bincount(run.sent.qp, run.sent.size_bytes, qps).astype(np.int64)
    qp_job = np.zeros(qps, np.int64)
    qp_job[run.sent.qp] = job
    on_port = np.zeros((len(simulation.port_names), len(names)), np.int64)
    for qp in np.flatnonzero((run.queue_pairs.qp_src != NOWHERE) & (qp_bytes > 0)).tolist():
        on_port[simulation.trace(qp).astype(np.int64), qp_job[qp]] += qp_bytes[qp]
    ports, called = simulation.ports(), link_names(simulation)
    shared = np.flatnonzero((on_port > 0).sum(axis=1) > 1)
    pause_ps, marks = ports.pause_ps.sum(axis=1), ports.ecn_marks.sum(axis=1).astype(np.int64)
    shared = shared[np.lexsort((shared, -on_port[shared].sum(axis=1), -marks[shared], -pause_ps[shared]))]
    for port in shared[:_SHOWN].tolist():
        yield SharedLink(
            name=called[port],
            job_bytes={name: int(on_port[port, i]) for i, name in enumerate(names) if on_port[port, i]},
            ecn_marks=simulation.of_packets(marks[port]),
            pause_ps=simulation.of_packets(pause_ps[port]),
        )
