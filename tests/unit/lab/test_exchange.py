"""The checks of a RoCEv2 exchange, on a network of sockets that can lose and damage packets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import cast

import numpy as np
import pytest
from test_emulation_paths import FABRIC, LAYOUT

import traffic
from raddle.lab.emulation import exchange
from raddle.lab.emulation.exchange import Exchange, Exchanger
from raddle.lab.emulation.nics import NicSocket
from raddle.lab.emulation.roce import ACKNOWLEDGE, decode

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
        return Exchanger(FABRIC, nics, schedule, np.arange(ranks, dtype=np.int32), seed=1).run()


@pytest.fixture(autouse=True)
def short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "SILENCE_S", 0.2)


def test_a_good_network_completes_every_flow_and_acknowledges_every_packet() -> None:
    """A ring of 16 ranks has 2 * 15 steps of 16 flows, here of two packets."""
    done = exchange_over(lambda number, frame: frame)
    assert done.is_complete
    assert (done.flows, done.data_packets, done.acknowledgements) == (480, 960, 960)


def test_a_lost_packet_is_a_problem() -> None:
    done = exchange_over(lambda number, frame: None if number == 100 else frame)
    assert not done.is_complete
    assert "flows are not complete" in done.problems[-1]


def test_a_lost_acknowledgement_is_a_problem_even_where_no_flow_waits_for_it() -> None:
    lost: list[int] = []

    def lose_first_ack(number: int, frame: bytes) -> bytes | None:
        if decode(frame).opcode == ACKNOWLEDGE and not lost:
            lost.append(number)
            return None
        return frame

    assert "1 packets are on their way" in exchange_over(lose_first_ack).problems[-1]


def test_a_damaged_packet_is_a_problem() -> None:
    def damage(number: int, frame: bytes) -> bytes:
        return frame[:50] + bytes([frame[50] ^ 1]) + frame[51:] if number == 50 else frame

    assert any("a wrong ICRC" in problem for problem in exchange_over(damage).problems)


def test_packets_out_of_order_are_a_problem() -> None:
    held: list[bytes] = []

    def swap(number: int, frame: bytes) -> bytes:
        """The first two packets of the first queue pair come in the other order."""
        if number == 1:
            held.append(frame)
            return second
        return held[0] if number == 2 else frame

    second = first_two()[1]
    assert any("expected 0" in problem for problem in exchange_over(swap).problems)


def first_two() -> list[bytes]:
    seen: list[bytes] = []

    def record(number: int, frame: bytes) -> bytes:
        if number <= 2:
            seen.append(frame)
        return frame

    exchange_over(record)
    return seen
