"""Whom dead links have left without a way: found when links change, and told."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from raddle.controller.service.desired import CutOff, Desired
from raddle.controller.service.events import Bus
from raddle.units import few


class LostWays:
    """Looks for who is cut off.

    Attributes:
        found: at the last look.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.found = CutOff()
        self._known: tuple[Desired, Mapping[str, Collection[str]]] | None = None

    def look(self, desired: Desired, down: Mapping[str, Collection[str]]) -> bool:
        """See who is cut off with these ports down, by switch, and tell of it; whether that has changed."""
        if self._known and self._known[0] is desired and self._known[1] == down:
            return False
        self._known = desired, down
        before, self.found = self.found, desired.cut_off(down)
        for was, now_so, where in (
            (before.endpoints, self.found.endpoints, "there"),
            (before.leaves, self.found.leaves, "from one to the other"),
        ):
            known, still = set(was), set(now_so)
            if lost := [name for name in now_so if name not in known]:
                self._bus.tell("cut-off", f"{few(lost)}: no way leads {where}")
            if back := [name for name in was if name not in still]:
                self._bus.tell("cut-off", f"{few(back)}: a way leads {where} again")
        return self.found != before
