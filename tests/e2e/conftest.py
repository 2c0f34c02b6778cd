"""A fabric's switches in a process of their own, as `raddle up` starts them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from raddle.inventory import Inventory, load_inventory

FABRIC = "leaf-spine-16"


@pytest.fixture
def running_switches(tmp_path: Path) -> Iterator[tuple[Path, Inventory]]:
    """The switches of leaf-spine-16, not programmed: the inventory file and what it says."""
    path = tmp_path / "inventory.json"
    command = [sys.executable, "-m", "raddle", "up", FABRIC, "--inventory", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 30
            while not path.exists():
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() < deadline, "the switches did not start within 30 s"
                time.sleep(0.02)
            yield path, load_inventory(path)
        finally:
            process.terminate()
            process.communicate(timeout=10)
    assert not path.exists(), "the inventory of switches that are gone was left behind"
