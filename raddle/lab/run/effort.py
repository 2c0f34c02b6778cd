"""How long runs will take, for who would rather not wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from raddle.lab.run.watch import Watch
from raddle.sim.nic import wire_bytes
from raddle.topology.model import Fabric
from raddle.units import format_span
from raddle.workload import NOWHERE, Workload

if TYPE_CHECKING:
    from raddle.lab.run.drive import Run

_NS_PER_HOP = 250
"""CPU time of a packet's way over one link; docs/models/engine.md has 185 to 280 measured."""

_LONG_S = 60

_ENOUGH_S = 1.0
"""From here on a run's own speed says more than that of the run before it."""


def run_packets(run: Run, scale: float = 1.0) -> int:
    """Packets of a run's data with messages `scale` times as long, acknowledgements apart."""
    size_bytes, mtu_bytes = run.sent.size_bytes * scale, run.fabric.roce.mtu_bytes
    return int(np.maximum(np.ceil(size_bytes / mtu_bytes), 1).sum())


def run_links(run: Run) -> int:
    """Links on the way of the longest message."""
    sent = run.sent
    over_nics = np.flatnonzero(run.queue_pairs.qp_src[sent.qp] != NOWHERE)
    if not len(over_nics):
        return 1
    longest = over_nics[sent.size_bytes[over_nics].argmax()]
    return max(len(run.simulation.trace(int(sent.qp[longest]))), 1)


def long_run(run: Run, scales: Sequence[float] = (1.0,)) -> str | None:
    """A line on what lies ahead, where that is more than a minute; None where it is less.

    Args:
        scales: of the message lengths of all runs that there will be, this one's being 1.
    """
    if not run.sent.flows or not run.simulation.counts_packets:
        return None
    links, packets = run_links(run), run.simulation.expected_packets
    packets = round(packets * sum(run_packets(run, scale) for scale in scales) / run_packets(run))
    wall_s = packets * links * _NS_PER_HOP / 1e9
    if wall_s < _LONG_S:
        return None
    return (
        f"about {packets:.1e} packets over {links} links each: {format_span(wall_s)} of "
        f"computing, {format_span(_least_simulated_s(run) * sum(scales))} of simulated time or more; "
        "--until TIME ends it sooner, Ctrl-C keeps what there is"
    )


def _least_simulated_s(run: Run) -> float:
    """What the busiest NIC sends, at the rate of its link."""
    fabric, sent = run.fabric, run.sent
    mtu = fabric.roce.mtu_bytes
    endpoint = run.queue_pairs.qp_src[sent.qp]
    over_nics = endpoint != NOWHERE
    total = np.bincount(endpoint[over_nics], sent.size_bytes[over_nics], len(fabric.endpoints))
    speeds = np.array([fabric.links[endpoint.link].speed_bps for endpoint in fabric.endpoints])
    return float((total * 8 / speeds).max()) * wire_bytes(fabric, mtu) / mtu


def packets_take_long(fabric: Fabric, work: Workload) -> str | None:
    """A line on what moving a workload's packets takes, where that is more than a minute; None where less."""
    packets, links = _packets(fabric, work), 2 * _tiers(fabric)
    wall_s = packets_s(fabric, work)
    if wall_s < _LONG_S:
        return None
    return f"about {packets:.1e} packets over up to {links} links each: {format_span(wall_s)} of computing"


def packets_s(fabric: Fabric, work: Workload) -> float:
    """What moving a workload's packets takes, about, in seconds of computing."""
    return _packets(fabric, work) * 2 * _tiers(fabric) * _NS_PER_HOP / 1e9


def _tiers(fabric: Fabric) -> int:
    """Links of a way up."""
    return 3 if fabric.superspines else 2


def _packets(fabric: Fabric, work: Workload) -> int:
    schedule, domain = work.schedule, work.seats.domain
    is_near = (domain[schedule.src] == domain[schedule.dst]) & (domain[schedule.src] != NOWHERE)
    far_bytes = schedule.size_bytes[~is_near & (schedule.src != schedule.dst)]
    return int(np.maximum(-(-far_bytes // fabric.roce.mtu_bytes), 1).sum()) * work.repeat


class TimeLeft:
    """How long a sequence of runs still takes: from the speed of the run before, and soon from its own.

    Args:
        clock: wall time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_s = self._set_up_since_s = clock()
        self._set_up_s = 0.0
        self._s_per_packet = 0.0
        self._packets = 0
        self._later: tuple[int, ...] = ()

    def begin(self, packets: int, later: Sequence[int]) -> None:
        """A run of so many packets begins; `later` are those of the runs that follow."""
        self._began_s = self._clock()
        self._set_up_s = self._began_s - self._set_up_since_s
        self._packets, self._later = packets, tuple(later)

    def end(self) -> None:
        """The run has ended."""
        now_s = self._clock()
        self._s_per_packet = (now_s - self._began_s) / max(self._packets, 1)
        self._set_up_since_s = now_s

    def left_s(self, share: float) -> float | None:
        """What this run, of which a share is done, and all later ones take; None while nothing tells."""
        took_s = self._clock() - self._began_s
        per_packet = self._s_per_packet
        if share > 0 and (took_s > _ENOUGH_S or not per_packet):
            per_packet = took_s / (share * self._packets)
        if not per_packet:
            return None
        # Setting a run up takes time that grows with its messages, whose number is the same.
        packets = (1 - share) * self._packets + sum(self._later)
        return packets * per_packet + len(self._later) * self._set_up_s


@dataclass(frozen=True, slots=True)
class Told:
    """Passes a run's progress on to who watches, and before a long one what lies ahead.

    Attributes:
        label: says what is being done.
        scales: message lengths of the runs that follow, this one's being 1.
        is_first: of a sequence of runs.
    """

    watch: Watch
    time_left: TimeLeft
    label: Callable[[Run], str]
    scales: tuple[float, ...] = ()
    is_first: bool = True

    def __call__(self, run: Run, share: float) -> None:
        if not share:
            self.time_left.begin(run_packets(run), [run_packets(run, scale) for scale in self.scales])
            if self.is_first and (line := long_run(run, (1.0, *self.scales))):
                self.watch.notice(line)
        self.watch.progress(self.label(run), share, self.time_left.left_s(share))
