"""What became of the jobs and nodes of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from raddle.lab.graph.assemble import Assembled
from raddle.lab.graph.free import free_finish_ps
from raddle.lab.graph.model import COMPUTE, Graph, Ints, Served
from raddle.lab.graph.shares import IDLE, spans_by_rank, time_shares
from raddle.lab.run.drive import Run
from raddle.report.workload import JobRow, NodeRow, ServedRow
from raddle.sim import NEVER
from raddle.workload import NOWHERE


def job_of_message(graph: Graph, laid_out: Assembled) -> Ints:
    """The job of each message, by number."""
    of_node = [number for number, job in enumerate(graph.jobs) for _ in job.nodes]
    found: Ints = np.array(of_node, np.int64)[laid_out.node_of_flow]
    return found


def node_spans(laid_out: Assembled, run: Run) -> tuple[Ints, Ints]:
    """When each node's messages and computing began and ended, NEVER where they did not."""
    work, flows = laid_out.workload, run.messages()
    real = np.flatnonzero(~laid_out.is_mark)
    node = laid_out.node_of_flow[real]
    begin_ps, end_ps = np.full(node.max() + 1, NEVER), np.zeros(node.max() + 1, np.int64)
    is_own = (work.schedule.src == work.schedule.dst)[real]
    start_ps = flows.start_ps[real]
    start_ps = np.where(is_own & (start_ps != NEVER), start_ps - work.delays_ps[real], start_ps)
    np.minimum.at(begin_ps, node, start_ps)
    np.maximum.at(end_ps, node, flows.finish_ps[real])
    return begin_ps, end_ps


def node_rows(graph: Graph, laid_out: Assembled, run: Run) -> Iterator[NodeRow]:
    """A row for each node, job by job."""
    spans = node_spans(laid_out, run)
    nodes = [(job, node) for job in graph.jobs for node in job.nodes]
    through_ps = np.full(len(nodes), 0, np.int64)
    marks = laid_out.steps.end
    np.maximum.at(through_ps, laid_out.node_of_flow[marks], run.messages().finish_ps[marks])
    columns = (*(column.tolist() for column in spans), through_ps.tolist())
    for (job, node), begin_ps, end_ps, last_ps in zip(nodes, *columns, strict=True):
        yield NodeRow(
            job=job.name,
            name=node.name,
            what=node.what,
            ranks=len(node.ranks),
            begin_ps=None if begin_ps == NEVER else begin_ps,
            end_ps=None if end_ps == NEVER else end_ps,
            served=None
            if NEVER in (begin_ps, last_ps)
            else served_row(node.served, end_ps - begin_ps, last_ps - begin_ps),
        )


def served_row(served: Served | None, time_ps: int, through_ps: int) -> ServedRow | None:
    """What comes of a node that takes so long, and so long until its last rank can go on.

    Layers that are not simulated come before those that are.
    """
    if served is None or time_ps <= 0:
        return None
    more_ps = through_ps * (served.layers - served.simulated_layers) // served.simulated_layers
    step_ps = (time_ps + more_ps) // served.steps
    return ServedRow(
        tokens=served.tokens,
        layers=served.layers,
        simulated_layers=served.simulated_layers,
        step_ps=step_ps,
        tokens_per_s=served.tokens * 1e12 / step_ps,
        waits=1 - served.compute_ps / time_ps,
    )


def job_rows(
    graph: Graph, laid_out: Assembled, run: Run, nodes: Sequence[NodeRow], alone_ps: Sequence[int | None]
) -> Iterator[JobRow]:
    """A row for each job.

    Args:
        alone_ps: what each takes without the others, where that is known.
    """
    steps, simulation, qps = laid_out.steps, run.simulation, run.simulation.qps()
    part_job = job_of_message(graph, laid_out)[run.stripes.message]
    over_nics = run.queue_pairs.qp_src[run.sent.qp] != NOWHERE
    begin_ps, end_ps = _step_times(laid_out, run)
    compute = steps.labels.index(COMPUTE) if COMPUTE in steps.labels else -1
    free_ps, counted = free_finish_ps(laid_out.workload)[steps.end], simulation.by_owner()
    for number, (job, alone) in enumerate(zip(graph.jobs, alone_ps, strict=True)):
        own, sent = steps.job == number, part_job == number
        ends_ps = [node.end_ps for node in nodes if node.job == job.name]
        last_ps = max((end for end in ends_ps if end is not None), default=job.start_ps)
        time_ps = None if None in ends_ps else last_ps - job.start_ps
        shares: Counter[str] = Counter()
        for spans in spans_by_rank(steps, number, begin_ps, end_ps).values():
            shares.update(time_shares(spans, job.start_ps, last_ps))
        ranks, own_qps = len(np.unique(steps.rank[own])), np.unique(run.sent.qp[sent])
        free_job_ps = int(free_ps[own].max(initial=job.start_ps)) - job.start_ps
        computes_ps = (
            int(laid_out.workload.delays_ps[steps.begin[own & (steps.label == compute)]].sum()) // ranks
        )
        yield JobRow(
            name=job.name,
            ranks=ranks,
            start_ps=job.start_ps,
            time_ps=time_ps,
            free_ps=free_job_ps,
            bubble_ps=free_job_ps - computes_ps,
            alone_ps=alone,
            slowdown=time_ps / alone if time_ps is not None and alone else None,
            sent_bytes=int(run.sent.size_bytes[sent & over_nics].sum()),
            cnps=simulation.of_packets(qps.cnps[own_qps].sum()),
            retransmitted=simulation.of_packets(qps.retransmitted[own_qps].sum()),
            ecn_marks=None if counted is None else int(counted.ecn_marks[:, number].sum()),
            pause_ps=None if counted is None else round(counted.pause_ps[:, number].sum()),
            shares_ps={label: round(shares[label] / ranks) for label in _in_order(shares)},
        )


def _step_times(laid_out: Assembled, run: Run) -> tuple[Ints, Ints]:
    """When each rank began each step and was through with it, -1 for never."""
    steps, finish_ps = laid_out.steps, run.messages().finish_ps
    known = np.where(finish_ps == NEVER, -1, finish_ps)
    begun = known[steps.begin]
    begin_ps = np.where(begun < 0, -1, begun - laid_out.workload.delays_ps[steps.begin])
    return begin_ps, known[steps.end]


def _in_order(shares: Counter[str]) -> list[str]:
    """Computing, communication by name, and the rest."""
    known = [COMPUTE, *sorted(set(shares) - {COMPUTE, IDLE}), IDLE]
    return [label for label in known if label in shares]
