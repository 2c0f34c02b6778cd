"""Updates: from one revision to the next, in rounds, taken back where they do not come out well.

An update is in the store from before its first write until its outcome is. Whoever finds one there finishes
it: switches are read before they are written, so nothing is done twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from raddle.controller.plan.diff import Change, diff_plans
from raddle.controller.plan.model import NextHop
from raddle.controller.plan.update import Write
from raddle.controller.reconcile import SwitchResult
from raddle.controller.service.desired import Desired, Planner, with_drains, without_links
from raddle.controller.service.events import Bus
from raddle.controller.service.gate import AbortedError
from raddle.controller.service.records import (
    BEGUN,
    Audit,
    Drain,
    Material,
    Records,
    Revision,
    Work,
    now,
    shortened,
)
from raddle.controller.service.store import StoreError
from raddle.errors import RaddleError
from raddle.units import counted

CONTROLLER = "controller"
"""Who did it, where nobody asked for it."""

Push = Callable[[Desired], tuple[SwitchResult, ...]]
"""Makes all switches as wanted."""


class Updates:
    """The revisions of a fabric. `push` is what brings one to the switches."""

    def __init__(self, records: Records, planner: Planner, bus: Bus, goes_back: bool) -> None:
        self._records, self._planner, self._bus = records, planner, bus
        self._goes_back = goes_back

    def plan(
        self, material: Material, drains: Iterable[Drain], dead: Collection[str] = frozenset()
    ) -> Desired:
        """A plan for what was read, without what is drained. Pins stay where they are without drains.

        Args:
            dead: links, as `Desired.links` names them, that a drain must not count on.
        """
        fabric, demand = self._planner.fabric(material)
        given = tuple(drains)
        with_drains(without_links(fabric, dead), given)
        drained = with_drains(fabric, given)
        held = self._planner.plan(material, fabric, None)
        if drained is not fabric:
            of_file = held.fabric_digest  # drains are no change of it
            held = replace(self._planner.plan(material, drained, held.plan), fabric_digest=of_file)
        return Desired(drained, held, demand)

    def bring_back(
        self, revision: Revision, drains: tuple[Drain, ...], dead: Collection[str] = frozenset()
    ) -> Desired:
        """A revision as it was planned; anew without those of its drains that are over.

        Raises:
            InputError: `drain-cuts-off`, with the links that are dead now.
        """
        if drains != revision.drains:
            return self.plan(self._records.material(revision), drains, dead)
        desired = self.load(revision)
        fabric, _ = self._planner.fabric(self._records.material(revision))
        with_drains(without_links(fabric, dead), drains)
        return desired

    def load(self, revision: Revision) -> Desired:
        """A revision as it was planned then."""
        fabric, demand = self._planner.fabric(self._records.material(revision))
        drained = with_drains(fabric, revision.drains)
        return Desired(drained, self._records.plan(revision), demand)

    def begin(
        self,
        who: str,
        what: str,
        why: str,
        material: Material,
        drains: tuple[Drain, ...],
        desired: Desired,
        before: Desired | None,
    ) -> tuple[Revision, Work]:
        """Put by what is wanted; from now on it will be carried out."""
        lines = change_lines(diff_plans(before.held.plan, desired.held.plan)) if before else ["all switches"]
        number, entry = self._records.next_revision(), self._records.next_audit()
        time_ = now()
        audit = Audit(entry, time_, who, what, why, BEGUN, number, diff=shortened(lines))
        revision = Revision(number, time_, who, what, why, material.origin, "", "", drains)
        revision = self._records.begin(revision, material, desired.held, audit, self._records.desired)
        self._bus.tell(
            "update",
            f"revision {number}, {what}, begins ({counted(len(lines), 'change', 'changes')} of the plan)",
        )
        return revision, Work(number, self._records.desired, entry)

    def carry_out(
        self, revision: Revision, work: Work, desired: Desired, before: Desired | None, push: Push
    ) -> tuple[Revision, Desired]:
        """Bring a revision to the switches, or put back what was before; returns what came of it, and what
        the switches are to hold now."""
        began_s = time.monotonic()
        reason = work.reason
        if not work.is_back:
            try:
                results = push(desired)
                reason = _failure(results)
            except AbortedError as error:
                results, reason = (), f"aborted by {error}"
            except StoreError:
                raise
            except RaddleError as error:
                results, reason = (), f"refused: {_first_line(error)}"
            if not (reason and before and (self._goes_back or not results)):
                outcome = reason or _outcome(results)
                return self._end(revision, work, outcome, began_s), desired
            work = self._records.turn_back(work, reason)
            self._bus.tell("update", f"revision {revision.number} is taken back: {reason}")
        assert before, "there is something to go back to"
        while True:
            try:
                outcome = f"revision {work.before} is back, {_outcome(push(before))}"
                break
            except AbortedError:
                continue  # the way back is not aborted
            except StoreError:
                raise
            except RaddleError as error:
                outcome = f"revision {work.before} is not back: {_first_line(error)}"
                break
        outcome = f"taken back ({reason}): {outcome}"
        return self._end(revision, work, outcome, began_s, is_back=True), before

    def _end(
        self, revision: Revision, work: Work, outcome: str, began_s: float, is_back: bool = False
    ) -> Revision:
        done = replace(revision, outcome=outcome)
        entry = self._records.next_audit()
        audit = Audit(
            entry, now(), revision.who, revision.what, revision.why, outcome, revision.number, work.audit
        )
        self._records.finish(done, audit, work.before if is_back else revision.number)
        spent_s = time.monotonic() - began_s
        self._bus.tell("update", f"revision {revision.number}: {outcome}", seconds=spent_s)
        return done


def _first_line(error: RaddleError) -> str:
    return str(error).partition("\n")[0]


def change_lines(changes: Iterable[Change]) -> list[str]:
    """Changes, a line each."""
    return [
        f"{each.switch} {each.path}: {each.before or '(nothing)'} -> {each.after or '(nothing)'}"
        for each in changes
    ]


def write_lines(writes: Mapping[str, Iterable[Write]]) -> list[str]:
    """Routes that change, a line each: the ports that they lead to."""
    return [
        f"{each.switch} routes/{each.prefix}: {_ports(each.before)} -> {_ports(each.after)}"
        for own in writes.values()
        for each in own
    ]


def _ports(hops: Iterable[NextHop]) -> str:
    return ", ".join(hop.port for hop in hops) or "(nothing)"


def _failure(results: Iterable[SwitchResult]) -> str:
    """Why an update is to be taken back: a switch has refused it, or is not well with it."""
    for each in results:
        if each.state == "failed" and not each.doubts:
            return each.error.partition("\n")[0]
    return ""


def _outcome(results: Iterable[SwitchResult]) -> str:
    """`done`, and what is left for later."""
    left = [f"{each.switch} {_why_left(each)}" for each in results if not each.is_in_sync]
    return "done" if not left else f"done but for {'; '.join(left[:5])}" + ("; ..." if len(left) > 5 else "")


def _why_left(result: SwitchResult) -> str:
    if result.doubts:
        return "is another switch"
    if result.bootstrap and result.state == "changes":
        return "needs a new config_db.json"
    return result.state
