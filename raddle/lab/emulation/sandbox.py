"""A process of its own for an emulation: its own network, processes and /run, which all end with it.

Nothing has to be cleaned up: the kernel ends every process of a process namespace when its first one ends,
and removes a network namespace with all its interfaces when nobody is left in it. So nothing stays behind
after Ctrl-C, an error or kill -9, and two emulations do not see each other.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from raddle.errors import InputError, UnreachableError
from raddle.lab.emulation.presence import announce, answer, name_of
from raddle.lab.emulation.programs import run

_CLONE_NEWNS, _CLONE_NEWPID, _CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_PR_SET_PDEATHSIG = 1
# SOURCE: include/uapi/linux/sched.h, mount.h and prctl.h

_libc = ctypes.CDLL(None, use_errno=True)


class Sandbox:
    """What this process is in.

    Attributes:
        name: by which other shells find it.
    """

    def __init__(self, door: socket.socket, tell: int) -> None:
        self._door, self._tell = door, tell
        self.name = name_of(door)

    def detach(self, code: int) -> NoReturn:
        """Let the process that waits end with an exit code, and go on without it and its terminal.

        Raises:
            KeyboardInterrupt: stopped.
        """
        _check(_libc.prctl(_PR_SET_PDEATHSIG, 0), "outlive the parent")
        os.setsid()
        with open(os.devnull, "r+b", buffering=0) as null:
            for stream in (0, 1, 2):
                os.dup2(null.fileno(), stream)
        os.write(self._tell, bytes([code]))
        while True:
            signal.pause()


def enter_sandbox(fabric: str, is_interactive: bool) -> Sandbox:
    """Go on in a new process inside new namespaces; the calling process waits for it and ends as it does.

    Args:
        fabric: what is emulated.
        is_interactive: Ctrl-C belongs to what runs inside, and does not end it.

    Raises:
        InputError: `not-root`.
        UnreachableError: the kernel does not allow namespaces here.
    """
    if os.geteuid() != 0:
        raise InputError.of(
            "not-root", "emulation needs root: it makes network namespaces", "run it with sudo"
        )
    sys.stdout.flush()
    sys.stderr.flush()
    _check(_libc.unshare(_CLONE_NEWPID), "make a process namespace")
    ours, theirs = os.pipe()
    told, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(ours)
        os.close(tell)
        _wait_for(child, told, is_interactive)
    os.close(theirs)
    os.close(told)
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL), "follow the parent's end")
    os.set_blocking(ours, False)
    if _has_ended(ours):
        os._exit(1)
    signal.signal(signal.SIGTERM, _interrupt)
    if not is_interactive:
        signal.signal(signal.SIGINT, _interrupt)
    door = announce(fabric)  # in the network that other shells are in
    _make_private()
    answer(door)
    return Sandbox(door, tell)


def _wait_for(child: int, told: int, is_interactive: bool) -> NoReturn:
    def forward(number: int, frame: FrameType | None) -> None:
        os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGHUP, forward)
    signal.signal(signal.SIGINT, signal.SIG_IGN if is_interactive else forward)
    if code_of_detached := os.read(told, 1):
        os._exit(code_of_detached[0])
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _has_ended(pipe: int) -> bool:
    """The process at the other end of a pipe is gone."""
    try:
        return os.read(pipe, 1) == b""
    except BlockingIOError:
        return False


def _interrupt(number: int, frame: FrameType | None) -> None:
    # A terminal's Ctrl-C comes twice, from it and from the waiting process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _make_private() -> None:
    _check(_libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS), "make a network namespace")
    _check(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "keep mounts to itself")
    _mount(b"proc", b"/proc")
    _mount(b"sysfs", b"/sys")  # /sys/class/net of this network
    _mount(b"tmpfs", b"/run")
    run(["ip", "link", "set", "lo", "up"])
    # Neighbour discovery would mix with what is counted, and the hosts' addresses are all known.
    for scope in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")


def _mount(kind: bytes, folder: bytes) -> None:
    _check(_libc.mount(kind, folder, kind, 0, None), f"mount {folder.decode()}")


def _check(result: int, what: str) -> None:
    if result:
        reason = os.strerror(ctypes.get_errno())
        raise UnreachableError(f"the kernel does not let this process {what}: {reason}")
