"""What a run gives: columns of flows, queue pairs, ports and watchdogs, and the words that they index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle import _core
from raddle.state import PRIORITIES
from raddle.topology.model import PortRef

NEVER = _core.NEVER
"""Time of what has not happened, in picoseconds."""

DROP_REASONS = (
    "no_route", "ingress_buffer", "egress_buffer", "ttl", "link_down",
    "watchdog", "wred", "mtu", "corrupt", "receiver", "ingress_acl", "egress_acl",
)  # fmt: skip
"""Why a packet was dropped, in the order of the columns. corrupt: a bit error; receiver: a slow host."""

NONE = _core.NONE
"""Number of what there is not."""

FLOW_STATUS = ("waiting", "active", "done", "failed")


@dataclass(frozen=True, slots=True)
class FlowColumns:
    """Per flow, in picoseconds (NEVER where it did not happen): handed to the NIC, arrived whole,
    acknowledged whole; and its status as an index into FLOW_STATUS."""

    start_ps: NDArray[np.int64]
    finish_ps: NDArray[np.int64]
    acked_ps: NDArray[np.int64]
    status: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class QpColumns:
    """Per queue pair: packets sent again, timeouts, CNPs taken, packets dropped, and where and why the last
    one was (`drop_port` indexes `Simulation.port_names`, or is _core.NONE; `drop_rule` is for
    `Simulation.rule_name`, or _core.NONE where no access list dropped it)."""

    retransmitted: NDArray[np.uint64]
    timeouts: NDArray[np.uint64]
    cnps: NDArray[np.uint64]
    drops: NDArray[np.uint64]
    drop_port: NDArray[np.uint32]
    drop_reason: NDArray[np.uint8]
    drop_rule: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class PortColumns:
    """Per port (rows, `Simulation.port_names`) and queue (8 columns), what was sent: bytes are frames with
    FCS. `pause_ps` is the time the peer held the queue, `is_paused` whether it does now; `pg_bytes` is what
    the priority group of that number holds, headroom included, `pg_headroom_bytes` what of that is headroom
    (`max_`: the most of each); `drops` has a column per DROP_REASONS; a packet without a route or without
    ingress buffer counts where it came in. `rx_frames` and
    `rx_bytes` (no columns) is what has arrived; the PFC frames are those that name a priority. `losses` are
    what was not let into a queue, or was thrown out of it, `wred_losses` of that what RED dropped, and
    `pg_losses` what was not let into a priority group. `lost_frames` never arrived whole."""

    tx_bytes: NDArray[np.int64]
    tx_frames: NDArray[np.uint64]
    ecn_marks: NDArray[np.uint64]
    max_queue_bytes: NDArray[np.int64]
    queue_bytes: NDArray[np.int64]
    pause_ps: NDArray[np.int64]
    pauses: NDArray[np.uint64]
    is_paused: NDArray[np.bool_]
    pg_bytes: NDArray[np.int64]
    max_pg_bytes: NDArray[np.int64]
    pg_headroom_bytes: NDArray[np.int64]
    max_pg_headroom_bytes: NDArray[np.int64]
    drops: NDArray[np.uint64]
    rx_frames: NDArray[np.uint64]
    rx_bytes: NDArray[np.int64]
    pfc_tx_frames: NDArray[np.uint64]
    pfc_rx_frames: NDArray[np.uint64]
    ecn_marked_bytes: NDArray[np.int64]
    losses: NDArray[np.uint64]
    lost_bytes: NDArray[np.int64]
    wred_losses: NDArray[np.uint64]
    wred_lost_bytes: NDArray[np.int64]
    pg_losses: NDArray[np.uint64]
    lost_frames: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class OwnerColumns:
    """Per port (rows, `Simulation.port_names`) and owner of queue pairs (columns).

    ECN marks of its packets; and of the time in picoseconds that switches asked the port to halt, its part of
    what stood in the queues where the port's packets waited when each halt began."""

    ecn_marks: NDArray[np.uint64]
    pause_ps: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WatermarkColumns:
    """The most since `Simulation.clear_watermarks`, per port (rows) and queue or priority group (8 columns).

    Bytes of queues and groups are those above what their profiles reserve; headroom is apart. Pools have a
    row each, those of switch i from `pool_offsets[i]` on, in the order of its state.
    """

    queue_bytes: NDArray[np.int64]
    pg_bytes: NDArray[np.int64]
    pg_headroom_bytes: NDArray[np.int64]
    pool_bytes: NDArray[np.int64]
    pool_headroom_bytes: NDArray[np.int64]
    pool_offsets: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StormColumns:
    """Per port (rows) and queue (8 columns), packets while the watchdog had the queue in a storm.

    Those that the queue sent and those that were bound for it and dropped; those received for its priorities
    and those of these that were dropped instead. Without rows where no switch has a watchdog.
    """

    tx: NDArray[np.uint64]
    tx_dropped: NDArray[np.uint64]
    rx: NDArray[np.uint64]
    rx_dropped: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class PacketCounts:
    """Conservation: injected == delivered + dropped + in_network."""

    injected: int
    delivered: int
    dropped: int
    in_network: int


@dataclass(frozen=True, slots=True)
class WatchdogColumns:
    """Per port (rows) and queue (8 columns) what its PFC watchdog has done: whether a storm is on, storms
    detected and restored, packets in all storms and in the latest.

    Without rows where no switch has a watchdog.
    """

    is_storm: NDArray[np.uint8]
    detected: NDArray[np.uint32]
    restored: NDArray[np.uint32]
    storms: StormColumns
    latest: StormColumns


@dataclass(frozen=True, slots=True)
class WatchdogEvent:
    """A storm that was detected, or one that was over (`is_storm` False)."""

    time_ps: int
    port: PortRef
    queue: int
    is_storm: bool


def read_ports(core: _core.Simulation) -> PortColumns:
    """What the engine has counted at every port."""
    by_queue = (-1, PRIORITIES)
    sent, frames, marks, longest, held, pause_ps, pauses = core.queue_columns()
    rx_frames, rx_bytes, lost_frames = core.arrivals()
    losses, lost_bytes, wred_losses, wred_lost_bytes, pg_losses, marked_bytes = (
        column.reshape(by_queue) for column in core.loss_columns()
    )
    pfc_tx, pfc_rx = core.pfc_frames()
    pg_bytes, max_pg_bytes, headroom, max_headroom = core.pg_columns()
    return PortColumns(
        tx_bytes=sent.reshape(by_queue),
        tx_frames=frames.reshape(by_queue),
        ecn_marks=marks.reshape(by_queue),
        max_queue_bytes=longest.reshape(by_queue),
        queue_bytes=held.reshape(by_queue),
        pause_ps=pause_ps.reshape(by_queue),
        pauses=pauses.reshape(by_queue),
        is_paused=np.unpackbits(core.paused(), bitorder="little").reshape(by_queue).astype(np.bool_),
        pg_bytes=pg_bytes.reshape(by_queue),
        max_pg_bytes=max_pg_bytes.reshape(by_queue),
        pg_headroom_bytes=headroom.reshape(by_queue),
        max_pg_headroom_bytes=max_headroom.reshape(by_queue),
        drops=core.drops().reshape(-1, len(DROP_REASONS)),
        rx_frames=rx_frames,
        rx_bytes=rx_bytes,
        pfc_tx_frames=pfc_tx.reshape(by_queue),
        pfc_rx_frames=pfc_rx.reshape(by_queue),
        ecn_marked_bytes=marked_bytes,
        losses=losses,
        lost_bytes=lost_bytes,
        wred_losses=wred_losses,
        wred_lost_bytes=wred_lost_bytes,
        pg_losses=pg_losses,
        lost_frames=lost_frames,
    )


def read_watermarks(core: _core.Simulation) -> WatermarkColumns:
    """The highest marks of queues, priority groups and pools."""
    queue, pg, headroom, *pools = core.watermarks()
    by_queue = (-1, PRIORITIES)
    return WatermarkColumns(queue.reshape(by_queue), pg.reshape(by_queue), headroom.reshape(by_queue), *pools)


def read_watchdog(core: _core.Simulation) -> WatchdogColumns:
    """What the PFC watchdogs have done."""
    by_queue = (-1, PRIORITIES)
    storms, latest = (
        StormColumns(*(column.reshape(by_queue) for column in core.storm_columns(is_latest)))
        for is_latest in (False, True)
    )
    is_storm, detected, restored = (column.reshape(by_queue) for column in core.watchdog_columns())
    return WatchdogColumns(is_storm, detected, restored, storms, latest)
