"""`raddle doctor` tells of this machine what is so, and misses no program that a command starts."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli import doctor
from raddle.cli.emulate import _PROGRAMS, _SWITCH_PROGRAMS
from raddle.cli.main import app

ROOT = Path(__file__).parents[3]


def test_every_program_of_an_emulation_is_looked_for() -> None:
    known = {program.name for program in doctor.PROGRAMS}
    switches = {programs[0] for programs in _SWITCH_PROGRAMS.values()}
    assert {*_PROGRAMS, *switches} <= known


def test_every_extra_is_looked_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {extra for _, _, extra, _ in doctor.EXTRAS} == set(extras) - {"dev"}


def test_what_is_there_and_what_is_not_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "tshark"
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    monkeypatch.setattr(doctor, "_PATH", str(tmp_path))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    document = json.loads(result.stdout)
    found = {each["name"]: each for each in document["findings"]}
    assert document["ok"]
    assert found["engine"]["has"]
    assert (found["tshark"]["has"], found["tshark"]["says"]) == (True, str(there))
    assert not found["ovs-vswitchd"]["has"]
    assert "apt install openvswitch-switch" in found["ovs-vswitchd"]["way_out"]
    told = CliRunner().invoke(app, ["doctor"]).stdout
    assert "switched off: emulate --switch bmv2" in told
    assert told.splitlines()[-1].startswith("raddle runs, without what needs ")


def test_without_the_engine_it_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor.Finding("engine", False, "no module", "all", "build it", is_needed=True)
    monkeypatch.setattr(doctor, "_machine", lambda: iter([found]))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "raddle does not run here"


def test_git_is_found_here() -> None:
    assert shutil.which("git")
    result = CliRunner().invoke(app, ["doctor", "--json"])
    (git,) = [each for each in json.loads(result.stdout)["findings"] if each["name"] == "git"]
    assert git["says"].startswith("git version")
