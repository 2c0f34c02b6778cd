"""Counters since they were cleared: SONiC's show commands subtract what `sonic-clear` has put by.

Source: sonic-utilities clear/main.py, scripts/portstat, pfcstat, queuestat and pg-drop. The switch counts on;
only what is shown starts again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial

from raddle.nos.db.databases import Databases, HashTable
from raddle.nos.orch.lazy import LazyTables

Counts = dict[str, dict[str, str]]
"""oid -> what an object had counted."""


@dataclasses.dataclass(frozen=True, slots=True)
class ClearCommand:
    """Words behind `clear`, the show command that starts again, whose counters, and what SONiC prints."""

    shown_by: str
    names: str
    reply: str


CLEARS: Mapping[str, ClearCommand] = {
    "counters": ClearCommand("interfaces counters", "COUNTERS_PORT_NAME_MAP", "Cleared counters"),
    "pfccounters": ClearCommand("pfc counters", "COUNTERS_PORT_NAME_MAP", "Clear saved PFC counters"),
    "queuecounters": ClearCommand("queue counters", "COUNTERS_QUEUE_NAME_MAP", "Clear saved counters"),
    "queue wredcounters": ClearCommand(
        "queue wredcounters", "COUNTERS_QUEUE_NAME_MAP", "Clear saved counters"
    ),
    "priority-group drop counters": ClearCommand(
        "priority-group drop counters", "COUNTERS_PG_NAME_MAP", "Cleared PG drop counter"
    ),
}


_LEVELS = ("_OCCUPANCY_BYTES", "_WATERMARK_BYTES", "_QLEN")


def counts_of(databases: Databases, command: ClearCommand) -> Counts:
    """What a clear command puts by: all that only ever grows."""
    counters = databases.counters["COUNTERS"]
    return {
        oid: {name: value for name, value in counters[oid].items() if not name.endswith(_LEVELS)}
        for oid in databases.counters[command.names][""].values()
    }


def since(databases: Databases, counts: Counts) -> Databases | None:
    """The databases with what was counted since `counts`; None if the switch has started again from 0."""
    counters = databases.counters["COUNTERS"]
    shown = dict(counters)
    for oid, before in counts.items():
        now = counters.get(oid, {})
        entry = {name: _less(value, before.get(name, "0")) for name, value in now.items()}
        if not now or any(value.startswith("-") for value in entry.values()):
            return None
        shown[oid] = entry
    makers: dict[str, Callable[[], HashTable]] = {
        name: partial(databases.counters.__getitem__, name) for name in databases.counters
    }
    return dataclasses.replace(databases, counters=LazyTables({**makers, "COUNTERS": lambda: shown}))


def _less(now: str, before: str) -> str:
    return str(int(now) - int(before)) if now.isdigit() and before.isdigit() else now
