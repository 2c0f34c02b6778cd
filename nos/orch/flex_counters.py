"""flexcounterorch: which groups of counters are polled.

Source: sonic-swss orchagent/flexcounterorch.cpp. A group without an entry is polled, as SONiC's
init_cfg.json enables it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeVar

from raddle.nos.db.databases import ConfigDb
from raddle.state import SwitchCounters

_Column = TypeVar("_Column")
_Rows = Sequence[Sequence[int]]

_GROUP_OF_STAT = {
    "SAI_PORT_STAT_IN_DROPPED_PKTS": "PORT_BUFFER_DROP",
    "SAI_PORT_STAT_OUT_DROPPED_PKTS": "PORT_BUFFER_DROP",
    "SAI_QUEUE_STAT_SHARED_WATERMARK_BYTES": "QUEUE_WATERMARK",
    "SAI_PORT_STAT_WRED_DROPPED_PACKETS": "WRED_ECN_PORT",
    "SAI_PORT_STAT_GREEN_WRED_DROPPED_PACKETS": "WRED_ECN_PORT",
    "SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS": "WRED_ECN_QUEUE",
    "SAI_QUEUE_STAT_WRED_ECN_MARKED_BYTES": "WRED_ECN_QUEUE",
    "SAI_QUEUE_STAT_WRED_DROPPED_PACKETS": "WRED_ECN_QUEUE",
    "SAI_QUEUE_STAT_WRED_DROPPED_BYTES": "WRED_ECN_QUEUE",
    "SAI_INGRESS_PRIORITY_GROUP_STAT_SHARED_WATERMARK_BYTES": "PG_WATERMARK",
    "SAI_INGRESS_PRIORITY_GROUP_STAT_XOFF_ROOM_WATERMARK_BYTES": "PG_WATERMARK",
    "SAI_INGRESS_PRIORITY_GROUP_STAT_DROPPED_PACKETS": "PG_DROP",
    "SAI_BUFFER_POOL_STAT_WATERMARK_BYTES": "BUFFER_POOL_WATERMARK",
    "SAI_BUFFER_POOL_STAT_XOFF_ROOM_WATERMARK_BYTES": "BUFFER_POOL_WATERMARK",
}
WATERMARK_GROUPS = frozenset({"QUEUE_WATERMARK", "PG_WATERMARK", "BUFFER_POOL_WATERMARK"})
_GROUP_OF_KIND = {"SAI_PORT": "PORT", "SAI_QUEUE": "QUEUE"}


def disabled_groups(config: ConfigDb) -> frozenset[str]:
    """The groups that FLEX_COUNTER_TABLE switches off."""
    return frozenset(
        group
        for group, entry in config.get("FLEX_COUNTER_TABLE", {}).items()
        if entry.get("FLEX_COUNTER_STATUS") == "disable"
    )


def poll(shown: SwitchCounters, asic: SwitchCounters, disabled: frozenset[str]) -> SwitchCounters:
    """What a poll of the ASIC shows: the columns of disabled groups stay as they are shown.

    Watermarks only rise, since the ASIC forgets its own when they are read.
    """
    marks = raised(shown, asic, disabled)
    if shown.ports != asic.ports:  # nothing was polled yet, or ports have come and gone
        shown = SwitchCounters(asic.ports)
    return dataclasses.replace(
        marks,
        port=_merge(shown.port, asic.port, disabled),
        queue={**_merge(shown.queue, asic.queue, disabled), **marks.queue},
        pg={**_merge(shown.pg, asic.pg, disabled), **marks.pg},
        acl=shown.acl if "ACL" in disabled else asic.acl,
    )


def raised(marks: SwitchCounters, asic: SwitchCounters, disabled: frozenset[str]) -> SwitchCounters:
    """Watermarks, and nothing else, that are `marks` or, where those are higher, the ASIC's."""
    old = marks if marks.ports == asic.ports else SwitchCounters()
    pools = marks.pool if marks.pools == asic.pools else {}
    return SwitchCounters(
        asic.ports,
        queue=_raised_rows(old.queue, asic.queue, disabled),
        pg=_raised_rows(old.pg, asic.pg, disabled),
        pools=asic.pools,
        pool={
            name: pools[name] if group_of(name) in disabled else _most(pools.get(name), column)
            for name, column in asic.pool.items()
            if name in pools or group_of(name) not in disabled
        },
        time_ps=asic.time_ps,
    )


def _raised_rows(
    old: Mapping[str, _Rows], new: Mapping[str, _Rows], disabled: frozenset[str]
) -> dict[str, _Rows]:
    raised: dict[str, _Rows] = {}
    for name, column in new.items():
        before = old.get(name)
        if not is_watermark(name) or (group_of(name) in disabled and before is None):
            continue
        if before is None:
            raised[name] = column
        elif group_of(name) in disabled:
            raised[name] = before
        else:
            raised[name] = [_most(row, high) for row, high in zip(before, column, strict=True)]
    return raised


def _most(old: Sequence[int] | None, new: Sequence[int]) -> Sequence[int]:
    if old is None or not any(old):
        return new
    return list(map(max, old, new)) if any(new) else old


def is_watermark(stat: str) -> bool:
    """Whether a counter is the highest value of something."""
    return stat.endswith("_WATERMARK_BYTES")


def _merge(
    old: Mapping[str, _Column], new: Mapping[str, _Column], disabled: frozenset[str]
) -> dict[str, _Column]:
    held = {name: column for name, column in old.items() if group_of(name) in disabled}
    polled = {
        name: column
        for name, column in new.items()
        if group_of(name) not in disabled and not is_watermark(name)
    }
    return polled | held


def group_of(stat: str) -> str:
    """The group that a counter belongs to; none for what the PFC watchdog counts."""
    return _GROUP_OF_STAT.get(stat) or _GROUP_OF_KIND.get(stat.partition("_STAT_")[0], "")
