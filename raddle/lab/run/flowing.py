"""Whether messages may flow by `--fidelity auto`: where packets take long, and messages end as packets do.

Messages flow on trial. They are close to packets where they do not meet: then each of them takes what it
takes alone, in packets too. Where they do meet, however briefly, packets need not end as they do: ranks that
wait for each other in rounds fall further apart by it in packets. So a trial is kept where

- no link is slower than the NICs that send (else a message that is alone fills a queue),
- no message is late, which is to take longer than alone by more than a frame's time on its NIC's wire. Alone
  it shares its sender's wire with acknowledgements of what the sender receives meanwhile, with nothing else:
  what fills a receiver that sends, while its own sender receives nothing, is late, and
- no more than an eighth of the time until the end is the way of first bits, the longest of each step one
  after the other, and less where small frames have more acknowledgements: these share the wires of other data
  from a message's begin on when messages flow, in packets a way and back later.

`tests/property/test_flowing.py` holds the end of random collectives of which this is true to 1 % of packets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.lab.run.work import Work
from raddle.report.model import Flowed
from raddle.sim import FLOW_STATUS, NEVER
from raddle.sim.fluid import FluidSimulation
from raddle.sim.ideal import ideal_fcts_ps
from raddle.sim.nic import nic_columns
from raddle.topology.model import PortRef
from raddle.topology.views.host_bus import endpoint_bus_bps
from raddle.units import format_time
from raddle.workload import NOWHERE

_DONE = FLOW_STATUS.index("done")

_MOST_WAY = 0.125
"""Of the time until the end, for the way of first bits."""

_MOST_SHIFT = 0.0026
"""Of the time until the end, for what acknowledgements take of wires meanwhile: an eighth at 4096 bytes."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Flowing:
    """A trial that is kept, and what it was judged by."""

    simulation: FluidSimulation
    told: Flowed


class _MetError(Exception):
    """A message has met others: the trial is over."""


def flow_if_close(
    work: Work, packets_s: float, progress: Callable[[FluidSimulation, float], None]
) -> Flowing | str:
    """The work with messages that flow, or why that would not end as packets do.

    Args:
        packets_s: what packets take, about, in seconds of computing.
        progress: told how much of the trial is done, 0..1.
    """
    if why := _unfit(work):
        return why
    simulation = work.simulation(FluidSimulation)
    judge = _Judge.of(work, simulation)

    def look() -> None:
        if judge.surely_late_ps(simulation) > judge.frame_ps:
            raise _MetError

    progress(simulation, 0.0)
    with contextlib.suppress(_MetError):
        simulation.run(lambda share: progress(simulation, share), after_call=look)
    late_ps = judge.most_late_ps(simulation)
    if late_ps > judge.frame_ps:
        return f"they meet: one is late by {format_time(late_ps)}, and packets may come apart by it"
    if (simulation.flows().status != _DONE).any():
        return "some do not end"
    most = min(_MOST_WAY, _MOST_SHIFT / judge.acks)
    if (way := judge.ways_ps / max(simulation.now_ps, 1)) > most:
        return f"the ways of first bits are up to {way:.1%} of the time, more than {most:.1%}"
    return Flowing(simulation, Flowed(packets_s, late_ps, way))


def _unfit(work: Work) -> str:
    """What already the fabric or the work has that flowing messages do not go by."""
    fabric, arrays = work.fabric, work.fabric.arrays
    sends = np.unique(work.sent.qp_src[work.sent.qp_src != NOWHERE])
    if not len(sends):
        return "all go inside servers"
    if work.workload.is_lossy is not None and work.workload.is_lossy.any():
        return "those of a lossy class are dropped in packets"
    if endpoint_bus_bps(fabric).any():
        return "a host's bus is slower than its NIC"
    nics_bps = arrays.speed_bps[np.array([end.link for end in fabric.endpoints])[sends]]
    set_bps = [
        port.speed_bps
        for name, state in work.states.items()
        for port in state.ports
        if PortRef(name, port.name) in fabric.link_by_port
    ]
    if min(int(arrays.speed_bps[arrays.is_up].min()), *set_bps) < int(nics_bps.max()):
        return "some links are slower than NICs"
    return ""


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    """What each message takes alone.

    Attributes:
        ideal_ps: int64, without acknowledgements on its wires; 0: not over NICs.
        src: int64, the endpoint that sends it. dst: the one that receives it.
        acks: of acknowledgements on the wire, by what they acknowledge.
        ways_ps: the longest way of a first bit of each step, one after the other.
        frame_ps: a frame's time on the fastest NIC's wire.
    """

    ideal_ps: Ints
    src: Ints
    dst: Ints
    acks: float
    ways_ps: int
    frame_ps: int

    @classmethod
    def of(cls, work: Work, simulation: FluidSimulation) -> _Judge:
        sent, nic = work.sent, nic_columns(work.fabric)
        qp, size_bytes, step = sent.schedule.qp, sent.schedule.size_bytes, sent.schedule.step
        is_far = sent.qp_src[qp] != NOWHERE
        ideal_ps = np.where(is_far, ideal_fcts_ps(simulation, qp, size_bytes), 0).astype(np.int64)
        frame_bytes = nic.mtu_bytes + nic.header_bytes + nic.gap_bytes
        acks = (nic.ack_bytes + nic.gap_bytes) / (nic.ack_interval * frame_bytes)
        bps = work.fabric.arrays.speed_bps[np.array([end.link for end in work.fabric.endpoints])].max()
        frame_ps = -(-frame_bytes * 8 * 10**12 // int(bps))
        on_wire_ps = size_bytes / nic.mtu_bytes * frame_ps
        way_ps = np.where(is_far, np.maximum(ideal_ps - on_wire_ps, 0), 0).astype(np.int64)
        longest_ps = np.zeros(int(step.max(initial=0)) + 1, np.int64)
        np.maximum.at(longest_ps, step, way_ps)
        src, dst = sent.qp_src[qp].astype(np.int64), sent.qp_dst[qp].astype(np.int64)
        return cls(ideal_ps, src, dst, acks, int(longest_ps.sum()), frame_ps)

    def surely_late_ps(self, simulation: FluidSimulation) -> int:
        """As `most_late_ps`, as if every sender received all the time: quick, and never more than that."""
        flows = simulation.flows()
        is_over = (flows.finish_ps != NEVER) & (self.ideal_ps > 0)
        late_ps = flows.finish_ps - flows.start_ps - np.ceil(self.ideal_ps * (1 + self.acks)).astype(np.int64)
        return int(np.where(is_over, late_ps, 0).max(initial=0))

    def most_late_ps(self, simulation: FluidSimulation) -> int:
        """How much longer than alone a message took at most, of those that are over."""
        flows = simulation.flows()
        is_over = np.flatnonzero((flows.finish_ps != NEVER) & (self.ideal_ps > 0))
        start_ps, finish_ps = flows.start_ps[is_over], flows.finish_ps[is_over]
        beside_ps = _time_beside(self.src[is_over], self.dst[is_over], start_ps, finish_ps)
        # What is received has acknowledgements beside it, too: both ways have 1 / (1 + acks) of a wire.
        alone_ps = self.ideal_ps[is_over] + np.ceil(beside_ps * (self.acks / (1 + self.acks))).astype(
            np.int64
        )
        return int((finish_ps - start_ps - alone_ps).max(initial=0))


def _time_beside(src: Ints, dst: Ints, start_ps: Ints, finish_ps: Ints) -> Ints:
    """In how much of its own time each message's sender receives others, at most all of it."""
    beside_ps = np.zeros(len(src), np.int64)
    by_src, by_dst = np.argsort(src, kind="stable"), np.argsort(dst, kind="stable")
    ends = np.unique(src)
    sends = np.searchsorted(src[by_src], [ends, ends + 1]).T
    receives = np.searchsorted(dst[by_dst], [ends, ends + 1]).T
    for (sent_from, sent_to), (got_from, got_to) in zip(sends, receives, strict=True):
        own, got = by_src[sent_from:sent_to], by_dst[got_from:got_to]
        begun, ended = np.sort(start_ps[got]), np.sort(finish_ps[got])
        of_time = _until(begun, ended, finish_ps[own]) - _until(begun, ended, start_ps[own])
        beside_ps[own] = np.minimum(of_time, finish_ps[own] - start_ps[own])
    return beside_ps


def _until(begun_ps: Ints, ended_ps: Ints, at_ps: Ints) -> Ints:
    """The time until `at_ps` in all spans together; begins and ends are sorted."""

    def since(times_ps: Ints) -> Ints:
        sums = np.concatenate([[0], np.cumsum(times_ps)])
        before = np.searchsorted(times_ps, at_ps)
        spent_ps: Ints = before * at_ps - sums[before]
        return spent_ps

    return since(begun_ps) - since(ended_ps)
