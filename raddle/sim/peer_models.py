"""What other simulators assume, as one set of settings each, so that raddle can be held against them.

None of these is what real switches and NICs do; raddle's defaults are. docs/models/agreement.md has the
errors that remain.
"""

from __future__ import annotations

from dataclasses import dataclass

from raddle import _core

_WORD = 0xFFFFFFFF
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
        buffer_bytes: shared buffer of a switch, all of it; 0: each priority group has a fixed threshold.
        reserved_bytes: of each port.
        alpha_shift: the dynamic threshold is the free shared buffer shifted right by this.
        headroom_delays: headroom of a priority group in multiples of speed x delay of its cable.
        xon_offset_bytes: how far below its threshold a priority group falls before it lets go on.
        static_xoff_bytes, static_xon_bytes: with a fixed threshold, pauses above xoff, goes on below xon.
        pauses_at_threshold: a priority group pauses when it reaches its threshold.
        descending_next_hops: order of equal-cost next hops by node number.
    """

    name: str
    header_bytes: int
    ack_bytes: int
    pause_bytes: int
    gap_bytes: int = 0
    clock_ps: int = 1
    acks_first: bool = False
    buffer_bytes: int = 0
    reserved_bytes: int = 0
    alpha_shift: int = 0
    headroom_delays: int = 0
    xon_offset_bytes: int = 0
    static_xoff_bytes: int = 0
    static_xon_bytes: int = 0
    pauses_at_threshold: bool = False
    descending_next_hops: bool = False

    def nic_config(self, mtu_bytes: int) -> _core.NicConfig:
        """The NICs of this simulator, without congestion control and without retransmission timeouts."""
        nic = _core.NicConfig()
        nic.mtu_bytes = mtu_bytes
        nic.header_bytes = self.header_bytes
        nic.ack_bytes = self.ack_bytes
        nic.pause_bytes = self.pause_bytes
        nic.gap_bytes = self.gap_bytes
        nic.clock_ps = self.clock_ps
        nic.is_dcqcn = False
        nic.completes_on_ack = True
        nic.rto_ps = 10**13
        if self.acks_first:
            nic.ack_dscp = 0
            nic.ack_priority = _FIRST
        return nic


NS3_HPCC = PeerModel(
    name="ns3-hpcc",
    header_bytes=48,
    ack_bytes=60,
    pause_bytes=31,
    clock_ps=1000,
    acks_first=True,
    buffer_bytes=32 << 20,
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
    static_xoff_bytes=15 * 4160,
    static_xon_bytes=12 * 4160,
)
"""Broadcom/csg-htsim, sim/roce.cpp and sim/queue_lossless_input.cpp with thresholds of 12 and 15 packets.

There a pause takes no time on the wire, and a packet counts until its last bit has left (here until its
first): thresholds are off by up to one packet per output.
"""


def ns3_hash(seed: int, src: int, dst: int, src_port: int, dst_port: int) -> int:
    """The ECMP hash of ns3-hpcc's switches (SwitchNode::EcmpHash, MurmurHash3 x86_32 by A. Appleby).

    Args:
        seed: number of the switch's node.
        src, dst: numbers of the end nodes; their addresses are 11.x.y.1.
    """
    value = seed
    for key in (_ns3_address(src), _ns3_address(dst), src_port | dst_port << 16):
        mixed = key * 0xCC9E2D51 & _WORD
        mixed = _rotate(mixed, 15) * 0x1B873593 & _WORD
        value = (_rotate(value ^ mixed, 13) * 5 + 0xE6546B64) & _WORD
    value ^= 12
    value = (value ^ value >> 16) * 0x85EBCA6B & _WORD
    value = (value ^ value >> 13) * 0xC2B2AE35 & _WORD
    return value ^ value >> 16


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _WORD


def _ns3_address(node: int) -> int:
    return 0x0B000001 + (node >> 8 << 16) + ((node & 0xFF) << 8)
