"""What simulated switches have counted, from the engine's columns to the switches' COUNTERS_DB."""

from __future__ import annotations

import numpy as np

from raddle.sim import Simulation
from raddle.sim.columns import DROP_REASONS, WatchdogColumns
from raddle.state import SwitchCounters

_PS_PER_US = 10**6
_INGRESS = np.array([reason in ("no_route", "ingress_buffer") for reason in DROP_REASONS])


def switch_counters(simulation: Simulation) -> dict[str, SwitchCounters]:
    """The counters of every switch at the simulation's present instant, by switch name.

    Bytes are frames with FCS, as SAI counts octets. What the engine does not count is left out, which
    COUNTERS_DB shows as 0.
    """
    columns = simulation.ports()
    rows: dict[str, list[int]] = {}
    for row, port in enumerate(simulation.port_names):
        rows.setdefault(port.device, []).append(row)
    sent_bytes, sent_frames = columns.tx_bytes.sum(axis=1), columns.tx_frames.sum(axis=1)
    watched = simulation.watchdog()
    counters = {}
    for device, own in rows.items():
        paused_us = columns.pause_ps[own] // _PS_PER_US
        drops = columns.drops[own]
        stats: dict[str, list[int]] = {
            "SAI_PORT_STAT_IF_IN_OCTETS": columns.rx_bytes[own].tolist(),
            "SAI_PORT_STAT_IF_IN_UCAST_PKTS": columns.rx_frames[own].tolist(),
            "SAI_PORT_STAT_IF_OUT_OCTETS": sent_bytes[own].tolist(),
            "SAI_PORT_STAT_IF_OUT_UCAST_PKTS": sent_frames[own].tolist(),
            "SAI_PORT_STAT_IF_IN_DISCARDS": drops[:, _INGRESS].sum(axis=1).tolist(),
            "SAI_PORT_STAT_IF_OUT_DISCARDS": drops[:, ~_INGRESS].sum(axis=1).tolist(),
        }
        for priority in range(paused_us.shape[1]):
            start = f"SAI_PORT_STAT_PFC_{priority}"
            stats[f"{start}_RX_PAUSE_DURATION_US"] = paused_us[:, priority].tolist()
            stats[f"{start}_RX_PKTS"] = columns.pfc_rx_frames[own, priority].tolist()
            stats[f"{start}_TX_PKTS"] = columns.pfc_tx_frames[own, priority].tolist()
        counters[device] = SwitchCounters(
            ports=tuple(simulation.port_names[row].port for row in own),
            port=stats,
            queue={
                "SAI_QUEUE_STAT_BYTES": columns.tx_bytes[own].tolist(),
                "SAI_QUEUE_STAT_PACKETS": columns.tx_frames[own].tolist(),
                "SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS": columns.ecn_marks[own].tolist(),
                "SAI_QUEUE_STAT_SHARED_WATERMARK_BYTES": columns.max_queue_bytes[own].tolist(),
                "SAI_QUEUE_STAT_CURR_OCCUPANCY_BYTES": columns.queue_bytes[own].tolist(),
                **(_watchdog(watched, own) if len(watched.detected) else {}),
            },
            pg={"SAI_INGRESS_PRIORITY_GROUP_STAT_SHARED_WATERMARK_BYTES": columns.max_pg_bytes[own].tolist()},
            time_ps=simulation.now_ps,
        )
    return counters


def _watchdog(watched: WatchdogColumns, own: list[int]) -> dict[str, list[list[int]]]:
    """What pfcwdorch counts of a queue. Packets that a storm let pass are not counted apart."""
    stats = "PFC_WD_QUEUE_STATS_"
    return {
        "PFC_WD_IS_STORM": watched.is_storm[own].tolist(),
        f"{stats}DEADLOCK_DETECTED": watched.detected[own].tolist(),
        f"{stats}DEADLOCK_RESTORED": watched.restored[own].tolist(),
        f"{stats}TX_DROPPED_PACKETS": watched.tx_dropped[own].tolist(),
        f"{stats}RX_DROPPED_PACKETS": watched.rx_dropped[own].tolist(),
    }
