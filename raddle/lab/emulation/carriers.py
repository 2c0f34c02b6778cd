"""Carriers of interfaces, as the kernel tells of them, and what hears of a switch's own ports.

Source: rtnetlink(7), netdevice(7).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping

from finsy import P4PacketOut, P4Schema

from raddle.controller.southbound.p4runtime.session import P4Session

_RTMGRP_LINK, _RTM_NEWLINK, _IFF_RUNNING = 1, 16, 0x40
_SIOCGIFFLAGS = 0x8913
_BUFFER_BYTES = 4 << 20
_PORT_UP, _PORT_DOWN = 1, 2  # port_event of packet_out (p4/headers.p4)

CarrierEvent = Callable[[str, bool], None]
"""Told the name of an interface and whether it has a carrier; called from another thread."""


class CarrierWatch:
    """Tells of every change of a carrier, until the process ends.

    Where the kernel had more to tell than its queue holds (ENOBUFS) all interfaces are looked at again.

    Args:
        on_end: told why, should it not be able to go on.
    """

    def __init__(
        self, names: frozenset[str], on_change: CarrierEvent, on_end: Callable[[Exception], None]
    ) -> None:
        self._names, self._on_change, self._on_end = names, on_change, on_end
        self._known = {name: has_carrier(name) for name in names}
        self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._events.bind((0, _RTMGRP_LINK))

    def start(self) -> None:
        """Watch from now on."""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._look()  # what changed before the socket was bound
            while True:
                self._hear()
        except Exception as error:
            self._on_end(error)

    def _hear(self) -> None:
        try:
            messages = self._events.recv(65535)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._look()
            return
        for name, is_live in link_changes(messages):
            self._tell(name, is_live)

    def _look(self) -> None:
        for name in sorted(self._names):
            self._tell(name, has_carrier(name))

    def _tell(self, name: str, is_live: bool) -> None:
        if self._known.get(name, is_live) != is_live:
            self._known[name] = is_live
            self._on_change(name, is_live)


def has_carrier(name: str) -> bool:
    """Whether an interface is up and has a carrier; False for one that is gone."""
    request = struct.pack("16sH14x", name.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            answer = fcntl.ioctl(control, _SIOCGIFFLAGS, request)
        except OSError:
            return False
    return bool(struct.unpack_from("H", answer, 16)[0] & _IFF_RUNNING)


def link_changes(messages: bytes) -> Iterator[tuple[str, bool]]:
    """Name of an interface and whether it has a carrier, of each message; without those that are gone."""
    at = 0
    while at + 16 <= len(messages):
        length, kind = struct.unpack_from("=IH", messages, at)
        if kind == _RTM_NEWLINK:
            index, flags = struct.unpack_from("=iI", messages, at + 20)
            with contextlib.suppress(OSError):  # it may be gone by now
                yield socket.if_indextoname(index), bool(flags & _IFF_RUNNING)
        at += (length + 3) & ~3


class PortRegister:
    """The register `port_down` of a switch that runs `p4/fabric.p4`, which its own port events set.

    They come as packets from the port to the controller, as P4 chips with a packet generator make them.
    """

    def __init__(self, session: P4Session, schema: P4Schema, numbers: Mapping[str, int]) -> None:
        """By the name of an interface the port's number; the session must be the primary."""
        self._session, self._schema, self._numbers = session, schema, numbers

    def set(self, interface: str, is_live: bool) -> None:
        """Packets of a port that is down take their backup from now on."""
        event = _PORT_UP if is_live else _PORT_DOWN
        out = P4PacketOut(b"", egress_port=self._numbers[interface], port_event=event, pad=0)
        self._session.packet_out(b"", out.encode_update(self._schema).packet.metadata)
