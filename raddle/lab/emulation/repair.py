"""The controller of an emulation: hears of ports, plans anew, and programs the switches."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from raddle.controller.plan.model import Plan
from raddle.controller.plan.replan import replanner, with_links
from raddle.controller.plan.routes import SwitchRoutes
from raddle.controller.plan.update import plans_on_the_way
from raddle.errors import RaddleError, UnreachableError
from raddle.topology.model import Fabric, PortRef
from raddle.workload import Demand

if TYPE_CHECKING:
    from raddle.lab.emulation.dataplane import Dataplane  # with Mininet

_POLL_S = 0.005

_PREPARED = 64
"""Failures that are computed beforehand, so that large fabrics do not take all memory."""

_Links = tuple[bool, ...]
"""Whether each link of the fabric is up."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What the controller did last: the dead ports that it leads around, and when, as time.time_ns.

    Attributes:
        heard_ns: the last of the changes before it was heard of. One that changes no route any more, such as
            the other end of the same cable, is none.
        planned_ns: the routes were there.
        pushed_ns: the switches had acknowledged all of them; then they were read back.
    """

    dead: frozenset[PortRef] = frozenset()
    heard_ns: int = 0
    planned_ns: int = 0
    pushed_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Way:
    """The plans after each round of an update, and the one that it leads to."""

    rounds: tuple[Plan, ...]
    plan: Plan


class Repairer:
    """Keeps the switches on the plan for the links that are left."""

    def __init__(self, fabric: Fabric, plan: Plan, demand: Demand | None) -> None:
        self._prepared: dict[_Links, _Way] = {}
        self._is_prepared = threading.Event()
        self.error: RaddleError | None = None
        self._fabric, self._plan = fabric, plan
        self._replan = replanner(fabric, plan, demand)
        self._planning = threading.Lock()  # it is asked from two threads, and remembers
        self._dead: set[PortRef] = set()
        self._heard_ns = 0
        self._changed = threading.Event()
        self._done = Repair()

    def start(self, dataplane: Dataplane) -> None:
        """Repair from now on, for as long as the process lives.

        What single failures need is computed while there is nothing to repair.
        """
        self.routes(frozenset())  # what these import is not part of the first repair
        list(plans_on_the_way(self._plan, self._plan))
        threading.Thread(target=self._repair, args=(dataplane,), daemon=True).start()

    def hear(self, port: PortRef, is_live: bool) -> None:
        """A switch says that a port has died or come back."""
        if is_live == (port in self._dead):
            (self._dead.discard if is_live else self._dead.add)(port)
            self._heard_ns = time.time_ns()
            self._changed.set()

    def lose(self, reason: Exception) -> None:
        """Ports are no longer watched, so that nothing will be repaired."""
        self.error = UnreachableError(f"the watch of the switches' ports ended: {reason}")

    def await_prepared(self, patience_s: float) -> bool:
        """Wait until what single failures need is computed; whether it is."""
        return self._is_prepared.wait(patience_s)

    def settled(self, dead: frozenset[PortRef], patience_s: float) -> Repair | None:
        """The repair that gave the switches the plan for these dead ports; None if they have not got it."""
        end = time.monotonic() + patience_s
        while self._done.dead != dead and time.monotonic() < end and not self.error:
            time.sleep(_POLL_S)
        done = self._done
        return done if done.dead == dead else None

    def routes(self, dead: frozenset[PortRef]) -> SwitchRoutes:
        """The routes of the plan's switches when ports are dead."""
        with self._planning:
            return self._replan(with_links(self._fabric, list(self._links_up(dead))))

    def _links_up(self, dead: frozenset[PortRef]) -> _Links:
        return tuple(link.is_up and not {link.a, link.b} & dead for link in self._fabric.links)

    def _failures(self) -> Iterator[frozenset[PortRef]]:
        """Dead ports of every link between switches, and of every switch, one failing at a time."""
        switches = {switch.name for switch in self._fabric.switches}
        links = [
            link for link in self._fabric.links if link.is_up and {link.a.device, link.b.device} <= switches
        ]
        for link in links:
            yield frozenset({link.a, link.b})
        for switch in sorted(switches):
            own = [link for link in links if switch in (link.a.device, link.b.device)]
            yield frozenset(end for link in own for end in (link.a, link.b))

    def _wanted(self, dead: frozenset[PortRef]) -> Plan:
        """The plan for dead ports; the very one that there was where no link is lost."""
        if self._links_up(dead) == self._links_up(frozenset()):
            return self._plan
        switches = zip(self._plan.switches, self.routes(dead), strict=True)
        return replace(self._plan, switches=tuple(replace(each, routes=own) for each, own in switches))

    def _prepare(self, dataplane: Dataplane, dead: frozenset[PortRef]) -> None:
        way = self._way(self._plan, dead)
        for each in way.rounds:
            dataplane.prepare(each)
        self._prepared[self._links_up(dead)] = way

    def _way(self, held: Plan, dead: frozenset[PortRef]) -> _Way:
        """From a plan to that for dead ports; of single failures from the whole one it is prepared."""
        if held is self._plan and (prepared := self._prepared.get(self._links_up(dead))):
            return prepared
        wanted = self._wanted(dead)
        return _Way(tuple(plans_on_the_way(held, wanted)), wanted)

    def _repair(self, dataplane: Dataplane) -> None:
        held = self._plan
        ahead = islice(self._failures(), _PREPARED)
        while True:
            if not self._changed.is_set() and held is self._plan and not self._is_prepared.is_set():
                if failure := next(ahead, None):
                    self._prepare(dataplane, failure)
                else:
                    self._is_prepared.set()
                continue
            self._changed.wait()
            self._changed.clear()
            heard_ns, dead = self._heard_ns, frozenset(self._dead)
            way = self._way(held, dead)
            planned_ns = time.time_ns()
            if not way.rounds and self._done.dead:
                self._done = replace(self._done, dead=dead)
                continue
            try:
                for each in way.rounds:
                    dataplane.repair(each)
                pushed_ns = time.time_ns()
                dataplane.read_back()
                held = way.plan
                self._done = Repair(dead, heard_ns, planned_ns, pushed_ns)
            except RaddleError as error:
                self.error = error
