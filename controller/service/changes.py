"""What makes revisions: orders, drains that are over or in the way, and what the congestion keeper moves.

All of it is in the controller's thread of change.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from raddle.controller.plan.diff import diff_plans
from raddle.controller.service.desired import (
    Desired,
    Planner,
    bearable_drains,
    place_of,
    without_links,
)
from raddle.controller.service.events import Bus
from raddle.controller.service.gate import UpdateGate
from raddle.controller.service.records import Drain, Material, Records, Revision
from raddle.controller.service.updates import CONTROLLER, Updates, change_lines
from raddle.controller.service.upkeep import Upkeep
from raddle.controller.spans import Span
from raddle.errors import InputError
from raddle.units import few

_UNDRAIN_S = 300.0
"""Until a drain whose time is over and whose end was taken back is ended again."""

_LIFT_S = 300.0
"""Until drained links that are needed are put to use again, where that was taken back."""


class Changes:
    """Plans what is wanted, and has it brought to the switches."""

    def __init__(
        self,
        records: Records,
        planner: Planner,
        bus: Bus,
        gate: UpdateGate,
        updates: Updates,
        upkeep: Upkeep,
        spans: Span,
    ) -> None:
        self._records, self._planner, self._bus, self._gate = records, planner, bus, gate
        self._updates, self._upkeep, self._spans = updates, upkeep, spans
        self._undrain_s = self._lift_s = 0.0

    def resume(self, await_switches: Callable[[], None]) -> None:
        """Take up what was left, or begin."""
        revision = self._records.revision(self._records.desired)
        work = self._records.work
        if revision is None and work is None:
            self._upkeep.hold(None, self._updates.plan(self._planner.read(), ()))
            await_switches()
            self.apply(CONTROLLER, "first start")
            return
        if revision:
            self._upkeep.hold(revision, self._updates.load(revision))
            if not work:  # lest what leads around dead links is taken back before these are known
                await_switches()
        if work:
            wanted = self._records.revision(work.revision)
            assert wanted, "a revision is written with its work"
            desired = self._updates.load(wanted)
            if self._upkeep.desired is None:
                self._upkeep.watch(desired)
            await_switches()
            self._bus.tell("update", f"revision {wanted.number} was left under way and goes on")
            with self._spans.child("update", revision=wanted.number, what=wanted.what) as span:
                push = partial(self._upkeep.push, span)
                done, held = self._updates.carry_out(wanted, work, desired, self._upkeep.desired, push)
                span.note(outcome=done.outcome)
            self._upkeep.hold(self._upkeep.revision if held is self._upkeep.desired else done, held)

    def preview(self) -> tuple[str, ...]:
        desired = self._updates.plan(self._planner.read(), self._drains)
        held = self._upkeep.desired.held.plan if self._upkeep.desired else None
        return tuple(change_lines(diff_plans(held, desired.held.plan))) if held else ("all switches",)

    def apply(self, who: str, why: str) -> Revision:
        self._require_going()
        self._upkeep.pusher.reload()
        material = self._planner.read()
        return self._update(who, "apply", why, material, self._drains)

    def rollback(self, who: str, why: str, number: int) -> Revision:
        self._require_going()
        revision = self._records.revision(number)
        if revision is None:
            known = self._records.next_revision() - 1
            raise InputError.of("no-such-revision", f"there is no revision {number}; there are 1 to {known}")
        moment = datetime.now(UTC)
        drains = tuple(each for each in revision.drains if not each.is_over(moment))
        desired = self._updates.bring_back(revision, drains, self._upkeep.repairs.dead)
        material = self._records.material(revision)
        return self._update(who, f"rollback to {number}", why, material, drains, desired)

    def drain(self, who: str, why: str, switch: str, until: str) -> Revision:
        self._require_going()
        place = self._place(switch)
        drains = (*self._drains_but(place), Drain(place, until))
        return self._update_drains(who, f"drain {place}" + (f" until {until}" if until else ""), why, drains)

    def undrain(self, who: str, why: str, switch: str) -> Revision:
        self._require_going()
        place = self._place(switch)
        left = self._drains_but(place)
        if len(left) == len(self._drains):
            names = ", ".join(each.switch for each in self._drains) or "no switch is"
            raise InputError.of("not-drained", f"'{switch}' is not drained by the controller; {names}")
        return self._update_drains(who, f"undrain {place}", why, left)

    def _drains_but(self, place: str) -> tuple[Drain, ...]:
        return tuple(each for each in self._drains if self._place(each.switch) != place)

    def _place(self, named: str) -> str:
        assert self._upkeep.desired, "there is a plan before orders are heard"
        return place_of(self._upkeep.desired.fabric, named)

    def _update_drains(self, who: str, what: str, why: str, drains: tuple[Drain, ...]) -> Revision:
        assert self._upkeep.revision, "there is a revision before orders are heard"
        return self._update(who, what, why, self._records.material(self._upkeep.revision), drains)

    def _update(
        self,
        who: str,
        what: str,
        why: str,
        material: Material,
        drains: tuple[Drain, ...],
        desired: Desired | None = None,
    ) -> Revision:
        before = self._upkeep.desired if self._upkeep.revision else None
        with self._spans.child("update", who=who, what=what, why=why) as span:
            with span.child("plan"):
                wanted = desired or self._updates.plan(material, drains, self._upkeep.repairs.dead)
            revision, work = self._updates.begin(who, what, why, material, drains, wanted, before)
            span.note(revision=revision.number)
            push = partial(self._upkeep.push, span)
            done, held = self._updates.carry_out(revision, work, wanted, before, push)
            span.note(outcome=done.outcome)
        self._upkeep.hold(self._upkeep.revision if held is not wanted else done, held)
        return done

    def replace(self, who: str, why: str, switch: str) -> str:
        self._require_going()
        return self._upkeep.replace(who, why, switch)

    @property
    def _drains(self) -> tuple[Drain, ...]:
        return self._upkeep.revision.drains if self._upkeep.revision else ()

    def _require_going(self) -> None:
        if self._gate.is_paused:
            raise InputError.of(
                "paused", "the controller is paused", "'raddle controller resume' lets it go on"
            )

    def undrain_due(self) -> None:
        if time.monotonic() < self._undrain_s:
            return
        moment = datetime.now(UTC)
        for drain in self._drains:
            if not drain.is_over(moment):
                continue
            done = self.undrain(CONTROLLER, f"the drain was until {drain.until}", drain.switch)
            if drain in self._drains:
                self._bus.tell("problem", f"{drain.switch} stays drained: {done.outcome}", drain.switch)
                self._undrain_s = time.monotonic() + _UNDRAIN_S
                return

    def lift_drains(self, is_new: bool) -> None:
        """Put drained links to use where dead ones leave hosts no other way."""
        revision, names = self._upkeep.revision, self._upkeep.cut_off_elsewhere
        if not (names and self._drains and revision) or not (is_new or time.monotonic() >= self._lift_s):
            return
        self._lift_s = time.monotonic() + _LIFT_S
        fabric, _ = self._planner.fabric(self._records.material(revision))
        kept = bearable_drains(without_links(fabric, self._upkeep.repairs.dead), self._drains)
        if lifted := [each.switch for each in self._drains if each not in kept]:
            why = f"{few(names)}: no other way leads there"
            self._update_drains(CONTROLLER, f"undrain {', '.join(lifted)}", why, kept)

    def plan_move(self, material: Material, drains: tuple[Drain, ...]) -> Desired:
        return self._updates.plan(material, drains, self._upkeep.repairs.dead)

    def move(
        self, what: str, why: str, material: Material, drains: tuple[Drain, ...], desired: Desired
    ) -> Revision:
        return self._update(CONTROLLER, what, why, material, drains, desired)

    def move_back(self, why: str, number: int) -> Revision:
        return self.rollback(CONTROLLER, why, number)
