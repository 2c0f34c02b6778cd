"""Who changes switches holds them by their addresses, on the whole machine, until its process is gone."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from raddle.controller.locks import SwitchLock, lock_file, targets_of
from raddle.errors import InputError
from raddle.inventory import Inventory

HOLD = """
import sys, time
from pathlib import Path
from raddle.controller.locks import SwitchLock
from raddle.inventory import Inventory
lock = SwitchLock("apply hall", folder=Path(sys.argv[1]))
lock.hold(Inventory("hall", {"leaf0": sys.argv[2]}))
print("held", flush=True)
time.sleep(60)
"""

RACE = """
import sys
from pathlib import Path
from raddle.controller.locks import SwitchLock
from raddle.errors import InputError
from raddle.inventory import Inventory
folder, mine = Path(sys.argv[1]), sys.argv[2]
wins = 0
while wins < 20:
    lock = SwitchLock(mine, folder=folder)
    try:
        lock.hold(Inventory("hall", {"leaf0": "192.0.2.1:8080", mine: f"192.0.2.2:{mine}"}))
    except InputError:
        continue
    inside = folder / "inside"
    inside.touch(exist_ok=False)  # fails where two are inside
    wins += 1
    inside.unlink()
    lock.close()
"""


def switches(**addresses: str) -> Inventory:
    return Inventory("hall", addresses)


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[Locks]:
    made = Locks(tmp_path)
    yield made
    made.close()


class Locks:
    """Locks in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: list[SwitchLock] = []
        self._number = count()

    def hold(self, inventory: Inventory, group: str = "") -> SwitchLock:
        lock = SwitchLock(f"apply {next(self._number)}", group, self.folder)
        self._made.append(lock)
        lock.hold(inventory)
        return lock

    def close(self) -> None:
        for each in self._made:
            each.close()


def test_two_inventories_with_a_switch_in_common_exclude_each_other(locks: Locks) -> None:
    first = locks.hold(switches(leaf0="192.0.2.1:8080", leaf1="192.0.2.2:8080", leaf2="192.0.2.3:8080"))
    with pytest.raises(InputError) as refused:
        locks.hold(switches(a="192.0.2.9:8080", b="192.0.2.2:8080", c="192.0.2.3:8080"))
    says = f"b (192.0.2.2:8080) and 1 more switch are held by 'raddle apply 0', process {os.getpid()}"
    assert refused.value.diagnostics[0].message == says
    locks.hold(switches(leaf0="192.0.2.1:8081", leaf1="192.0.2.9:8080"))  # others, if only by their port
    first.close()
    locks.hold(switches(b="192.0.2.2:8080"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("localhost:8080", "127.0.0.1:8080"),
        ("LEAF0.example.invalid:8080", "leaf0.example.invalid.:8080"),
        ("[2001:db8::1]:8080", "[2001:DB8:0:0::0:1]:8080"),
        ("[::ffff:192.0.2.1]:8080", "192.0.2.1:8080"),
        ("192.0.2.1:8080", "192.0.2.1:08080"),
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("[::]:8080", "127.0.0.1:8080"),
        ("[::1]:8080", "0:8080"),
    ],
)
def test_two_spellings_of_an_address_are_one_switch(one: str, other: str) -> None:
    assert targets_of(switches(a=one)).keys() & targets_of(switches(b=other)).keys()


def test_openflow_switches_are_told_by_their_datapath(locks: Locks) -> None:
    locks.hold(Inventory("hall", {}, datapaths={"leaf0": 7}))
    locks.hold(Inventory("hall", {}, datapaths={"leaf0": 8}))
    with pytest.raises(InputError, match="other \\(0000000000000007\\) is held by 'raddle apply 0'"):
        locks.hold(Inventory("hall", {}, datapaths={"other": 7}))


def test_the_switches_of_a_killed_process_are_free(locks: Locks) -> None:
    words = [sys.executable, "-c", HOLD, str(locks.folder), "192.0.2.1:8080"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"'raddle apply hall', process {other.pid}"):
            locks.hold(switches(leaf0="192.0.2.1:8080"))
        other.kill()
    locks.hold(switches(leaf0="192.0.2.1:8080"))
    assert len(list(locks.folder.glob("*.switches"))) == 1  # what the other left is gone


def test_many_at_once_are_never_two_inside(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen([sys.executable, "-c", RACE, str(tmp_path), str(port)]) for port in range(9001, 9005)
    ]
    assert [each.wait() for each in racers] == [0, 0, 0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["raddle.lock"]


def test_who_takes_up_another_inventory_keeps_what_it_has_where_that_is_refused(locks: Locks) -> None:
    lock = locks.hold(switches(leaf0="192.0.2.1:8080"))
    other = locks.hold(switches(leaf0="192.0.2.2:8080"))
    both = switches(leaf0="192.0.2.1:8080", leaf1="192.0.2.2:8080")
    with pytest.raises(InputError, match="leaf1"):
        lock.hold(both)
    with pytest.raises(InputError, match="leaf0"):
        locks.hold(switches(leaf0="192.0.2.1:8080"))
    other.close()
    lock.hold(both)
    with pytest.raises(InputError, match="leaf1"):
        locks.hold(switches(leaf1="192.0.2.2:8080"))
    lock.hold(switches(leaf1="192.0.2.2:8080"))
    locks.hold(switches(leaf0="192.0.2.1:8080"))


def test_controllers_that_share_a_store_leave_the_lead_to_that(locks: Locks) -> None:
    locks.hold(switches(leaf0="192.0.2.1:8080"), "etcd://127.0.0.1:2379/raddle/")
    locks.hold(switches(leaf0="192.0.2.1:8080"), "etcd://127.0.0.1:2379/raddle/")
    for group in ("", "etcd://127.0.0.1:2379/other/"):
        with pytest.raises(InputError, match="leaf0"):
            locks.hold(switches(leaf0="192.0.2.1:8080"), group)


ODD = (
    "[" * 200_000,
    '{"work": "x", "group": "", "process": Infinity, "targets": ["192.0.2.1 8080"]}',
    f'{{"work": "x", "group": "", "process": {"9" * 5000}, "targets": ["192.0.2.1 8080"]}}',
    '{"work": "x", "group": "", "process": [], "targets": {}}',
)


def test_what_others_leave_in_the_folder_holds_nothing_up(
    locks: Locks, request: pytest.FixtureRequest
) -> None:
    os.mkfifo(locks.folder / "raddle-1-a.switches")
    (locks.folder / "raddle-1-b.switches").symlink_to(locks.folder / "absent")
    (locks.folder / "raddle-1-c.switches").mkdir()
    (locks.folder / "raddle-1-d.switches").write_text('{"targets": 7')
    for number, content in enumerate(ODD):
        path = locks.folder / f"raddle-2-{number}.switches"
        path.write_text(content)
        file = os.open(path, os.O_RDONLY)
        request.addfinalizer(partial(os.close, file))
        fcntl.flock(file, fcntl.LOCK_EX)
    locks.hold(switches(leaf0="192.0.2.1:8080"))
    with pytest.raises(InputError, match="leaf0"):
        locks.hold(switches(leaf0="192.0.2.1:8080"))


def test_other_users_can_read_who_holds_what(locks: Locks) -> None:
    before = os.umask(0o077)
    try:
        locks.hold(switches(leaf0="192.0.2.1:8080"))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in locks.folder.iterdir()} == {0o644}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with closing(SwitchLock("apply", folder=tmp_path / "absent")) as lock, pytest.raises(InputError) as told:
        lock.hold(switches(leaf0="192.0.2.1:8080"))
    assert "cannot write" in str(told.value)
    assert "ReadWritePaths=" in str(told.value)


def test_what_a_full_disk_takes_no_more_of_is_not_held_and_what_was_held_still_is(locks: Locks) -> None:
    first = locks.hold(switches(leaf0="192.0.2.1:8080"))
    many = switches(**{f"leaf{i}": f"10.{i >> 8}.{i & 255}.1:8080" for i in range(4000)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (8192, limits[1])
    )  # a first write takes a part, as on a full disk
    try:
        with pytest.raises(InputError, match="cannot-write"):
            first.hold(many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(InputError, match="leaf0"):
        locks.hold(switches(leaf0="192.0.2.1:8080"))
    locks.hold(switches(leaf7="10.0.7.1:8080"))
    assert len(list(locks.folder.glob("*.switches"))) == 2


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.ENOSPC, "df -i"), (errno.EROFS, "ReadWritePaths"), (errno.EMFILE, "ulimit")],
)
def test_each_reason_why_nothing_can_be_written_has_its_way_out(
    locks: Locks, monkeypatch: pytest.MonkeyPatch, number: int, hint: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(InputError, match=hint):
            locks.hold(switches(leaf0="192.0.2.1:8080"))


def test_a_lock_that_is_a_symbolic_link_is_told_as_one(locks: Locks) -> None:
    (locks.folder / "raddle.lock").symlink_to("elsewhere")
    with pytest.raises(InputError, match="remove it") as told:
        locks.hold(switches(leaf0="192.0.2.1:8080"))
    assert "ReadWritePaths" not in str(told.value)


def test_a_folder_is_held_where_the_disk_takes_no_word_of_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with lock_file(path, "up", ""), pytest.raises(InputError, match="held by another raddle"):
            lock_file(path, "up", "").__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_thousands_of_switches_take_one_descriptor(locks: Locks) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 8, hard))
    try:
        locks.hold(switches(**{f"leaf{i}": f"10.{i >> 8}.{i & 255}.1:8080" for i in range(20_000)}))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
