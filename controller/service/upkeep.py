"""What switches are held to, and what is done unasked to hold them there: repairs, mends, other boxes.

All of it in the controller's thread of change (`raddle.controller.service.core`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from raddle.controller.plan.held import HeldPlan
from raddle.controller.reconcile import SwitchResult
from raddle.controller.service.desired import CutOff, Desired
from raddle.controller.service.events import Bus
from raddle.controller.service.express import Express
from raddle.controller.service.gate import AbortedError, UpdateGate
from raddle.controller.service.lost_ways import LostWays
from raddle.controller.service.pusher import Pusher
from raddle.controller.service.records import BEGUN, Audit, Records, Revision, now, shortened
from raddle.controller.service.rendered import Rendered, Rows
from raddle.controller.service.repairs import Repairs
from raddle.controller.service.settings import Settings
from raddle.controller.service.source_ports import write_source_ports
from raddle.controller.service.switches import Switches, SwitchView
from raddle.controller.service.updates import CONTROLLER, change_lines, write_lines
from raddle.controller.service.watch.counters import CounterWatch, Reading
from raddle.controller.service.watch.gnmi import GnmiWatch
from raddle.controller.service.watch.notice import Notice, Sink, Watch
from raddle.controller.service.watchers import Watchers
from raddle.controller.southbound.sonic.tables import Tables
from raddle.controller.spans import NOT_TRACED, Span
from raddle.errors import InputError

_CALM_S = 1.0
"""Without a repair, until what repairs have changed is put by."""


class Upkeep:
    """Holds switches at what is wanted.

    Args:
        sink: hears what watched switches tell, in the threads of those who watch.
        counters: hear what they count, and why that is not known, likewise.
        spans: makes a span of each repair and mend.

    Attributes:
        switches: what is known of each.
        revision, desired: what was asked for.
        target: what the switches are to hold at this moment: that, led around dead links.
    """

    def __init__(
        self,
        records: Records,
        settings: Settings,
        bus: Bus,
        gate: UpdateGate,
        term: int,
        sink: Sink,
        counters: tuple[Callable[[Reading], None], Callable[[str, str], None]],
        spans: Span = NOT_TRACED,
    ) -> None:
        self._records, self._settings, self._bus, self._gate = records, settings, bus, gate
        self._spans = spans
        self.switches = Switches()
        self.pusher = Pusher(settings, gate, term)
        self.repairs = Repairs(settings.repairs)
        self._hear_counters = counters
        counted = self._counter_watch if settings.congestion_s else None
        self.watchers = Watchers(self.pusher, self.wanted, sink, settings.sample_s, counted)
        self._express = Express(self.pusher, bus)
        self._rendered = Rendered()
        self.revision: Revision | None = None
        self.desired: Desired | None = None
        self.target: Desired | None = None
        self._lost_ways = LostWays(bus)
        self._owes = set(records.owed)
        self._led: frozenset[str] = frozenset()
        self._unwritten: HeldPlan | None = None
        self._repaired_s = 0.0
        self._swept_s = time.monotonic()

    def _counter_watch(self, watch: GnmiWatch, address: str) -> Watch:
        assert self.target, "a plan is watched once it is the target"
        lossless = [each.priority for each in self.target.fabric.roce.lossless]
        heard, lost = self._hear_counters
        return CounterWatch(
            watch.name,
            address,
            self.pusher.inventory.access,
            lossless,
            lambda: watch.names,
            heard,
            lost,
            self._settings.congestion_s,
        )

    def close(self) -> None:
        self.put_by()
        self.watchers.stop()
        self._express.close()

    def hold(self, revision: Revision | None, desired: Desired) -> None:
        """This is what the switches are to hold."""
        self.revision, self.desired = revision, desired
        self.watch(desired)
        self.repairs.prepare(desired)
        if revision and (file := self._settings.source_ports):
            try:
                write_source_ports(desired.held.plan, file)
            except InputError as error:
                self._bus.tell("problem", error.diagnostics[0].message)

    def watch(self, desired: Desired) -> None:
        """See to it that its switches are watched, and that they are led around what is dead now."""
        plan, inventory = desired.held.plan, self.pusher.inventory
        datapaths = {name: f"{number:016x}" for name, number in inventory.datapaths.items()}
        self.switches.keep(plan.switches, {**inventory.addresses, **datapaths})
        self.target = self.repairs.target(desired, self.switches.down, time.monotonic())
        self._led = self.target.switches_beside(desired)
        self.watchers.keep(plan)
        self._express.open(each.name for each in plan.switches if each.nos == "sonic")

    def wanted(self, switch: str) -> Tables:
        """CONFIG_DB as a switch is to hold it now; empty for one that another protocol programs."""
        plan = self.target.switches.get(switch) if self.target else None
        return self._rendered.tables(plan) if plan else {}

    def take_notice(self, notice: Notice) -> None:
        """Take in what a switch has told."""
        view = self.switches.views.get(notice.switch)
        if view is None:
            return
        if notice.kind == "connected":
            if not view.is_connected:
                self._bus.tell("connected", "answers", notice.switch)
            view.is_connected = True
            view.mark(notice.heard_s)
            self._express.take_lead(view.name)
        elif notice.kind == "gone":
            if view.is_connected or view.state != "unreachable":
                self._bus.tell("gone", notice.text, notice.switch)
            view.is_connected = False
            view.become("unreachable", notice.text)
        elif notice.kind == "changed":
            view.mark(notice.heard_s, view.pause_s(notice.heard_s))
        else:
            for port in sorted(self.switches.set_down(notice.switch, notice.down)):
                is_down = port in notice.down
                self._bus.tell(
                    "link-down" if is_down else "link-up", f"{notice.switch}:{port}", notice.switch
                )

    def push(self, span: Span, desired: Desired) -> tuple[SwitchResult, ...]:
        """Bring a plan to switches, around dead links, as a part of a span."""
        began_s = time.monotonic()
        self._gate.forget_abort()
        self.watch(desired)
        assert self.target
        self.put_by()
        self._owes |= self.target.switches.keys()
        self._records.set_owed(self._owed)
        with span.child("push") as part:
            results = self.pusher.apply(self.target.held, span=part)
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
        self._records.set_owed(self._owed)
        self.switches.mark_waiting(time.monotonic())

    @property
    def _owed(self) -> frozenset[str]:
        """What the next controller is to see to; also who leads around dead links that may be back then."""
        return self._led.union(self._owes)

    def _tell_of(self, view: SwitchView) -> None:
        kind = "stranger" if view.state == "stranger" else "switch"
        self._bus.tell(kind, f"{view.state}: {view.text}" if view.text else view.state, view.name)

    def _reach(self, only: Collection[str], span: Span = NOT_TRACED) -> tuple[SwitchResult, ...]:
        """Program switches for what is wanted already."""
        began_s = time.monotonic()
        assert self.target
        self._gate.forget_abort()
        self.put_by()
        try:
            results = self.pusher.apply(self.target.held, only, span)
        except AbortedError:
            return ()
        self._take_results(results, began_s)
        return results

    def repair(self) -> None:
        """Lead routes around links that are dead, and back over those that have recovered."""
        assert self.desired
        assert self.target
        began_s = time.monotonic()
        before, dead = self.target, self.repairs.dead
        target = self.repairs.target(self.desired, self.switches.down, began_s)
        if self.repairs.dead == dead:
            return
        lost, back = sorted(self.repairs.dead - dead), sorted(dead - self.repairs.dead)
        what = "; ".join([f"{each} is down" for each in lost] + [f"{each} is back" for each in back])
        changed, ports = before.writes_to(target), before.ports_to(target)
        rows = {
            name: self._rendered.follow(before.switches[name], target.switches[name], writes)
            for name, writes in changed.items()
            if target.switches[name].nos == "sonic" and self.switches.views[name].is_connected
        }
        self.target, self._led = target, target.switches_beside(self.desired)
        if not (changed or ports):
            self._bus.tell("repair", f"{what}: switches repair that by themselves")
            return
        owed = self._owes & changed.keys()
        begun = self.begin(CONTROLLER, "repair", what, write_lines(changed), changed.keys() | ports)
        planned_s = time.monotonic() - began_s
        with self._spans.child(
            "repair", why=what, switches=len(changed), planned_s=round(planned_s, 6)
        ) as span:
            results: tuple[SwitchResult, ...] = ()
            if lost and all(target.switches[name].nos == "sonic" for name in changed):
                self._owes -= rows.keys() - owed - ports
                outcome = self._send_at_once(rows, span)
                if ports:
                    results = self._reach(ports, span)
                    outcome += f"; ports of {', '.join(sorted(ports))}: {_summary(results)}"
            else:
                results = self._reach(changed.keys() | ports, span)
                outcome = _summary(results)
            span.note(outcome=outcome)
        spent_s = time.monotonic() - began_s
        self._bus.tell("repair", f"{what}: routes of {len(changed)} switches, {outcome}", seconds=spent_s)
        self.finish(begun, outcome, results)
        self._unwritten, self._repaired_s = target.held, time.monotonic()

    def look_for_cut_off(self) -> bool:
        """See whom dead links have left without a way; whether that has changed."""
        assert self.desired
        return self._lost_ways.look(self.desired, self.switches.down)

    @property
    def cut_off(self) -> CutOff:
        """Whom dead links have left without a way."""
        return self._lost_ways.found

    @property
    def cut_off_elsewhere(self) -> list[str]:
        """Those of them whose own cable is not dead."""
        if not self.cut_off.names or not self.desired:
            return []
        unplugged = self.desired.unplugged(self.switches.down)
        return [name for name in self.cut_off.names if name not in unplugged]

    def _send_at_once(self, rows: Mapping[str, tuple[Rows, Rows]], span: Span) -> str:
        """Send one message to each switch; those at which it does not come out well are compared next."""
        wrong = {name: text for name, text in self._express.send(rows, span).items() if text}
        for name, text in wrong.items():
            self._bus.tell("problem", text, name)
            self._owes.add(name)
            self.switches.views[name].mark(time.monotonic())
        return f"done but for {', '.join(wrong)}" if wrong else "done"

    def compare(self, names: Collection[str]) -> None:
        """Compare switches with the plan, and mend what is not as planned where that is wanted."""
        began_s = time.monotonic()
        found = self._found(names)
        if owed := [each for each in found if each.switch in self._owes]:
            # What has missed an update may have held up others: those finish, too.
            more = self._found(self.switches.views.keys() - set(names))
            owed += [each for each in more if each.switch in self._owes]
            self._mend(owed, "they had missed an update or a repair", self.switches.in_sync, began_s)
            found += more
        mended = {each.switch for each in owed}
        if drifted := [each for each in found if each.switch not in mended]:
            self._mend(drifted, "not as planned", frozenset(), began_s)

    def _found(self, names: Collection[str]) -> list[SwitchResult]:
        """Compare switches with the plan; what is to be mended."""
        assert self.target
        for name in names:
            self.switches.views[name].is_due = False
        todo = []
        self.put_by()
        for each in self.pusher.check(self.target.held, names) if names else ():
            view = self.switches.views[each.switch]
            is_new = view.take(each)
            if is_new:
                self._tell_of(view)
            if each.is_in_sync:
                self._owes.discard(each.switch)
            if each.doubts and self._settings.replacement == "allow":
                self._try_to_replace(each.switch)
            elif each.planned_sets and each.changes and not (each.doubts or each.error or each.held):
                if is_new:
                    self._bus.tell(
                        "drift", f"{len(each.changes)} entries, the first {each.changes[0].path}", each.switch
                    )
                if self._settings.drift == "mend" or each.switch in self._owes:
                    todo.append(each)
        self._records.set_owed(self._owed)
        self.switches.mark_waiting(time.monotonic())
        return todo

    def _mend(self, found: list[SwitchResult], why: str, in_sync: Collection[str], began_s: float) -> None:
        """Make switches as planned.

        Args:
            in_sync: others that are, and of which the order of the writes is to know that.
        """
        names = [each.switch for each in found]
        lines = change_lines(change for each in found for change in each.changes)
        begun = self.begin(CONTROLLER, f"mend {', '.join(names)}", why, lines, names)
        with self._spans.child("mend", why=why, switches=len(names)) as span:
            results = self._reach({*names, *in_sync}, span)
            outcome = _summary(results)
            span.note(outcome=outcome)
        for name in names:
            self.switches.views[name].mended(time.monotonic())
        self.finish(begun, outcome, results)
        self._bus.tell("mend", f"{', '.join(names)}: {outcome}", seconds=time.monotonic() - began_s)

    def _try_to_replace(self, switch: str) -> None:
        try:
            self.replace(CONTROLLER, "the policy allows it", switch)
        except InputError as error:
            self._bus.tell("stranger", error.diagnostics[0].message, switch)

    def replace(self, who: str, why: str, switch: str) -> str:
        """Take another box for a switch, if it fits; what came of it."""
        if switch not in self.switches.views:
            raise InputError.of("unknown-device", f"no switch '{switch}' in this fabric")
        assert self.target, "there is a revision before orders are heard"
        self.put_by()
        [found] = self.pusher.check(self.target.held, [switch], unknown=[switch])
        if not found.is_reached:
            raise InputError.of("not-there", f"{switch} does not answer: {found.error.partition(chr(10))[0]}")
        if found.doubts:
            raise InputError.of(
                "does-not-fit",
                f"what is at {found.address} cannot stand for {switch}: {'; '.join(found.doubts)}",
                "mend what is wrong with it, or the inventory",
            )
        before = dict(self.pusher.identity(self.target.held, switch))
        lines = [f"{name}: {before.get(name, '')} -> {value}" for name, value in found.identity.items()]
        begun = self.begin(who, f"replace {switch}", why, lines, [switch])
        self.pusher.ledger.accept(self.target.held.plan.fabric, switch)
        results = self._reach({switch, *self.switches.in_sync})
        mine = [each for each in results if each.switch == switch]
        left = mine[0].error or mine[0].held or mine[0].state if mine else "aborted"
        outcome = "done" if mine and mine[0].is_in_sync else left
        self.finish(begun, outcome, results)
        return outcome

    def put_by(self, is_calm_only: bool = False) -> None:
        """Write the record of what switches hold after repairs: before it is needed, or once they are over.

        For a large fabric that takes a second, in which the next link that dies would wait.
        """
        is_calm = time.monotonic() - self._repaired_s >= _CALM_S
        if self._unwritten and (is_calm or not is_calm_only):
            held, self._unwritten = self._unwritten, None
            self.pusher.ledger.follow(held)

    def sweep(self) -> None:
        """Have every switch compared when it is time for that."""
        now_s = time.monotonic()
        if now_s - self._swept_s >= self._settings.sweep_s:
            self._swept_s = now_s
            for view in self.switches.views.values():
                view.mark(now_s)

    def begin(self, who: str, what: str, why: str, lines: list[str], switches: Iterable[str]) -> Audit:
        """Note in the audit log that something begins, and that it is owed to switches until it is done."""
        self._owes.update(switches)
        revision = self.revision.number if self.revision else 0
        audit = Audit(
            self._records.next_audit(), now(), who, what, why, BEGUN, revision, diff=shortened(lines)
        )
        self._records.note(audit, self._owed)
        return audit

    def finish(self, begun: Audit, outcome: str, results: Iterable[SwitchResult] = ()) -> None:
        """Note in the audit log what came of it, and what was written beside what was to be.

        Args:
            results: of switches that were compared as they were written.
        """
        written = change_lines(change for each in results if each.sets for change in each.changes)
        known = frozenset(begun.diff)
        self._records.note(
            replace(
                begun,
                number=self._records.next_audit(),
                time=now(),
                outcome=outcome,
                began=begun.number,
                diff=shortened([each for each in written if each not in known]),
            ),
            self._owed,
        )


def _summary(results: Iterable[SwitchResult]) -> str:
    left = [f"{each.switch} {each.state}" for each in results if not each.is_in_sync]
    return f"done but for {', '.join(left)}" if left else "done"
