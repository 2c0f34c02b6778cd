"""Watches a fabric's switches and its controller, and writes what it hears into a view."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from raddle.controller.api.client import ControllerClient
from raddle.controller.plan.held import HeldPlan
from raddle.controller.reconcile import Past, check
from raddle.controller.service.events import Event
from raddle.controller.service.watch.counters import CounterWatch
from raddle.controller.service.watch.gnmi import GnmiWatch
from raddle.controller.service.watch.notice import Notice
from raddle.controller.southbound.sonic.tables import OWNED_TABLES, Tables, intended
from raddle.errors import RaddleError
from raddle.inventory import Inventory
from raddle.serve.view import LiveView

_STATUS_S = 2.0
"""Between two looks at the controller's status."""
_SETTLE_S = 1.0
"""After a change of a switch, until it is compared."""
_AGAIN_S = 3.0
"""Between two looks at a switch that differs: that it is as planned again is no change that is told."""


class Observer:
    """Watches while the context is open.

    Args:
        held: what the switches are to hold.
        past: gives what was written to them.
        client: the controller, where there is one: then its word on drift is taken, else switches are
            compared here, when they have changed and every `sweep_s`.
    """

    def __init__(
        self,
        view: LiveView,
        held: HeldPlan,
        inventory: Inventory,
        past: Callable[[], Past],
        client: ControllerClient | None,
        sample_s: float,
        sweep_s: float,
    ) -> None:
        self.view, self._inventory, self._past, self._client = view, inventory, past, client
        self._plan = held.plan
        self._sweep_s = sweep_s
        self._over = threading.Event()
        self._due: dict[str, float] = {}
        self._rows: dict[str, Tables] = {}
        self._watches: list[GnmiWatch] = []
        self._counters: list[CounterWatch] = []
        for switch in self._plan.switches:
            self._watch(switch.name, sample_s)

    def __enter__(self) -> Observer:
        for each in self._all():
            each.start()
        loops = [self._follow, self._stand] if self._client else [self._compare]
        for loop in loops:
            threading.Thread(target=loop, name=loop.__name__, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        for each in self._all():
            each.stop()

    def _all(self) -> list[GnmiWatch | CounterWatch]:
        return [*self._watches, *self._counters]

    def _watch(self, name: str, sample_s: float) -> None:
        view = self.view.switches[name]
        plan = next(each for each in self._plan.switches if each.name == name)
        address = self._inventory.addresses.get(name)
        if address is None:
            view.problem = "it has no gNMI address in the inventory: its counters are not shown"
            return
        self._rows[name] = intended(plan) if plan.nos == "sonic" else {}
        tables = sorted(self._rows[name].keys() | set(OWNED_TABLES)) if plan.nos == "sonic" else ()
        watch = GnmiWatch(name, address, self._inventory.access, tables, self._rows.__getitem__, self._notice)
        self._watches.append(watch)
        if plan.nos != "sonic":
            view.problem = "it runs no SONiC: its counters are not shown"
            return
        self._counters.append(
            CounterWatch(
                name,
                address,
                self._inventory.access,
                self.view.lossless,
                lambda: watch.names,
                self.view.take,
                self.view.lose,
                sample_s,
            )
        )

    def _notice(self, notice: Notice) -> None:
        view = self.view.switches[notice.switch]
        cabled = {port for switch, port in self.view.speeds if switch == notice.switch}
        with self.view.lock:
            if notice.kind == "connected":
                view.is_connected = True
                self._due[notice.switch] = time.monotonic()
            elif notice.kind == "gone":
                view.is_connected, view.state, view.text = False, "unreachable", notice.text
                view.differences = None
            elif notice.kind == "changed":
                self._due[notice.switch] = time.monotonic() + _SETTLE_S
            else:
                before, view.down = view.down, notice.down & cabled
                self._tell_ports(notice.switch, before, view.down)
                return
        if self._client is None:
            kind, text = {
                "connected": ("connected", "answers"),
                "gone": ("gone", notice.text),
                "changed": ("switch", f"has changed: {notice.text}"),
            }[notice.kind]
            self.view.hear(Event(kind, text, notice.switch))

    def _tell_ports(self, switch: str, before: frozenset[str], now: frozenset[str]) -> None:
        if self._client is None:
            for port in sorted(before ^ now):
                kind = "link-down" if port in now else "link-up"
                self.view.hear(Event(kind, f"{switch}:{port} - {self.view.peers[switch, port]}", switch))

    def _compare(self) -> None:
        """Compare switches with the plan as they change, and all of them every `sweep_s`."""
        swept_s = time.monotonic()
        while not self._over.wait(0.3):
            now_s = time.monotonic()
            for watch in self._watches:
                watch.look(now_s)
            with self.view.lock:
                if now_s - swept_s >= self._sweep_s:
                    swept_s = now_s
                    self._due |= {n: now_s for n, each in self.view.switches.items() if each.is_connected}
                names = {name for name, due_s in self._due.items() if due_s <= now_s}
                for name in names:
                    del self._due[name]
            if names:
                self._compare_with_plan(names)

    def _compare_with_plan(self, names: set[str]) -> None:
        plan = replace(self._plan, switches=tuple(s for s in self._plan.switches if s.name in names))
        try:
            results = check(plan, self._inventory, self._past())
        except RaddleError as error:
            self.view.hear(Event("problem", str(error).partition("\n")[0]))
            return
        for result in results:
            with self.view.lock:
                view = self.view.switches[result.switch]
                before, view.differences = view.differences, None if result.error else len(result.changes)
                view.state = result.state
                first = f"the first: {result.changes[0].path}" if result.changes else ""
                view.text = (result.error or first).partition("\n")[0]
                differences = view.differences
                if differences:
                    self._due.setdefault(result.switch, time.monotonic() + _AGAIN_S)
            if differences and differences != before:
                text = f"{differences} entries are not as planned, {first}"
                self.view.hear(Event("drift", text, result.switch))

    def _follow(self) -> None:
        """Hear what the controller tells, and come back to it when it was gone."""
        assert self._client
        while not self._over.is_set():
            with suppress(RaddleError):
                for event in self._client.watch():
                    kept = Event(event.kind, event.text, event.switch, event.seconds, event.time)
                    self.view.hear(kept)
            self._over.wait(_STATUS_S)

    def _stand(self) -> None:
        """Ask the controller how things stand."""
        assert self._client
        while not self._over.wait(0 if not self.view.controller else _STATUS_S):
            now_s = time.monotonic()
            for watch in self._watches:
                watch.look(now_s)
            try:
                found = self._client.status()
            except RaddleError as error:
                self.view.controller = {"problem": str(error).partition("\n")[0]}
                continue
            with self.view.lock:
                for each in found.switches:
                    if view := self.view.switches.get(each.name):
                        view.state, view.text, view.differences = each.state, each.text, each.changes
                self.view.controller = {
                    "fabric": found.fabric,
                    "revision": found.revision,
                    "under_way": found.under_way,
                    "is_paused": found.is_paused,
                    "drains": [each.switch for each in found.drains],
                    "dead_links": list(found.dead_links),
                    "cut_off": list(found.cut_off),
                    "apart": list(found.apart),
                }
