"""The one place where an engine is set up with a workload and driven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.model import Plan
from raddle.lab.run.fidelity import ENGINES
from raddle.lab.run.settings import RunSettings
from raddle.lab.run.timeline import Rederive, Timeline
from raddle.lab.switches.prepared import PreparedSwitches
from raddle.lab.workloads.connections import connect, of_messages
from raddle.lab.workloads.flow_names import flow_names
from raddle.lab.workloads.source_ports import source_ports
from raddle.sim import FlowColumns, Simulation
from raddle.sim.capture import Capture
from raddle.sim.series import Sample
from raddle.state import SwitchState
from raddle.topology.model import Fabric, LosslessClass
from raddle.workload import Schedule, Sent, Workload


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A workload on switches, in the engine.

    Flows of the workload are *messages*; what is sent are their parts over a connection's queue pairs.
    """

    fabric: Fabric
    workload: Workload
    settings: RunSettings
    stripes: traffic.Striped
    queue_pairs: Sent
    simulation: Simulation

    @property
    def sent(self) -> Schedule:
        """What goes over queue pairs."""
        return self.queue_pairs.schedule

    def messages(self) -> FlowColumns:
        """What became of each message."""
        return of_messages(self.stripes, self.simulation.flows())

    def sent_name(self) -> Callable[[int], str]:
        """A function that names what is sent as its message is named."""
        name, message = flow_names(self.fabric, self.workload), self.stripes.message
        return lambda flow: name(int(message[flow]))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A run that has come to an end, of itself or by an interrupt, and what was sampled of it."""

    run: Run
    series: tuple[Sample, ...]
    is_interrupted: bool


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
    schedule = traffic.repeated(workload.schedule, workload.repeat)
    sent, stripes = connect(fabric, workload.seats, schedule)
    delay_ps = workload.delay_ps
    if ports is None and plan:
        ports = source_ports(fabric, plan, sent)
    dscp, priority = _classes(fabric, workload, stripes, sent)
    simulation = ENGINES[settings.fidelity](
        fabric,
        endpoint_addresses(fabric),
        states,
        sent,
        settings.seed,
        start_ps=_starts(workload, stripes),
        source_ports=ports,
        dscp=dscp,
        priority=priority,
        delay_ps=None if delay_ps is None else stripes.spread(np.tile(delay_ps, workload.repeat)),
        threads=settings.threads,
    )
    return Run(fabric, workload, settings, stripes, sent, simulation)


def drive(
    switches: PreparedSwitches,
    workload: Workload,
    settings: RunSettings,
    progress: Callable[[Run, float], None] = lambda run, share: None,
    ports: NDArray[np.int64] | None = None,
) -> Outcome:
    """Run a workload on programmed switches, through all that its settings let happen.

    An interrupt ends the run and keeps what there is.

    Args:
        progress: told the share of the packets, 0..1, that have arrived: 0 before the first event.
        ports: as in `set_up`.
    """
    run = set_up(switches.fabric, switches.states, workload, settings, switches.plan, ports)
    timeline = Timeline(run.simulation, settings, _rederive(switches))
    drain = _tracer(run)
    is_interrupted = False
    try:
        progress(run, 0.0)
        timeline.run(lambda share: progress(run, share), drain)
    except KeyboardInterrupt:
        is_interrupted = True
    drain()
    return Outcome(run, tuple(timeline.series.samples()) if timeline.series else (), is_interrupted)


def _classes(
    fabric: Fabric, workload: Workload, stripes: traffic.Striped, sent: Sent
) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]:
    """DSCP and priority of each queue pair; None where all are of the first lossless class."""
    if workload.is_lossy is None or not workload.is_lossy.any():
        return None, None
    lossless = fabric.roce.lossless[0] if fabric.roce.lossless else LosslessClass(0, 0)
    is_lossy = np.zeros(len(sent.qp_src), np.bool_)
    is_lossy[sent.schedule.qp] = np.tile(workload.is_lossy, workload.repeat)[stripes.message]
    return tuple(
        np.where(is_lossy, 0, value).astype(np.uint8) for value in (lossless.dscp, lossless.priority)
    )  # type: ignore[return-value]


def _starts(workload: Workload, stripes: traffic.Striped) -> NDArray[np.int64] | None:
    if workload.start_ps is None:
        return None
    later = np.zeros((workload.repeat - 1) * workload.schedule.flows, np.int64)
    return stripes.spread(np.concatenate([workload.start_ps, later]))


def _rederive(switches: PreparedSwitches) -> Rederive:
    return lambda name, dark: switches.reported[name].state(dark)


def _tracer(run: Run) -> Callable[[], None]:
    """Writes what traced ports have sent; does nothing where none is traced."""
    settings = run.settings
    if not settings.traced:
        return lambda: None
    return Capture(run.simulation, run.sent, settings.seed, settings.traced, settings.capture).drain
