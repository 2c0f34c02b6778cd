"""A simulation of a schedule without some of its periods, which are all alike: their results are computed.

Blocks of flows that repeat (`raddle.lab.run.periodic` finds them) come to a point from which on each period
is the one before, later by the same time. A run without some of these then is the whole run with a gap, and
the gap is filled in: times are shifted, and counters grow by what they grow in a period.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.sim.columns import NEVER, FlowColumns, PacketCounts, PortColumns
from raddle.sim.scale_up import ScaleUpPorts
from raddle.sim.simulation import Simulation

_GROWING = ("tx_bytes", "tx_frames", "rx_bytes", "rx_frames")
_HELD = ("queue_bytes", "pg_bytes", "pg_headroom_bytes", "is_paused")


@dataclass(frozen=True, slots=True)
class Gap:
    """`times` periods of `length` blocks that are not simulated, in front of block `first + length`.

    Attributes:
        block: flows of a block.
        period_ps: how much later each period is than the one before.
    """

    block: int
    first: int
    length: int
    period_ps: int
    times: int

    @property
    def blocks(self) -> int:
        return self.length * self.times

    def filled(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """Times of all flows, from those of the flows that were simulated."""
        rows = column.reshape(-1, self.block)
        place = np.arange(len(rows) + self.blocks)
        within = np.clip(place - self.first, 0, None)
        after = np.minimum(within // self.length, self.times)
        shifted: NDArray[np.int64] = rows[place - after * self.length] + (after * self.period_ps)[:, None]
        return shifted.reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What has been counted at an instant, and what is held."""

    ports: PortColumns
    packets: PacketCounts
    scale_up_bytes: NDArray[np.int64]

    def grown_since(self, before: Counted) -> Counted:
        """What was counted in between."""
        columns = {name: getattr(self.ports, name) - getattr(before.ports, name) for name in _GROWING}
        packets = PacketCounts(
            self.packets.injected - before.packets.injected,
            self.packets.delivered - before.packets.delivered,
            self.packets.dropped - before.packets.dropped,
            self.packets.in_network,
        )
        scale_up = self.scale_up_bytes - before.scale_up_bytes
        return Counted(replace(self.ports, **columns), packets, scale_up)

    def counts_as(self, other: Counted) -> bool:
        """Whether both have counted the same."""
        same = (getattr(self.ports, name) == getattr(other.ports, name) for name in _GROWING)
        packets, others = self.packets, other.packets
        return (
            (packets.injected, packets.delivered) == (others.injected, others.delivered)
            and all(column.all() for column in same)
            and bool((self.scale_up_bytes == other.scale_up_bytes).all())
        )

    def holds_as(self, other: Counted) -> bool:
        """Whether as much is under way, in the same places."""
        same = (getattr(self.ports, name) == getattr(other.ports, name) for name in _HELD)
        return self.packets.in_network == other.packets.in_network and all(column.all() for column in same)


class ForwardedSimulation(Simulation):
    """A run of the first flows of a schedule of `all_flows`; with `fill`, of all of them.

    Until then flows that are not sent count as waiting.
    """

    def __init__(self, *args: Any, all_flows: int, **kwargs: Any) -> None:
        self._all_flows = all_flows
        self.gap: Gap | None = None
        self._period: Counted | None = None
        super().__init__(*args, **kwargs)

    def counted(self) -> Counted:
        links = self._core.scale_up_bytes() if self.scale_up else np.zeros(0, np.int64)
        return Counted(super().ports(), super().packets, links)

    def fill(self, gap: Gap, period: Counted) -> None:
        """Count in what was not simulated: `gap`, in each period of which counters grow by `period`."""
        self.gap, self._period = gap, period

    @property
    def now_ps(self) -> int:
        now_ps = super().now_ps
        return now_ps + self.gap.times * self.gap.period_ps if self.gap else now_ps

    def sent_flows(self) -> FlowColumns:
        """Of the flows that are sent alone."""
        return super().flows()

    def flows(self) -> FlowColumns:
        sent, gap = super().flows(), self.gap
        missing = self._all_flows - len(sent.status)
        never = np.full(missing, NEVER, np.int64)
        start_ps, finish_ps, acked_ps = (
            gap.filled(column) if gap else np.concatenate([column, never])
            for column in (sent.start_ps, sent.finish_ps, sent.acked_ps)
        )
        # With a gap all flows are done.
        status = np.concatenate([sent.status, np.full(missing, sent.status[0] if gap else 0, np.uint8)])
        return FlowColumns(start_ps, finish_ps, acked_ps, status)

    def ports(self) -> PortColumns:
        ports = super().ports()
        if self.gap is None or self._period is None:
            return ports
        times, grown = self.gap.times, self._period.ports
        columns = {
            name: getattr(ports, name) + getattr(grown, name) * getattr(ports, name).dtype.type(times)
            for name in _GROWING
        }
        return replace(ports, **columns)

    @property
    def packets(self) -> PacketCounts:
        packets = super().packets
        if self.gap is None or self._period is None:
            return packets
        times, grown = self.gap.times, self._period.packets
        return replace(
            packets,
            injected=packets.injected + times * grown.injected,
            delivered=packets.delivered + times * grown.delivered,
        )

    def scale_up_ports(self) -> ScaleUpPorts | None:
        if self.scale_up is None or self.gap is None or self._period is None:
            return super().scale_up_ports()
        carried = self._core.scale_up_bytes() + self._period.scale_up_bytes * self.gap.times
        return self.scale_up.ports(carried)
