"""A BMv2 process at interfaces of its own. Needs root (for the interfaces) and simple_switch_grpc on PATH."""

from __future__ import annotations

import itertools
import os
import select
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from raddle.controller.southbound.p4runtime.session import P4Session

PROGRAM = shutil.which("simple_switch_grpc")
CPU_PORT = 510
ETH_P_ALL = 3
_SWITCHES = itertools.count()

needs_bmv2 = [
    pytest.mark.skipif(
        PROGRAM is None, reason="simple_switch_grpc is not on PATH (docs/p4.md says how to get it)"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="making interfaces needs root"),
]


@dataclass
class Bmv2:
    """A running switch; `wires` are the far ends of its ports, by port number."""

    session: P4Session
    wires: dict[int, socket.socket]
    log: Path
    thrift_port: int

    def send(self, port: int, frame: bytes) -> None:
        self.wires[port].send(frame)

    def receive(self) -> tuple[int, bytes]:
        """The next frame that leaves the switch, and its port."""
        while True:
            ready, _, _ = select.select(list(self.wires.values()), [], [], 5.0)
            if not ready:
                pytest.fail(f"no frame within 5 s; see {self.log}")
            frame, where = ready[0].recvfrom(2048)
            if where[2] != socket.PACKET_OUTGOING:
                return next(port for port, wire in self.wires.items() if wire is ready[0]), frame

    def interface(self, port: int) -> str:
        """The name of the switch's own end of a cable."""
        return self.far_end(port).replace("f", "n", 1)

    def far_end(self, port: int) -> str:
        """The name of the other end."""
        return str(self.wires[port].getsockname()[0])

    def plug(self, port: int, is_plugged: bool) -> None:
        """Pull a port's cable at its far end, or put it back: the switch's end has no carrier meanwhile."""
        _ip("link", "set", self.far_end(port), "up" if is_plugged else "down")
        self.wires[port].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # that its interface went down

    def set_queue_rate(self, port: int, queue: int, packets_per_s: int) -> None:
        """How fast a queue is served. P4Runtime has no word for it; BMv2's own service has (Thrift)."""
        if not has_thrift():
            pytest.skip("this simple_switch_grpc is built without Thrift, which sets the rate of queues")
        name = b"simple_switch:set_egress_priority_queue_rate"
        header = struct.pack(">II", 0x80010001, len(name)) + name + bytes(4)  # a call; strict binary protocol
        fields = struct.pack(">BHI BHI BHQ B", 8, 1, port, 8, 2, queue, 10, 3, packets_per_s, 0)
        with socket.create_connection(("127.0.0.1", self.thrift_port), timeout=5) as service:
            service.sendall(header + fields)
            answer = service.recv(256)
        assert answer[:4] == bytes.fromhex("80010002"), answer  # a reply, no exception


@contextmanager
def bmv2_switch(ports: int, folder: Path) -> Iterator[Bmv2]:
    """A switch with ports from 1, without a program; its log goes to the folder."""
    assert PROGRAM is not None
    log = folder / "switch.log"
    with ExitStack() as stack:
        wires = {}
        thrift_port = _free_port()
        command = [PROGRAM, "--no-p4", "--device-id", "1"]
        if has_thrift():
            command += ["--thrift-port", str(thrift_port)]
        switch = next(_SWITCHES)
        for number in range(1, ports + 1):
            near, far = (f"rb{os.getpid()}{end}{switch}-{number}" for end in "nf")
            _ip("link", "add", near, "type", "veth", "peer", "name", far)
            stack.callback(_ip, "link", "del", near)
            for end in (near, far):
                Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
                _ip("link", "set", end, "up")
            wires[number] = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            wires[number].bind((far, ETH_P_ALL))
            command += ["-i", f"{number}@{near}"]
        port = _free_port()
        command += [
            "--",
            "--grpc-server-addr",
            f"127.0.0.1:{port}",
            "--cpu-port",
            str(CPU_PORT),
            "--priority-queues",
            "8",
        ]
        output = stack.enter_context(log.open("w"))
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        _await_port(port, process, log)
        session = stack.enter_context(P4Session("leaf0", f"127.0.0.1:{port}", 1))
        yield Bmv2(session, wires, log, thrift_port)


@cache
def has_thrift() -> bool:
    """Whether BMv2 is built with Thrift."""
    assert PROGRAM is not None
    done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=False)
    return "--thrift-port" in done.stdout + done.stderr


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    pytest.fail(f"simple_switch_grpc does not listen:\n{log.read_text()}")
