"""The controller's change for each single failure, worked out beforehand in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from raddle.controller.plan.backup import Backup, backup_of
from raddle.controller.plan.replan import replanner
from raddle.controller.plan.update import routes_of
from raddle.controller.service.desired import Desired

_SHARE = 0.25
"""Of a core that working them out may take."""


class Backups:
    """What the controller writes after failures. `prepare` goes through all single links; what is asked for
    before it is known, or of several links, is worked out at once."""

    def __init__(self) -> None:
        self._desired: Desired | None = None
        self._known: dict[str, Backup] = {}

    @property
    def count(self) -> int:
        """Failures whose change is known."""
        return len(self._known)

    def prepare(self, desired: Desired) -> None:
        """Begin with a new plan, unless it is the one that is known."""
        if desired is self._desired:
            return
        self._desired, self._known = desired, {}
        threading.Thread(target=self._work, args=(desired, self._known), name="backups", daemon=True).start()

    def of(self, desired: Desired, dead: Collection[str]) -> Backup:
        """What changes with some dead links."""
        if (
            desired is self._desired
            and len(dead) == 1
            and (found := self._known.get(next(iter(dead)))) is not None
        ):
            return found
        return desired.backup(dead)

    def _work(self, desired: Desired, known: dict[str, Backup]) -> None:
        # Not the planner of `desired`, which the controller's thread uses.
        plan, planned = desired.held.plan, routes_of(desired.held.plan)
        replan = replanner(desired.fabric, plan, desired.demand)
        for name, index in desired.links.items():
            began_s = time.monotonic()
            known[name] = backup_of(desired.fabric, plan, replan, "", [index], planned)
            time.sleep((time.monotonic() - began_s) * (1 / _SHARE - 1))
            if self._desired is not desired:
                return
