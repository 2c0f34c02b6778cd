"""A graph of computing and messages on switches that the controller has programmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from raddle.controller.plan.make import make_plan
from raddle.errors import InputError
from raddle.lab.graph.assemble import Assembled, assemble
from raddle.lab.graph.free import check_length
from raddle.lab.graph.jobs import alone, meeting_of, own_ports, shared_links
from raddle.lab.graph.model import Graph
from raddle.lab.graph.rows import job_of_message, job_rows, node_rows, node_spans
from raddle.lab.run.checkpoint import check_checkpoints
from raddle.lab.run.controller import check_controller
from raddle.lab.run.diagnosis import diagnose
from raddle.lab.run.drive import Outcome, Run, drive
from raddle.lab.run.effort import TimeLeft, Told, packets_take_long
from raddle.lab.run.fidelity import check_fidelity, computed, fits_fluid, left_out
from raddle.lab.run.link_flows import flows_of_links
from raddle.lab.run.link_use import link_names, links_in_use, scale_up_in_use
from raddle.lab.run.settings import DEFAULT_SETTINGS, RunSettings
from raddle.lab.run.size_row import unfinished_flows
from raddle.lab.run.watch import QUIET, Watch
from raddle.lab.switches.prepared import OWN_SWITCHES, PreparedSwitches, SwitchSource, prepare_switches
from raddle.lab.workloads.demand import demand_of
from raddle.report.workload import WorkloadResult
from raddle.sim import DROP_REASONS, NEVER
from raddle.topology.model import Fabric
from raddle.workload import Demand, Workload

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
    """Plan, program the switches, read their state back, and simulate the graph on it, then each job alone.

    An interrupt ends the run and keeps what there is.

    Raises:
        InputError: the request does not fit the fabric, or its fidelity.
        UnreachableError: a switch does not answer or does not take the plan.
    """
    _check(fabric, request, source)
    watch.tell("laying out the workload")
    graph, laid_out = request.graph, assemble(request.graph)
    work = laid_out.workload
    check_length(work)
    demand = demand_of(fabric, work.seats, work.schedule) if request.routing == "pinned" else None
    plan = make_plan(fabric, request.routing, demand)
    switches = prepare_switches(fabric, plan, source, watch.tell)
    request = _with_fidelity(request, switches, work, watch)
    told = Told(watch, TimeLeft(), _simulated)
    outcome = drive(switches, work, request.settings, told, demand=demand, notice=watch.notice)
    alone_ps: list[int | None] = [None] * len(graph.jobs)
    if len(graph.jobs) > 1 and not outcome.is_interrupted:
        alone_ps = [
            _time_alone(switches, request, laid_out, outcome.run, job, demand, watch)
            for job in range(len(alone_ps))
        ]
    return _result(graph, laid_out, outcome, switches, alone_ps)


def _check(fabric: Fabric, request: WorkloadRequest, source: SwitchSource) -> None:
    check_fidelity(fabric, request.settings)
    check_checkpoints(request.settings)
    if request.settings.controller:
        check_controller(fabric, source.push)
    if request.settings.fidelity == "fluid" and any(job.is_lossy for job in request.graph.jobs):
        what = "messages that flow have no packets: those of a lossy job could not be dropped"
        raise InputError.of("no-fluid", what, "take --fidelity packet")


def _with_fidelity(
    request: WorkloadRequest, switches: PreparedSwitches, work: Workload, watch: Watch
) -> WorkloadRequest:
    """The request with `auto` decided: messages flow where packets take minutes."""
    settings, fidelity = request.settings, request.settings.fidelity
    if fidelity == "auto":
        settings = replace(settings, needs_packets=True)
        is_lossy = any(job.is_lossy for job in request.graph.jobs)
        may_flow = not is_lossy and fits_fluid(switches.fabric, switches.states, settings)
        if may_flow and (long := packets_take_long(switches.fabric, work)):
            if settings.checkpoints:
                why = "--checkpoint has packets, and with '--fidelity auto' messages flow here"
                raise InputError.of("bad-option", why, "take --fidelity packet, or leave --checkpoint out")
            fidelity = "fluid"
            watch.notice(f"{long}; messages flow instead, --fidelity packet moves every packet")
    return replace(request, settings=replace(settings, fidelity=fidelity))


def _time_alone(
    switches: PreparedSwitches,
    request: WorkloadRequest,
    laid_out: Assembled,
    run: Run,
    job: int,
    demand: Demand | None,
    watch: Watch,
) -> int | None:
    """What a job takes without the others, on the same paths; None if that does not end."""
    watch.tell(f"job {request.graph.jobs[job].name} alone")
    ports = own_ports(run, job_of_message(request.graph, laid_out), job, switches.plan)
    graph = alone(request.graph, job)
    lone = assemble(graph)
    settings = replace(request.settings, series_ps=0, checkpoints=None)
    outcome = drive(switches, lone.workload, settings, ports=ports, demand=demand)
    last_ps = int(node_spans(lone, outcome.run)[1].max())
    return None if last_ps == NEVER or outcome.is_interrupted else last_ps - graph.jobs[0].start_ps


def _simulated(run: Run) -> str:
    return f"{run.simulation.now_ps / 1e9:.3f} ms simulated"


def _result(
    graph: Graph,
    laid_out: Assembled,
    outcome: Outcome,
    switches: PreparedSwitches,
    alone_ps: Sequence[int | None],
) -> WorkloadResult:
    run = outcome.run
    simulation = run.simulation
    nodes = tuple(node_rows(graph, laid_out, run))
    ports = simulation.ports()
    drops = Counter(dict(zip(DROP_REASONS, ports.drops.sum(axis=0).tolist(), strict=True)))
    names = [job.name for job in graph.jobs]
    meeting = meeting_of(run, job_of_message(graph, laid_out), len(names))
    jobs = job_rows(graph, laid_out, run, nodes, alone_ps)
    if meeting is not None:
        jobs = (replace(row, causes=meeting.causes(i, names)) for i, row in enumerate(jobs))
    return WorkloadResult(
        fabric=run.fabric.name,
        workload=graph.name,
        ranks=graph.seats.ranks,
        routing=switches.plan.routing if switches.plan else "as found on the switches",
        congestion_control=run.fabric.roce.congestion_control,
        seed=run.settings.seed,
        fidelity=run.settings.fidelity,
        left_out=left_out(run.fabric, run.settings),
        time_ps=simulation.now_ps,
        jobs=tuple(jobs),
        nodes=nodes,
        shared_links=tuple(shared_links(run, meeting, names)) if meeting else (),
        links=links_in_use(simulation, None, link_names(simulation), simulation.now_ps),
        scale_up=scale_up_in_use(simulation),
        pfc_pauses=simulation.of_packets(ports.pauses.sum()),
        pfc_pause_ps=simulation.of_packets(ports.pause_ps.sum()),
        ecn_marks=simulation.of_packets(ports.ecn_marks.sum()),
        drops=dict(+drops) if simulation.counts_packets else None,
        unfinished=unfinished_flows(run, slice(0, laid_out.workload.schedule.flows))[:_SHOWN],
        diagnosis=diagnose(simulation),
        is_interrupted=outcome.is_interrupted,
        fast_forward=computed(simulation),
        not_forwarded=run.not_forwarded,
        repairs=outcome.repairs,
        link_flows=flows_of_links(run),
        series=outcome.series,
    )
