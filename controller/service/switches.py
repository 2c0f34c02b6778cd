"""What the controller knows of each switch now."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from raddle.controller.plan.model import SwitchPlan
from raddle.controller.reconcile import SwitchResult
from raddle.controller.service.records import now

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _CALM_S = 0.3, 300.0, 600.0


@dataclass(slots=True)
class SwitchView:
    """A switch, as it was last seen.

    Attributes:
        state: as `raddle status` has it, `stranger` where it seems to be another switch.
        text: what is wrong, in words.
        changes: how many entries differ from the plan.
        is_connected: whether it is watched now.
        since: when its state became what it is (ISO 8601, UTC).
        down: ports that the plan has up, with a cable, and that have no link.
        is_due: it is to be compared with the plan.
        due_s: not before (clock of `time.monotonic`).
        waits_for: the switches that some of its routes wait for.
        mends: how often it was mended without ten calm minutes in between.
    """

    name: str
    address: str
    state: str = "unknown"
    text: str = ""
    changes: int = 0
    is_connected: bool = False
    since: str = field(default_factory=now)
    down: frozenset[str] = frozenset()
    is_due: bool = False
    due_s: float = 0.0
    waits_for: frozenset[str] = frozenset()
    mends: int = 0
    mended_s: float = 0.0

    def become(self, state: str, text: str = "", changes: int = 0) -> bool:
        """Take on a state; whether it is a new one."""
        is_new = (state, text) != (self.state, self.text)
        if is_new:
            self.since = now()
        self.state, self.text, self.changes = state, text, changes
        return is_new

    def take(self, result: SwitchResult) -> bool:
        """What a push or comparison has found."""
        self.waits_for = frozenset(result.waiting.values())
        if result.doubts:
            return self.become("stranger", "; ".join(result.doubts))
        first = result.changes[0].path if result.changes and not result.sets else ""
        text = result.error or result.held or first
        if not text and result.waiting:
            others = ", ".join(sorted(set(result.waiting.values())))
            text = f"{len(result.waiting)} routes wait for {others}"
        if not text and result.bootstrap:
            text = f"needs a new config_db.json for {result.bootstrap[0]}"
        return self.become(result.state, text.partition("\n")[0], 0 if result.sets else len(result.changes))

    def mark(self, now_s: float, pause_s: float = 0.0) -> None:
        """It is to be compared with the plan."""
        due_s = now_s + pause_s
        self.due_s = min(self.due_s, due_s) if self.is_due else due_s
        self.is_due = True

    def mended(self, now_s: float) -> None:
        self.mends = self.mends + 1 if now_s - self.mended_s < _CALM_S else 1
        self.mended_s = now_s

    def pause_s(self, now_s: float) -> float:
        """How long to wait before it is mended once more: longer each time, as somebody else may be at it."""
        if not self.mends or now_s - self.mended_s > _CALM_S:
            return 0.0
        return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (self.mends - 1))


class Switches:
    """All switches of a fabric."""

    def __init__(self) -> None:
        self.views: dict[str, SwitchView] = {}
        self._cabled: dict[str, frozenset[str]] = {}

    def keep(self, plans: Iterable[SwitchPlan], addresses: Mapping[str, str]) -> None:
        """These are the plan's; others are forgotten."""
        before = self.views
        self.views = {
            each.name: before.get(each.name) or SwitchView(each.name, addresses.get(each.name, ""))
            for each in plans
        }
        self._cabled = {
            each.name: frozenset(port.name for port in each.ports if port.peer and port.is_enabled)
            for each in plans
        }

    def set_down(self, name: str, down: frozenset[str]) -> frozenset[str]:
        """A switch's ports without a link; returns those that have changed."""
        view = self.views[name]
        before, view.down = view.down, down & self._cabled[name]
        return before ^ view.down

    @property
    def down(self) -> dict[str, frozenset[str]]:
        return {name: view.down for name, view in self.views.items() if view.down}

    @property
    def in_sync(self) -> frozenset[str]:
        return frozenset(name for name, view in self.views.items() if view.state == "in sync")

    def due(self, now_s: float) -> list[str]:
        """Those that are to be compared with the plan now."""
        return [
            name
            for name, view in self.views.items()
            if view.is_due and view.is_connected and view.due_s <= now_s
        ]

    def mark_waiting(self, now_s: float) -> None:
        """Those that wait for switches which are as planned are to be compared, and so mended."""
        for view in self.views.values():
            others = (self.views[name] for name in view.waits_for if name in self.views)
            if not view.is_due and any(each.state == "in sync" for each in others):
                view.mark(now_s, view.pause_s(now_s))

    def next_due_s(self) -> float:
        """When the next one is to be compared (clock of `time.monotonic`)."""
        due = (view.due_s for view in self.views.values() if view.is_due and view.is_connected)
        return min(due, default=math.inf)
