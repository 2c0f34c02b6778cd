"""The checks of a RoCEv2 exchange, on a network of sockets that can lose and damage packets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import cast

import numpy as np
import pytest

from raddle import traffic
from raddle.lab.emulation import exchange
from raddle.lab.emulation.exchange import Exchange, Exchanger
from raddle.lab.emulation.nics import NicSocket
from raddle.lab.emulation.roce import ACKNOWLEDGE, WRITE_ONLY, Reth, RocePacket, decode, encode, is_roce
from raddle.workload import Sent
from tests.unit.lab.test_emulation_paths import FABRIC, LAYOUT

Fault = Callable[[int, bytes], bytes | None]
"""What becomes of the n-th frame: itself, another, or None where it is lost."""


class Wire:
    """All ports on one wire that knows where each address is."""

    def __init__(self, stack: ExitStack, fault: Fault) -> None:
        self.fault, self.count = fault, 0
        self.ends: dict[str, socket.socket] = {}
        self.nics = []
        for nic in LAYOUT.nics:
            near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            stack.enter_context(near)
            self.ends[nic.address] = stack.enter_context(far)
            near.setblocking(False)
            self.nics.append(Port(self, near, nic))

    def carry(self, frame: bytes) -> None:
        self.count += 1
        sent = self.fault(self.count, frame)
        if sent is not None:
            self.ends[decode(frame).dst].send(sent)


class Port:
    def __init__(self, wire: Wire, near: socket.socket, nic: object) -> None:
        self.wire, self.socket, self.nic = wire, near, nic

    def send(self, frame: bytes) -> None:
        self.wire.carry(frame)

    def receive(self) -> Iterator[bytes]:
        while True:
            try:
                yield self.socket.recv(65535)
            except BlockingIOError:
                return


def exchange_over(fault: Fault) -> Exchange:
    ranks = len(FABRIC.endpoints)
    schedule = traffic.build("all_reduce", "ring", ranks, ranks * 8192)
    with ExitStack() as stack:
        nics = cast(list[NicSocket], Wire(stack, fault).nics)
        return Exchanger(FABRIC, nics, Sent.between(schedule, np.arange(ranks, dtype=np.int32)), seed=1).run()


@pytest.fixture(autouse=True)
def short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "SILENCE_S", 0.2)


def test_a_good_network_completes_every_flow_and_acknowledges_every_packet() -> None:
    """A ring of 16 ranks has 2 * 15 steps of 16 flows, here of two packets."""
    done = exchange_over(lambda number, frame: frame)
    assert done.is_complete
    assert (done.flows, done.data_packets, done.acknowledgements) == (480, 960, 960)


def test_a_lost_packet_is_told_from_all_else_that_goes_wrong() -> None:
    done = exchange_over(lambda number, frame: None if number == 100 else frame)
    assert not done.is_complete
    assert "flows are not complete" in done.gaps[-1]
    assert (done.is_only_lossy, done.lost, done.problems) == (True, 1, [])


def test_a_lost_acknowledgement_is_a_problem_even_where_no_flow_waits_for_it() -> None:
    lost: list[int] = []

    def lose_first_ack(number: int, frame: bytes) -> bytes | None:
        if decode(frame).opcode == ACKNOWLEDGE and not lost:
            lost.append(number)
            return None
        return frame

    done = exchange_over(lose_first_ack)
    assert "1 packets are on their way" in done.gaps[-1]
    assert done.is_only_lossy


def test_a_damaged_packet_is_a_problem() -> None:
    def damage(number: int, frame: bytes) -> bytes:
        return frame[:50] + bytes([frame[50] ^ 1]) + frame[51:] if number == 50 else frame

    done = exchange_over(damage)
    assert any("a wrong ICRC" in problem for problem in done.problems)
    assert not done.is_only_lossy


def test_loss_does_not_hide_a_damaged_packet() -> None:
    def harm(number: int, frame: bytes) -> bytes | None:
        if number == 10:
            return None
        return frame[:50] + bytes([frame[50] ^ 1]) + frame[51:] if number == 11 else frame

    done = exchange_over(harm)
    assert done.lost
    assert not done.is_only_lossy


def test_packets_out_of_order_are_a_problem() -> None:
    held: list[bytes] = []

    def swap(number: int, frame: bytes) -> bytes:
        """The first two packets of the first queue pair come in the other order."""
        if number == 1:
            held.append(frame)
            return second
        return held[0] if number == 2 else frame

    second = first_two()[1]
    done = exchange_over(swap)
    assert any("expected 0" in line for line in done.gaps)
    assert not done.is_only_lossy


def first_two() -> list[bytes]:
    seen: list[bytes] = []

    def record(number: int, frame: bytes) -> bytes:
        if number <= 2:
            seen.append(frame)
        return frame

    exchange_over(record)
    return seen


def test_only_packets_between_the_hosts_are_looked_at() -> None:
    packet = RocePacket("10.0.0.7", "10.0.0.9", 50000, 26, WRITE_ONLY, 7, 0, reth=Reth(0, 0, 0))
    frame = encode(packet, "02:01:00:00:00:03", "02:00:00:00:00:00")
    assert is_roce(frame, LAYOUT.addresses)
    foreign = {
        "another port": frame[:36] + (4792).to_bytes(2, "big") + frame[38:],
        "TCP's reset": frame[:23] + b"\x06" + frame[24:54],
        "IGMP with a router alert": frame[:14] + b"\x46" + frame[15:23] + b"\x02" + frame[24:],
        "IPv6": frame[:12] + b"\x86\xdd\x60" + frame[15:],
        "a stranger's": frame[:26] + socket.inet_aton("10.9.0.1") + frame[30:],
        "a short one": frame[:20],
    }
    assert [name for name, each in foreign.items() if is_roce(each, LAYOUT.addresses)] == []
