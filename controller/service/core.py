"""The controller's one thread of change: it hears notices and orders, and brings switches to what is wanted.

Orders (`apply`, `drain`, ...) may come from any thread; they are carried out one after the other, by the
thread that is in `run`, and each gives back a future.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from raddle.controller.plan.diff import diff_plans
from raddle.controller.service.congestion.finding import Finding
from raddle.controller.service.congestion.keeper import Keeper, Orders, Present
from raddle.controller.service.congestion.loads import LoadOf
from raddle.controller.service.desired import (
    CutOff,
    Desired,
    Planner,
    bearable_drains,
    place_of,
    without_links,
)
from raddle.controller.service.events import Bus
from raddle.controller.service.gate import StoppedError, UpdateGate
from raddle.controller.service.records import (
    Audit,
    Controls,
    Drain,
    Material,
    Records,
    Revision,
    now,
)
from raddle.controller.service.settings import Settings
from raddle.controller.service.store import Store, StoreError
from raddle.controller.service.switches import Switches
from raddle.controller.service.updates import CONTROLLER, Updates, change_lines
from raddle.controller.service.upkeep import Upkeep
from raddle.controller.service.watch.notice import Notice
from raddle.controller.spans import NOT_TRACED, Span
from raddle.errors import InputError, RaddleError
from raddle.units import few

T = TypeVar("T")

_TICK_S = 0.5
_PROBLEM_S = 2.0
"""Until what could not be done unasked is tried again."""
_UNDRAIN_S = 300.0
"""Until a drain whose time is over and whose end was taken back is ended again."""

_LIFT_S = 300.0
"""Until drained links that are needed are put to use again, where that was taken back."""

_ARRIVAL_S = 3.0
"""How long the first update waits for switches to be watched."""


class Controller:
    """Holds a fabric's switches at what is wanted, for as long as `run` runs.

    Attributes:
        bus: tells what happens.
        records: what is remembered.
        is_running: the thread of change is there.
        turned_s: when it last came round (clock of `time.monotonic`).
    """

    def __init__(
        self,
        store: Store,
        planner: Planner,
        settings: Settings,
        bus: Bus | None = None,
        term: int = 0,
        spans: Span = NOT_TRACED,
    ) -> None:
        """
        Args:
            term: number of this controller's lead; 0 where there is but one.
            spans: makes a span of each update, repair and mend.
        """
        self.bus = bus or Bus()
        self.records = Records(store)
        self.settings = settings
        self._planner, self._spans = planner, spans
        self._gate = UpdateGate()
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._orders: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._is_over = False
        self._updates = Updates(self.records, planner, self.bus, settings.goes_back)
        orders = Orders(self._move, self._move_back, self._plan_move)
        self._congestion = Keeper(settings, self.bus, planner, orders)
        heard = self._congestion.hear, self._congestion.lose
        self._upkeep = Upkeep(self.records, settings, self.bus, self._gate, term, self._notice, heard, spans)
        self._present: Present | None = None
        self._pause_until_s = self._undrain_s = self._lift_s = 0.0
        self.is_running = False
        self.turned_s = time.monotonic()

    @property
    def switches(self) -> Switches:
        """What is known of each switch."""
        return self._upkeep.switches

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

    def abort(self, who: str, why: str = "") -> None:
        """Take back the update under way.

        Raises:
            InputError: `nothing-to-abort`.
        """
        if self.records.work is None:
            raise InputError.of(
                "nothing-to-abort", "no update is under way", "'raddle controller history' lists them"
            )
        self.bus.tell("state", f"abort asked for by {who}")
        self._gate.abort(who, why)

    @property
    def fabric(self) -> str:
        """Its name; empty before the first revision."""
        return self._upkeep.desired.fabric.name if self._upkeep.desired else ""

    @property
    def congestion(self) -> tuple[Finding, ...]:
        """What is found and lasts."""
        return self._congestion.held

    def loads(self) -> LoadOf:
        """What each port did between the last two readings of its switch."""
        return self._congestion.loads

    @property
    def is_paused(self) -> bool:
        return self._gate.is_paused

    @property
    def revision(self) -> Revision | None:
        """The one that the switches are to hold."""
        return self._upkeep.revision

    @property
    def dead_links(self) -> tuple[str, ...]:
        """Links between switches that routes lead around."""
        return tuple(sorted(self._upkeep.repairs.dead))

    @property
    def cut_off(self) -> CutOff:
        """Whom dead links have left without a way."""
        return self._upkeep.cut_off

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
        with self._upkeep.pusher.alone(self.records.shared_as):
            self.records.share(self._upkeep.pusher.ledger)
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
                self._upkeep.close()

    def _turn(self) -> None:
        self.turned_s = time.monotonic()
        self._hear(self._wait_s())
        self._carry_out_orders()
        if self._gate.is_paused or self._gate.is_stopped or time.monotonic() < self._pause_until_s:
            self._upkeep.look_for_cut_off()
            return
        try:
            self._undrain_due()
            self._upkeep.repair()
            self._lift_drains(self._upkeep.look_for_cut_off())
            if names := self.switches.due(time.monotonic()):
                self._upkeep.compare(names)
            self._upkeep.put_by(is_calm_only=True)
            self._upkeep.sweep()
            self._look_for_congestion()
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
            self._upkeep.watchers.look(time.monotonic())

    def _wait_s(self) -> float:
        now_s = time.monotonic()
        at_s = min(self.switches.next_due_s() - now_s, self._upkeep.repairs.wait_s(now_s))
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
            self._upkeep.finish(each, "interrupted; all switches are compared again")
        revision = self.records.revision(self.records.desired)
        work = self.records.work
        if revision is None and work is None:
            self._upkeep.hold(None, self._updates.plan(self._planner.read(), ()))
            self._await_switches()
            self._apply(CONTROLLER, "first start")
            return
        if revision:
            self._upkeep.hold(revision, self._updates.load(revision))
        if work:
            wanted = self.records.revision(work.revision)
            assert wanted, "a revision is written with its work"
            desired = self._updates.load(wanted)
            if self._upkeep.desired is None:
                self._upkeep.watch(desired)
            self._await_switches()
            self.bus.tell("update", f"revision {wanted.number} was left under way and goes on")
            with self._spans.child("update", revision=wanted.number, what=wanted.what) as span:
                push = partial(self._upkeep.push, span)
                done, held = self._updates.carry_out(wanted, work, desired, self._upkeep.desired, push)
                span.note(outcome=done.outcome)
            self._upkeep.hold(self._upkeep.revision if held is self._upkeep.desired else done, held)

    def _await_switches(self) -> None:
        """Give the watches a moment, so that switches are not compared again right after the update."""
        end_s = time.monotonic() + _ARRIVAL_S
        while time.monotonic() < end_s and not all(
            each.is_connected for each in self.switches.views.values()
        ):
            self._hear(0.05)

    def _notice(self, notice: Notice) -> None:
        self._inbox.put(partial(self._upkeep.take_notice, notice))

    # Orders, in the thread of change.

    def _preview(self) -> tuple[str, ...]:
        desired = self._updates.plan(self._planner.read(), self._drains)
        held = self._upkeep.desired.held.plan if self._upkeep.desired else None
        return tuple(change_lines(diff_plans(held, desired.held.plan))) if held else ("all switches",)

    def _apply(self, who: str, why: str) -> Revision:
        self._require_going()
        self._upkeep.pusher.reload()
        material = self._planner.read()
        return self._update(who, "apply", why, material, self._drains)

    def _rollback(self, who: str, why: str, number: int) -> Revision:
        self._require_going()
        revision = self.records.revision(number)
        if revision is None:
            known = self.records.next_revision() - 1
            raise InputError.of("no-such-revision", f"there is no revision {number}; there are 1 to {known}")
        moment = datetime.now(UTC)
        drains = tuple(each for each in revision.drains if not each.is_over(moment))
        desired = self._updates.bring_back(revision, drains, self._upkeep.repairs.dead)
        material = self.records.material(revision)
        return self._update(who, f"rollback to {number}", why, material, drains, desired)

    def _drain(self, who: str, why: str, switch: str, until: str) -> Revision:
        self._require_going()
        place = self._place(switch)
        drains = (*self._drains_but(place), Drain(place, until))
        return self._update_drains(who, f"drain {place}" + (f" until {until}" if until else ""), why, drains)

    def _undrain(self, who: str, why: str, switch: str) -> Revision:
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
        return self._update(who, what, why, self.records.material(self._upkeep.revision), drains)

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

    def _replace(self, who: str, why: str, switch: str) -> str:
        self._require_going()
        return self._upkeep.replace(who, why, switch)

    def _note_control(self, who: str, why: str, word: str, is_paused: bool) -> None:
        audit = Audit(self.records.next_audit(), now(), who, word, why, "done")
        self.records.set_controls(Controls(is_paused), audit)

    @property
    def _drains(self) -> tuple[Drain, ...]:
        return self._upkeep.revision.drains if self._upkeep.revision else ()

    def _require_going(self) -> None:
        if self._gate.is_paused:
            raise InputError.of(
                "paused", "the controller is paused", "'raddle controller resume' lets it go on"
            )

    # What is done unasked.

    def _undrain_due(self) -> None:
        if time.monotonic() < self._undrain_s:
            return
        moment = datetime.now(UTC)
        for drain in self._drains:
            if not drain.is_over(moment):
                continue
            done = self._undrain(CONTROLLER, f"the drain was until {drain.until}", drain.switch)
            if drain in self._drains:
                self.bus.tell("problem", f"{drain.switch} stays drained: {done.outcome}", drain.switch)
                self._undrain_s = time.monotonic() + _UNDRAIN_S
                return

    def _lift_drains(self, is_new: bool) -> None:
        """Put drained links to use where dead ones leave hosts no other way."""
        cut_off, revision = self._upkeep.cut_off, self._upkeep.revision
        if not (cut_off.names and self._drains and revision) or not (
            is_new or time.monotonic() >= self._lift_s
        ):
            return
        self._lift_s = time.monotonic() + _LIFT_S
        fabric, _ = self._planner.fabric(self.records.material(revision))
        kept = bearable_drains(without_links(fabric, self._upkeep.repairs.dead), self._drains)
        if lifted := [each.switch for each in self._drains if each not in kept]:
            why = f"{few(cut_off.names)}: no other way leads there"
            self._update_drains(CONTROLLER, f"undrain {', '.join(lifted)}", why, kept)

    # Congestion.

    def _look_for_congestion(self) -> None:
        revision, desired = self._upkeep.revision, self._upkeep.desired
        if not self.settings.congestion_s or revision is None or desired is None:
            return
        dead, present = self._upkeep.repairs.dead & desired.links.keys(), self._present
        if present is None or (present.revision.number, present.dead) != (revision.number, dead):
            self._present = Present(revision, self.records.material(revision), desired, dead)
        assert self._present
        self._congestion.look(self._present, time.monotonic())

    def _plan_move(self, material: Material, drains: tuple[Drain, ...]) -> Desired:
        return self._updates.plan(material, drains, self._upkeep.repairs.dead)

    def _move(
        self, what: str, why: str, material: Material, drains: tuple[Drain, ...], desired: Desired
    ) -> Revision:
        return self._update(CONTROLLER, what, why, material, drains, desired)

    def _move_back(self, why: str, number: int) -> Revision:
        return self._rollback(CONTROLLER, why, number)
