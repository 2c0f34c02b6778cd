"""The controller's one thread of change: it hears notices and orders, and brings switches to what is wanted.

Orders (`apply`, `drain`, ...) may come from any thread; they are carried out one after the other, by the
thread that is in `run`, and each gives back a future.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from raddle.controller.plan.diff import diff_plans
from raddle.controller.reconcile import SwitchResult
from raddle.controller.service.desired import Desired, Planner
from raddle.controller.service.events import Bus
from raddle.controller.service.express import Express
from raddle.controller.service.gate import AbortedError, StoppedError, UpdateGate
from raddle.controller.service.pusher import Pusher
from raddle.controller.service.records import (
    BEGUN,
    Audit,
    Controls,
    Drain,
    Material,
    Records,
    Revision,
    now,
    shortened,
)
from raddle.controller.service.rendered import Rendered, Rows
from raddle.controller.service.repairs import Repairs
from raddle.controller.service.settings import Settings
from raddle.controller.service.store import Store, StoreError
from raddle.controller.service.switches import Switches, SwitchView
from raddle.controller.service.updates import CONTROLLER, Updates, change_lines, write_lines
from raddle.controller.service.watch.notice import Notice
from raddle.controller.service.watchers import Watchers
from raddle.controller.southbound.sonic.tables import Tables
from raddle.errors import InputError, RaddleError

T = TypeVar("T")

_TICK_S = 0.5
_PROBLEM_S = 2.0
"""Until what could not be done unasked is tried again."""
_UNDRAIN_S = 300.0
"""Until a drain whose time is over and whose end was taken back is ended again."""

_ARRIVAL_S = 3.0
"""How long the first update waits for switches to be watched."""


class Controller:
    """Holds a fabric's switches at what is wanted, for as long as `run` runs.

    Attributes:
        bus: tells what happens.
        switches: what is known of each switch.
        records: what is remembered.
        is_running: the thread of change is there.
        turned_s: when it last came round (clock of `time.monotonic`).
    """

    def __init__(
        self, store: Store, planner: Planner, settings: Settings, bus: Bus | None = None, term: int = 0
    ) -> None:
        self.bus = bus or Bus()
        self.records = Records(store)
        self.switches = Switches()
        self.settings = settings
        self._planner = planner
        self._gate = UpdateGate()
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._orders: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._is_over = False
        self._pusher = Pusher(settings, self._gate, term)
        self._updates = Updates(self.records, planner, self.bus, settings.goes_back)
        self._repairs = Repairs(settings.repairs)
        self._watchers = Watchers(self._pusher, self._wanted, self._notice, settings.sample_s)
        self._express = Express(self._pusher)
        self._rendered = Rendered()
        self._revision: Revision | None = None
        self._desired: Desired | None = None
        self._target: Desired | None = None
        self._owes: set[str] = set()
        self._swept_s = time.monotonic()
        self._pause_until_s = self._undrain_s = 0.0
        self.is_running = False
        self.turned_s = time.monotonic()

    # Orders, from any thread.

    def apply(self, who: str, why: str) -> Future[Revision]:
        """Read the desired state again and bring it to the switches."""
        return self._order(partial(self._apply, who, why))

    def reload(self) -> None:
        """As `apply`, for a signal: what is wrong is told to all who listen."""

        def tell(done: Future[Revision]) -> None:
            if error := done.exception():
                self.bus.tell("problem", f"reload: {error}")

        self.apply("SIGHUP", "reload").add_done_callback(tell)

    def preview(self) -> Future[tuple[str, ...]]:
        """What `apply` would change of the plan, in lines; nothing is sent."""
        return self._order(self._preview)

    def rollback(self, who: str, why: str, number: int) -> Future[Revision]:
        """Bring back a revision of before, as a new one."""
        return self._order(partial(self._rollback, who, why, number))

    def drain(self, who: str, why: str, switch: str, until: str = "") -> Future[Revision]:
        """Lead traffic around a switch, until a time (ISO 8601) where one is given."""
        return self._order(partial(self._drain, who, why, switch, until))

    def undrain(self, who: str, why: str, switch: str) -> Future[Revision]:
        return self._order(partial(self._undrain, who, why, switch))

    def replace(self, who: str, why: str, switch: str) -> Future[str]:
        """Take another box for a switch, if hostname, HwSKU, platform and neighbours fit."""
        return self._order(partial(self._replace, who, why, switch))

    def pause(self, who: str, why: str, is_paused: bool) -> None:
        """Take no further step, or go on. What is told of switches is still heard."""
        self._gate.pause(is_paused)
        word = "pause" if is_paused else "resume"
        self._order(partial(self._note_control, who, why, word, is_paused))
        self.bus.tell("state", f"{word}d by {who}" if is_paused else f"resumed by {who}")

    def abort(self, who: str) -> None:
        """Take back the update under way.

        Raises:
            InputError: `nothing-to-abort`.
        """
        if self.records.work is None:
            raise InputError.of(
                "nothing-to-abort", "no update is under way", "'raddle controller history' lists them"
            )
        self.bus.tell("state", f"abort asked for by {who}")
        self._gate.abort()

    @property
    def fabric(self) -> str:
        """Its name; empty before the first revision."""
        return self._desired.fabric.name if self._desired else ""

    @property
    def is_paused(self) -> bool:
        return self._gate.is_paused

    @property
    def revision(self) -> Revision | None:
        """The one that the switches are to hold."""
        return self._revision

    @property
    def dead_links(self) -> tuple[str, ...]:
        """Links between switches that routes lead around."""
        return tuple(sorted(self._repairs.dead))

    def stop(self) -> None:
        """End `run` before its next step."""
        self._gate.stop()
        self._inbox.put(lambda: None)

    # The thread of change.

    def run(self) -> None:
        """Hold the switches at what is wanted, until stopped.

        Raises:
            InputError: `locked`, somebody else is at these switches; the desired state cannot be used.
            StoreError: what is done cannot be recorded.
        """
        with self._pusher.ledger.locked("controller run"):
            self.records.share(self._pusher.ledger)
            self.is_running = True
            try:
                self._resume()
                while not self._gate.is_stopped:
                    self._turn()
            except StoppedError:
                pass
            finally:
                self.is_running, self._is_over = False, True
                self._refuse_orders()
                self._watchers.stop()
                self._express.close()

    def _turn(self) -> None:
        self.turned_s = time.monotonic()
        self._hear(self._wait_s())
        self._carry_out_orders()
        if self._gate.is_paused or self._gate.is_stopped or time.monotonic() < self._pause_until_s:
            return
        try:
            self._undrain_due()
            self._repair()
            if names := self.switches.due(time.monotonic()):
                self._compare(names)
            self._sweep()
        except StoreError:
            raise
        except RaddleError as error:
            self.bus.tell("problem", str(error).partition("\n")[0])
            self._pause_until_s = time.monotonic() + _PROBLEM_S

    def _hear(self, wait_s: float) -> None:
        """Take in the notices that have come, and wait for something to come."""
        try:
            self._inbox.get(timeout=wait_s)()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            self._watchers.look(time.monotonic())

    def _wait_s(self) -> float:
        now_s = time.monotonic()
        at_s = min(self.switches.next_due_s() - now_s, self._repairs.wait_s(now_s))
        return min(_TICK_S, max(0.0, at_s))

    def _order(self, action: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._orders.put((future, action))
        self._inbox.put(lambda: None)
        if self._is_over:
            self._refuse_orders()
        return future

    def _carry_out_orders(self) -> None:
        while not self._orders.empty():
            future, action = self._orders.get_nowait()
            try:
                future.set_result(action())
            except StoppedError:
                future.set_exception(InputError.of("stopped", "the controller ends; the next start goes on"))
                raise
            except RaddleError as error:
                future.set_exception(error)
                if isinstance(error, StoreError):
                    raise

    def _refuse_orders(self) -> None:
        """Nobody is left who could carry them out."""
        with suppress(queue.Empty):
            while True:
                future, _ = self._orders.get_nowait()
                future.set_exception(InputError.of("stopped", "the controller ends; give the order again"))

    def _resume(self) -> None:
        """Take up what was left, or begin."""
        self._gate.pause(self.records.controls.is_paused)
        for each in self.records.left_open():
            self._finish(each, "interrupted; all switches are compared again")
        revision = self.records.revision(self.records.desired)
        work = self.records.work
        if revision is None and work is None:
            self._hold(None, self._updates.plan(self._planner.read(), ()))
            self._await_switches()
            self._apply(CONTROLLER, "first start")
            return
        if revision:
            self._hold(revision, self._updates.load(revision))
        if work:
            wanted = self.records.revision(work.revision)
            assert wanted, "a revision is written with its work"
            desired = self._updates.load(wanted)
            if self._desired is None:
                self._watch(desired)
            self._await_switches()
            self.bus.tell("update", f"revision {wanted.number} was left under way and goes on")
            done, held = self._updates.carry_out(wanted, work, desired, self._desired, self._push)
            self._hold(self._revision if held is self._desired else done, held)

    def _await_switches(self) -> None:
        """Give the watches a moment, so that switches are not compared again right after the update."""
        end_s = time.monotonic() + _ARRIVAL_S
        while time.monotonic() < end_s and not all(
            each.is_connected for each in self.switches.views.values()
        ):
            self._hear(0.05)

    def _hold(self, revision: Revision | None, desired: Desired) -> None:
        """This is what the switches are to hold."""
        self._revision, self._desired = revision, desired
        self._watch(desired)
        self._repairs.prepare(desired)

    def _watch(self, desired: Desired) -> None:
        plan, inventory = desired.held.plan, self._pusher.inventory
        datapaths = {name: f"{number:016x}" for name, number in inventory.datapaths.items()}
        self.switches.keep(plan.switches, {**inventory.addresses, **datapaths})
        self._target = self._repairs.target(desired, self.switches.down, time.monotonic())
        self._watchers.keep(plan)
        self._express.open(each.name for each in plan.switches if each.nos == "sonic")

    def _wanted(self, switch: str) -> Tables:
        plan = self._target.switches.get(switch) if self._target else None
        return self._rendered.tables(plan) if plan else {}

    def _notice(self, notice: Notice) -> None:
        self._inbox.put(partial(self._take_notice, notice))

    def _take_notice(self, notice: Notice) -> None:
        view = self.switches.views.get(notice.switch)
        if view is None:
            return
        if notice.kind == "connected":
            if not view.is_connected:
                self.bus.tell("connected", "answers", notice.switch)
            view.is_connected = True
            view.mark(notice.heard_s)
        elif notice.kind == "gone":
            if view.is_connected or view.state != "unreachable":
                self.bus.tell("gone", notice.text, notice.switch)
            view.is_connected = False
            view.become("unreachable", notice.text)
        elif notice.kind == "changed":
            view.mark(notice.heard_s, view.pause_s(notice.heard_s))
        else:
            for port in sorted(self.switches.set_down(notice.switch, notice.down)):
                is_down = port in notice.down
                self.bus.tell("link-down" if is_down else "link-up", f"{notice.switch}:{port}", notice.switch)

    # Orders, in the thread of change.

    def _preview(self) -> tuple[str, ...]:
        desired = self._updates.plan(self._planner.read(), self._drains)
        held = self._desired.held.plan if self._desired else None
        return tuple(change_lines(diff_plans(held, desired.held.plan))) if held else ("all switches",)

    def _apply(self, who: str, why: str) -> Revision:
        self._require_going()
        self._pusher.reload()
        material = self._planner.read()
        return self._update(who, "apply", why, material, self._drains)

    def _rollback(self, who: str, why: str, number: int) -> Revision:
        self._require_going()
        revision = self.records.revision(number)
        if revision is None:
            known = self.records.next_revision() - 1
            raise InputError.of("no-such-revision", f"there is no revision {number}; there are 1 to {known}")
        desired = self._updates.load(revision)
        material = self.records.material(revision)
        return self._update(who, f"rollback to {number}", why, material, revision.drains, desired)

    def _drain(self, who: str, why: str, switch: str, until: str) -> Revision:
        self._require_going()
        drains = (*(each for each in self._drains if each.switch != switch), Drain(switch, until))
        return self._update_drains(who, f"drain {switch}" + (f" until {until}" if until else ""), why, drains)

    def _undrain(self, who: str, why: str, switch: str) -> Revision:
        self._require_going()
        left = tuple(each for each in self._drains if each.switch != switch)
        if len(left) == len(self._drains):
            names = ", ".join(each.switch for each in self._drains) or "no switch is"
            raise InputError.of("not-drained", f"'{switch}' is not drained by the controller; {names}")
        return self._update_drains(who, f"undrain {switch}", why, left)

    def _update_drains(self, who: str, what: str, why: str, drains: tuple[Drain, ...]) -> Revision:
        assert self._revision, "there is a revision before orders are heard"
        return self._update(who, what, why, self.records.material(self._revision), drains)

    def _update(
        self,
        who: str,
        what: str,
        why: str,
        material: Material,
        drains: tuple[Drain, ...],
        desired: Desired | None = None,
    ) -> Revision:
        wanted = desired or self._updates.plan(material, drains, self._repairs.dead)
        before = self._desired if self._revision else None
        revision, work = self._updates.begin(who, what, why, material, drains, wanted, before)
        done, held = self._updates.carry_out(revision, work, wanted, before, self._push)
        self._hold(self._revision if held is not wanted else done, held)
        return done

    def _replace(self, who: str, why: str, switch: str) -> str:
        self._require_going()
        if switch not in self.switches.views:
            raise InputError.of("unknown-device", f"no switch '{switch}' in this fabric")
        assert self._target, "there is a revision before orders are heard"
        [found] = self._pusher.check(self._target.held, [switch], unknown=[switch])
        if not found.is_reached:
            raise InputError.of("not-there", f"{switch} does not answer: {found.error.partition(chr(10))[0]}")
        if found.doubts:
            raise InputError.of(
                "does-not-fit",
                f"what is at {found.address} cannot stand for {switch}: {'; '.join(found.doubts)}",
                "mend what is wrong with it, or the inventory",
            )
        before = dict(self._pusher.identity(self._target.held, switch))
        lines = [f"{name}: {before.get(name, '')} -> {value}" for name, value in found.identity.items()]
        begun = self._begin(who, f"replace {switch}", why, lines)
        self._pusher.ledger.accept(self._target.held.plan.fabric, switch)
        mine = [each for each in self._reach(None) if each.switch == switch]
        left = mine[0].error or mine[0].held or mine[0].state if mine else "aborted"
        outcome = "done" if mine and mine[0].is_in_sync else left
        self._finish(begun, outcome)
        return outcome

    def _note_control(self, who: str, why: str, word: str, is_paused: bool) -> None:
        audit = Audit(self.records.next_audit(), now(), who, word, why, "done")
        self.records.set_controls(Controls(is_paused), audit)

    @property
    def _drains(self) -> tuple[Drain, ...]:
        return self._revision.drains if self._revision else ()

    def _require_going(self) -> None:
        if self._gate.is_paused:
            raise InputError.of(
                "paused", "the controller is paused", "'raddle controller resume' lets it go on"
            )

    # What is done unasked.

    def _push(self, desired: Desired) -> tuple[SwitchResult, ...]:
        """Bring a plan to switches, around dead links."""
        began_s = time.monotonic()
        self._gate.forget_abort()
        self._watch(desired)
        assert self._target
        results = self._pusher.apply(self._target.held)
        self._take_results(results, began_s)
        return results

    def _take_results(self, results: Iterable[SwitchResult], began_s: float) -> None:
        for each in results:
            view = self.switches.views[each.switch]
            if each.is_reached and view.due_s < began_s and not each.error:
                view.is_due = False
            if view.take(each):
                self._tell_of(view)
            (self._owes.discard if each.is_in_sync else self._owes.add)(each.switch)

    def _tell_of(self, view: SwitchView) -> None:
        kind = "stranger" if view.state == "stranger" else "switch"
        self.bus.tell(kind, f"{view.state}: {view.text}" if view.text else view.state, view.name)

    def _repair(self) -> None:
        """Lead routes around links that are dead, and back over those that have recovered."""
        assert self._desired
        assert self._target
        began_s = time.monotonic()
        before, dead = self._target, self._repairs.dead
        target = self._repairs.target(self._desired, self.switches.down, began_s)
        if self._repairs.dead == dead:
            return
        lost, back = sorted(self._repairs.dead - dead), sorted(dead - self._repairs.dead)
        what = "; ".join([f"{each} is down" for each in lost] + [f"{each} is back" for each in back])
        changed = before.writes_to(target)
        rows = {
            name: self._rendered.follow(before.switches[name], target.switches[name], writes)
            for name, writes in changed.items()
            if target.switches[name].nos == "sonic" and self.switches.views[name].is_connected
        }
        self._target = target
        if not changed:
            self.bus.tell("repair", f"{what}: switches repair that by themselves")
            return
        begun = self._begin(CONTROLLER, "repair", what, write_lines(changed))
        if lost and all(target.switches[name].nos == "sonic" for name in changed):
            self._owes |= changed.keys() - rows.keys()
            outcome = self._send_at_once(rows)
        else:
            outcome = _summary(self._reach(changed))
        spent_s = time.monotonic() - began_s
        self.bus.tell("repair", f"{what}: routes of {len(changed)} switches, {outcome}", seconds=spent_s)
        self._finish(begun, outcome)
        self._pusher.ledger.follow(target.held)

    def _send_at_once(self, rows: Mapping[str, tuple[Rows, Rows]]) -> str:
        """Send one message to each switch; those at which it does not come out well are compared next."""
        wrong = {name: text for name, text in self._express.send(rows).items() if text}
        for name, text in wrong.items():
            self.bus.tell("problem", text, name)
            self._owes.add(name)
            self.switches.views[name].mark(time.monotonic())
        return f"done but for {', '.join(wrong)}" if wrong else "done"

    def _compare(self, names: Collection[str]) -> None:
        """Compare switches with the plan, and mend what is not as planned where that is wanted."""
        assert self._target
        began_s = time.monotonic()
        for name in names:
            self.switches.views[name].is_due = False
        todo = []
        for each in self._pusher.check(self._target.held, names):
            view = self.switches.views[each.switch]
            is_new = view.take(each)
            if is_new:
                self._tell_of(view)
            if each.doubts and self.settings.replacement == "allow":
                self._try_to_replace(each.switch)
            elif each.planned_sets and each.changes and not (each.doubts or each.error or each.held):
                if is_new:
                    self.bus.tell(
                        "drift", f"{len(each.changes)} entries, the first {each.changes[0].path}", each.switch
                    )
                if self.settings.drift == "mend" or each.switch in self._owes:
                    todo.append(each)
        if todo:
            self._mend(todo, began_s)

    def _mend(self, found: list[SwitchResult], began_s: float) -> None:
        names = [each.switch for each in found]
        is_owed = bool(self._owes & set(names))
        changes = [change for each in found for change in each.changes]
        why = "they had missed an update" if is_owed else "not as planned"
        begun = self._begin(CONTROLLER, f"mend {', '.join(names)}", why, change_lines(changes))
        # What has missed an update may have held up others: those finish, too.
        results = self._reach(None if is_owed else names)
        for name in names:
            self.switches.views[name].mended(time.monotonic())
        outcome = _summary(results)
        self._finish(begun, outcome)
        self.bus.tell("mend", f"{', '.join(names)}: {outcome}", seconds=time.monotonic() - began_s)

    def _reach(self, only: Collection[str] | None) -> tuple[SwitchResult, ...]:
        """Program switches for what is wanted already."""
        began_s = time.monotonic()
        assert self._target
        self._gate.forget_abort()
        try:
            results = self._pusher.apply(self._target.held, only)
        except AbortedError:
            return ()
        self._take_results(results, began_s)
        return results

    def _try_to_replace(self, switch: str) -> None:
        try:
            self._replace(CONTROLLER, "the policy allows it", switch)
        except InputError as error:
            self.bus.tell("stranger", error.diagnostics[0].message, switch)

    def _undrain_due(self) -> None:
        if time.monotonic() < self._undrain_s:
            return
        moment = datetime.now(UTC)
        for drain in self._drains:
            if not drain.until or datetime.fromisoformat(drain.until) > moment:
                continue
            done = self._undrain(CONTROLLER, f"the drain was until {drain.until}", drain.switch)
            if drain in self._drains:
                self.bus.tell("problem", f"{drain.switch} stays drained: {done.outcome}", drain.switch)
                self._undrain_s = time.monotonic() + _UNDRAIN_S
                return

    def _sweep(self) -> None:
        now_s = time.monotonic()
        if now_s - self._swept_s >= self.settings.sweep_s:
            self._swept_s = now_s
            for view in self.switches.views.values():
                view.mark(now_s)

    def _begin(self, who: str, what: str, why: str, lines: list[str]) -> Audit:
        revision = self._revision.number if self._revision else 0
        audit = Audit(
            self.records.next_audit(), now(), who, what, why, BEGUN, revision, diff=shortened(lines)
        )
        self.records.note(audit)
        return audit

    def _finish(self, begun: Audit, outcome: str) -> None:
        self.records.note(
            replace(
                begun,
                number=self.records.next_audit(),
                time=now(),
                outcome=outcome,
                began=begun.number,
                diff=(),
            )
        )


def _summary(results: Iterable[SwitchResult]) -> str:
    left = [f"{each.switch} {each.state}" for each in results if not each.is_in_sync]
    return f"done but for {', '.join(left)}" if left else "done"
