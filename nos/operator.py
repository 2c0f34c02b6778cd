"""SONiC's config and clear commands that run on the switch itself, past the Generic Config Updater.

Source: sonic-utilities config/main.py (qos reload, qos clear, save, reload), pfcwd/main.py and clear/main.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raddle.nos.db.databases import ConfigDb, ConfigEntry, ConfigTable
from raddle.nos.operator_breakout import break_out
from raddle.nos.operator_error import CommandError
from raddle.nos.operator_qos import change_profile, set_cable_length, set_ecn
from raddle.nos.orch.ports import front_panel_order
from raddle.nos.orch.watchdog import BIG_RED_SWITCH
from raddle.nos.orch.watermarks import Owner

QOS_TABLES = (
    *("PORT_QOS_MAP", "QUEUE", "TC_TO_PRIORITY_GROUP_MAP", "MAP_PFC_PRIORITY_TO_QUEUE", "TC_TO_QUEUE_MAP"),
    *("DSCP_TO_TC_MAP", "SCHEDULER", "PFC_PRIORITY_TO_PRIORITY_GROUP_MAP", "WRED_PROFILE", "CABLE_LENGTH"),
    *("BUFFER_PG", "BUFFER_QUEUE", "BUFFER_PORT_INGRESS_PROFILE_LIST", "BUFFER_PORT_EGRESS_PROFILE_LIST"),
    *("BUFFER_PROFILE", "BUFFER_POOL", "DEFAULT_LOSSLESS_BUFFER_PARAMETER", "LOSSLESS_TRAFFIC_PATTERN"),
)
"""What `config qos clear` removes and `config qos reload` makes anew (config/main.py, QOS_TABLE_NAMES)."""

_DEFAULT_MS = 200
_PORTS_PER_STEP = 32
_MAX_POLL_MS = 1000

HELP = (
    "config qos reload|clear, config pfcwd start_default|stop|interval MS|big_red_switch enable|disable, "
    "config ecn -profile NAME -gmin|-gmax|-gdrop N, config buffer profile add|set|remove NAME, config "
    "interface cable-length PORT LENGTH, config interface breakout PORT MODE [-f]"
)

__all__ = ["CLEAR_COMMANDS", "HELP", "QOS_TABLES", "CommandError", "changed_by", "watermarks_of"]

_WATERMARKS = {
    "priority-group {} shared": "PG_SHARED",
    "priority-group {} headroom": "PG_HEADROOM",
    "queue {} unicast": "Q_SHARED_UNI",
    "buffer_pool {}": "BUFFER_POOL",
    "headroom-pool {}": "HEADROOM_POOL",
}
CLEAR_COMMANDS: Mapping[str, tuple[Owner, str]] = {
    **{words.format("watermark"): ("USER", request) for words, request in _WATERMARKS.items()},
    **{
        words.format("persistent-watermark"): ("PERSISTENT", request)
        for words, request in _WATERMARKS.items()
    },
}
"""The words behind `clear` -> whose watermarks of what they set to 0."""


def watermarks_of(words: Sequence[str]) -> tuple[Owner, str]:
    """Whose watermarks of what `clear WORDS` sets to 0.

    Raises:
        CommandError: there is no such command.
    """
    if (name := " ".join(words)) in CLEAR_COMMANDS:
        return CLEAR_COMMANDS[name]
    raise CommandError(f"there is no 'clear {name}'; there are: {', '.join(sorted(CLEAR_COMMANDS))}")


def changed_by(words: Sequence[str], config: ConfigDb, templates: ConfigDb) -> ConfigDb:
    """CONFIG_DB after a command. `templates` are the QoS and buffer tables of the switch's platform.

    Raises:
        CommandError: there is no such command, or it has a bad argument.
    """
    match words:
        case ["qos", "clear"]:
            return {name: table for name, table in config.items() if name not in QOS_TABLES}
        case ["qos", "reload"]:
            rest = {name: table for name, table in config.items() if name not in QOS_TABLES}
            return rest | {name: templates[name] for name in QOS_TABLES if name in templates}
        case ["ecn", *rest]:
            return set_ecn(rest, config)
        case ["interface", "breakout", *rest]:
            return break_out(rest, config)
        case ["interface", "cable-length", port, length]:
            return set_cable_length(port, length, config)
        case ["buffer", "profile", *rest]:
            return change_profile(rest, config)
        case ["pfcwd", *rest]:
            table = _watchdog(rest, config)
            others = {name: entries for name, entries in config.items() if name != "PFC_WD"}
            return {**others, "PFC_WD": table} if table else others
    raise CommandError(f"there is no 'config {' '.join(words)}'; there are: {HELP}")


def _watchdog(words: Sequence[str], config: ConfigDb) -> ConfigTable:
    table = config.get("PFC_WD", {})
    everywhere: ConfigEntry = dict(table.get("GLOBAL", {}))
    match words:
        case ["start_default"]:
            return _start_default(config)
        case ["stop"]:
            return {"GLOBAL": everywhere} if everywhere else {}
        case ["interval", text] if text.isascii() and text.isdigit():
            return {**table, "GLOBAL": {**everywhere, "POLL_INTERVAL": text}}
        case ["big_red_switch", "enable" | "disable" as mode]:
            return {**table, "GLOBAL": {**everywhere, BIG_RED_SWITCH: mode}}
    raise CommandError(f"there is no 'config pfcwd {' '.join(words)}'; there are: {HELP}")


def _start_default(config: ConfigDb) -> ConfigTable:
    """The watchdog as it starts by default, times one more for every 32 ports (pfcwd/main.py, start_default).

    Only where DEVICE_METADATA says `default_pfcwd_status` enable, on ports with a neighbour and PFC.
    """
    table = config.get("PFC_WD", {})
    if config.get("DEVICE_METADATA", {}).get("localhost", {}).get("default_pfcwd_status") != "enable":
        return table
    times = max(1, (len(config.get("PORT", {})) - 1) // _PORTS_PER_STEP + 1)
    entry = {
        "action": "drop",
        "detection_time": str(_DEFAULT_MS * times),
        "restoration_time": str(_DEFAULT_MS * times),
        "pfc_stat_history": "disable",
    }
    bound: Mapping[str, ConfigEntry] = config.get("PORT_QOS_MAP", {})
    neighbors = config.get("DEVICE_NEIGHBOR", {})
    watched = [
        port
        for port in front_panel_order(config)
        if port in neighbors and "pfc_enable" in bound.get(port, {})
    ]
    poll_ms = min(_DEFAULT_MS * times, _MAX_POLL_MS)
    everywhere = {**table.get("GLOBAL", {}), "POLL_INTERVAL": str(poll_ms)}
    return {**table, **{port: dict(entry) for port in watched}, "GLOBAL": everywhere}
