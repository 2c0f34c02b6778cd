"""Odd input to the commands: a message with a way out and the right exit code, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from raddle.inventory import Inventory

LEAVES = [f"leaf{i}" for i in range(4)]
SPINES = [f"spine{i}" for i in range(4)]


def raddle(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "raddle", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def inventory(path: Path, address: object, fabric: str = "leaf-spine-16") -> None:
    switches = {name: {"address": address} for name in LEAVES + SPINES}
    path.write_text(json.dumps({"schema_version": 1, "fabric": fabric, "switches": switches}))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["bench", "leaf-spine-16", "--collective", "all_reduec"], 2, "error[unknown-collective]"),
        (["bench", "leaf-spine-16", "--algorithm", "pairwise"], 2, "error[unknown-algorithm]"),
        (["bench", "leaf-spine-16", "-b", "1Q"], 2, "'1Q' is not a size"),
        (
            ["bench", "leaf-spine-16", "-b", "4M", "-e", "1M"],
            2,
            "the smallest size 4MiB is above the largest",
        ),
        (["bench", "leaf-spine-16", "--seed", "99999999999999999999"], 2, "--seed"),
        (["bench", "leaf-spine-16", "--push"], 2, "--push needs --inventory"),
        (["bench", "nope.yaml"], 2, "bundled examples"),
        (["render", "leaf-spine-16", "--switch", "leaf9", "--format", "sonic"], 2, "has no switch 'leaf9'"),
        (["up", "leaf-spine-16", "--inventory", "/nonexistent/inventory.json"], 2, "error[cannot-write]"),
        (["bench", "clos-8192", "-b", "1M", "-e", "1M"], 2, "error[too-many-flows]"),
        (["apply", "leaf-spine-16"], 2, "error[no-inventory]"),
    ],
)
def test_odd_arguments_are_refused(arguments: list[str], code: int, says: str, tmp_path: Path) -> None:
    done = raddle(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert says in done.stderr


@pytest.mark.parametrize("command", [["apply"], ["status"], ["bench"], ["bench", "--push"]])
def test_switches_that_are_not_there_end_with_3(command: list[str], tmp_path: Path) -> None:
    inventory(tmp_path / "gone.json", "127.0.0.1:1")
    done = raddle(command[0], "leaf-spine-16", *command[1:], "--inventory", "gone.json", cwd=tmp_path)
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr + done.stdout
    assert "raddle up" in done.stderr + done.stdout


@pytest.mark.parametrize("address", [50051, None, ["127.0.0.1:1"]])
def test_address_that_is_no_string_is_a_bad_inventory(address: object, tmp_path: Path) -> None:
    inventory(tmp_path / "odd.json", address)
    done = raddle("bench", "leaf-spine-16", "--inventory", "odd.json", cwd=tmp_path)
    assert (done.returncode, "error[bad-inventory]" in done.stderr) == (2, True)


def test_inventory_of_another_fabric_is_refused(tmp_path: Path) -> None:
    inventory(tmp_path / "other.json", "127.0.0.1:1", fabric="pod7")
    for command in ("apply", "bench"):
        done = raddle(command, "leaf-spine-16", "--inventory", "other.json", cwd=tmp_path)
        assert (done.returncode, "error[wrong-fabric]" in done.stderr) == (2, True)


def test_plan_of_another_fabric_is_not_compared(tmp_path: Path) -> None:
    assert raddle("plan", "leaf-spine-16", "--routing", "ecmp", "-o", "a.json", cwd=tmp_path).returncode == 0
    done = raddle("plan", "white-box-512", "--routing", "ecmp", "--diff", "a.json", cwd=tmp_path)
    assert (done.returncode, "error[wrong-fabric]" in done.stderr) == (2, True)


def test_inventory_that_others_wrote_over_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    mine, theirs = Inventory("a", {"leaf0": "127.0.0.1:1"}), Inventory("b", {"leaf0": "127.0.0.1:2"})
    mine.save(path)
    theirs.save(path)
    mine.remove(path)
    assert path.read_text() == theirs.text()
    theirs.remove(path)
    assert not path.exists()


def test_fabric_without_a_lossless_class_runs_in_the_default_class(tmp_path: Path) -> None:
    (tmp_path / "lossy.yaml").write_text(
        "raddle: 1\nname: lossy\nfabric: {kind: leaf-spine, leaves: {count: 2, model: white-box-12.8t},"
        " spines: {count: 1, model: white-box-12.8t}}\nhosts: {per_leaf: 1}\nroce: {lossless: []}\n"
    )
    done = raddle("bench", "lossy.yaml", "-b", "1M", "-e", "1M", "--routing", "ecmp", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"][0]["wrong"] == 0
