"""Everybody who watches a switch, started and stopped as switches come and go in the plan."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.service.pusher import Pusher
from raddle.controller.service.watch.gnmi import GnmiWatch
from raddle.controller.service.watch.notice import Sink, Watch
from raddle.controller.service.watch.p4runtime import P4Watch
from raddle.controller.southbound.p4runtime.fleet import connector
from raddle.controller.southbound.sonic.tables import OWNED_TABLES, Tables, intended

CountersOf = Callable[[GnmiWatch, str], Watch]
"""Makes the watch of a switch's counters, beside the one of its configuration and at its address."""


class Watchers:
    """The watches of a fabric's switches."""

    def __init__(
        self,
        pusher: Pusher,
        wanted: Callable[[str], Tables],
        sink: Sink,
        sample_s: float,
        counters: CountersOf | None = None,
    ) -> None:
        self._pusher, self._wanted, self._sink, self._sample_s = pusher, wanted, sink, sample_s
        self._counters = counters
        self._watches: dict[tuple[str, str], list[Watch]] = {}
        self._fleet = ExitStack()

    def keep(self, plan: Plan) -> None:
        """Watch the switches of a plan where the inventory has them, and no others."""
        addresses = self._pusher.inventory.addresses
        wanted = {(each.name, addresses[each.name]): each for each in plan.switches if each.name in addresses}
        for key in self._watches.keys() - wanted.keys():
            for watch in self._watches.pop(key):
                watch.stop()
        for key in wanted.keys() - self._watches.keys():
            self._watches[key] = list(self._of(wanted[key], key[1]))
            for watch in self._watches[key]:
                watch.start()
        if not self._pusher.fleet and any(
            each.name in self._pusher.inventory.datapaths for each in plan.switches
        ):
            self._open_fleet(plan)

    def look(self, now_s: float) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.look(now_s)

    def stop(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.stop()
        self._watches.clear()
        self._fleet.close()
        self._pusher.fleet = None

    def _of(self, switch: SwitchPlan, address: str) -> list[Watch]:
        inventory = self._pusher.inventory
        tables = sorted(intended(switch).keys() | set(OWNED_TABLES)) if switch.nos == "sonic" else ()
        gnmi = GnmiWatch(
            switch.name, address, inventory.access, tables, self._wanted, self._sink, self._sample_s
        )
        if switch.nos == "sonic":
            return [gnmi, self._counters(gnmi, address)] if self._counters else [gnmi]
        return [P4Watch(switch.name, connector(inventory, switch.name), self._sink), gnmi]

    def _open_fleet(self, plan: Plan) -> None:
        """OpenFlow switches connect to us, and stay."""
        # Imported here: the OpenFlow library takes half a second that no other switch needs.
        from raddle.controller.service.watch.openflow import OpenFlowWatch
        from raddle.controller.southbound.openflow.fleet import OpenFlowFleet

        datapaths = self._pusher.inventory.datapaths
        watch = OpenFlowWatch([each for each in plan.switches if each.name in datapaths], self._sink)
        fleet = self._fleet.enter_context(
            OpenFlowFleet(plan, self._pusher.inventory, False, watch.hear, self._pusher.term)
        )
        self._pusher.fleet = fleet
        watch.use(fleet)
        watch.start()
        self._fleet.callback(watch.stop)
