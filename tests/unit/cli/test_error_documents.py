"""With --json, bad input ends in a document on stdout that the published schema describes."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.fabrics import SMALL_POD

SCHEMA = json.loads(files("raddle.report").joinpath("schemas/errors.schema.json").read_text())


def run(*words: str, folder: Path) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-m", "raddle", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    return done.returncode, document, done.stderr


@pytest.mark.parametrize("command", [["validate"], ["show"], ["plan"], ["verify"], ["bench"]])
def test_every_problem_of_a_file_is_in_the_document_with_its_place(
    command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "pod.yaml").write_text(SMALL_POD + "sped: 1\nroce: {mtu: 100}\n")
    code, document, told = run(*command, "pod.yaml", "--json", folder=tmp_path)
    assert code == document["exit_code"] == 2
    places = {(each["code"], each["place"]["line"], each["place"]["column"]) for each in document["problems"]}
    assert ("unknown-key", 5, 1) in places
    assert any(line == 6 for _, line, _ in places)
    assert "pod.yaml:5:1: error[unknown-key]" in told


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["verify", "leaf-spine-16", "--failures", "x"], "--failures"),
        (["bench", "--nowhere", "leaf-spine-16"], "--nowhere"),
        (["show"], "FABRIC"),
        (["shwo", "leaf-spine-16"], "shwo"),
    ],
)
def test_what_the_command_line_refuses_is_a_document_too(
    words: list[str], named: str, tmp_path: Path
) -> None:
    code, document, told = run(*words, "--json", folder=tmp_path)
    (only,) = document["problems"]
    assert (code, only["code"], only["place"]) == (2, "bad-option", None)
    assert named in only["message"]
    assert "--help" in only["hint"]
    assert told.count("Error:") == 1


def test_a_problem_without_a_place_has_none(tmp_path: Path) -> None:
    _, document, _ = run("validate", "nowhere.yaml", "--json", folder=tmp_path)
    (only,) = document["problems"]
    assert (only["code"], only["place"]) == ("no-such-file", None)


def test_switches_that_do_not_answer_are_told_with_exit_code_3(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(SMALL_POD)
    switches = {name: {"address": "127.0.0.1:1"} for name in ("leaf0", "leaf1", "spine0", "spine1")}
    where = {"schema_version": 1, "fabric": "pod", "switches": switches}
    (tmp_path / "raddle-inventory.json").write_text(json.dumps(where))
    command = [sys.executable, "-m", "raddle", "status", "pod.yaml", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    json.loads(done.stdout)  # the result of all switches: one document, not a second one behind it


def test_without_json_nothing_is_on_stdout(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "raddle", "validate", "nowhere.yaml"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout == ""
