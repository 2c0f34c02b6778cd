"""The watch of carriers hears the kernel's messages, and looks again where some were lost."""

from __future__ import annotations

import errno
import queue
import socket
import struct
from collections.abc import Iterable
from types import SimpleNamespace
from typing import cast

import pytest
from finsy.proto import p4r

from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, schema_of
from raddle.controller.southbound.p4runtime.session import P4Session
from raddle.lab.emulation import carriers
from raddle.lab.emulation.carriers import CarrierWatch, PortRegister, link_changes

LOOPBACK = 1


def message(index: int, flags: int) -> bytes:
    """RTM_NEWLINK with an ifinfomsg (rtnetlink(7)) and nothing behind it."""
    return struct.pack("=IHHII", 32, 16, 0, 0, 0) + struct.pack("=BxHiII", 0, 0, index, flags, 0)


class Kernel:
    """What a netlink socket gives: messages, errors, and then silence."""

    def __init__(self, *said: bytes | OSError) -> None:
        self.said = queue.SimpleQueue[bytes | OSError]()
        for each in said:
            self.said.put(each)

    def recv(self, size: int) -> bytes:
        each = self.said.get()
        if isinstance(each, OSError):
            raise each
        return each


def watching(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, states: dict[str, bool]
) -> tuple[queue.SimpleQueue[tuple[str, bool]], queue.SimpleQueue[Exception]]:
    monkeypatch.setattr(carriers, "has_carrier", lambda name: states[name])
    heard = queue.SimpleQueue[tuple[str, bool]]()
    ended = queue.SimpleQueue[Exception]()
    watch = CarrierWatch(frozenset(states), lambda name, is_live: heard.put((name, is_live)), ended.put)
    watch._events.close()
    monkeypatch.setattr(watch, "_events", kernel)
    watch.start()
    return heard, ended


def test_a_message_names_the_interface_and_says_whether_it_runs() -> None:
    name = socket.if_indextoname(LOOPBACK)
    gone = message(2**30, 0x40)
    said = message(LOOPBACK, 0x41) + gone + message(LOOPBACK, 0x01)
    assert list(link_changes(said)) == [(name, True), (name, False)]


def test_changes_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    name = socket.if_indextoname(LOOPBACK)
    kernel = Kernel(*(message(LOOPBACK, flags) for flags in (0x41, 0x01, 0x01, 0x41)))
    heard, _ = watching(monkeypatch, kernel, {name: True})
    assert [heard.get(timeout=5) for _ in range(2)] == [(name, False), (name, True)]
    assert heard.empty()


def test_what_was_lost_in_an_overflow_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {"leaf0-eth1": True, "leaf0-eth2": True}
    kernel = Kernel()
    heard, _ = watching(monkeypatch, kernel, states)
    states["leaf0-eth2"] = False
    kernel.said.put(OSError(errno.ENOBUFS, "No buffer space available"))
    assert heard.get(timeout=5) == ("leaf0-eth2", False)
    states["leaf0-eth2"] = True
    kernel.said.put(OSError(errno.ENOBUFS, "No buffer space available"))
    assert heard.get(timeout=5) == ("leaf0-eth2", True)


def test_a_watch_that_cannot_go_on_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    _, ended = watching(
        monkeypatch, Kernel(OSError(errno.EBADF, "Bad file descriptor")), {"leaf0-eth1": True}
    )
    assert "Bad file descriptor" in str(ended.get(timeout=5))


def test_a_name_that_is_none_has_no_carrier() -> None:
    assert not carriers.has_carrier("no-such-port")


@pytest.mark.parametrize(("is_live", "event"), [(False, 2), (True, 1)])
def test_a_ports_event_is_a_packet_from_the_controllers_port(is_live: bool, event: int) -> None:
    """With all the fields that the program's P4Info has, by their ids."""
    sent: list[tuple[bytes, dict[int, int]]] = []

    def packet_out(payload: bytes, metadata: Iterable[p4r.PacketMetadata]) -> None:
        sent.append((payload, {each.metadata_id: int.from_bytes(each.value, "big") for each in metadata}))

    session = cast("P4Session", SimpleNamespace(packet_out=packet_out))
    schema = schema_of(fabric_pipeline())
    PortRegister(session, schema, {"leaf0-eth7": 7}).set("leaf0-eth7", is_live)
    names = {each.name: each.id for each in schema.controller_packet_metadata["packet_out"].metadata}
    assert sent == [(b"", {names["egress_port"]: 7, names["port_event"]: event, names["pad"]: 0})]
