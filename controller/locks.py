"""One at a time: who writes a file, and who changes the switches at some addresses.

Both are locks of files (flock), which end with their process, however it ends. Switches are told by where
they are reached, so that copies of an inventory, or two inventories with a switch in common, exclude each
other: each process that changes switches has a file with their addresses in a folder that all users of the
machine share. Other machines, and containers with a folder of their own, do not see it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from threading import Thread
from typing import Any

from raddle.errors import InputError
from raddle.inventory import Inventory

SHARED_FOLDERS = (Path("/run/lock"), Path("/dev/shm"), Path("/tmp"))
"""Where all users of a machine may write; the first that is so. A service may have a /tmp of its own."""

_ANYBODYS = stat.S_IWOTH | stat.S_ISVTX
_GATE_S = 5.0
_RESOLVE_S = 3.0
_RESOLVERS = 32
_MOST_BYTES = 64 * 2**20
_HERE = "127.0.0.1"
_LOOPBACKS = (ip_address(_HERE), ip_address("::1"))
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def lock_file(path: Path, work: str, hint: str) -> Iterator[None]:
    """Hold a file that one process at a time can hold.

    Raises:
        InputError: `locked`, another one holds it; `cannot-write`.
    """
    file = _claim(path, hint)
    try:
        with suppress(OSError):  # the lock holds without the words that tell others whose it is
            os.ftruncate(file, 0)
            os.pwrite(file, f"'raddle {work}', process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _claim(path: Path, hint: str) -> int:
    """An open file descriptor with the lock of the file that is at `path`."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InputError.of("cannot-write", f"cannot write '{path}': {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 200).decode(errors="replace").strip()
            os.close(file)
            raise InputError.of("locked", f"'{path}' is held by {holder or 'another raddle'}", hint) from None
        # The one that held it before may have removed it between our two calls.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)


@dataclass(frozen=True, slots=True)
class _Holder:
    """Another process that changes switches."""

    work: str
    group: str
    targets: frozenset[str]
    process: int
    user: int

    def __str__(self) -> str:
        whose = "" if self.user == os.getuid() else f" of user {self.user}"
        return f"'raddle {self.work}', process {self.process}{whose}"


class SwitchLock:
    """The right to change the switches of an inventory, on this machine, until it is closed.

    Args:
        work: the command, for who finds the switches locked.
        group: those of one group exclude each other by other means; empty: there are none.
        folder: where the locks of all are; None: the first of `SHARED_FOLDERS` that anybody may write.

    Raises:
        InputError: `cannot-write`, there is no such folder.
    """

    def __init__(self, work: str, group: str = "", folder: Path | None = None) -> None:
        self._work, self._group = work, group
        self._folder = folder or _shared_folder()
        self._path = self._folder
        self._file = -1

    def hold(self, inventory: Inventory) -> None:
        """Hold an inventory's switches, and no others from now on.

        Raises:
            InputError: `locked`, another process holds some of them; `cannot-write`. What was held still is.
        """
        targets = targets_of(inventory)
        with _gate(self._folder):
            for other in self._others():
                shared = dict.fromkeys(name for target, name in targets.items() if target in other.targets)
                if shared and not (self._group and self._group == other.group):
                    first, *more = shared
                    raise InputError.of(
                        "locked",
                        f"{_place(inventory, first)}{_and_more(len(more))} held by {other}",
                        "wait until it is done, then look again with --dry-run",
                    )
            self._write(targets)

    def close(self) -> None:
        """Let the switches go."""
        if self._file >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1

    def _write(self, targets: Iterable[str]) -> None:
        document = {
            "work": self._work,
            "group": self._group,
            "process": os.getpid(),
            "targets": sorted(targets),
        }
        # A new file each time: what was held stays so until the whole of the new one is written.
        path = self._folder / f"raddle-{os.getpid()}-{secrets.token_hex(8)}.switches"
        try:
            file = _create(path, os.O_RDWR)
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            _write_all(file, json.dumps(document).encode())
        except OSError as error:
            path.unlink(missing_ok=True)
            os.close(file)
            raise _unwritable(path, error) from None
        self.close()
        self._path, self._file = path, file

    def _others(self) -> Iterator[_Holder]:
        """Who holds switches; the files of those that were killed are removed."""
        for path in sorted(self._folder.glob("raddle-*.switches")):
            if path == self._path:
                continue
            try:
                file = os.open(path, os.O_RDONLY | _OPEN)
            except OSError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with suppress(OSError):  # another user's stays, and says nothing
                    path.unlink()
            except BlockingIOError:
                if holder := _holder(file):
                    yield holder
            finally:
                os.close(file)


@contextmanager
def lock_switches(inventory: Inventory, work: str, group: str = "") -> Iterator[SwitchLock]:
    """Be the only one on this machine who changes an inventory's switches.

    Args:
        work, group: as of `SwitchLock`.

    Raises:
        InputError: `locked`, `cannot-write`.
    """
    lock = SwitchLock(work, group)
    try:
        lock.hold(inventory)
        yield lock
    finally:
        lock.close()


def targets_of(inventory: Inventory) -> dict[str, str]:
    """What tells a switch from others, whatever an inventory calls it, with its name in this one.

    That is host and port, by the host's name and by each of its addresses, or the datapath id.
    """
    places = {name: address.rpartition(":")[::2] for name, address in inventory.addresses.items()}
    hosts = {host: _spelled(host.strip("[]")) for host, _ in places.values()}
    resolved = _resolve({host for host in hosts.values() if not _is_ip(host)})
    found = {f"datapath {number:016x}": name for name, number in inventory.datapaths.items()}
    for name, (host, port) in places.items():
        for each in (hosts[host], *resolved.get(hosts[host], ())):
            found[f"{each} {int(port)}"] = name
    return found


def _spelled(host: str) -> str:
    """A host in one spelling of several; those that all reach this machine are one."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower().removesuffix(".")
    inner = (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
    return _HERE if inner.is_unspecified or inner in _LOOPBACKS else str(inner)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _resolve(names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Addresses by name; names that nobody answers for within seconds are missing, and count as they are."""
    found: dict[str, tuple[str, ...]] = {}

    left = iter(list(names))

    def ask() -> None:
        for name in left:
            with suppress(OSError, UnicodeError):
                answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
                found[name] = tuple(dict.fromkeys(_spelled(str(each[4][0])) for each in answers))

    threads = [Thread(target=ask, daemon=True) for _ in range(min(_RESOLVERS, len(names)))]
    deadline_s = time.monotonic() + _RESOLVE_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))
    return dict(found)


def _shared_folder() -> Path:
    for folder in SHARED_FOLDERS:
        with suppress(OSError):
            mode = folder.stat().st_mode
            if stat.S_ISDIR(mode) and mode & _ANYBODYS == _ANYBODYS:
                return folder
    raise InputError.of(
        "cannot-write",
        f"all users of this machine may write neither in {' nor in '.join(map(str, SHARED_FOLDERS))}",
        "'chmod 1777 /run/lock' makes one",
    )


@contextmanager
def _gate(folder: Path) -> Iterator[None]:
    """One process at a time looks who holds what, and writes that it holds something."""
    path = folder / "raddle.lock"
    try:
        file = _open_or_create(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        deadline_s = time.monotonic() + _GATE_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise InputError.of(
                        "locked", f"'{path}' is held for longer than it takes", f"'fuser {path}' says by whom"
                    ) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(file)


def _open_or_create(path: Path) -> int:
    while True:
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | _OPEN)
        with suppress(FileExistsError):
            return _create(path, os.O_RDONLY)


def _create(path: Path, mode: int) -> int:
    """A new file that others can read, whatever the umask."""
    file = os.open(path, mode | os.O_CREAT | os.O_EXCL | _OPEN, 0o644)
    os.fchmod(file, 0o644)
    return file


def _write_all(file: int, content: bytes) -> None:
    """Write at a file's begin; a nearly full disk takes a part, and refuses the next."""
    done = 0
    while done < len(content):
        done += os.pwrite(file, content[done:], done)


def _holder(file: int) -> _Holder | None:
    """Who wrote a file; None if it is none of ours."""
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
        return None
    try:
        found: Any = json.loads(os.pread(file, about.st_size, 0))
        work = "".join(each for each in str(found["work"])[:200] if each.isprintable())
        targets = frozenset(map(str, found["targets"]))
        return _Holder(work, str(found["group"]), targets, int(found["process"]), about.st_uid)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _place(inventory: Inventory, name: str) -> str:
    return f"{name} ({inventory.addresses.get(name) or f'{inventory.datapaths[name]:016x}'})"


def _and_more(count: int) -> str:
    return f" and {count} more switch{'es' * (count > 1)} are" if count else " is"


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError.of(
        "cannot-write",
        f"cannot write '{path}', where all who change switches on this machine say so: {error.strerror}",
        _way_out(path, error.errno),
    )


def _way_out(path: Path, number: int | None) -> str:
    folder = path.parent
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"'df -h {folder}' and 'df -i {folder}' say what is full; make room there"
    if number in (errno.EMFILE, errno.EFBIG):
        return "'ulimit -a' says how many and how large files may be"
    if os.path.lexists(path):
        return f"'ls -l {path}' says whose and what it is; if it is no plain file of raddle's, remove it"
    return f"of a service, ReadWritePaths={folder} in its unit lets it"
