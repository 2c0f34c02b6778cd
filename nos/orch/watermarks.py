"""watermarkorch: the highest marks since somebody cleared them, and of a period.

Source: sonic-swss orchagent/watermarkorch.cpp; sonic-utilities scripts/watermarkstat, clear/main.py.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from raddle.nos.orch.flex_counters import raised
from raddle.state import SwitchCounters

Owner = Literal["USER", "PERSISTENT"]

CLEAR_CHANNEL = "WATERMARK_CLEAR_REQUEST"
"""The channel of APPL_DB on which `sonic-clear` asks, with a JSON list of an owner and one of CLEARED."""

CLEARED: Mapping[str, str] = {
    "PG_HEADROOM": "SAI_INGRESS_PRIORITY_GROUP_STAT_XOFF_ROOM_WATERMARK_BYTES",
    "PG_SHARED": "SAI_INGRESS_PRIORITY_GROUP_STAT_SHARED_WATERMARK_BYTES",
    "Q_SHARED_UNI": "SAI_QUEUE_STAT_SHARED_WATERMARK_BYTES",
    "BUFFER_POOL": "SAI_BUFFER_POOL_STAT_WATERMARK_BYTES",
    "HEADROOM_POOL": "SAI_BUFFER_POOL_STAT_XOFF_ROOM_WATERMARK_BYTES",
}
"""What a request clears -> the watermark; no queue here is a multicast one, or one of ALL kinds."""

_PERIOD_PS = 120 * 10**12  # watermarkorch.cpp, DEFAULT_TELEMETRY_INTERVAL; of simulated time


@dataclass(frozen=True, slots=True)
class WatermarkTables:
    """USER_WATERMARKS, PERSISTENT_WATERMARKS and PERIODIC_WATERMARKS; of the counters only watermarks."""

    user: SwitchCounters = field(default_factory=SwitchCounters)
    persistent: SwitchCounters = field(default_factory=SwitchCounters)
    periodic: SwitchCounters = field(default_factory=SwitchCounters)

    def then(self, asic: SwitchCounters, last_ps: int, disabled: frozenset[str]) -> WatermarkTables:
        """The tables after a poll of the ASIC; the one before was at `last_ps`."""
        is_new_period = asic.time_ps // _PERIOD_PS > last_ps // _PERIOD_PS
        return WatermarkTables(
            raised(self.user, asic, disabled),
            raised(self.persistent, asic, disabled),
            raised(SwitchCounters() if is_new_period else self.periodic, asic, disabled),
        )

    def cleared(self, owner: Owner, request: str) -> WatermarkTables:
        """The tables once `request`, a key of CLEARED, has set a watermark of the owner's to 0."""
        stat = CLEARED[request]
        if owner == "USER":
            return dataclasses.replace(self, user=_without(self.user, stat))
        return dataclasses.replace(self, persistent=_without(self.persistent, stat))


def read_request(message: str) -> tuple[Owner, str] | None:
    """What a message on CLEAR_CHANNEL asks for; None if nothing that there is."""
    try:
        match json.loads(message):
            case ["USER" | "PERSISTENT" as owner, str(request)] if request in CLEARED:
                return owner, request
    except (ValueError, RecursionError):
        pass
    return None


def _without(marks: SwitchCounters, stat: str) -> SwitchCounters:
    return dataclasses.replace(
        marks,
        queue={name: rows for name, rows in marks.queue.items() if name != stat},
        pg={name: rows for name, rows in marks.pg.items() if name != stat},
        pool={name: row for name, row in marks.pool.items() if name != stat},
    )
