"""Which links count as dead, and the plan without them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from raddle.controller.service.backups import Backups
from raddle.controller.service.desired import Desired

STEADY_S = 2.0
"""How long a link must have been back before routes use it again, in seconds: one that flaps stays out."""


class Repairs:
    """Links that routes lead around: at once when one dies, and until one that is back has stayed.

    Attributes:
        dead: links, as `Desired.links` names them.
    """

    def __init__(self, is_on: bool) -> None:
        self._is_on = is_on
        self._backups = Backups()
        self.dead: frozenset[str] = frozenset()
        self._back_s: dict[str, float] = {}
        self._known: tuple[Desired, frozenset[str], Desired] | None = None

    def target(self, desired: Desired, down: Mapping[str, Collection[str]], now_s: float) -> Desired:
        """What the switches are to hold at this moment."""
        if not self._is_on:
            return desired
        found = desired.dead_links(down)
        for name in self.dead - found:
            self._back_s.setdefault(name, now_s)
        for name in found:
            self._back_s.pop(name, None)
        flapping = {
            name
            for name in self.dead - found
            if name in desired.links and now_s - self._back_s[name] < STEADY_S
        }
        self._back_s = {name: self._back_s[name] for name in flapping}
        self.dead = found | flapping
        if not self.dead:
            return desired
        if self._known is None or self._known[0] is not desired or self._known[1] != self.dead:
            self._known = desired, self.dead, desired.repaired(self._backups.of(desired, self.dead))
        return self._known[2]

    def prepare(self, desired: Desired) -> None:
        """Work out beforehand what is to be written after each single failure."""
        if self._is_on:
            self._backups.prepare(desired)

    def wait_s(self, now_s: float) -> float:
        """How long until a link may have been back for long enough."""
        return min((at_s + STEADY_S - now_s for at_s in self._back_s.values()), default=math.inf)
