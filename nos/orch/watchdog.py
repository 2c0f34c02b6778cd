"""pfcwdorch: which queues the PFC watchdog watches, and with what times."""

from __future__ import annotations

import dataclasses
from typing import Literal

from raddle.nos.db.databases import ConfigDb, ConfigEntry
from raddle.nos.orch.buffers import index_range
from raddle.state import SwitchState, WatchdogState

_PS_PER_MS = 10**9
_DEFAULT_POLL_MS = 100  # pfcwdorch.h, PFC_WD_POLL_MSECS
_ACTIONS: dict[str, Literal["drop", "forward", "alert"]] = {
    "drop": "drop", "forward": "forward", "alert": "alert",
}  # fmt: skip
BIG_RED_SWITCH = "BIG_RED_SWITCH"
_DEFAULT_RESTORATION_MS = 0  # pfcwdorch restores by polling when a port gives no restoration_time.


def watched_queues(config: ConfigDb) -> dict[tuple[str, int], dict[str, str]]:
    """(port, queue) -> what pfcwdorch writes into the queue's hash in COUNTERS_DB; times in microseconds.

    A queue is watched if its port has an entry in PFC_WD and its priority is in `pfcwd_sw_enable`.
    """
    watched: dict[tuple[str, int], dict[str, str]] = {}
    mode = {"BIG_RED_SWITCH_MODE": "enable"} if is_big_red_switch(config) else {}
    for port, entry in config.get("PFC_WD", {}).items():
        if port == "GLOBAL" or "detection_time" not in entry:
            continue
        bound = config.get("PORT_QOS_MAP", {}).get(port, {})
        fields = _fields(entry) | mode
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


def is_big_red_switch(config: ConfigDb) -> bool:
    """Whether all watched queues are to drop, storm or not (`pfcwd big_red_switch enable`).

    The field has no YANG model, so that only a write past gNMI brings it.
    """
    return config.get("PFC_WD", {}).get("GLOBAL", {}).get(BIG_RED_SWITCH) == "enable"


def with_big_red_switch(config: ConfigDb, state: SwitchState) -> SwitchState:
    """The switch with its watched queues out of PFC and without a byte of buffer: they drop all packets."""
    profiles = list(state.buffer_profiles)
    closed: dict[int, int] = {}

    def close(index: int | None) -> int | None:
        if index is None:
            return None
        if index not in closed:
            closed[index] = len(profiles)
            blocked = dataclasses.replace(
                profiles[index],
                name=f"{profiles[index].name}_BIG_RED_SWITCH",
                reserved_bytes=0,
                dynamic_th=None,
                static_th_bytes=0,
                xoff_bytes=0,
            )
            profiles.append(blocked)
        return closed[index]

    watched = watched_queues(config)
    ports = []
    for port in state.ports:
        queues = {queue for name, queue in watched if name == port.name}
        groups = {port.tc_to_pg[tc] for tc, queue in enumerate(port.tc_to_queue) if queue in queues}
        priorities = sum(1 << priority for priority, queue in enumerate(port.pfc_to_queue) if queue in queues)
        ports.append(
            dataclasses.replace(
                port,
                pfc_enable=port.pfc_enable & ~priorities,
                pgs=tuple(close(each) if at in groups else each for at, each in enumerate(port.pgs)),
                queues=tuple(
                    dataclasses.replace(queue, buffer=close(queue.buffer)) if at in queues else queue
                    for at, queue in enumerate(port.queues)
                ),
                watchdog=None,
            )
        )
    return dataclasses.replace(state, ports=tuple(ports), buffer_profiles=tuple(profiles))


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
