"""The watch of carriers hears the kernel's messages, and looks again where some were lost."""

from __future__ import annotations

import errno
import queue
import socket
import struct
import threading

import pytest

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


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_ports_event_sets_its_cell_of_the_register(is_refused: bool) -> None:
    """The call as Thrift's strict binary protocol has it, and an exception as an answer."""
    name = b"standard:bm_register_write"
    asked = queue.SimpleQueue[bytes]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                asked.put(connection.recv(256))
                body = b"\x0c\0\1\x08\0\1\0\0\0\1\0\0" if is_refused else b"\0"
                said = name.partition(b":")[2]  # a reply has no service before its name
                connection.sendall(struct.pack(">II", 0x80010002, len(said)) + said + bytes(4) + body)

        thread = threading.Thread(target=answer)
        thread.start()
        register = PortRegister(server.getsockname()[1], {"leaf0-eth7": 7})
        if is_refused:
            with pytest.raises(OSError, match="BMv2 did not set port_down of leaf0-eth7"):
                register.set("leaf0-eth7", False)
        else:
            register.set("leaf0-eth7", False)
        thread.join()
        register.close()
    sent = asked.get(timeout=5)
    assert sent[8:34] == name
    index, value = sent.index(b"\x08\0\3"), sent.index(b"\x0a\0\4")
    assert (sent[index + 3 : index + 7], sent[value + 3 : value + 11]) == (b"\0\0\0\7", bytes(7) + b"\1")
