"""A push to switches that carry traffic: what makes a new way first, then routes in rounds, the rest last.

Sound routes before and after are not enough: a leaf that sends to a spine which has not got its route yet,
or has it no more, loses packets (see `raddle.controller.plan.update`). So a round depends on those before it:
what a switch that failed, was held back or could not be read may still use stays where it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from raddle.controller.plan.model import NextHop, Plan
from raddle.controller.plan.update import PortChange, Update, peers_of, plan_update, ports_between
from raddle.controller.southbound.channel import RefusedError
from raddle.controller.southbound.driver import Driver, RouteTable, Survey
from raddle.controller.southbound.workers import Progress, everywhere, silent
from raddle.controller.spans import NOT_TRACED, Span
from raddle.errors import UnreachableError

T = TypeVar("T")

SETTLE_S = 10.0
"""How long a switch may take to be well after a push."""

_PAUSE_S = 0.5

Gate = Callable[[], None]
"""Called before each step that writes: returns when it may be taken, and raises what ends the push."""


def open_gate() -> None:
    """Nothing holds a push up."""


@dataclass(slots=True)
class Progressed:
    """How far a switch has come.

    Attributes:
        error: what went wrong.
        is_unknown: nobody knows what it holds now.
        done: places of the update's writes and ports that it has carried out.
        waiting: by prefix of a route, or name of a port, that was left as it is, the switch that may still
            need it so.
        watched_s: how long it was watched.
    """

    error: str = ""
    is_unknown: bool = False
    done: set[int] = field(default_factory=set)
    waiting: dict[str, str] = field(default_factory=dict)
    watched_s: float = 0.0


class Rollout:
    """One push to the switches that take part.

    Args:
        drivers: of all switches that can be asked.
        surveys: of those that have answered.
        known: routes of switches that have not, as they were last known.
        at_once: at most so many switches are written at a time, and those that have all are well before
            others get what is no route; None: all at a time.
        gate: holds the push up, or ends it, between two steps.
        span: of the push; its steps are parts of it.
    """

    def __init__(
        self,
        plan: Plan,
        drivers: Mapping[str, Driver],
        surveys: Mapping[str, Survey],
        known: Mapping[str, RouteTable],
        progress: Progress = silent,
        at_once: int | None = None,
        gate: Gate = open_gate,
        span: Span = NOT_TRACED,
    ) -> None:
        self._at_once, self._gate, self._span = at_once, gate, span
        self._drivers = {name: drivers[name] for name, each in surveys.items() if each.is_pushed}
        self._progress = progress
        self._update = _update(plan, surveys, known)
        self.progressed = {name: Progressed() for name in self._drivers}

    def run(self, confirm_s: float | None) -> Mapping[str, Progressed]:
        """Push, verify, watch, and put back what does not come out well.

        Args:
            confirm_s: watch the switches for so long; None: until they are well, at most `SETTLE_S`.
        """
        if len(self._update.rounds) > 1:
            apart = {name: self._ports_apart(name) for name in self._drivers}
            self._write("groundwork", self._sound(), lambda driver: driver.lay_groundwork(apart[driver.name]))
            for number, places in enumerate(self._update.rounds, 1):
                self._round(number, places)
        self._finish_all(confirm_s)
        self._restore()
        return self.progressed

    def _ports_apart(self, name: str) -> Collection[str]:
        """Ports that come up in a round of their own."""
        return {
            port for each in self._update.ports if each.switch == name and each.opens for port in each.ports
        }

    def _finish_all(self, confirm_s: float | None) -> None:
        """What is left, some switches after the others; all of those must be well before the next get it."""
        sick = ""
        for group in self._groups(self._sound()):
            if sick:
                for name in group:
                    self.progressed[
                        name
                    ].error = f"{name}: not finished, because {sick} did not come out well"
                continue
            self._write("the rest", group, self._finish)
            self._each("verify", self._sound(group), self._verify)
            with self._span.child("watch", switches=len(group)):
                self._watch(self._sound(group), confirm_s)
            sick = next((name for name in group if self.progressed[name].error), "")

    def _sound(self, names: Iterable[str] | None = None) -> list[str]:
        among = self.progressed if names is None else names
        return [name for name in among if not self.progressed[name].error]

    def _groups(self, names: list[str]) -> list[list[str]]:
        """The switches that may be written at a time."""
        size = self._at_once or max(1, len(names))
        return [names[start : start + size] for start in range(0, len(names), size)]

    def _write(self, what: str, names: Iterable[str], action: Callable[[Driver], None]) -> None:
        """Send something to switches, to no more of them at a time than is allowed."""
        for group in self._groups(list(names)):
            self._gate()
            self._each(what, group, action)

    def _each(self, what: str, names: Iterable[str], action: Callable[[Driver], None]) -> None:
        """Do something at switches; those at which it fails get no more."""
        drivers = {name: partial(_itself, self._drivers[name]) for name in names}
        with self._span.child(what, switches=len(drivers)) as step:
            results = everywhere(drivers, traced(step, action), self._progress)
        for name, result in results.items():
            if isinstance(result, UnreachableError):
                progressed = self.progressed[name]
                progressed.error = str(result)
                progressed.is_unknown = not isinstance(result, RefusedError)

    def _round(self, number: int, places: Iterable[int]) -> None:
        by_switch: dict[str, list[int]] = {}
        for place in places:
            step = self._update.at(place)
            blocker = self._blocker(place)
            progressed = self.progressed.get(step.switch)
            if progressed and blocker:
                left = step.ports if isinstance(step, PortChange) else (step.prefix,)
                progressed.waiting |= dict.fromkeys(left, blocker)
            elif progressed and not progressed.error:
                by_switch.setdefault(step.switch, []).append(place)

        def carry_out(driver: Driver) -> None:
            own = by_switch[driver.name]
            steps = [self._update.at(place) for place in own]
            for change in steps:
                if isinstance(change, PortChange):
                    driver.set_ports(change.ports, change.opens)
            if writes := [each for each in steps if not isinstance(each, PortChange)]:
                driver.write_routes(writes)
            self.progressed[driver.name].done.update(own)

        self._write(f"routes, round {number}", by_switch, carry_out)

    def _blocker(self, place: int) -> str:
        """The switch that a step waits for in vain; empty if there is none."""
        for each in sorted(self._update.waits[place]):
            if not self._is_done(each):
                step = self._update.at(each)
                progressed = self.progressed.get(step.switch)
                key = min(step.ports) if isinstance(step, PortChange) else step.prefix
                return progressed.waiting.get(key, step.switch) if progressed else step.switch
        for each in sorted(self._update.rings[place] - {place}):
            other = self._update.at(each).switch
            if other not in self.progressed or self.progressed[other].error:
                return other
        return ""

    def _is_done(self, place: int) -> bool:
        progressed = self.progressed.get(self._update.at(place).switch)
        return progressed is not None and place in progressed.done

    def _finish(self, driver: Driver) -> None:
        driver.finish(self.progressed[driver.name].waiting.keys())

    def _verify(self, driver: Driver) -> None:
        progressed = self.progressed[driver.name]
        if error := driver.verify(progressed.waiting.keys()):
            progressed.error = error

    def _watch(self, watched: list[str], confirm_s: float | None) -> None:
        """Look at switches until the time is over, or until they are well where none is given."""
        start = time.monotonic()
        limit_s = SETTLE_S if confirm_s is None else confirm_s
        while watched:
            looks = everywhere({name: partial(_itself, self._drivers[name]) for name in watched}, _look)
            spent_s = time.monotonic() - start
            unwell = {name: text for name, look in looks.items() if (text := str(look))}
            for name in watched:
                self.progressed[name].watched_s = spent_s
            if spent_s >= limit_s:
                for name, text in unwell.items():
                    driver = self._drivers[name]
                    where = f"{name} ({driver.address})" if driver.address else name
                    said = text if isinstance(looks[name], UnreachableError) else f"{where}: {text}"
                    self.progressed[name].error = f"{said} {limit_s:g} s after the push"
                return
            if confirm_s is None:
                watched = list(unwell)
            if watched:
                time.sleep(min(_PAUSE_S, limit_s - spent_s))

    def _restore(self) -> None:
        """Put switches back at which something went wrong, except for what others have built on."""
        relied = {place for each in self._done() for place in self._update.waits[each]}

        def restore(driver: Driver) -> None:
            progressed = self.progressed[driver.name]
            steps = [self._update.at(place) for place in progressed.done & relied]
            kept = [each.prefix for each in steps if not isinstance(each, PortChange)]
            try:
                progressed.error += f"\n  {driver.restore(kept)}"
                progressed.is_unknown = False
            except UnreachableError as problem:
                said, _, _ = str(problem).partition("\n")
                progressed.error += (
                    f"\n  and it could not be put back: {said}\n  hint: apply again when it answers"
                )
                progressed.is_unknown = True

        todo = [
            name
            for name, each in self.progressed.items()
            if each.error and (self._drivers[name].sent or each.is_unknown)
        ]
        if todo:
            self._each("put back", todo, restore)

    def _done(self) -> set[int]:
        return {place for each in self.progressed.values() for place in each.done}


def traced(span: Span, action: Callable[[Driver], T]) -> Callable[[Driver], T]:
    """The action, as a part of a span for each switch."""

    def act(driver: Driver) -> T:
        with span.child("switch", switch=driver.name):
            return action(driver)

    return act


def _itself(driver: Driver) -> Driver:
    return driver


def _look(driver: Driver) -> str:
    return driver.look()


def _update(plan: Plan, surveys: Mapping[str, Survey], known: Mapping[str, RouteTable]) -> Update:
    """The order of all routes that change, of switches that take part and of those that do not."""
    before = {name: survey.routes for name, survey in surveys.items()}
    after = {name: survey.wanted for name, survey in surveys.items()}
    if not any(before.values()):
        return plan_update(peers_of(plan), before, after)
    for switch in plan.switches:
        if switch.name not in surveys:
            after[switch.name] = {route.prefix: route.next_hops for route in switch.routes}
            everywhere_to = tuple(
                NextHop("", port.name) for port in switch.ports if port.peer and port.is_enabled
            )
            before[switch.name] = known.get(switch.name, dict.fromkeys(after[switch.name], everywhere_to))
    up = {name: survey.up for name, survey in surveys.items() if survey.up is not None}
    return plan_update(peers_of(plan), before, after, ports_between(up, plan))
