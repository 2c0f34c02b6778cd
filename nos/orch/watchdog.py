"""pfcwdorch: which queues the PFC watchdog watches, and with what times."""

from __future__ import annotations

from typing import Literal

from nos.db.databases import ConfigDb, ConfigEntry
from nos.orch.buffers import index_range
from raddle.state import WatchdogState

_PS_PER_MS = 10**9
_DEFAULT_POLL_MS = 100  # pfcwdorch.h, PFC_WD_POLL_MSECS
_ACTIONS: dict[str, Literal["drop", "forward", "alert"]] = {
    "drop": "drop", "forward": "forward", "alert": "alert",
}  # fmt: skip
_DEFAULT_RESTORATION_MS = 0  # pfcwdorch restores by polling when a port gives no restoration_time.


def watched_queues(config: ConfigDb) -> dict[tuple[str, int], dict[str, str]]:
    """(port, queue) -> what pfcwdorch writes into the queue's hash in COUNTERS_DB; times in microseconds.

    A queue is watched if its port has an entry in PFC_WD and its priority is in `pfcwd_sw_enable`.
    """
    watched: dict[tuple[str, int], dict[str, str]] = {}
    for port, entry in config.get("PFC_WD", {}).items():
        if port == "GLOBAL" or "detection_time" not in entry:
            continue
        bound = config.get("PORT_QOS_MAP", {}).get(port, {})
        fields = _fields(entry)
        for queue in _queues(config, bound, "pfcwd_sw_enable"):
            watched[port, queue] = fields
    return watched


def derive_watchdogs(config: ConfigDb) -> dict[str, WatchdogState]:
    """The watchdog of every port that has one; POLL_INTERVAL as in PFC_WD|GLOBAL."""
    queues: dict[str, int] = {}
    for port, queue in watched_queues(config):
        queues[port] = queues.get(port, 0) | 1 << queue
    table = config.get("PFC_WD", {})
    poll_ms = int(str(table.get("GLOBAL", {}).get("POLL_INTERVAL", _DEFAULT_POLL_MS)))
    return {
        port: WatchdogState(
            queues=mask,
            detect_ps=int(str(table[port]["detection_time"])) * _PS_PER_MS,
            restore_ps=int(str(table[port].get("restoration_time", _DEFAULT_RESTORATION_MS))) * _PS_PER_MS,
            action=_ACTIONS[str(table[port].get("action", "drop"))],
            poll_ps=poll_ms * _PS_PER_MS,
        )
        for port, mask in queues.items()
    }


def pfc_queues(config: ConfigDb, port: str) -> tuple[int, ...]:
    """The queues of a port whose priorities PFC may pause (`pfc_enable`).

    A key of PORT_QOS_MAP may name several ports, comma joined, as older configurations have it.
    """
    table = config.get("PORT_QOS_MAP", {})
    bound = table.get(port) or next((row for key, row in table.items() if port in key.split(",")), {})
    return _queues(config, bound, "pfc_enable")


def _queues(config: ConfigDb, bound: ConfigEntry, field: str) -> tuple[int, ...]:
    """The queues of the priorities in a field of PORT_QOS_MAP; without a map a priority is its queue."""
    table = config.get("MAP_PFC_PRIORITY_TO_QUEUE", {})
    queue_of = table.get(str(bound.get("pfc_to_queue_map", "AZURE")), {})
    queues = (
        str(queue_of.get(str(priority), priority)) for priority in index_range(str(bound.get(field, "")))
    )
    return tuple(int(queue) for queue in queues if queue.isdigit())


def _fields(entry: ConfigEntry) -> dict[str, str]:
    detection_us = f"{int(str(entry['detection_time'])) * 1000}"
    restoration_us = f"{int(str(entry.get('restoration_time', _DEFAULT_RESTORATION_MS))) * 1000}"
    counted = ("TX_PACKETS", "TX_DROPPED_PACKETS", "RX_PACKETS", "RX_DROPPED_PACKETS")
    return {
        "PFC_WD_STATUS": "operational",
        "PFC_WD_ACTION": str(entry.get("action", "drop")),
        "PFC_WD_DETECTION_TIME": detection_us,
        "PFC_WD_DETECTION_TIME_LEFT": detection_us,
        "PFC_WD_RESTORATION_TIME": restoration_us,
        "PFC_WD_QUEUE_STATS_DEADLOCK_DETECTED": "0",
        "PFC_WD_QUEUE_STATS_DEADLOCK_RESTORED": "0",
        **{f"PFC_WD_QUEUE_STATS_{name}{last}": "0" for name in counted for last in ("", "_LAST")},
    }
