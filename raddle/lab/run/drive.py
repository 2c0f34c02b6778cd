"""The one place where an engine is set up with a workload and driven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.controller.plan.model import Plan
from raddle.lab.run.checkpoint import CheckpointedRun
from raddle.lab.run.effort import packets_s
from raddle.lab.run.fidelity import engine_of, is_undisturbed
from raddle.lab.run.flowing import flow_if_close
from raddle.lab.run.held_back import hold_back
from raddle.lab.run.periodic import fast_forward, find_pattern
from raddle.lab.run.rates import Rates
from raddle.lab.run.settings import RunSettings
from raddle.lab.run.timeline import Timeline
from raddle.lab.run.work import Work
from raddle.lab.workloads.connections import of_messages
from raddle.lab.workloads.flow_names import flow_names
from raddle.report.model import Flowed, NotForwarded, RepairRow
from raddle.sim import FlowColumns, Simulation
from raddle.sim.capture import Capture
from raddle.sim.fluid import FluidSimulation
from raddle.sim.forwarded import ForwardedSimulation
from raddle.sim.series import Sample
from raddle.state import SwitchState
from raddle.topology.model import Fabric
from raddle.workload import Demand, Schedule, Sent, Workload

if TYPE_CHECKING:
    from raddle.lab.switches.prepared import PreparedSwitches

_LONG_S = 10.0
"""What packets take in computing, about, from which on it is tried whether messages may flow instead."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A workload on switches, in the engine.

    Flows of the workload are *messages*; what is sent are their parts over a connection's queue pairs.
    `not_forwarded` is why nothing is computed of what `--fidelity auto` may compute; `flowed` is why
    messages flow by it.
    """

    fabric: Fabric
    workload: Workload
    settings: RunSettings
    stripes: traffic.Striped
    queue_pairs: Sent
    simulation: Simulation
    not_forwarded: NotForwarded | None = None
    flowed: Flowed | None = None

    @property
    def sent(self) -> Schedule:
        """What goes over queue pairs."""
        return self.queue_pairs.schedule

    def messages(self) -> FlowColumns:
        """What became of each message."""
        return of_messages(self.stripes, self.simulation.flows())

    def flow_name(self) -> Callable[[int], str]:
        """A function that names a message."""
        return flow_names(self.fabric, self.workload)

    def sent_name(self) -> Callable[[int], str]:
        """A function that names what is sent as its message is named."""
        name, message = self.flow_name(), self.stripes.message
        return lambda flow: name(int(message[flow]))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A run that has come to an end, of itself or by an interrupt, what was sampled of it, and what its
    controller did.

    Attributes:
        still_ps: int64, by queue pair: the longest that it stood still; None where nobody watched.
        rates: what queue pairs had received when; None where nobody watched.
    """

    run: Run
    series: tuple[Sample, ...]
    is_interrupted: bool
    repairs: tuple[RepairRow, ...] = ()
    still_ps: NDArray[np.int64] | None = None
    rates: Rates | None = None


def set_up(
    fabric: Fabric,
    states: Mapping[str, SwitchState],
    workload: Workload,
    settings: RunSettings,
    plan: Plan | None = None,
    ports: NDArray[np.int64] | None = None,
) -> Run:
    """A workload in the engine, before its first event.

    Args:
        states: what each switch forwards with.
        plan: gives queue pairs their UDP source ports, where it does.
        ports: gives them in its place, as `source_ports` does.
    """
    work = Work.of(fabric, states, workload, settings, plan, ports)
    return _run(work, _simulation(work))


def drive(
    switches: PreparedSwitches,
    workload: Workload,
    settings: RunSettings,
    progress: Callable[[Run, float], None] = lambda run, share: None,
    ports: NDArray[np.int64] | None = None,
    demand: Demand | None = None,
    notice: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Run a workload on programmed switches, through all that its settings let happen.

    An interrupt ends the run and keeps what there is.

    Args:
        progress: told the share of the packets, 0..1, that have arrived: 0 before the first event.
        ports: as in `set_up`.
        demand: the flows that the plan pins, for a controller that plans them anew.
        notice: told from where a run goes on that has a checkpoint, and of one that could not be written.

    Raises:
        InputError: the checkpoint is of another run, or torn.
    """
    work = Work.of(switches.fabric, switches.states, workload, settings, switches.plan, ports)
    checkpointed = CheckpointedRun(work, switches, demand, notice)
    saved = checkpointed.begin()
    forwarded = _forwarded(work, progress) if saved is None else None
    if isinstance(forwarded, NotForwarded):
        forwarded = _flowed(work, forwarded, progress)
    if isinstance(forwarded, Outcome):
        return forwarded
    run = replace(_run(work, _simulation(work)), not_forwarded=forwarded)
    qp = work.sent.schedule.qp
    timeline = Timeline(run.simulation, settings, switches, demand, work.delays_with, qp)
    if saved is not None:
        timeline.restore(saved)
        notice(f"the run goes on at {run.simulation.now_ps / 1e9:.6f} ms")
    drain = _tracer(run)
    is_interrupted = False

    def after_call() -> None:
        drain()
        checkpointed.look(timeline.saved)

    try:
        progress(run, 0.0)
        timeline.run(lambda share: progress(run, share), after_call)
    except KeyboardInterrupt:
        is_interrupted = True
    drain()
    samples = tuple(timeline.series.samples()) if timeline.series else ()
    repairs = tuple(timeline.controller.rows) if timeline.controller else ()
    still_ps = timeline.standstill.longest_ps if timeline.standstill else None
    return Outcome(run, samples, is_interrupted, repairs, still_ps, timeline.rates)


def _forwarded(work: Work, progress: Callable[[Run, float], None]) -> Outcome | NotForwarded | None:
    """The run with most of its steps computed, or why it is not; None where that is not asked for."""
    if work.settings.fidelity != "auto":
        return None
    schedule = work.sent.schedule
    pattern = find_pattern(schedule, work.start_ps, work.delay_ps)
    if pattern is None:
        return NotForwarded("its flows are not 64 or more steps that are all alike")
    if not is_undisturbed(work.fabric, work.states, work.settings):
        return NotForwarded(
            "faults, orders, samples, traces, bit errors, adaptive routing or an end are asked for"
        )
    kind = partial(ForwardedSimulation, all_flows=schedule.flows)
    runs: list[Run] = []

    def told(simulation: ForwardedSimulation, share: float) -> None:
        runs[:] = [_run(work, simulation)]
        progress(runs[0], share)

    try:
        found = fast_forward(pattern, work.states, lambda flows: work.simulation(kind, flows), told)
    except KeyboardInterrupt:
        return Outcome(runs[0], (), True) if runs else None
    if isinstance(found, str):
        return NotForwarded(found, has_steps=True)
    return Outcome(_run(work, found), (), False)


def _flowed(
    work: Work, tried: NotForwarded, progress: Callable[[Run, float], None]
) -> Outcome | NotForwarded:
    """The run with messages that flow, where packets take long and these end as they do; or why it is not."""
    took_s = packets_s(work.fabric, work.workload)
    settings = work.settings
    is_asked = settings.checkpoints or settings.needs_packets
    if took_s < _LONG_S or is_asked or not is_undisturbed(work.fabric, work.states, settings):
        return tried
    runs: list[Run] = []

    def told(simulation: FluidSimulation, share: float) -> None:
        runs[:] = [_run(work, simulation)]
        progress(runs[0], share)

    try:
        found = flow_if_close(work, took_s, told)
    except KeyboardInterrupt:
        return Outcome(runs[0], (), True) if runs else tried
    if isinstance(found, str):
        return replace(tried, not_flowed=found)
    return Outcome(replace(_run(work, found.simulation), flowed=found.told), (), False)


def _simulation(work: Work) -> Simulation:
    simulation = work.simulation(engine_of(work.settings.fidelity))
    if isinstance(simulation, FluidSimulation):
        hold_back(simulation, work)
    return simulation


def _run(work: Work, simulation: Simulation) -> Run:
    return Run(work.fabric, work.workload, work.settings, work.stripes, work.sent, simulation)


def _tracer(run: Run) -> Callable[[], None]:
    """Writes what traced ports have sent; does nothing where none is traced."""
    settings = run.settings
    if not settings.traced:
        return lambda: None
    return Capture(run.simulation, run.sent, settings.seed, settings.traced, settings.capture).drain
