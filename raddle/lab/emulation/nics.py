"""Raw frames in and out of the hosts' ports, and what passes the switches' ports."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from raddle.ecmp_hash import UDP_PORT_ROCE
from raddle.errors import UnreachableError
from raddle.lab.emulation.layout import Nic
from raddle.lab.emulation.roce import is_roce
from raddle.topology.model import PortRef

_ETH_P_IP, _ETH_P_IPV6, _ETH_P_ALL = 0x0800, 0x86DD, 0x0003
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35
_CLONE_NEWNET = 0x40000000
_BUFFER_BYTES = 64 << 20

HEADERS_BYTES, WHOLE_FRAME_BYTES = 96, 65535
"""Of a frame: to behind the base transport header, or all of it."""

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network_of(pid: int) -> Iterator[None]:
    """Sockets that this thread opens are in the network namespace of a process."""
    with open("/proc/thread-self/ns/net") as own, open(f"/proc/{pid}/ns/net") as other:
        _enter(other.fileno())
        try:
            yield
        finally:
            _enter(own.fileno())


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET):
        raise UnreachableError(f"cannot enter a namespace: {os.strerror(ctypes.get_errno())}")


class NicSocket:
    """Sends frames at a host's port, and receives those that are between `hosts` (packed addresses)."""

    def __init__(self, nic: Nic, pid: int, hosts: Collection[bytes]) -> None:
        self.nic, self._hosts = nic, hosts
        with network_of(pid):
            is_ipv6 = ":" in nic.address
            protocol = _ETH_P_IPV6 if is_ipv6 else _ETH_P_IP
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
            # Without a listener the kernel would answer each packet with "port unreachable".
            family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
            self._listener = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((nic.name, protocol))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self.socket.setblocking(False)
        self._listener.bind((nic.address, UDP_PORT_ROCE))

    def send(self, frame: bytes) -> None:
        self.socket.send(frame)

    def receive(self) -> Iterator[bytes]:
        """RoCEv2 frames that are there by now."""
        while True:
            try:
                frame = self.socket.recv(65535)
            except BlockingIOError:
                return
            if is_roce(frame, self._hosts):
                yield frame

    def close(self) -> None:
        self.socket.close()
        self._listener.close()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A frame at a switch's port: `is_sent` out of it, else into it. Time in ns since the epoch."""

    time_ns: int
    port: PortRef
    is_sent: bool
    frame: bytes


class Capture:
    """Records the RoCEv2 frames between hosts at all switch ports, with the kernel's time stamps.

    Use as a context; `sightings` are in the order of time, and complete when it is left. Of each frame the
    first `snap_bytes` are kept.
    """

    def __init__(
        self,
        interfaces: Mapping[str, PortRef],
        hosts: Collection[bytes],
        snap_bytes: int = HEADERS_BYTES,
    ) -> None:
        self.sightings: list[Sighting] = []
        self._interfaces, self._hosts, self._snap_bytes = interfaces, hosts, snap_bytes
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.05)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._record, daemon=True)

    def __enter__(self) -> Capture:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._socket.close()

    def _record(self) -> None:
        """Until it is over and nothing is left in the socket."""
        while True:
            try:
                frame, ancillary, _, address = self._socket.recvmsg(65535, 64)
            except TimeoutError:
                if self._is_over.is_set():
                    return
                continue
            port = self._interfaces.get(address[0])
            if port is None or not is_roce(frame, self._hosts):
                continue
            seconds, nanoseconds = struct.unpack("@qq", ancillary[0][2])
            is_sent = address[2] == socket.PACKET_OUTGOING
            self.sightings.append(
                Sighting(seconds * 10**9 + nanoseconds, port, is_sent, frame[: self._snap_bytes])
            )


def write_pcaps(folder: Path, sightings: Iterable[Sighting], names: Mapping[PortRef, str]) -> list[Path]:
    """One file per switch port, with what came in and what went out; returns the files.

    Source: draft-ietf-opsawg-pcap, with nanoseconds, link type Ethernet.
    """
    by_port: dict[PortRef, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        by_port[sighting.port].append(sighting)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for port, seen in sorted(by_port.items(), key=lambda item: names[item[0]]):
        files.append(folder / f"{names[port]}.pcap")
        with files[-1].open("wb") as file:
            file.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
            for each in seen:
                seconds, nanoseconds = divmod(each.time_ns, 10**9)
                file.write(struct.pack("<IIII", seconds, nanoseconds, len(each.frame), len(each.frame)))
                file.write(each.frame)
    return files
