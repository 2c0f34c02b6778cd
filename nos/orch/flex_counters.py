"""flexcounterorch: which groups of counters are polled.

Source: sonic-swss orchagent/flexcounterorch.cpp. A group without an entry is polled, as SONiC's
init_cfg.json enables it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from nos.db.databases import ConfigDb
from raddle.state import SwitchCounters

_Column = TypeVar("_Column")

_GROUP_OF_STAT = {
    "SAI_PORT_STAT_IN_DROPPED_PKTS": "PORT_BUFFER_DROP",
    "SAI_PORT_STAT_OUT_DROPPED_PKTS": "PORT_BUFFER_DROP",
    "SAI_QUEUE_STAT_SHARED_WATERMARK_BYTES": "QUEUE_WATERMARK",
    "SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS": "WRED_ECN_QUEUE",
    "SAI_QUEUE_STAT_WRED_ECN_MARKED_BYTES": "WRED_ECN_QUEUE",
    "SAI_INGRESS_PRIORITY_GROUP_STAT_SHARED_WATERMARK_BYTES": "PG_WATERMARK",
    "SAI_INGRESS_PRIORITY_GROUP_STAT_XOFF_ROOM_WATERMARK_BYTES": "PG_WATERMARK",
    "SAI_INGRESS_PRIORITY_GROUP_STAT_DROPPED_PACKETS": "PG_DROP",
}
_GROUP_OF_KIND = {"SAI_PORT": "PORT", "SAI_QUEUE": "QUEUE"}


def disabled_groups(config: ConfigDb) -> frozenset[str]:
    """The groups that FLEX_COUNTER_TABLE switches off."""
    return frozenset(
        group
        for group, entry in config.get("FLEX_COUNTER_TABLE", {}).items()
        if entry.get("FLEX_COUNTER_STATUS") == "disable"
    )


def poll(shown: SwitchCounters, asic: SwitchCounters, disabled: frozenset[str]) -> SwitchCounters:
    """What a poll of the ASIC shows: the columns of disabled groups stay as they are shown."""
    if not disabled:
        return asic
    if shown.ports != asic.ports:  # nothing was polled yet, or ports have come and gone
        shown = SwitchCounters(asic.ports)
    return SwitchCounters(
        asic.ports,
        _merge(shown.port, asic.port, disabled),
        _merge(shown.queue, asic.queue, disabled),
        _merge(shown.pg, asic.pg, disabled),
        asic.time_ps,
    )


def _merge(
    old: Mapping[str, _Column], new: Mapping[str, _Column], disabled: frozenset[str]
) -> dict[str, _Column]:
    held = {name: column for name, column in old.items() if _group(name) in disabled}
    return {name: column for name, column in new.items() if _group(name) not in disabled} | held


def _group(stat: str) -> str:
    """The group that a counter belongs to; none for what the PFC watchdog counts."""
    return _GROUP_OF_STAT.get(stat) or _GROUP_OF_KIND.get(stat.partition("_STAT_")[0], "")
