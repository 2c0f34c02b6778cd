"""The controller of a simulated run: it hears of dead links late, and switches get its routes later still.

What it writes is what `raddle controller` writes (`Repairs`, `Rendered`), into the tables that the switches
reported. It does one thing after the other: while it works out and sends a repair, the next one waits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from raddle.controller.plan.held import HeldPlan
from raddle.controller.service.desired import Desired
from raddle.controller.service.rendered import Rendered, Rows
from raddle.controller.service.repairs import Repairs
from raddle.errors import InputError
from raddle.lab.run.settings import ControllerDelays
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


class SimulatedController:
    """Hears which ports are dark, and brings routes around them to switches.

    Args:
        install: gives a switch these rows of STATIC_ROUTE, from this simulated instant on.

    Attributes:
        rows: what it did, in order of time; what is on its way to switches is not there yet.
    """

    def __init__(
        self,
        switches: PreparedSwitches,
        demand: Demand | None,
        delays: ControllerDelays,
        install: Callable[[str, Rows], None],
    ) -> None:
        assert switches.plan, "switches that are not programmed are refused"
        self._desired = self._target = Desired(switches.fabric, HeldPlan(switches.plan), demand)
        self._repairs, self._rendered = Repairs(is_on=True), Rendered()
        self._delays, self._install = delays, install
        self._down: dict[str, frozenset[str]] = {}
        self._free_ps = 0
        self._heard_ps: int | None = None
        self.rows: list[RepairRow] = []

    def tell(self, switch: str, down: frozenset[str], now_ps: int, at: At) -> None:
        """A switch knows that these of its ports are dark, and tells the controller."""
        heard_ps = now_ps + self._delays.notification_ps

        def hear() -> None:
            self._down[switch] = down
            self._call(heard_ps, at)

        at(heard_ps, hear)

    def leave(self) -> None:
        """Switches get nothing any more; `rows` stay."""
        self._install = lambda switch, rows: None

    def _call(self, now_ps: int, at: At) -> None:
        """Decide as soon as it is through with the repair before; behind all that is heard now."""
        if self._heard_ps is None:
            self._heard_ps = now_ps
            decide_ps = max(now_ps, self._free_ps)
            at(decide_ps, lambda: self._decide(decide_ps, at))

    def _decide(self, now_ps: int, at: At) -> None:
        """Work out what to write for the links that are dead now, and send it."""
        assert self._heard_ps is not None
        heard_ps, self._heard_ps = self._heard_ps, None
        before, dead = self._target, self._repairs.dead
        self._target = self._repairs.target(self._desired, self._down, now_ps / _PS_PER_S)
        if (wait_s := self._repairs.wait_s(now_ps / _PS_PER_S)) < math.inf:
            later_ps = now_ps + int(wait_s * _PS_PER_S) + 1
            at(later_ps, lambda: self._call(later_ps, at))
        if self._repairs.dead == dead:
            return
        changed = before.writes_to(self._target)
        rows = {
            name: self._rendered.follow(before.switches[name], self._target.switches[name], writes)[1]
            for name, writes in changed.items()
        }
        done_ps = heard_ps
        if changed:
            self._free_ps = now_ps + self._delays.computation_ps + self._delays.push_ps
            done_ps = self._free_ps + self._delays.hardware_ps
        row = RepairRow(
            tuple(sorted(self._repairs.dead - dead)),
            tuple(sorted(dead - self._repairs.dead)),
            heard_ps,
            done_ps,
            len(changed),
            sum(map(len, changed.values())),
        )
        at(done_ps, lambda: self._put(row, rows))

    def _put(self, row: RepairRow, rows: Mapping[str, Rows]) -> None:
        for name, table in rows.items():
            self._install(name, table)
        self.rows.append(row)
