"""A run with what happens and what is looked at during it: faults, orders, samples, traced frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from raddle.lab.run.faults import Change, changes
from raddle.lab.run.rates import Rates
from raddle.lab.run.settings import RunSettings
from raddle.lab.run.standstill import Standstill
from raddle.sim import NEVER, Simulation
from raddle.sim.series import Series
from raddle.sim.simulation import Columns
from raddle.topology.model import PortRef
from raddle.workload import Demand

if TYPE_CHECKING:
    from raddle.controller.service.rendered import Rows
    from raddle.lab.run.controller import SimulatedController
    from raddle.lab.switches.prepared import PreparedSwitches


class Looked(Protocol):
    """What looks at a run at times of its own choosing."""

    next_ps: int

    def take(self) -> None:
        """Look at the present instant."""


def inflict(simulation: Simulation, change: Change) -> None:
    """Let a fault of one cable or NIC begin or end: bit errors, a storm, a slow receiver, a slow link."""
    fault = change.fault
    if fault.what == "errors":
        base = simulation.fabric.phy.bit_error_ratio
        simulation.set_bit_errors(fault.port, max(fault.value, base) if change.is_start else base)
    elif fault.what == "storm":
        priorities = 1 << int(fault.value) if change.is_start else 0
        simulation.set_storm(fault.port, priorities, fault.period_ps, fault.quanta)
    elif fault.what == "slow":
        simulation.set_receiver(fault.port, int(fault.value) if change.is_start else None)
    elif fault.what == "slow-link":
        simulation.set_speed(fault.port, int(fault.value) if change.is_start else None)


class Timeline:
    """Runs a simulation through its faults, and what a controller does about them.

    Args:
        demand: the flows that the plan pins.
        delays_with: the delay of each flow where hosts are so much later, as `Work.delays_with`.
        qp: queue pair of each flow.
    """

    def __init__(
        self,
        simulation: Simulation,
        settings: RunSettings,
        switches: PreparedSwitches,
        demand: Demand | None,
        delays_with: Callable[[Mapping[str, int]], NDArray[np.int64]],
        qp: NDArray[np.int32],
    ) -> None:
        self._simulation = simulation
        self._reported = dict(switches.reported)
        self._delays_with = delays_with
        self._late_ps: dict[str, int] = {}
        self._dark: dict[int, int] = {}
        self._known_dark: dict[str, set[str]] = {}
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._now_ps = -1
        self._settings = settings
        self.controller = self._begun_controller(switches, demand)
        for change in changes(settings.faults):
            self._at(change.time_ps, lambda change=change: self._apply(change))  # type: ignore[misc]
        if self.controller:
            self.controller.start(self._at)
        self.series = Series(simulation, settings.series_ps) if settings.series_ps else None
        self.standstill = (
            Standstill(simulation, _instants(settings), qp) if settings.watches_progress else None
        )
        self.rates = Rates(simulation, int(qp.max(initial=-1)) + 1) if settings.watches_rates else None
        self._looked: tuple[Looked, ...] = tuple(filter(None, (self.series, self.standstill, self.rates)))

    def run(self, progress: Callable[[float], None], after_call: Callable[[], None]) -> None:
        """Run to the end of the simulation, or until it is to end; nothing can be run after it."""
        try:
            self._run(progress, after_call)
        finally:  # what refers back to here would keep the engine until the collector comes
            self._due.clear()
            if self.controller:
                self.controller.leave()

    def _run(self, progress: Callable[[float], None], after_call: Callable[[], None]) -> None:
        simulation, until_ps = self._simulation, self._settings.until_ps
        while not simulation.is_done and not simulation.is_stalled and simulation.now_ps < until_ps:
            due_ps = min(
                self._due[0][0] if self._due else NEVER, until_ps, *(each.next_ps for each in self._looked)
            )
            simulation.run(progress, due_ps, after_call, may_change=bool(self._due))
            if not simulation.is_done and not simulation.is_stalled:
                simulation.advance(due_ps)  # nothing happens before it
            if simulation.now_ps < due_ps:
                return
            self._let_happen(due_ps)
            for each in self._looked:
                if each.next_ps <= due_ps:
                    each.take()

    def _let_happen(self, until_ps: int) -> None:
        while self._due and self._due[0][0] <= until_ps:
            self._now_ps, _, action = self._due.pop(0)
            action()

    def saved(self) -> Columns:
        """The run as it is, for `restore`; between two calls of the engine."""
        series = self.series.saved() if self.series else {}
        return {"happened_ps": np.array(self._now_ps), **self._simulation.saved(), **series}

    def restore(self, saved: Columns) -> None:
        """Go on where another run with the same settings was.

        What came from outside happens again, which tells everyone but the engine what they then knew.
        """
        self._let_happen(int(saved["happened_ps"]))
        self._simulation.restore(saved)
        if self.series:
            self.series.restore(saved)

    def _at(self, time_ps: int, action: Callable[[], None]) -> None:
        self._due.append((time_ps, len(self._due), action))
        self._due.sort(key=lambda entry: entry[:1])

    def _apply(self, change: Change) -> None:
        fault = change.fault
        if fault.what == "down":
            self._change_light(fault.port, change.is_start)
        elif fault.what == "straggler":
            host, late_ps = fault.port.device, int(fault.value)
            self._late_ps[host] = self._late_ps.get(host, 0) + (late_ps if change.is_start else -late_ps)
            self._simulation.set_delays(self._delays_with(self._late_ps))
        else:
            inflict(self._simulation, change)

    def _change_light(self, port: PortRef, goes_dark: bool) -> None:
        link = self._simulation.fabric.link_by_port[port].index
        self._dark[link] = self._dark.get(link, 0) + (1 if goes_dark else -1)
        self._simulation.set_light(port, self._dark[link] == 0)
        self._at(self._now_ps + self._settings.detection_ps, lambda: self._notice(link))

    def _notice(self, index: int) -> None:
        """Both ends of a link find out whether it has light, unless that has changed back meanwhile."""
        link = self._simulation.fabric.links[index]
        is_lit = self._dark[index] == 0
        self._simulation.set_link(link.a, is_lit)
        for end in (link.a, link.b):
            if end.device not in self._simulation.fabric.switch_by_name:
                continue
            known = self._known_dark.setdefault(end.device, set())
            before = frozenset(known)
            (known.discard if is_lit else known.add)(end.port)
            if known != before:
                self._rederive(end.device)
                if self.controller:
                    self.controller.tell(end.device, frozenset(known), self._now_ps, self._at)

    def _begun_controller(
        self, switches: PreparedSwitches, demand: Demand | None
    ) -> SimulatedController | None:
        if not self._settings.controller:
            return None
        from raddle.lab.run.controller import SimulatedController  # with the controller's libraries

        return SimulatedController(switches, demand, self._settings.controller, self._install)

    def _install(self, switch: str, rows: Rows) -> None:
        """A switch has got other routes."""
        self._reported[switch] = self._reported[switch].with_static_routes(rows)
        self._rederive(switch)

    def _rederive(self, switch: str) -> None:
        """It forwards with what it holds, on the ports that it knows to have light."""
        dark = frozenset(self._known_dark.get(switch, ()))
        self._simulation.set_switch(switch, self._reported[switch].state(dark))


def _instants(settings: RunSettings) -> list[int]:
    """When things begin to happen."""
    orders = settings.controller.orders if settings.controller else ()
    return [fault.from_ps for fault in settings.faults] + [order.time_ps for order in orders]
