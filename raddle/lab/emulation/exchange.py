"""A schedule's flows as RoCEv2 writes between the hosts' ports, at a low rate, checked where they arrive."""

from __future__ import annotations

import selectors
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raddle.ecmp_hash import qp_numbers, udp_source_port
from raddle.errors import UnreachableError
from raddle.lab.emulation.nics import NicSocket
from raddle.lab.emulation.roce import (
    ACKNOWLEDGE,
    PSN_MASK,
    WRITE_LAST,
    WRITE_ONLY,
    Aeth,
    BadPacketError,
    Reth,
    RocePacket,
    decode,
    encode,
    opcode_of,
)
from raddle.topology.model import Fabric
from raddle.workload import Schedule, Sent

MAX_IN_FLIGHT = 16
"""Packets on their way at one time: few enough for the switches' queues, whatever the machine does else."""

SILENCE_S = 5.0
"""Time without any packet after which what is missing is lost: no packet is sent again here."""

_R_KEY = 0x1234
_ACK = 0x1F  # syndrome: ACK, no credit limit (IBTA 9.7.5.1.2)


@dataclass(slots=True)
class QueuePair:
    """One direction of a connection: who sends, and how far sender and receiver are."""

    src: int
    dst: int
    numbers: tuple[int, int]
    source_port: int
    ack_source_port: int
    flows: deque[int]
    next_psn: int = 0
    expected_psn: int = 0
    unacknowledged_psn: int = 0
    msn: int = 0
    bounds: dict[int, int] = field(default_factory=dict)  # PSN of a flow's last packet -> the flow


@dataclass(slots=True)
class Exchange:
    """What was sent and received.

    Attributes:
        lost: packets that were sent and never came.
        problems: a reader's lines, empty where all is as it should be.
        gaps: such lines too, of what one lost packet explains: others that came without it.
    """

    flows: int
    data_packets: int = 0
    acknowledgements: int = 0
    received_flows: int = 0
    acknowledged_flows: int = 0
    lost: int = 0
    problems: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        is_wrong = bool(self.problems or self.gaps)
        return self.acknowledged_flows == self.received_flows == self.flows and not is_wrong

    @property
    def is_only_lossy(self) -> bool:
        """Packets are missing, and nothing is wrong with those that came."""
        return bool(self.lost) and not self.problems


class Exchanger:
    """Runs one schedule. Queue pair numbers and UDP source ports are those of the simulator's run.

    A flow starts when those it waits for are complete (see `Schedule`); flows of one queue pair go in order.
    """

    def __init__(
        self,
        fabric: Fabric,
        nics: Sequence[NicSocket],
        sent: Sent,
        seed: int,
        source_ports: NDArray[np.int64] | None = None,
    ) -> None:
        schedule = sent.schedule
        self.result = Exchange(schedule.flows)
        self.queue_pairs = _queue_pairs(sent, seed, source_ports)
        self._nics, self._schedule = nics, schedule
        self._mtu, self._ack_interval = fabric.roce.mtu_bytes, fabric.hosts[0].nic_model.ack_interval
        self._dscp = fabric.roce.lossless[0].dscp if fabric.roce.lossless else 0
        self._waits_for = np.diff(schedule.dep_offsets).tolist()
        self._dependents = _dependents(schedule)
        self._outbox: deque[tuple[int, bytes]] = deque()
        self._answers: deque[tuple[int, bytes]] = deque()
        self._in_flight = 0
        self._by_receiver = {(qp.dst, qp.numbers[1]): qp for qp in self.queue_pairs}
        self._by_sender = {(qp.src, qp.numbers[0]): qp for qp in self.queue_pairs}

    def run(self) -> Exchange:
        """Send all flows; returns when all are acknowledged or nothing comes any more."""
        for qp in self.queue_pairs:
            self._start_flows(qp)
        with selectors.DefaultSelector() as selector:
            for index, nic in enumerate(self._nics):
                selector.register(nic.socket, selectors.EVENT_READ, index)
            heard = time.monotonic()
            while self.result.acknowledged_flows < self.result.flows or self._in_flight:
                self._send()
                for key, _ in selector.select(0.1):
                    heard = time.monotonic()
                    for frame in self._nics[key.data].receive():
                        self._receive(key.data, frame)
                if time.monotonic() - heard > SILENCE_S:
                    missing = self.result.flows - self.result.acknowledged_flows
                    self.result.lost = self._in_flight
                    self.result.gaps.append(
                        f"{missing} flows are not complete, {self._in_flight} packets are on their way, and "
                        f"nothing has come for {SILENCE_S:g} s"
                    )
                    break
        return self.result

    def _start_flows(self, qp: QueuePair) -> None:
        """Hand the flows to the NIC that wait for nothing any more, in their order."""
        while qp.flows and not self._waits_for[qp.flows[0]]:
            flow = qp.flows.popleft()
            size = int(self._schedule.size_bytes[flow])
            packets = max(1, -(-size // self._mtu))
            for number in range(packets):
                self._outbox.append((qp.src, self._data(qp, flow, number, packets, size)))
                qp.next_psn = (qp.next_psn + 1) & PSN_MASK
            qp.bounds[(qp.next_psn - 1) & PSN_MASK] = flow

    def _data(self, qp: QueuePair, flow: int, number: int, packets: int, size: int) -> bytes:
        nic, peer = self._nics[qp.src].nic, self._nics[qp.dst].nic
        length = min(self._mtu, size - number * self._mtu)
        packet = RocePacket(
            src=nic.address,
            dst=peer.address,
            udp_source_port=qp.source_port,
            dscp=self._dscp,
            opcode=opcode_of(number, packets),
            dest_qp=qp.numbers[1],
            psn=qp.next_psn,
            asks_ack=self._is_acknowledged(number, packets),
            reth=Reth(flow << 32, _R_KEY, size) if number == 0 else None,
            payload=_payload(flow, number, length),
        )
        return encode(packet, nic.mac, nic.gateway_mac)

    def _is_acknowledged(self, number: int, packets: int) -> bool:
        return number == packets - 1 or (number + 1) % self._ack_interval == 0

    def _send(self) -> None:
        while (queue := self._answers or self._outbox) and self._in_flight < MAX_IN_FLIGHT:
            nic, frame = queue.popleft()
            self._nics[nic].send(frame)
            self._in_flight += 1

    def _receive(self, nic: int, frame: bytes) -> None:
        self._in_flight -= 1
        try:
            packet = decode(frame)
        except BadPacketError as error:
            self._problem(f"{self._nics[nic].nic.label} got {error}")
            return
        if packet.opcode == ACKNOWLEDGE:
            self._take_ack(nic, packet)
        else:
            self._take_data(nic, packet)

    def _take_data(self, nic: int, packet: RocePacket) -> None:
        qp = self._by_receiver.get((nic, packet.dest_qp))
        host = self._nics[nic].nic.label
        if qp is None:
            return self._problem(
                f"{host} got a packet for queue pair {packet.dest_qp}, which it does not have"
            )
        if packet.psn != qp.expected_psn:
            is_ahead = (packet.psn - qp.expected_psn) & PSN_MASK <= PSN_MASK // 2
            lines = self.result.gaps if is_ahead else self.result.problems
            return lines.append(f"{host} got PSN {packet.psn}, expected {qp.expected_psn}")
        self.result.data_packets += 1
        qp.expected_psn = (qp.expected_psn + 1) & PSN_MASK
        if packet.asks_ack:
            self._answers.append((nic, self._ack(qp, packet)))
        if packet.opcode in (WRITE_LAST, WRITE_ONLY):
            self.result.received_flows += 1
            flow = qp.bounds[packet.psn]
            self._complete(flow, at=int(self._schedule.dst[flow]))
        return None

    def _ack(self, qp: QueuePair, packet: RocePacket) -> bytes:
        nic, peer = self._nics[qp.dst].nic, self._nics[qp.src].nic
        qp.msn += packet.opcode in (WRITE_LAST, WRITE_ONLY)
        answer = RocePacket(
            src=nic.address,
            dst=peer.address,
            udp_source_port=qp.ack_source_port,
            dscp=self._dscp,
            opcode=ACKNOWLEDGE,
            dest_qp=qp.numbers[0],
            psn=packet.psn,
            aeth=Aeth(_ACK, qp.msn & PSN_MASK),
        )
        return encode(answer, nic.mac, nic.gateway_mac)

    def _take_ack(self, nic: int, packet: RocePacket) -> None:
        qp = self._by_sender.get((nic, packet.dest_qp))
        if qp is None or packet.aeth is None or packet.aeth.syndrome != _ACK:
            return self._problem(f"{self._nics[nic].nic.label} got an acknowledgement of nothing it sent")
        if (packet.psn - qp.unacknowledged_psn) & PSN_MASK > PSN_MASK // 2:
            return self._problem(f"{self._nics[nic].nic.label} got an acknowledgement out of order")
        qp.unacknowledged_psn = (packet.psn + 1) & PSN_MASK
        self.result.acknowledgements += 1
        flow = qp.bounds.pop(packet.psn, None)
        if flow is not None:
            self.result.acknowledged_flows += 1
            self._complete(flow, at=int(self._schedule.src[flow]))
        return None

    def _complete(self, flow: int, at: int) -> None:
        """A flow is complete for the rank `at`: what that rank sends after it may start."""
        for other in self._dependents[flow]:
            if self._schedule.src[other] == at:
                self._waits_for[other] -= 1
                self._start_flows(self.queue_pairs[self._schedule.qp[other]])

    def _problem(self, line: str) -> None:
        self.result.problems.append(line)


def _queue_pairs(sent: Sent, seed: int, source_ports: NDArray[np.int64] | None) -> list[QueuePair]:
    pairs: dict[int, QueuePair] = {}
    for flow, qp in enumerate(sent.schedule.qp.tolist()):
        if qp not in pairs:
            numbers = qp_numbers(qp, seed)
            ends = (int(sent.qp_src[qp]), int(sent.qp_dst[qp]))
            own = udp_source_port(*numbers)
            chosen = (-1, -1) if source_ports is None else source_ports[qp].tolist()
            data, acks = (own if port < 0 else port for port in chosen)
            pairs[qp] = QueuePair(*ends, numbers, data, acks, deque())
        pairs[qp].flows.append(flow)
    found = [pairs[qp] for qp in range(len(pairs))]
    repeated = [n for n, count in Counter((qp.dst, qp.numbers[1]) for qp in found).items() if count > 1]
    if repeated:
        raise UnreachableError(
            f"two queue pairs of one host have number {repeated[0][1]}; take another --seed"
        )
    return found


def _dependents(schedule: Schedule) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(schedule.flows)]
    for flow in range(schedule.flows):
        for dep in schedule.dep_ids[schedule.dep_offsets[flow] : schedule.dep_offsets[flow + 1]].tolist():
            found[dep].append(flow)
    return found


def _payload(flow: int, number: int, length: int) -> bytes:
    """Bytes that no other packet has."""
    word = (flow << 16 | number & 0xFFFF).to_bytes(8, "big")
    return (word * (length // 8 + 1))[:length]
