"""The controller of an emulation: hears of ports, plans anew, and programs the switches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from raddle.controller.plan.model import Plan
from raddle.controller.plan.replan import replanner, with_links
from raddle.controller.plan.routes import SwitchRoutes
from raddle.controller.plan.update import plans_on_the_way
from raddle.errors import RaddleError, UnreachableError
from raddle.topology.model import Fabric, PortRef
from raddle.workload import Demand

_POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class Repair:
    """What the controller did last: the dead ports that it leads around, and when, as time.time_ns.

    Attributes:
        heard_ns: the last of the changes before it was heard of. One that changes no route any more, such as
            the other end of the same cable, is none.
        planned_ns: the routes were there.
        pushed_ns: the switches had them, and had been read back.
    """

    dead: frozenset[PortRef] = frozenset()
    heard_ns: int = 0
    planned_ns: int = 0
    pushed_ns: int = 0


class Repairer:
    """Keeps the switches on the plan for the links that are left."""

    def __init__(self, fabric: Fabric, plan: Plan, demand: Demand | None) -> None:
        self.error: RaddleError | None = None
        self._fabric, self._plan = fabric, plan
        self._replan = replanner(fabric, plan, demand)
        self._dead: set[PortRef] = set()
        self._heard_ns = 0
        self._changed = threading.Event()
        self._done = Repair()

    def start(self, push: Callable[[Plan], object]) -> None:
        """Repair from now on, for as long as the process lives; `push` gives all switches a plan."""
        self.routes(frozenset())  # what these import is not part of the first repair
        list(plans_on_the_way(self._plan, self._plan))
        threading.Thread(target=self._repair, args=(push,), daemon=True).start()

    def hear(self, port: PortRef, is_live: bool) -> None:
        """A switch says that a port has died or come back."""
        if is_live == (port in self._dead):
            (self._dead.discard if is_live else self._dead.add)(port)
            self._heard_ns = time.time_ns()
            self._changed.set()

    def lose(self, reason: Exception) -> None:
        """Ports are no longer watched, so that nothing will be repaired."""
        self.error = UnreachableError(f"the watch of the switches' ports ended: {reason}")

    def settled(self, dead: frozenset[PortRef], patience_s: float) -> Repair | None:
        """The repair that gave the switches the plan for these dead ports; None if they have not got it."""
        end = time.monotonic() + patience_s
        while self._done.dead != dead and time.monotonic() < end and not self.error:
            time.sleep(_POLL_S)
        done = self._done
        return done if done.dead == dead else None

    def routes(self, dead: frozenset[PortRef]) -> SwitchRoutes:
        """The routes of the plan's switches when ports are dead."""
        is_up = [link.is_up and not {link.a, link.b} & dead for link in self._fabric.links]
        return self._replan(with_links(self._fabric, is_up))

    def _repair(self, push: Callable[[Plan], object]) -> None:
        held = self._plan
        while self._changed.wait():
            self._changed.clear()
            heard_ns, dead = self._heard_ns, frozenset(self._dead)
            switches = zip(self._plan.switches, self.routes(dead), strict=True)
            wanted = replace(self._plan, switches=tuple(replace(each, routes=own) for each, own in switches))
            rounds = list(plans_on_the_way(held, wanted))
            planned_ns = time.time_ns()
            if not rounds and self._done.dead:
                self._done = replace(self._done, dead=dead)
                continue
            try:
                for each in rounds:
                    push(each)
                held = wanted
                self._done = Repair(dead, heard_ns, planned_ns, time.time_ns())
            except RaddleError as error:
                self.error = error
