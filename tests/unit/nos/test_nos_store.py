"""What a switch was told is there after a restart, whole, and a full disk costs nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from raddle.errors import InputError
from raddle.nos.db.patch import PatchError, PatchOp
from raddle.nos.db.store import ConfigStore
from raddle.nos.switch import BootConfig, SimulatedSwitch

MTU = PatchOp("replace", ("PORT", "Ethernet0", "mtu"), "4200")


@pytest.fixture
def store(tmp_path: Path) -> ConfigStore:
    return ConfigStore(tmp_path / "leaf0" / "config_db.json")


def booted(boot: BootConfig, store: ConfigStore) -> SimulatedSwitch:
    return SimulatedSwitch("leaf0", boot, frozenset(), store)


def test_an_accepted_change_is_there_after_a_restart(boot: BootConfig, store: ConfigStore) -> None:
    switch = booted(boot, store)
    assert not store.path.exists()
    switch.apply_patch([MTU])
    assert json.loads(store.path.read_text()) == switch.databases.config
    again = booted(boot, store)
    assert again.databases.config == switch.databases.config


def test_a_refused_change_is_not_saved(boot: BootConfig, store: ConfigStore) -> None:
    with pytest.raises(PatchError):
        booted(boot, store).apply_patch([PatchOp("replace", ("PORT", "Ethernet0", "mtu"), "1")])
    assert not store.path.exists()


def test_a_full_disk_leaves_switch_and_file_as_they_were(boot: BootConfig, store: ConfigStore) -> None:
    switch = booted(boot, store)
    switch.apply_patch([MTU])
    before, saved = switch.databases, store.path.read_bytes()
    # /dev/full refuses every byte, as a disk without space does.
    store.path.with_name("config_db.json.tmp").symlink_to("/dev/full")
    with pytest.raises(PatchError, match="No space left on device; free space"):
        switch.apply_patch([PatchOp("replace", ("PORT", "Ethernet0", "mtu"), "1500")])
    assert switch.databases is before
    assert store.path.read_bytes() == saved
    switch.apply_patch([PatchOp("replace", ("PORT", "Ethernet0", "mtu"), "1500")])
    assert booted(boot, store).databases.config["PORT"]["Ethernet0"]["mtu"] == "1500"


def test_a_checkpoint_has_the_old_configuration_while_the_new_one_is_saved(
    boot: BootConfig, store: ConfigStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = booted(boot, store)
    before = switch.databases.config
    seen = []
    real = os.fsync

    def fsync(fd: int) -> None:
        seen.append(json.loads(store.checkpoint.read_text()))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    switch.apply_patch([MTU])
    assert seen == [before]
    assert not store.checkpoint.exists()


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_file_is_named(boot: BootConfig, store: ConfigStore, content: str) -> None:
    store.path.parent.mkdir()
    store.path.write_text(content)
    with pytest.raises(InputError, match=r"bad-saved-config.*leaf0: cannot boot from") as caught:
        booted(boot, store)
    assert "mend or remove the file" in str(caught.value)
