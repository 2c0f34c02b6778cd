"""A graph of computing and messages on switches that the controller has programmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from raddle.controller.plan.make import make_plan
from raddle.lab.graph.assemble import Assembled, assemble
from raddle.lab.graph.free import free_finish_ps
from raddle.lab.graph.model import COMPUTE, Graph, Ints
from raddle.lab.graph.shares import spans_by_rank, time_shares
from raddle.lab.run.diagnosis import diagnose
from raddle.lab.run.drive import Outcome, Run, drive
from raddle.lab.run.effort import TimeLeft, Told
from raddle.lab.run.fidelity import check_fidelity, left_out
from raddle.lab.run.link_use import link_names, links_in_use, scale_up_in_use
from raddle.lab.run.settings import DEFAULT_SETTINGS, RunSettings
from raddle.lab.run.size_row import unfinished_flows
from raddle.lab.run.watch import QUIET, Watch
from raddle.lab.switches.prepared import OWN_SWITCHES, PreparedSwitches, SwitchSource, prepare_switches
from raddle.lab.workloads.demand import demand_of
from raddle.report.workload import JobRow, NodeRow, WorkloadResult
from raddle.sim import DROP_REASONS, NEVER
from raddle.topology.model import Fabric

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class WorkloadRequest:
    """What to run. With `pinned` routing, messages of one step of a node count as being sent at once."""

    graph: Graph
    routing: Literal["ecmp", "pinned"]
    settings: RunSettings = DEFAULT_SETTINGS


def run_workload(
    fabric: Fabric, request: WorkloadRequest, source: SwitchSource = OWN_SWITCHES, watch: Watch = QUIET
) -> WorkloadResult:
    """Plan, program the switches, read their state back, and simulate the graph on it.

    An interrupt ends the run and keeps what there is.

    Raises:
        InputError: the request does not fit the fabric, or its fidelity.
        UnreachableError: a switch does not answer or does not take the plan.
    """
    check_fidelity(fabric, request.settings)
    watch.tell("laying out the workload")
    graph, laid_out = request.graph, assemble(request.graph)
    work = laid_out.workload
    demand = demand_of(fabric, work.seats, work.schedule) if request.routing == "pinned" else None
    plan = make_plan(fabric, request.routing, demand)
    switches = prepare_switches(fabric, plan, source, watch.tell)
    outcome = drive(switches, work, request.settings, Told(watch, TimeLeft(), _simulated))
    return _result(graph, laid_out, outcome, switches)


def _simulated(run: Run) -> str:
    return f"{run.simulation.now_ps / 1e9:.3f} ms simulated"


def _result(
    graph: Graph, laid_out: Assembled, outcome: Outcome, switches: PreparedSwitches
) -> WorkloadResult:
    run = outcome.run
    simulation = run.simulation
    nodes = tuple(_node_rows(graph, laid_out, run))
    ports = simulation.ports()
    drops = Counter(dict(zip(DROP_REASONS, ports.drops.sum(axis=0).tolist(), strict=True)))
    return WorkloadResult(
        fabric=run.fabric.name,
        workload=graph.name,
        ranks=graph.seats.ranks,
        routing=switches.plan.routing if switches.plan else "as found on the switches",
        congestion_control=run.fabric.roce.congestion_control,
        seed=run.settings.seed,
        fidelity=run.settings.fidelity,
        left_out=left_out(run.settings.fidelity),
        time_ps=simulation.now_ps,
        jobs=tuple(_job_rows(graph, laid_out, run, nodes)),
        nodes=nodes,
        links=links_in_use(simulation, None, link_names(simulation), simulation.now_ps),
        scale_up=scale_up_in_use(simulation),
        pfc_pauses=simulation.of_packets(ports.pauses.sum()),
        pfc_pause_ps=simulation.of_packets(ports.pause_ps.sum()),
        ecn_marks=simulation.of_packets(ports.ecn_marks.sum()),
        drops=dict(+drops) if simulation.counts_packets else None,
        unfinished=unfinished_flows(run, slice(0, laid_out.workload.schedule.flows))[:_SHOWN],
        diagnosis=diagnose(simulation),
        is_interrupted=outcome.is_interrupted,
    )


def _step_times(laid_out: Assembled, run: Run) -> tuple[Ints, Ints]:
    """When each rank began each step and was through with it, -1 for never."""
    steps, finish_ps = laid_out.steps, run.messages().finish_ps
    known = np.where(finish_ps == NEVER, -1, finish_ps)
    begun = known[steps.begin]
    begin_ps = np.where(begun < 0, -1, begun - laid_out.workload.delays_ps[steps.begin])
    return begin_ps, known[steps.end]


def _job_rows(graph: Graph, laid_out: Assembled, run: Run, nodes: tuple[NodeRow, ...]) -> Iterator[JobRow]:
    steps = laid_out.steps
    begin_ps, end_ps = _step_times(laid_out, run)
    free_ps = free_finish_ps(laid_out.workload)[steps.end]
    for number, job in enumerate(graph.jobs):
        own = steps.job == number
        ends_ps = [node.end_ps for node in nodes if node.job == job.name]
        last_ps = max((end for end in ends_ps if end is not None), default=job.start_ps)
        shares: Counter[str] = Counter()
        for spans in spans_by_rank(steps, number, begin_ps, end_ps).values():
            shares.update(time_shares(spans, job.start_ps, last_ps))
        ranks = len(np.unique(steps.rank[own]))
        yield JobRow(
            name=job.name,
            ranks=ranks,
            start_ps=job.start_ps,
            time_ps=None if None in ends_ps else last_ps - job.start_ps,
            free_ps=int(free_ps[own].max(initial=job.start_ps)) - job.start_ps,
            shares_ps={label: round(shares[label] / ranks) for label in _in_order(shares)},
        )


def _in_order(shares: Counter[str]) -> list[str]:
    """Computing, communication by name, and the rest."""
    known = [COMPUTE, *sorted(set(shares) - {COMPUTE, "idle"}), "idle"]
    return [label for label in known if label in shares]


def _node_rows(graph: Graph, laid_out: Assembled, run: Run) -> Iterator[NodeRow]:
    spans = _node_spans(laid_out, run)
    nodes = ((job, node) for job in graph.jobs for node in job.nodes)
    for (job, node), begin_ps, end_ps in zip(nodes, *(column.tolist() for column in spans), strict=True):
        yield NodeRow(
            job=job.name,
            name=node.name,
            what=node.what,
            ranks=len(node.ranks),
            begin_ps=None if begin_ps == NEVER else begin_ps,
            end_ps=None if end_ps == NEVER else end_ps,
        )


def _node_spans(laid_out: Assembled, run: Run) -> tuple[Ints, Ints]:
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
