"""What simulated switches have counted, from the engine's columns to the switches' COUNTERS_DB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.sim import PortColumns, Simulation
from raddle.sim.columns import DROP_REASONS, StormColumns, WatchdogColumns, WatermarkColumns
from raddle.state import PRIORITIES, SwitchCounters

_PS_PER_US = 10**6
_UNROUTED = np.array([reason in ("no_route", "ttl", "ingress_acl") for reason in DROP_REASONS])
_CORRUPT = DROP_REASONS.index("corrupt")

_Rows = list[int]


def switch_counters(simulation: Simulation) -> dict[str, SwitchCounters]:
    """The counters of every switch at the simulation's present instant, by switch name.

    Bytes are frames with FCS, as SAI counts octets. What the engine does not count is left out, which
    COUNTERS_DB shows as 0.
    """
    columns, watched, most = simulation.ports(), simulation.watchdog(), simulation.watermarks()
    rows: dict[str, _Rows] = {}
    for row, port in enumerate(simulation.port_names):
        rows.setdefault(port.device, []).append(row)
    counters = {}
    for switch in simulation.fabric.switches:
        own = rows[switch.name]
        first, end = most.pool_offsets[switch.index : switch.index + 2]
        counters[switch.name] = SwitchCounters(
            ports=tuple(simulation.port_names[row].port for row in own),
            port=_ports(columns, own),
            queue=_queues(columns, most, own) | (_watchdog(watched, own) if len(watched.detected) else {}),
            pg=_groups(columns, most, own),
            pools=simulation.pool_names[switch.name],
            pool={
                "SAI_BUFFER_POOL_STAT_WATERMARK_BYTES": most.pool_bytes[first:end].tolist(),
                "SAI_BUFFER_POOL_STAT_XOFF_ROOM_WATERMARK_BYTES": (
                    most.pool_headroom_bytes[first:end].tolist()
                ),
            },
            time_ps=simulation.now_ps,
            acl=simulation.rule_counts(switch.name),
        )
    return counters


def _ports(columns: PortColumns, own: _Rows) -> dict[str, list[int]]:
    drops = columns.drops[own]
    at_groups, at_queues = columns.pg_losses[own].sum(axis=1), columns.losses[own].sum(axis=1)
    corrupt = drops[:, _CORRUPT]
    arrived_in_vain = drops[:, _UNROUTED].sum(axis=1) + at_groups
    # What a dark port or a cut cable swallows is counted nowhere.
    all_discards = drops.sum(axis=1) - columns.lost_frames[own]
    stats = {
        "IF_IN_OCTETS": columns.rx_bytes[own],
        "IF_IN_UCAST_PKTS": columns.rx_frames[own],
        "IF_OUT_OCTETS": columns.tx_bytes[own].sum(axis=1),
        "IF_OUT_UCAST_PKTS": columns.tx_frames[own].sum(axis=1),
        "IF_IN_DISCARDS": arrived_in_vain,
        "IF_OUT_DISCARDS": all_discards - arrived_in_vain,
        "IF_IN_ERRORS": corrupt,
        "IF_IN_FEC_NOT_CORRECTABLE_FRAMES": corrupt,
        "IN_DROPPED_PKTS": at_groups,
        "OUT_DROPPED_PKTS": at_queues,
        "WRED_DROPPED_PACKETS": columns.wred_losses[own].sum(axis=1),
        "GREEN_WRED_DROPPED_PACKETS": columns.wred_losses[own].sum(axis=1),
    }
    for priority in range(PRIORITIES):
        stats[f"PFC_{priority}_RX_PAUSE_DURATION_US"] = columns.pause_ps[own, priority] // _PS_PER_US
        stats[f"PFC_{priority}_RX_PKTS"] = columns.pfc_rx_frames[own, priority]
        stats[f"PFC_{priority}_TX_PKTS"] = columns.pfc_tx_frames[own, priority]
    return {f"SAI_PORT_STAT_{name}": column.tolist() for name, column in stats.items()}


def _queues(columns: PortColumns, most: WatermarkColumns, own: _Rows) -> dict[str, list[list[int]]]:
    stats = {
        "BYTES": columns.tx_bytes,
        "PACKETS": columns.tx_frames,
        "DROPPED_PACKETS": columns.losses,
        "DROPPED_BYTES": columns.lost_bytes,
        "WRED_ECN_MARKED_PACKETS": columns.ecn_marks,
        "WRED_ECN_MARKED_BYTES": columns.ecn_marked_bytes,
        "WRED_DROPPED_PACKETS": columns.wred_losses,
        "WRED_DROPPED_BYTES": columns.wred_lost_bytes,
        "SHARED_WATERMARK_BYTES": most.queue_bytes,
        "CURR_OCCUPANCY_BYTES": columns.queue_bytes,
    }
    return {f"SAI_QUEUE_STAT_{name}": column[own].tolist() for name, column in stats.items()}


def _groups(columns: PortColumns, most: WatermarkColumns, own: _Rows) -> dict[str, list[list[int]]]:
    stats = {
        "SHARED_WATERMARK_BYTES": most.pg_bytes,
        "XOFF_ROOM_WATERMARK_BYTES": most.pg_headroom_bytes,
        "DROPPED_PACKETS": columns.pg_losses,
    }
    start = "SAI_INGRESS_PRIORITY_GROUP_STAT"
    return {f"{start}_{name}": column[own].tolist() for name, column in stats.items()}


def _watchdog(watched: WatchdogColumns, own: _Rows) -> dict[str, list[list[int]]]:
    """What pfcwdorch counts of a queue."""
    stats: dict[str, NDArray[np.uint32 | np.uint64]] = {
        "DEADLOCK_DETECTED": watched.detected,
        "DEADLOCK_RESTORED": watched.restored,
        **_storms(watched.storms, ""),
        **_storms(watched.latest, "_LAST"),
    }
    counted = {f"PFC_WD_QUEUE_STATS_{name}": column[own].tolist() for name, column in stats.items()}
    return {"PFC_WD_IS_STORM": watched.is_storm[own].tolist()} | counted


def _storms(counts: StormColumns, end: str) -> dict[str, NDArray[np.uint64]]:
    return {
        f"TX_PACKETS{end}": counts.tx,
        f"TX_DROPPED_PACKETS{end}": counts.tx_dropped,
        f"RX_PACKETS{end}": counts.rx,
        f"RX_DROPPED_PACKETS{end}": counts.rx_dropped,
    }
