"""The controller of an emulation: hears of ports, plans anew, and programs the switches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from raddle.controller.plan.model import Plan
from raddle.controller.plan.replan import replanner, with_links
from raddle.controller.plan.routes import SwitchRoutes
from raddle.errors import RaddleError, UnreachableError
from raddle.topology.model import Fabric, PortRef
from raddle.workload import Demand

_POLL_S = 0.005


class Repairer:
    """Keeps the switches on the plan for the links that are left."""

    def __init__(self, fabric: Fabric, plan: Plan, demand: Demand | None) -> None:
        self.error: RaddleError | None = None
        self._fabric, self._plan = fabric, plan
        self._replan = replanner(fabric, plan, demand)
        self._dead: set[PortRef] = set()
        self._changed = threading.Event()
        self._done: tuple[frozenset[PortRef], int] = (frozenset(), 0)

    def start(self, push: Callable[[Plan], object]) -> None:
        """Repair from now on, for as long as the process lives; `push` gives all switches a plan."""
        threading.Thread(target=self._repair, args=(push,), daemon=True).start()

    def hear(self, port: PortRef, is_live: bool) -> None:
        """A switch says that a port has died or come back."""
        if is_live == (port in self._dead):
            (self._dead.discard if is_live else self._dead.add)(port)
            self._changed.set()

    def lose(self, reason: Exception) -> None:
        """Ports are no longer watched, so that nothing will be repaired."""
        self.error = UnreachableError(f"the watch of the switches' ports ended: {reason}")

    def settled(self, dead: frozenset[PortRef], patience_s: float) -> int | None:
        """When the switches had the plan for these dead ports, as time.time_ns; None if they have not."""
        end = time.monotonic() + patience_s
        while self._done[0] != dead and time.monotonic() < end and not self.error:
            time.sleep(_POLL_S)
        planned_for, when_ns = self._done
        return when_ns if planned_for == dead else None

    def routes(self, dead: frozenset[PortRef]) -> SwitchRoutes:
        """The routes of the plan's switches when ports are dead."""
        is_up = [link.is_up and not {link.a, link.b} & dead for link in self._fabric.links]
        return self._replan(with_links(self._fabric, is_up))

    def _repair(self, push: Callable[[Plan], object]) -> None:
        while self._changed.wait():
            self._changed.clear()
            dead = frozenset(self._dead)
            routes = self.routes(dead)
            switches = zip(self._plan.switches, routes, strict=True)
            try:
                push(replace(self._plan, switches=tuple(replace(each, routes=own) for each, own in switches)))
                self._done = dead, time.time_ns()
            except RaddleError as error:
                self.error = error
