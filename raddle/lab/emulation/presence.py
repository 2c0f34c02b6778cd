"""How another shell finds an emulation, and runs a program at one of its nodes.

An emulation listens at an abstract Unix socket of the network that it was started in. The kernel removes that
with the last process that has it, so nothing is left behind, and says which process it is. What the nodes
are stands in the emulation's own /run.

Source: unix(7), abstract sockets and SO_PEERCRED; nsenter(1); proc(5), /proc/net/unix.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from raddle.errors import InputError, UnreachableError

_PREFIX = "raddle-emulation/"
_NODES = Path("/run/raddle-nodes.json")
_FLAGS, _LISTENS = 3, 0x10000  # SOURCE: net/unix/af_unix.c, unix_seq_show, __SO_ACCEPTCON
_MOST = 100  # emulations of one fabric
_PROBE_S, _STOP_S = 2.0, 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """An emulation that runs, and its first process."""

    name: str
    pid: int


def announce(fabric: str) -> socket.socket:
    """Be found by the fabric's name (`NAME-2` and so on where it is taken) until the socket is closed."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    for number in range(1, _MOST):
        with contextlib.suppress(OSError):
            door.bind(f"\0{_PREFIX}{fabric}" + (f"-{number}" if number > 1 else ""))
            door.listen()
            return door
    raise UnreachableError(f"{_MOST} emulations of '{fabric}' run already")


def answer(door: socket.socket) -> None:
    """Take those who look for the emulation, for as long as the process lives: a queue of them would fill."""

    def take() -> None:
        while door.fileno() >= 0:
            with contextlib.suppress(OSError):
                door.accept()[0].close()

    threading.Thread(target=take, daemon=True).start()


def name_of(door: socket.socket) -> str:
    """What an announced emulation is found by."""
    address: bytes = door.getsockname()
    return address[1:].decode().removeprefix(_PREFIX)


def publish(nodes: Mapping[str, int]) -> None:
    """Say in the emulation's /run which process, of its own numbers, has the network of each node."""
    _NODES.write_text(json.dumps(nodes))


def running() -> Iterator[Running]:
    """The emulations that were started in this network, by name."""
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        head, is_abstract, name = line.partition(f"@{_PREFIX}")
        # Connections to it, which are there under its name, too, do not listen.
        if is_abstract and int(head.split()[_FLAGS], 16) & _LISTENS:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(_PROBE_S)
                probe.connect(f"\0{_PREFIX}{name}")
                said = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                yield Running(name, struct.unpack("3i", said)[0])


def find_running(name: str) -> Running:
    """The emulation of a name, or the only one.

    Raises:
        InputError: `no-emulation`, there is none, or several and no name.
    """
    all_of_them = {each.name: each for each in running()}
    if name in all_of_them:
        return all_of_them[name]
    if not name and len(all_of_them) == 1:
        return next(iter(all_of_them.values()))
    names = ", ".join(sorted(all_of_them))
    raise InputError.of(
        "no-emulation",
        f"no emulation '{name}' runs" if name else "several emulations run" if names else "no emulation runs",
        f"say which with --emulation: {names}"
        if names
        else "start one: 'raddle emulate FABRIC --detach', or with --keep in another shell",
    )


_AS_A_SHELL = ("sh", "-c", 'exec "$@"', "sh")
"""What becomes a program, or says that there is none and ends with 127 (126: it cannot be run)."""


def run_at(emulation: Running, node: str, words: Sequence[str]) -> NoReturn:
    """Become a program at a node: a host's network is its own, switches share one.

    Raises:
        InputError: `unknown-node`.
        UnreachableError: the emulation has no nodes yet, or has just ended.
    """
    try:
        nodes = json.loads(Path(f"/proc/{emulation.pid}/root{_NODES}").read_text())
    except (OSError, ValueError):
        raise UnreachableError(
            f"emulation '{emulation.name}' has no nodes now: it has not come up yet, or has just ended"
        ) from None
    if node not in nodes:
        raise InputError.of(
            "unknown-node",
            f"emulation '{emulation.name}' has no host or switch '{node}'",
            f"it has {', '.join(list(nodes)[:12])}{' and more' if len(nodes) > 12 else ''}",
        )
    inside = ["nsenter", "--target", str(emulation.pid), "--pid", "--mount", "--net", "--"]
    os.execvp(inside[0], [*inside, "mnexec", "-a", str(nodes[node]), *_AS_A_SHELL, *words])


def stop(emulation: Running) -> None:
    """End an emulation as Ctrl-C does, and wait until it is gone.

    Raises:
        UnreachableError: it does not end.
    """
    os.kill(emulation.pid, signal.SIGTERM)
    end_s = time.monotonic() + _STOP_S
    while emulation in running():
        if time.monotonic() > end_s:
            raise UnreachableError(f"emulation '{emulation.name}' (process {emulation.pid}) does not end")
        time.sleep(0.05)
