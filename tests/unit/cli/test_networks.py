"""Commands on a file of several networks: through all of them, or for the one of the ranks or of a name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle import InputError, load
from raddle.cli.main import app

TWO = """raddle: 1
name: pod
networks:
  backend:
    fabric: {leaves: {count: 2}, spines: {count: 2}}
    hosts: {per_leaf: 2, accelerators: {count: 1}}
  storage:
    fabric: {leaves: {count: 1}}
    hosts: {per_leaf: 4, nics: {speed: 100G}}
    routing: {policy: ecmp}
"""


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("pod.yaml").write_text(TWO)
    return tmp_path


def printed(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None, result.exception
    return result.stdout


@pytest.mark.parametrize("command", ["validate", "plan", "verify", "show"])
def test_a_command_goes_through_all_networks_as_through_each(command: str, pod: Path) -> None:
    parts = {name: printed(command, f"pod.yaml@{name}") for name in ("backend", "storage")}
    assert printed(command, "pod.yaml") == "".join(f"# network {k}\n{text}\n" for k, text in parts.items())
    document = json.loads(printed(command, "pod.yaml", "--json"))
    assert document == {
        "schema_version": 1,
        "networks": {name: json.loads(printed(command, f"pod.yaml@{name}", "--json")) for name in parts},
    }


def test_traffic_runs_over_the_network_of_the_ranks_and_says_so(pod: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "pod.yaml", "-b", "64K", "-e", "64K"])
    assert "on pod.backend, 4 ranks" in result.stdout
    assert "note: ranks send over network 'backend' of backend, storage: pod.yaml@backend" in result.stderr
    other = CliRunner().invoke(app, ["bench", "pod.yaml@storage", "-b", "64K", "-e", "64K"])
    # 100G: 12.25 GB/s of payload.
    assert "line rate 12.25 GB/s" in other.stdout
    assert "note: ranks send" not in other.stderr


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("up pod.yaml", "raddle up"),
        ("apply pod.yaml", "raddle apply"),
        ("plan pod.yaml -o held.json", "--output"),
        ("show pod.yaml --format csv", "--format"),
        ("verify pod.yaml --certificate proof.json", "--certificate"),
        ("verify pod.yaml --plan held.json", "--plan"),
    ],
)
def test_what_is_for_one_network_asks_which(line: str, what: str, pod: Path) -> None:
    result = CliRunner().invoke(app, line.split())
    assert isinstance(result.exception, InputError)
    (problem,) = result.exception.diagnostics
    assert problem.code == "name-a-network"
    assert problem.message == f"{what} is for one network, and 'pod.yaml' has backend, storage"
    assert problem.hint == "name it: pod.yaml@backend"
    assert [path.name for path in pod.iterdir()] == ["pod.yaml"]


def test_a_held_plan_of_a_named_network_is_that_networks(pod: Path) -> None:
    printed("plan", "pod.yaml@storage", "-o", "held.json")
    assert json.loads(Path("held.json").read_text())["fabric"] == "pod.storage"
    assert len(load("pod.yaml@storage").switches) == 1


def test_problems_of_all_networks_are_told_at_their_lines(pod: Path) -> None:
    small = "models: {small: {ports: 8, port_speed: 400G, buffer: 256KiB}}\n"
    Path("pod.yaml").write_text(TWO.replace("count: 1}}", "count: 1, model: small}}") + small)
    result = CliRunner().invoke(app, ["validate", "pod.yaml"])
    assert isinstance(result.exception, InputError)
    (problem,) = result.exception.diagnostics
    assert problem.code == "headroom-exceeds-buffer"
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (11, 54)


def test_check_tries_each_network_of_a_file(pod: Path) -> None:
    document = json.loads(printed("check", ".", "--json"))
    names = [(case["suite"], case["name"]) for case in document["cases"]]
    assert ("pod.yaml@storage", "verify") in names
    assert ("pod.yaml@backend", "validate") in names
