"""The controller of a simulated run: it hears of dead links late, and switches get its routes later still.

What it writes is what `raddle controller` writes (`Repairs`, `Rendered`, the rounds of an update), into the
tables that the switches reported. It does one thing after the other: while it works out and sends one, the
next waits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Literal

from raddle.controller.plan.held import HeldPlan
from raddle.controller.plan.make import make_plan
from raddle.controller.plan.update import Write, peers_of, routes_of, update_rounds
from raddle.controller.service.desired import Desired, with_drains, with_writes
from raddle.controller.service.records import Drain
from raddle.controller.service.rendered import Rendered, Rows
from raddle.controller.service.repairs import Repairs
from raddle.errors import InputError
from raddle.lab.run.control import Control, Order
from raddle.lab.switches.prepared import PreparedSwitches
from raddle.report.model import RepairRow
from raddle.topology.model import Fabric
from raddle.workload import Demand

_PS_PER_S = 10**12

At = Callable[[int, Callable[[], None]], None]
"""Have something done at a simulated time."""


def check_controller(fabric: Fabric, is_programmed: bool, has_own_pins: bool = False) -> None:
    """Refuse a controller where it would not know what switches are to hold.

    Args:
        is_programmed: the run programs the switches, and does not take them as they are.
        has_own_pins: the plan has pins of flows that the run does not know.

    Raises:
        InputError: `no-controller`.
    """
    others = sorted({switch.model.nos for switch in fabric.switches} - {"sonic"})
    if others:
        what = f"repairs are simulated for SONiC's tables, and switches here run {', '.join(others)}"
        raise InputError.of("no-controller", what, "leave --controller out, or see 'raddle emulate'")
    if not is_programmed:
        raise InputError.of(
            "no-controller",
            "switches that are taken as they are have no plan that a controller could hold them to",
            "give --push, or leave --controller out",
        )
    if has_own_pins:
        raise InputError.of(
            "no-controller",
            "a controller plans pins anew after a failure, and does not know the flows of these",
            "take --routing pinned or ecmp instead of --pins or --plan",
        )


def planned_anew(desired: Desired, fabric: Fabric, drains: Iterable[Drain], demand: Demand | None) -> Desired:
    """A plan for other drains or flows, as the controller's updates make it: pins stay where they are without
    drains.

    Args:
        fabric: without drains.

    Raises:
        InputError: those of `with_drains` and `make_plan`.
    """
    pins = desired.held.plan.pins
    bare = replace(fabric, routing=replace(fabric.routing, pins=pins.carrier)) if pins else fabric
    routing: Literal["ecmp", "pinned"] = "pinned" if pins else "ecmp"
    drained = with_drains(bare, drains)
    plan = make_plan(bare, routing, demand)
    if drained is not bare:
        plan = make_plan(drained, routing, demand, plan)
    return Desired(drained, HeldPlan(plan), demand)


def rounds_between(before: Desired, after: Desired) -> Sequence[Sequence[Write]]:
    """The writes from one plan of the same switches to another, in rounds that lose nothing."""
    old, new = before.held.plan, after.held.plan
    return update_rounds(peers_of(old), routes_of(old), routes_of(new))


class SimulatedController:
    """Hears which ports are dark and what it is told, and brings routes to switches.

    Args:
        install: gives a switch these rows of STATIC_ROUTE, from this simulated instant on.

    Attributes:
        rows: what it did, in order of time; what is on its way to switches is not there yet.
    """

    def __init__(
        self,
        switches: PreparedSwitches,
        demand: Demand | None,
        control: Control,
        install: Callable[[str, Rows], None],
    ) -> None:
        assert switches.plan, "switches that are not programmed are refused"
        self._fabric = switches.fabric
        self._desired = self._target = Desired(switches.fabric, HeldPlan(switches.plan), demand)
        self._repairs, self._rendered = Repairs(is_on=True), Rendered()
        self._control, self._install = control, install
        self._down: dict[str, frozenset[str]] = {}
        self._drains: tuple[Drain, ...] = ()
        self._demand = demand
        self._orders: list[Order] = []
        self._free_ps = 0
        self._heard_ps: int | None = None
        self.rows: list[RepairRow] = []

    def start(self, at: At) -> None:
        """Have it told its orders when it is time for them."""
        for order in self._control.orders:
            at(order.time_ps, lambda order=order: self._take(order, at))  # type: ignore[misc]

    def tell(self, switch: str, down: frozenset[str], now_ps: int, at: At) -> None:
        """A switch knows that these of its ports are dark, and tells the controller."""
        heard_ps = now_ps + self._control.delays.notification_ps

        def hear() -> None:
            self._down[switch] = down
            if self._control.repairs:
                self._call(heard_ps, at)

        at(heard_ps, hear)

    def leave(self) -> None:
        """Switches get nothing any more; `rows` stay."""
        self._install = lambda switch, rows: None

    def _take(self, order: Order, at: At) -> None:
        if order.what == "drain":
            self._drains += (Drain(order.where),)
        elif order.what == "undrain":
            self._drains = tuple(each for each in self._drains if each.switch != order.where)
        self._demand = order.demand or self._demand
        self._orders.append(order)
        self._call(order.time_ps, at)

    def _call(self, now_ps: int, at: At) -> None:
        """Decide as soon as it is through with what it did before; behind all that is heard now."""
        if self._heard_ps is None:
            self._heard_ps = now_ps
            decide_ps = max(now_ps, self._free_ps)
            at(decide_ps, lambda: self._decide(decide_ps, at))

    def _decide(self, now_ps: int, at: At) -> None:
        """Work out what to write for what was told and for the links that are dead now, and send it."""
        assert self._heard_ps is not None
        heard_ps, self._heard_ps = self._heard_ps, None
        orders, self._orders = self._orders, []
        before, dead = self._target, self._repairs.dead
        if any(each.what != "replan" for each in orders):
            self._desired = planned_anew(self._desired, self._fabric, self._drains, self._demand)
        self._target = self._repairs.target(self._desired, self._down, now_ps / _PS_PER_S)
        if self._control.repairs and (wait_s := self._repairs.wait_s(now_ps / _PS_PER_S)) < math.inf:
            later_ps = now_ps + int(wait_s * _PS_PER_S) + 1
            at(later_ps, lambda: self._call(later_ps, at))
        if self._repairs.dead == dead and not orders:
            return
        rounds = [each for each in self._rounds(before, bool(orders)) if each]
        done_ps, delays = heard_ps, self._control.delays
        self._free_ps = now_ps + (delays.computation_ps if rounds or orders else 0)
        for rows in rounds:
            self._free_ps += delays.push_ps
            done_ps = self._free_ps + delays.hardware_ps
            at(done_ps, lambda rows=rows: self._put(rows))  # type: ignore[misc]
        writes = before.writes_to(self._target)
        row = RepairRow(
            tuple(sorted(self._repairs.dead - dead)),
            tuple(sorted(dead - self._repairs.dead)),
            heard_ps,
            done_ps,
            len(writes),
            sum(map(len, writes.values())),
            tuple(map(str, orders)),
            tuple(sorted(before.ports_to(self._target))),
        )
        at(done_ps, lambda: self.rows.append(row))

    def _rounds(self, before: Desired, is_update: bool) -> Iterator[Mapping[str, Rows]]:
        """STATIC_ROUTE of the switches that change: a repair at once, an update round by round."""
        if not is_update:
            yield self._rows(before, self._target, before.writes_to(self._target))
            return
        for writes in rounds_between(before, self._target):
            ordered = sorted(writes, key=lambda write: write.switch)
            after = replace(before, held=HeldPlan(with_writes(before.held.plan, ordered)))
            grouped = groupby(ordered, key=lambda write: write.switch)
            yield self._rows(before, after, {name: tuple(own) for name, own in grouped})
            before = after

    def _rows(
        self, before: Desired, after: Desired, writes: Mapping[str, Sequence[Write]]
    ) -> Mapping[str, Rows]:
        return {
            name: self._rendered.follow(before.switches[name], after.switches[name], own)[1]
            for name, own in writes.items()
        }

    def _put(self, rows: Mapping[str, Rows]) -> None:
        for name, table in rows.items():
            self._install(name, table)
