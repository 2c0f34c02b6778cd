"""What other simulators assume, as one set of settings each, so that raddle can be held against them.

None of these is what real switches and NICs do; raddle's defaults are. docs/models/agreement.md has the
errors that remain.
"""

from __future__ import annotations

from dataclasses import dataclass

from raddle.peers.ns3_config import PeerDcqcn
from raddle.sim.engine import NicColumns
from raddle.state import PRIORITIES
from raddle.topology.rate_control import Dcqcn, LineRate

_FIRST = 7
"""A NIC's priority that is never paused here and goes before the data's."""


@dataclass(frozen=True, slots=True)
class PeerModel:
    """One simulator's conventions.

    Attributes:
        header_bytes: around each packet's payload on the wire.
        ack_bytes, pause_bytes, gap_bytes: on the wire.
        clock_ps: wire times are whole ticks, cut off.
        acks_first: NICs send acknowledgements before data, and while data is paused. (In switches they share
            the class of the data in both simulators.)
        shares_buffer: a switch's priority groups share its buffer; else each has a fixed threshold.
        reserved_bytes: of each port.
        alpha_shift: the dynamic threshold is the free shared buffer shifted right by this, by one less for
            each doubling of a port's speed above the NICs'.
        headroom_delays: headroom of a priority group in multiples of speed x delay of its cable;
            headroom_frames: on top of it, in data packets of full size (those under way at both ends when a
            pause is due, which no cable is short enough to spare).
        xon_offset_bytes: how far below its threshold a priority group falls before it lets go on.
        xoff_packets, xon_packets: with a fixed threshold, pauses above xoff and goes on below xon payloads of
            full size.
        pauses_at_threshold: a priority group pauses when it reaches its threshold.
        pause_delay_ps: of a pause, which then takes no time on the wire and waits for nothing; None: it is a
            frame.
        releases_at_end: a packet takes buffer until its last bit has left.
        descending_next_hops: order of equal-cost next hops by node number.
    """

    name: str
    header_bytes: int
    ack_bytes: int
    pause_bytes: int
    gap_bytes: int = 0
    clock_ps: int = 1
    acks_first: bool = False
    shares_buffer: bool = False
    reserved_bytes: int = 0
    alpha_shift: int = 0
    headroom_delays: int = 0
    headroom_frames: int = 0
    xon_offset_bytes: int = 0
    xoff_packets: int = 0
    xon_packets: int = 0
    pauses_at_threshold: bool = False
    pause_delay_ps: int | None = None
    releases_at_end: bool = False
    descending_next_hops: bool = False

    def nic_columns(self, mtu_bytes: int, dcqcn: PeerDcqcn | None) -> NicColumns:
        """The NICs of this simulator: no timeouts; acknowledgements tell of marks instead of CNPs."""
        return NicColumns(
            mtu_bytes=mtu_bytes,
            header_bytes=self.header_bytes,
            ack_bytes=self.ack_bytes,
            pause_bytes=self.pause_bytes,
            gap_bytes=self.gap_bytes,
            clock_ps=self.clock_ps,
            acks_carry_cnp=dcqcn is not None,
            pause_delay_ps=self.pause_delay_ps,
            completes_on_ack=True,
            # ns-3 moves the packet that waits (ChangeRate) with HPCC only, CC_MODE 3 and 10.
            retimes=False,
            rto_ps=10**13,
            ack_class=(0, _FIRST) if self.acks_first else None,
            class_weights=tuple(0 if priority == _FIRST else 1 for priority in range(PRIORITIES)),
            rate_control=_dcqcn(dcqcn) if dcqcn else LineRate(),
        )


def _dcqcn(peer: PeerDcqcn) -> Dcqcn:
    return Dcqcn(
        g=peer.g,
        alpha_timer_ps=peer.alpha_timer_ps,
        rate_timer_ps=peer.rate_timer_ps,
        byte_counter_bytes=0,
        fast_recovery_steps=peer.fast_recovery_steps,
        rate_ai_bps=peer.rate_ai_bps,
        rate_hai_bps=peer.rate_hai_bps,
        min_rate_bps=peer.min_rate_bps,
        clamp_target_rate=peer.clamps_target,
        decrease_timer_ps=peer.decrease_timer_ps,
    )


NS3_HPCC = PeerModel(
    name="ns3-hpcc",
    header_bytes=48,
    ack_bytes=60,
    pause_bytes=31,
    clock_ps=1000,
    acks_first=True,
    shares_buffer=True,
    reserved_bytes=4 << 10,
    alpha_shift=3,
    headroom_delays=3,
    xon_offset_bytes=3 << 10,
    pauses_at_threshold=True,
    descending_next_hops=True,
)
"""alibaba-edu/High-Precision-Congestion-Control, simulation/src/point-to-point/model.

PPP 2, IPv4 20, UDP 8, and 18 of sequence and telemetry fields; a PFC frame is PPP 2, IPv4 20 and 9 bytes.
Buffer: switch-mmu.cc and BUFFER_SIZE 32. Next hops lie in the order of the nodes' addresses in memory, which
fall from one node to the next in the reference runs: all 128 recorded paths of the permutation agree.

Its setting ACK_HIGH_PRIO reaches the NICs (RdmaEgressQueue::ack_q_idx in scratch/third.cc) but no switch,
where AckHighPrio stays off: acknowledgements wait in the data's queues, use its buffer and stop with it.
"""

HTSIM = PeerModel(
    name="htsim",
    header_bytes=64,
    ack_bytes=64,
    pause_bytes=0,
    xoff_packets=15,
    xon_packets=12,
    pause_delay_ps=0,
    releases_at_end=True,
)
"""Broadcom/csg-htsim, sim/roce.cpp and sim/queue_lossless_input.cpp with thresholds of 12 and 15 packets.

With a topology file (`-topo`) pauses arrive at once: LosslessInputQueue gets the constructor's hop latency,
which is then 0, and not the cable's (FatTreeTopology::init_network). Thresholds count payloads of full size
(Packet::data_packet_size), what they are held against is packets with headers.
"""
