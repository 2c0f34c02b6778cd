"""Whether messages may flow by `--fidelity auto`: where packets take long, and messages end as packets do.

Messages flow on trial. They are close to packets where they hardly meet: then each of them takes what it
takes alone, in packets too, and what briefly meets waits in a queue that is too short for a mark or a pause.
So a trial is kept where

- no link is slower than the NICs that send (else a message that is alone fills a queue),
- no message takes so much longer than alone that what waits meanwhile is half of what could be marked or
  pause a sender,
- of the time until the end, no more than 5 % is what messages take longer than alone, were the one of each
  step that does so most the one that all others wait for, and
- no more than an eighth is the way of first bits, counted likewise: acknowledgements share the wires of other
  data from a message's begin on when messages flow, in packets a way and back later.

`tests/property/test_flowing.py` holds the end of random collectives of which this is true to 1 % of packets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.lab.run.work import Work
from raddle.report.model import Flowed
from raddle.sim import FLOW_STATUS, NEVER
from raddle.sim.fluid import FluidSimulation
from raddle.sim.ideal import ideal_fcts_ps
from raddle.sim.nic import nic_columns
from raddle.sim.pool_sizes import with_pools_by_sai
from raddle.state import SwitchState
from raddle.topology.model import Fabric, PortRef
from raddle.topology.views.host_bus import endpoint_bus_bps
from raddle.workload import NOWHERE

_DONE = FLOW_STATUS.index("done")

_MOST_LATE = 0.05
"""Of the time until the end, for what messages take longer than alone."""

_MOST_WAY = 0.125
"""Of the time until the end, for the way of first bits."""

_GROUPS = 8
"""Priority groups that are taken to fill a buffer at once, each as far as its dynamic threshold lets it."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Flowing:
    """A trial that is kept, and what it was judged by."""

    simulation: FluidSimulation
    told: Flowed


class _MetError(Exception):
    """A message has met others for too long: the trial is over."""


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
        if judge.queue_bytes(judge.late_ps(simulation)) > judge.most_bytes:
            raise _MetError

    progress(simulation, 0.0)
    with contextlib.suppress(_MetError):
        simulation.run(lambda share: progress(simulation, share), after_call=look)
    late_ps, now_ps = judge.late_ps(simulation), max(simulation.now_ps, 1)
    queue_bytes = judge.queue_bytes(late_ps)
    if queue_bytes > judge.most_bytes:
        return (
            f"some share a link for so long that {queue_bytes / 1e3:.0f} KB would wait, more than half of the"
            f" {judge.most_bytes / 500:.0f} KB that could slow senders"
        )
    if (simulation.flows().status != _DONE).any():
        return "some do not end"
    if (late := judge.in_turn(late_ps) / now_ps) > _MOST_LATE:
        return (
            f"they share links: by steps, up to {late:.1%} of the time is lost so, more than {_MOST_LATE:.0%}"
        )
    if (way := judge.in_turn(judge.way_ps) / now_ps) > _MOST_WAY:
        return f"the ways of first bits are up to {way:.0%} of the time, more than {_MOST_WAY:.1%}"
    told = Flowed(
        packets_s, judge.mean_late(late_ps), int(late_ps.max(initial=0)), queue_bytes, 2 * judge.most_bytes
    )
    return Flowing(simulation, told)


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
    """What each message takes alone, and from which queue on packets could be slowed.

    Attributes:
        step: int64, of each message.
        alone_ps: int64, with acknowledgements of as much data on its wires; 0: not over NICs.
        way_ps: int64, beyond its time on the fastest NIC's wire.
        most_bytes: half of the shortest queue of which something could be marked, or a sender paused.
        byte_ps: picoseconds of a byte on the fastest NIC's wire.
    """

    step: Ints
    alone_ps: Ints
    way_ps: Ints
    most_bytes: int
    byte_ps: float

    @classmethod
    def of(cls, work: Work, simulation: FluidSimulation) -> _Judge:
        sent, nic = work.sent, nic_columns(work.fabric)
        qp, size_bytes = sent.schedule.qp, sent.schedule.size_bytes
        is_far = sent.qp_src[qp] != NOWHERE
        ideal_ps = np.where(is_far, ideal_fcts_ps(simulation, qp, size_bytes), 0)
        frame_bytes = nic.mtu_bytes + nic.header_bytes + nic.gap_bytes
        acks = (nic.ack_bytes + nic.gap_bytes) / (nic.ack_interval * frame_bytes)
        alone_ps = np.ceil(ideal_ps * (1 + acks)).astype(np.int64)
        bps = work.fabric.arrays.speed_bps[np.array([end.link for end in work.fabric.endpoints])].max()
        byte_ps = 8e12 / float(bps)
        on_wire_ps = size_bytes / nic.mtu_bytes * frame_bytes * byte_ps
        way_ps = np.where(is_far, np.maximum(ideal_ps - on_wire_ps, 0), 0).astype(np.int64)
        most_bytes = _quiet_bytes(work.fabric, work.states) // 2
        return cls(sent.schedule.step.astype(np.int64), alone_ps, way_ps, most_bytes, byte_ps)

    def late_ps(self, simulation: FluidSimulation) -> Ints:
        """How much longer than alone each message took that is over; 0 for others."""
        flows = simulation.flows()
        is_over = (flows.finish_ps != NEVER) & (self.alone_ps > 0)
        late: Ints = np.maximum(np.where(is_over, flows.finish_ps - flows.start_ps - self.alone_ps, 0), 0)
        return late

    def queue_bytes(self, late_ps: Ints) -> int:
        """What waits at most while two meet for as long as one is late by."""
        return int(late_ps.max(initial=0) / self.byte_ps)

    def in_turn(self, times_ps: Ints) -> int:
        """The longest of each step, one after the other."""
        longest = np.zeros(int(self.step.max(initial=0)) + 1, np.int64)
        np.maximum.at(longest, self.step, times_ps)
        return int(longest.sum())

    def mean_late(self, late_ps: Ints) -> float:
        """As a share of what messages take alone."""
        return float(late_ps.sum() / max(self.alone_ps.sum(), 1))


def _quiet_bytes(fabric: Fabric, states: Mapping[str, SwitchState]) -> int:
    """The shortest queue of which a packet could be marked, or its sender paused."""
    found = [np.iinfo(np.int64).max]
    for switch in fabric.switches:
        state = with_pools_by_sai(states[switch.name], switch.model)
        used = {q.wred for port in state.ports for q in port.queues}
        found += [state.wred_profiles[number].min_bytes for number in used if number is not None]
        groups = {number for port in state.ports for number in port.pgs if number is not None}
        for number in groups:
            profile = state.buffer_profiles[number]
            pool_bytes = state.buffer_pools[profile.pool].size_bytes
            alpha = 2.0 ** (profile.dynamic_th or 0)
            shared = int(pool_bytes * alpha / (1 + _GROUPS * alpha))
            found.append(shared if profile.static_th_bytes is None else profile.static_th_bytes)
    return int(min(found))
