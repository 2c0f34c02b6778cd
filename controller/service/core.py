"""The controller's one thread of change: it hears notices and orders, and brings switches to what is wanted.

Orders (`apply`, `drain`, ...) may come from any thread; they are carried out one after the other, by the
thread that is in `run`, and each gives back a future.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from raddle.controller.service.changes import Changes
from raddle.controller.service.congestion.finding import Finding
from raddle.controller.service.congestion.keeper import Keeper, Orders, Present
from raddle.controller.service.congestion.loads import LoadOf
from raddle.controller.service.desired import CutOff, Planner
from raddle.controller.service.events import Bus
from raddle.controller.service.gate import StoppedError, UpdateGate
from raddle.controller.service.orders import OrderQueue
from raddle.controller.service.records import Audit, Controls, Records, Revision, now
from raddle.controller.service.settings import Settings
from raddle.controller.service.store import Store, StoreError
from raddle.controller.service.switches import Switches
from raddle.controller.service.updates import Updates
from raddle.controller.service.upkeep import Upkeep
from raddle.controller.service.watch.notice import Notice
from raddle.controller.spans import NOT_TRACED, Span
from raddle.errors import InputError, RaddleError

_TICK_S = 0.5
_PROBLEM_S = 2.0
"""Until what could not be done unasked is tried again."""
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
        self._gate = UpdateGate()
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._orders = OrderQueue(self._wake)
        updates = Updates(self.records, planner, self.bus, settings.goes_back)
        moves = Orders(
            lambda *given: self._changes.move(*given),
            lambda *given: self._changes.move_back(*given),
            lambda *given: self._changes.plan_move(*given),
        )
        self._congestion = Keeper(settings, self.bus, planner, moves)
        heard = self._congestion.hear, self._congestion.lose
        self._upkeep = Upkeep(self.records, settings, self.bus, self._gate, term, self._notice, heard, spans)
        self._changes = Changes(self.records, planner, self.bus, self._gate, updates, self._upkeep, spans)
        self._present: Present | None = None
        self._pause_until_s = 0.0
        self.is_running = False
        self.turned_s = time.monotonic()

    @property
    def switches(self) -> Switches:
        """What is known of each switch."""
        return self._upkeep.switches

    # Orders, from any thread.

    def apply(self, who: str, why: str) -> Future[Revision]:
        """Read the desired state again and bring it to the switches."""
        return self._orders.add(partial(self._changes.apply, who, why))

    def reload(self) -> None:
        """As `apply`, for a signal: what is wrong is told to all who listen."""

        def tell(done: Future[Revision]) -> None:
            if error := done.exception():
                self.bus.tell("problem", f"reload: {error}")

        self.apply("SIGHUP", "reload").add_done_callback(tell)

    def preview(self) -> Future[tuple[str, ...]]:
        """What `apply` would change of the plan, in lines; nothing is sent."""
        return self._orders.add(self._changes.preview)

    def rollback(self, who: str, why: str, number: int) -> Future[Revision]:
        """Bring back a revision of before, as a new one."""
        return self._orders.add(partial(self._changes.rollback, who, why, number))

    def drain(self, who: str, why: str, switch: str, until: str = "") -> Future[Revision]:
        """Lead traffic around a switch, until a time (ISO 8601) where one is given."""
        return self._orders.add(partial(self._changes.drain, who, why, switch, until))

    def undrain(self, who: str, why: str, switch: str) -> Future[Revision]:
        return self._orders.add(partial(self._changes.undrain, who, why, switch))

    def replace(self, who: str, why: str, switch: str) -> Future[str]:
        """Take another box for a switch, if hostname, HwSKU, platform and neighbours fit."""
        return self._orders.add(partial(self._changes.replace, who, why, switch))

    def pause(self, who: str, why: str, is_paused: bool) -> None:
        """Take no further step, or go on. What is told of switches is still heard."""
        self._gate.pause(is_paused)
        word = "pause" if is_paused else "resume"
        self._orders.add(partial(self._note_control, who, why, word, is_paused))
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
        self._wake()

    # The thread of change.

    def run(self, begun: Callable[[], None] = lambda: None) -> None:
        """Hold the switches at what is wanted, until stopped.

        Args:
            begun: called once these switches are this controller's.

        Raises:
            InputError: `locked`, somebody else is at these switches; the desired state cannot be used.
            StoreError: what is done cannot be recorded.
        """
        with self._upkeep.pusher.alone(self.records.shared_as):
            self.records.share(self._upkeep.pusher.ledger)
            self.is_running = True
            begun()
            try:
                self._resume()
                while not self._gate.is_stopped:
                    self._turn()
            except StoppedError:
                pass
            finally:
                self.is_running = False
                self._orders.close()
                self._upkeep.close()

    def _turn(self) -> None:
        self.turned_s = time.monotonic()
        self._hear(self._wait_s())
        self._orders.carry_out()
        if self._gate.is_paused or self._gate.is_stopped or time.monotonic() < self._pause_until_s:
            self._upkeep.look_for_cut_off()
            return
        try:
            self._changes.undrain_due()
            self._upkeep.repair()
            self._changes.lift_drains(self._upkeep.look_for_cut_off())
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

    def _resume(self) -> None:
        """Take up what was left, or begin."""
        self._gate.pause(self.records.controls.is_paused)
        for each in self.records.left_open():
            self._upkeep.finish(each, "interrupted; all switches are compared again")
        self._changes.resume(self._await_switches)

    def _await_switches(self) -> None:
        """Give the watches a moment, so that switches are not compared again right after the update."""
        end_s = time.monotonic() + _ARRIVAL_S
        while time.monotonic() < end_s and not all(
            each.is_connected for each in self.switches.views.values()
        ):
            self._hear(0.05)

    def _wake(self) -> None:
        self._inbox.put(lambda: None)

    def _notice(self, notice: Notice) -> None:
        self._inbox.put(partial(self._upkeep.take_notice, notice))

    def _note_control(self, who: str, why: str, word: str, is_paused: bool) -> None:
        audit = Audit(self.records.next_audit(), now(), who, word, why, "done")
        self.records.set_controls(Controls(is_paused), audit)

    def _look_for_congestion(self) -> None:
        revision, desired = self._upkeep.revision, self._upkeep.desired
        if not self.settings.congestion_s or revision is None or desired is None:
            return
        dead, present = self._upkeep.repairs.dead & desired.links.keys(), self._present
        if present is None or (present.revision.number, present.dead) != (revision.number, dead):
            self._present = Present(revision, self.records.material(revision), desired, dead)
        assert self._present
        self._congestion.look(self._present, time.monotonic())
