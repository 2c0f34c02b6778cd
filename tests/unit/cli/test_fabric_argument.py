"""What a shell offers where a command takes a fabric."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raddle.cli.fabric_argument import complete_fabric

RADDLE = Path(sys.executable).parent / "raddle"


def test_examples_and_fabric_files_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rails.yaml").touch()
    (tmp_path / "rates.csv").touch()
    (tmp_path / "racks").mkdir()
    monkeypatch.chdir(tmp_path)
    assert complete_fabric("ra") == ["rail-256-h100", "rail-tree-12288", "racks/", "rails.yaml"]
    assert complete_fabric("nothing/like/it") == []


def test_bash_completes_the_name_of_an_example() -> None:
    words = {"_RADDLE_COMPLETE": "complete_bash", "COMP_WORDS": "raddle verify white", "COMP_CWORD": "2"}
    done = subprocess.run([str(RADDLE)], env=os.environ | words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["white-box-512"]


def test_a_table_in_80_columns_cuts_nothing_off() -> None:
    command = [str(RADDLE), "show", "leaf-spine-16"]
    done = subprocess.run(
        command, env=os.environ | {"COLUMNS": "80"}, capture_output=True, text=True, check=True
    )
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "white-box-12.8t" in done.stdout
    assert "…" not in done.stdout
