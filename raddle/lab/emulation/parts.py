"""What the switches of an emulation must hold, computed once for each part of a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from raddle.controller.plan.model import Plan, SwitchPlan

T = TypeVar("T")


class Parts(Generic[T]):
    """By a switch's part of a plan, as the object that it is, what its driver makes of it; and the plan that
    the switches hold."""

    def __init__(self, make: Callable[[SwitchPlan], T]) -> None:
        self._make = make
        self._made: dict[int, tuple[SwitchPlan, T]] = {}
        self._held: dict[str, SwitchPlan] = {}

    def of(self, switch: SwitchPlan) -> T:
        """What is made of a part, which may have been prepared."""
        found = self._made.get(id(switch))
        return self._make(switch) if found is None else found[1]

    def prepare(self, plan: Plan) -> None:
        """Make what is of a plan's parts, and keep it."""
        for switch in plan.switches:
            if id(switch) not in self._made:
                self._made[id(switch)] = switch, self._make(switch)

    def changed(self, plan: Plan) -> list[SwitchPlan]:
        """The parts that are not as in the plan that the switches hold."""
        return [
            each for each in plan.switches if (held := self._held.get(each.name)) is not each and held != each
        ]

    def hold(self, plan: Plan) -> None:
        """The switches hold this plan."""
        self._held = {switch.name: switch for switch in plan.switches}
