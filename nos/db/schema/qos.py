"""Schema of QoS: the maps, PORT_QOS_MAP, SCHEDULER, WRED_PROFILE, QUEUE, PFC_WD.

Source: sonic-dscp-tc-map, sonic-tc-queue-map, sonic-tc-priority-group-map, sonic-pfc-priority-queue-map,
sonic-port-qos-map, sonic-scheduler, sonic-wred-profile, sonic-queue, sonic-pfcwd.
"""

from __future__ import annotations

from collections.abc import Sequence

from raddle.nos.db.databases import ConfigEntry, ConfigTables
from raddle.nos.db.schema.model import EntrySchema, Leaf, TableSchema, number
from raddle.nos.db.schema.types import any_string, boolean, enum, integer, map_name, text

_TC = integer("uint8", 0, 15)
_OCTAL_DIGIT = text(pattern="[0-7]?")


def _map_table(name: Leaf, value: Leaf) -> TableSchema:
    return TableSchema(entries=(EntrySchema(key=(Leaf(map_name),), pairs=(name, value)),))


DSCP_TO_TC_MAP = _map_table(Leaf(text(pattern="6[0-3]|[1-5][0-9]?|[0-9]?")), Leaf(_TC))
TC_TO_QUEUE_MAP = _map_table(Leaf(_TC), Leaf(text(pattern="[0-9]?")))
TC_TO_PRIORITY_GROUP_MAP = _map_table(Leaf(_TC), Leaf(_OCTAL_DIGIT))
MAP_PFC_PRIORITY_TO_QUEUE = _map_table(Leaf(_OCTAL_DIGIT), Leaf(_OCTAL_DIGIT))
DOT1P_TO_TC_MAP = _map_table(Leaf(_OCTAL_DIGIT), Leaf(_TC))
TC_TO_DSCP_MAP = _map_table(Leaf(_TC), Leaf(text(pattern="6[0-3]|[1-5][0-9]?|[0-9]?")))
PFC_PRIORITY_TO_PRIORITY_GROUP_MAP = _map_table(Leaf(_OCTAL_DIGIT), Leaf(_OCTAL_DIGIT))

_PRIORITIES = text(pattern="([0-7](,[0-7])*)?")

PORT_QOS_MAP = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="PORT", literals=frozenset({"global"})),),
            fields={
                "dscp_to_tc_map": Leaf(refs="DSCP_TO_TC_MAP"),
                "tc_to_queue_map": Leaf(refs="TC_TO_QUEUE_MAP"),
                "tc_to_pg_map": Leaf(refs="TC_TO_PRIORITY_GROUP_MAP"),
                "pfc_to_queue_map": Leaf(refs="MAP_PFC_PRIORITY_TO_QUEUE"),
                "pfc_to_pg_map": Leaf(refs="PFC_PRIORITY_TO_PRIORITY_GROUP_MAP"),
                "dot1p_to_tc_map": Leaf(refs="DOT1P_TO_TC_MAP"),
                "tc_to_dscp_map": Leaf(refs="TC_TO_DSCP_MAP"),
                "pfc_enable": Leaf(_PRIORITIES),
                "pfcwd_sw_enable": Leaf(_PRIORITIES),
                "scheduler": Leaf(refs="SCHEDULER"),
            },
        ),
    )
)


def _shaper_is_ordered(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    cir, pir = number(entry, "cir") or 0, number(entry, "pir") or 0
    cbs, pbs = number(entry, "cbs") or 0, number(entry, "pbs") or 0
    if "pir" in entry and not cir:
        return "pir can't be configured without cir."
    if "pir" in entry and pir < cir:
        return "pir must be greater than or equal to cir"
    if "cbs" in entry and not cir:
        return "cbs can't be configured without cir."
    if "pbs" in entry and not pir:
        return "pbs can't be configured without pir."
    if "pbs" in entry and pbs < cbs:
        return "pbs must be greater than or equal to cbs"
    return None


SCHEDULER = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(any_string),),
            fields={
                "type": Leaf(enum("DWRR", "WRR", "STRICT")),
                "weight": Leaf(integer("uint8", 1, 100)),
                "priority": Leaf(integer("uint8", 0, 9)),
                "meter_type": Leaf(enum("packets", "bytes")),
                "cir": Leaf(integer("uint64")),
                "pir": Leaf(integer("uint64")),
                "cbs": Leaf(integer("uint32")),
                "pbs": Leaf(integer("uint32")),
            },
            musts=(_shaper_is_ordered,),
        ),
    )
)

_COLOURS = ("green", "yellow", "red")


def _thresholds_are_ordered(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    for colour in _COLOURS:
        low, high = number(entry, f"{colour}_min_threshold"), number(entry, f"{colour}_max_threshold")
        # The YANG must compares with a missing minimum as well, and is then not satisfied.
        if high is not None and (low is None or high < low):
            return (
                f'Must condition "(current() >= current()/../{colour}_min_threshold)" not satisfied: '
                f"{colour}_max_threshold {high}, {colour}_min_threshold {low}"
            )
    return None


WRED_PROFILE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(map_name),),
            fields={
                "ecn": Leaf(
                    enum(
                        "ecn_none",
                        "ecn_green",
                        "ecn_yellow",
                        "ecn_red",
                        "ecn_green_yellow",
                        "ecn_green_red",
                        "ecn_yellow_red",
                        "ecn_all",
                    )
                ),
                **{f"wred_{colour}_enable": Leaf(boolean) for colour in _COLOURS},
                **{f"{colour}_min_threshold": Leaf(integer("uint64")) for colour in _COLOURS},
                **{f"{colour}_max_threshold": Leaf(integer("uint64")) for colour in _COLOURS},
                **{f"{colour}_drop_probability": Leaf(integer("uint64", 0, 100)) for colour in _COLOURS},
            },
            musts=(_thresholds_are_ordered,),
        ),
    )
)

QUEUE = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="PORT", literals=frozenset({"CPU"})), Leaf(any_string)),
            fields={"scheduler": Leaf(refs="SCHEDULER"), "wred_profile": Leaf(refs="WRED_PROFILE")},
        ),
    )
)


def _watchdog_fields_fit(key: Sequence[str], entry: ConfigEntry, config: ConfigTables) -> str | None:
    if key[0] == "GLOBAL":
        for name in entry:
            if name != "POLL_INTERVAL":
                return f"Must condition \"../ifname != 'GLOBAL'\" not satisfied ({name})."
        return None
    if "POLL_INTERVAL" in entry:
        return "Must condition \"../ifname = 'GLOBAL'\" not satisfied (POLL_INTERVAL)."
    poll = number(config["PFC_WD"].get("GLOBAL", {}), "POLL_INTERVAL")
    for name in ("detection_time", "restoration_time"):
        time_ms = number(entry, name)
        if time_ms is not None and poll is not None and time_ms < poll:
            return f"{name} must be greater than or equal to POLL_INTERVAL ({time_ms} < {poll})"
    return None


PFC_WD = TableSchema(
    entries=(
        EntrySchema(
            key=(Leaf(refs="PORT", literals=frozenset({"GLOBAL"})),),
            fields={
                "action": Leaf(enum("drop", "forward", "alert")),
                "detection_time": Leaf(integer("uint32", 100, 5000)),
                "restoration_time": Leaf(integer("uint32", 100, 60000)),
                "pfc_stat_history": Leaf(text(pattern="enable|disable")),
                "POLL_INTERVAL": Leaf(integer("uint32", 100, 1000)),
            },
            musts=(_watchdog_fields_fit,),
        ),
    )
)
