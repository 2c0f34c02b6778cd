"""The controller during a run: what it hears, and when switches have what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from raddle.lab.switches.programmed import ReportedSwitch


@dataclass(frozen=True, slots=True)
class Known:
    """What the controller plans for: dead links and drained ones, by index, and tenants that were added."""

    dead: frozenset[int] = frozenset()
    drained: frozenset[int] = frozenset()
    tenants: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Order:
    """Something that the controller is told at a time.

    Attributes:
        links: those to `drain`, or to `restore`.
        tenant: that is added.
    """

    time_ps: int
    what: Literal["drain", "restore", "tenant", "replan"]
    links: frozenset[int] = frozenset()
    tenant: str = ""

    def heard(self, known: Known) -> Known:
        """What is known after it."""
        if self.what == "drain":
            return replace(known, drained=known.drained | self.links)
        if self.what == "restore":
            return replace(known, drained=known.drained - self.links)
        if self.what == "tenant":
            return replace(known, tenants=known.tenants | {self.tenant})
        return known


Rounds = Sequence[Mapping[str, ReportedSwitch]]
"""Switches that change at one time, by name, as they are then; one round after the other."""

Planner = Callable[[Known], Rounds]
"""The way of the switches to the plan for what is known, from the plan before."""


@dataclass(frozen=True, slots=True)
class Control:
    """A controller.

    Attributes:
        reacts: plans anew by itself when a switch has noticed that a link died or came back.
        hear_ps: from there until the controller knows.
        plan_ps, push_ps: what a plan takes, and each round of its writes.
        planner: of the run's seed.
    """

    reacts: bool = False
    hear_ps: int = 0
    plan_ps: int = 0
    push_ps: int = 0
    orders: tuple[Order, ...] = ()
    planner: Planner = field(default=lambda known: ())


class Controlled:
    """A controller at work: one plan after the other, each for what is known as it begins."""

    def __init__(
        self,
        control: Control,
        later: Callable[[int, Callable[[], None]], None],
        give: Callable[[Mapping[str, ReportedSwitch]], None],
    ) -> None:
        """
        Args:
            later: has something done so many picoseconds from now.
            give: hands switches what they hold from now on.
        """
        self._control = control
        self._later = later
        self._give = give
        self._known = Known()
        self._is_planning = self._is_due = False

    def tell(self, order: Order) -> None:
        """An order is given now."""
        self._known = order.heard(self._known)
        self._plan()

    def notice(self, link: int, is_lit: bool) -> None:
        """A switch notices now that a link has died or come back."""
        self._later(self._control.hear_ps, lambda: self._hear(link, is_lit))

    def _hear(self, link: int, is_lit: bool) -> None:
        dead = self._known.dead - {link} if is_lit else self._known.dead | {link}
        if dead != self._known.dead:
            self._known = replace(self._known, dead=dead)
            if self._control.reacts:
                self._plan()

    def _plan(self) -> None:
        self._is_due = self._is_planning
        if self._is_planning:
            return
        self._is_planning, known = True, self._known
        self._later(self._control.plan_ps, lambda: self._push(self._control.planner(known)))

    def _push(self, rounds: Rounds) -> None:
        for number, changed in enumerate(rounds, 1):
            self._later(number * self._control.push_ps, partial(self._give, changed))
        self._later(len(rounds) * self._control.push_ps, self._end)

    def _end(self) -> None:
        self._is_planning = False
        if self._is_due:
            self._plan()
