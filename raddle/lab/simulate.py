"""A workload on switches that the controller has programmed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from raddle.controller.plan.make import make_plan
from raddle.controller.plan.model import Plan
from raddle.lab.run.checkpoint import check_checkpoints
from raddle.lab.run.controller import check_controller
from raddle.lab.run.diagnosis import diagnose
from raddle.lab.run.drive import Outcome, Run, drive
from raddle.lab.run.effort import TimeLeft, Told
from raddle.lab.run.fidelity import check_fidelity, computed, left_out
from raddle.lab.run.flow_rows import flow_rows, port_rows, watchdog_rows
from raddle.lab.run.interrupt import deferred_interrupt
from raddle.lab.run.link_flows import flows_of_links
from raddle.lab.run.link_use import link_names, links_in_use
from raddle.lab.run.settings import DEFAULT_SETTINGS, RunSettings
from raddle.lab.run.watch import QUIET, Watch
from raddle.lab.switches.prepared import OWN_SWITCHES, SwitchSource, prepare_switches
from raddle.lab.workloads.demand import demand_of
from raddle.lab.workloads.pin_carriers import carry_pins
from raddle.lab.workloads.pin_file import Pin
from raddle.report.model import InputFile
from raddle.report.run_files import RunResult
from raddle.topology.model import Fabric
from raddle.workload import Workload

_CARRIERS = {
    "udp-source-port": "the UDP source ports of their queue pairs",
    "policy-route": "policy routes",
}


@dataclass(frozen=True, slots=True)
class SimulateRequest:
    """What to run. With `pinned` routing all flows count as running at the same time; `pins` give flows
    their paths instead. `inputs` are the files that it was read from."""

    workload: Workload
    routing: Literal["ecmp", "pinned"]
    pins: Sequence[Pin] = ()
    settings: RunSettings = DEFAULT_SETTINGS
    inputs: tuple[InputFile, ...] = ()


def simulate(
    fabric: Fabric,
    request: SimulateRequest,
    source: SwitchSource = OWN_SWITCHES,
    watch: Watch = QUIET,
) -> RunResult:
    """Plan, program the switches, read their state back, and simulate the workload on it.

    An interrupt ends the run and keeps what there is; the result then has `is_interrupted`. A run that cannot
    get on ends, and its result says why.

    Raises:
        InputError: the fabric's buffers do not fit its cables, `pin-conflict`, `no-fluid`, `wrong-fabric`, or
            its checkpoint is not of this run.
        UnreachableError: a switch did not take the plan.
    """
    check_fidelity(fabric, request.settings)
    check_checkpoints(request.settings)
    if request.settings.controller:
        check_controller(fabric, source.push, bool(request.pins))
    workload = request.workload
    demand = demand_of(fabric, workload.seats, workload.schedule)
    carried = carry_pins(fabric, make_plan(fabric, request.routing, demand), workload, request.pins)
    if carried.carrier != "host-route":
        watch.notice(f"{len(request.pins)} paths are kept by {_CARRIERS[carried.carrier]}")
    switches = prepare_switches(fabric, carried.plan, source, watch.tell)
    told = Told(watch, TimeLeft(), _simulated)
    outcome = drive(switches, workload, request.settings, told, carried.ports, demand, watch.notice)
    with deferred_interrupt() as was_pressed:
        watch.tell("collecting what became of the flows")
        result = _result(outcome, switches.plan, request.inputs)
        return dataclasses.replace(result, is_interrupted=result.is_interrupted or was_pressed())


def _simulated(run: Run) -> str:
    return f"{run.simulation.now_ps / 1e9:.3f} ms simulated"


def _result(outcome: Outcome, plan: Plan | None, inputs: tuple[InputFile, ...]) -> RunResult:
    run = outcome.run
    simulation = run.simulation
    return RunResult(
        fabric=run.fabric.name,
        routing=plan.routing if plan else "as found on the switches",
        congestion_control=run.fabric.roce.congestion_control,
        seed=run.settings.seed,
        fidelity=run.settings.fidelity,
        fast_forward=computed(simulation),
        not_forwarded=run.not_forwarded,
        flowed=run.flowed,
        left_out=left_out(run.fabric, run.settings),
        time_ps=simulation.now_ps,
        is_interrupted=outcome.is_interrupted,
        is_stalled=simulation.is_stalled,
        flows=flow_rows(run),
        ports=port_rows(simulation),
        packets=dataclasses.astuple(simulation.packets) if simulation.counts_packets else None,
        diagnosis=diagnose(simulation),
        watchdog_events=watchdog_rows(simulation),
        series=outcome.series,
        repairs=outcome.repairs,
        links=links_in_use(simulation, None, link_names(simulation), simulation.now_ps),
        link_flows=flows_of_links(run),
        inputs=inputs,
    )
