"""`scripts/build-bmv2`: what it says before it builds anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts/build-bmv2"


def build(*words: str | Path) -> tuple[int, str]:
    done = subprocess.run([SCRIPT, *words], capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stderr


def test_without_its_three_folders_it_says_how_it_is_called() -> None:
    assert build() == (1, "build-bmv2: usage: scripts/build-bmv2 PI BEHAVIORAL_MODEL PREFIX\n")


def test_a_tree_without_its_submodules_is_named(tmp_path: Path) -> None:
    code, said = build(tmp_path, tmp_path, tmp_path / "out")
    assert code == 1
    assert f"{tmp_path} has no proto/p4runtime/proto/p4/v1/p4runtime.proto: is it the tree" in said
    assert not (tmp_path / "out").exists()


def test_another_commit_than_the_one_that_was_tried_is_refused_by_name(tmp_path: Path) -> None:
    proto = tmp_path / "PI/proto/p4runtime/proto/p4/v1/p4runtime.proto"
    proto.parent.mkdir(parents=True)
    proto.touch()
    code, said = build(tmp_path / "PI", tmp_path, tmp_path / "out")
    assert code == 1
    assert f"{tmp_path}/PI is at another commit than f96af95e0906" in said
    assert "ANY_COMMIT=1" in said
