"""CONFIG_DB of the switches of a plan, rendered once and followed as routes change."""

from __future__ import annotations

from collections.abc import Iterable

from raddle.controller.plan.model import SwitchPlan
from raddle.controller.plan.update import Write
from raddle.controller.southbound.sonic.routes import TABLE, prefix_of
from raddle.controller.southbound.sonic.tables import Tables, intended, static_route

Rows = dict[str, dict[str, str]]
"""A table: fields by key."""


class Rendered:
    """Tables of the SONiC switches, by name. Calls may come from any thread."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[SwitchPlan, Tables]] = {}

    def tables(self, switch: SwitchPlan) -> Tables:
        """All of CONFIG_DB that comes from the plan; none of a switch that another protocol programs."""
        if switch.nos != "sonic":
            return {}
        known = self._known.get(switch.name)
        if known is None or known[0] is not switch:
            known = self._known[switch.name] = switch, intended(switch)
        return known[1]

    def follow(self, old: SwitchPlan, new: SwitchPlan, writes: Iterable[Write]) -> tuple[Rows, Rows]:
        """STATIC_ROUTE before and after routes change; `new` differs from `old` in these alone."""
        tables = self.tables(old)
        before = tables.get(TABLE, {})
        keys = {prefix_of(key): key for key in before}
        after = dict(before)
        for write in writes:
            key = keys.get(write.prefix, f"default|{write.prefix}")
            if write.after:
                after[key] = static_route(write.after)
            else:
                after.pop(key, None)
        self._known[new.name] = new, {**tables, TABLE: after}
        return before, after
