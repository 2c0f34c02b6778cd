"""`raddle check` tells a good change of a repository from a broken, an unsafe and a slower one."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from raddle.cli.documents import schema_of
from raddle.cli.main import app
from raddle.errors import InputError

FABRIC = """\
raddle: 1
name: pod
fabric:
  kind: leaf-spine
  leaves: {count: 2}
  spines: {count: 2}
  uplinks: {per_pair: 2, speed: 400G, cable: 30m}
hosts:
  per_leaf: 4
  nics: {count: 1, speed: 400G, cable: 3m}
"""
SCENARIO = """\
raddle: 1
name: ring
fabric: pod.yaml
routing: pinned
jobs:
  train: {collective: all_reduce, algorithm: ring, size: 4M, placement: strided}
expect: train.busbw >= 0.97x baseline
"""


def git(*words: str) -> str:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    return subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True).stdout


def checked(*words: str) -> Result:
    return CliRunner().invoke(app, ["check", *words], catch_exceptions=False)


def document_of(*words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(checked(*words, "--json").stdout)
    Draft202012Validator(schema_of("check")).validate(document)
    return document


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fabric, a scenario and a baseline that stands beside the repository."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (folder / "pod.yaml").write_text(FABRIC)
    (folder / "ring.yaml").write_text(SCENARIO)
    (folder / "pipeline.yml").write_text("stages: [test]\n")
    (folder / ".hidden.yaml").write_text("raddle: 1\n")
    git("init", "-q")
    git("add", "--all")
    git("commit", "-qm", "the pod")
    first = folder / "first.yaml"
    first.write_text(SCENARIO.replace("0.97x baseline", "1 GB/s"))
    ran = CliRunner().invoke(app, ["run", str(first), "--save-baseline", "../baseline.json"])
    assert ran.exit_code == 0, ran.output
    first.unlink()
    return folder


def test_a_good_change_passes_and_what_it_does_is_told(repository: Path) -> None:
    (repository / "pod.yaml").write_text(FABRIC + "roce:\n  ecn: {kmin: 790KB}\n")
    found = checked("--base", "HEAD", "--baseline", "../baseline.json", "--markdown", "../summary.md")
    assert found.exit_code == 0, found.output
    assert "not raddle's: pipeline.yml" in found.stdout
    document = document_of("pod.yaml", "--base", "HEAD")
    details = {case["name"]: case["details"] for case in document["cases"]}
    assert "cables to move to other ports: 0" in details["verify, and the update from HEAD"]
    assert "cables to move to other ports: 0" in Path("../summary.md").read_text()
    assert (
        subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True).stdout
        == " M pod.yaml\n"
    )


BROKEN = {
    "a tab": (FABRIC.replace("  kind", "\tkind"), "yaml-syntax"),
    "a misspelled first key": (FABRIC.replace("raddle: 1", "radle: 1"), "missing-key"),
    "a list that never ends": (FABRIC + "roce: [\n", "yaml-syntax"),
}


@pytest.mark.parametrize("words", [(), ("--base", "HEAD")], ids=["alone", "beside the base"])
@pytest.mark.parametrize("how", BROKEN)
def test_a_fabric_that_is_no_yaml_any_more_is_still_raddles(
    repository: Path, how: str, words: tuple[str, ...]
) -> None:
    text, code = BROKEN[how]
    (repository / "pod.yaml").write_text(text)
    (repository / "ring.yaml").unlink()
    found = checked("--failures", "0", *words)
    assert found.exit_code == 2, found.output
    assert "not raddle's: pipeline.yml\n" in found.stdout
    assert code in {each["code"] for case in document_of(*words)["cases"] for each in case["problems"]}


def test_what_was_raddles_at_the_base_stays_so_without_any_of_its_keys(repository: Path) -> None:
    (repository / "pod.yaml").write_text("switches: 8\n")
    found = checked("pod.yaml", "pipeline.yml", "--base", "HEAD")
    assert found.exit_code == 2, found.output
    assert "pod.yaml:1:1: error[missing-key]: 'raddle' is missing" in found.stdout


@pytest.mark.parametrize("text", ["a: [\n", "saddles: {a: {{ b }}\n", "# raddle: 1\nkey:\n\tvalue\n"])
def test_files_of_others_that_are_no_yaml_are_none_of_raddles(repository: Path, text: str) -> None:
    (repository / "other.yml").write_text(text)
    found = checked("--failures", "0", "--baseline", "../baseline.json", "--base", "HEAD")
    assert found.exit_code == 0, found.output
    assert "not raddle's: other.yml, pipeline.yml\n" in found.stdout


def test_a_gate_that_a_change_removes_is_told(repository: Path) -> None:
    (repository / "ring.yaml").unlink()
    document = document_of("--base", "HEAD", "--failures", "0")
    (case,) = (case for case in document["cases"] if case["name"] == "removed")
    (problem,) = case["problems"]
    assert (problem["code"], problem["severity"], problem["file"]) == ("removed", "warning", "ring.yaml")
    assert "'ring', a scenario at HEAD, is gone" in problem["message"]
    assert "train.busbw >= 0.97x baseline" in problem["message"]
    words = ("--base", "HEAD", "--failures", "0", "--markdown", "../summary.md")
    found = checked(*words)
    assert found.exit_code == 0, found.output
    assert found.stdout.endswith("; 1 file is gone or expects less\n")
    assert "is gone, and what it expected" in Path("../summary.md").read_text()
    assert checked(*words, "--no-removals").exit_code == 1


def test_a_fabric_that_a_change_removes_is_told_with_its_plan(repository: Path) -> None:
    for name in ("pod.yaml", "ring.yaml", "pipeline.yml"):
        (repository / name).unlink()
    document = document_of("pod.yaml", "--base", "HEAD")
    (case,) = document["cases"]
    assert "4 removed (leaf0, leaf1, spine0, spine1)" in case["fact"]
    assert "endpoints: 0 added, 8 removed" in case["details"]
    assert len(document_of("--base", "HEAD")["cases"]) == 2


def test_an_expectation_that_a_change_loosens_is_told_and_a_moved_file_is_not(repository: Path) -> None:
    text = SCENARIO.replace("train.busbw >= 0.97x baseline", "train.busbw >= 1 GB/s")
    (repository / "ring.yaml").rename(repository / "moved.yaml")
    unchanged = checked("--base", "HEAD", "--failures", "0", "--baseline", "../baseline.json")
    assert (unchanged.exit_code, "removed" in unchanged.stdout) == (0, False), unchanged.output
    (repository / "moved.yaml").write_text(text)
    found = checked("--base", "HEAD", "--failures", "0")
    assert "expected at HEAD and no more: train.busbw >= 0.97x baseline" in found.stdout


def test_check_writes_its_first_baseline_and_then_compares(repository: Path) -> None:
    kept = ("--baseline", "../kept.json", "--failures", "0")
    first = checked(*kept, "--save-baseline", "../kept.json", "--junit", "../junit.xml")
    assert first.exit_code == 0, first.output
    assert "not judged: no baseline has it yet" in first.stdout
    times = [float(str(each.get("time"))) for each in ET.parse("../junit.xml").iter("testsuite")]
    assert min(times[1:]) > 0
    second = checked(*kept)
    assert second.exit_code == 0, second.output
    assert "not judged" not in second.stdout
    before = Path("../kept.json").read_text()
    (repository / "pod.yaml").write_text(
        FABRIC.replace("per_pair: 2, speed: 400G", "per_pair: 1, speed: 200G")
    )
    for _ in range(2):
        slower = checked(*kept, "--save-baseline", "../kept.json")
        assert slower.exit_code == 1, slower.output
        assert "'../kept.json' is not written" in slower.stderr
    assert Path("../kept.json").read_text() == before


def test_a_slower_change_fails_at_its_expectation(repository: Path) -> None:
    (repository / "pod.yaml").write_text(
        FABRIC.replace("per_pair: 2, speed: 400G", "per_pair: 1, speed: 200G")
    )
    found = checked("--baseline", "../baseline.json", "--junit", "../junit.xml", "--annotate")
    assert found.exit_code == 1, found.output
    assert "::error file=ring.yaml,line=7,col=9,title=expectation-failed::train.busbw" in found.stdout
    failed = [case for case in ET.parse("../junit.xml").iter("testcase") if case.find("failure") is not None]
    assert [(case.get("classname"), case.get("name")) for case in failed] == [
        ("ring", "train.busbw >= 0.97x baseline")
    ]


def test_a_broken_change_ends_with_2_and_the_rest_is_tried(repository: Path) -> None:
    (repository / "pod.yaml").write_text(FABRIC.replace("speed: 400G, cable: 3m", "sped: 400G, cable: 3m"))
    (repository / "other.yaml").write_text(FABRIC.replace("name: pod", "name:   other"))
    found = checked("--sarif", "../found.sarif")
    assert found.exit_code == 2, found.output
    assert "pod.yaml:10:20: error[unknown-key]" in found.stdout
    places = {
        (each["ruleId"], each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
        for each in json.loads(Path("../found.sarif").read_text())["runs"][0]["results"]
    }
    assert {("unknown-key", "pod.yaml"), ("not-formatted", "other.yaml")} <= places
    assert "ok   validate" in found.stdout  # of other.yaml


OTHERS = {
    "sizes.yaml": "raddle: 1\nname: sizes\nfabric: pod.yaml\ncollective: all_reduce\nsize: [1M, 4M]\n",
    "step.yaml": "raddle: 1\nname: step\nnodes:\n  sum: {collective: all_reduce, size: 1M}\n",
    "list.yaml": "raddle: 1\nname: list\ncurrency: EUR\nsource: an offer\ndate: 2026-11\n"
    "switches:\n  white-box-12.8t: {price: 5000}\n",
    "day.yaml": "raddle: 1\nname: day\nload: load.csv\nstorage: {hosts: host7}\n"
    "inference:\n  instance: 1\n  weights: 1GB\n  drain: 30s\n"
    "  nodes:\n    answer: {collective: all_reduce, size: 1M}\n"
    "training:\n  replica: 1\n  checkpoint: 8GB\n  nodes:\n    sum: {collective: all_reduce, size: 1M}\n",
}


def test_sweeps_workloads_prices_and_days_are_no_broken_fabrics(repository: Path) -> None:
    for name, text in OTHERS.items():
        (repository / name).write_text(text)
    (repository / "load.csv").write_text("time,tokens_per_s\n00:00,1000\n12:00,2000\n")
    found = checked(".", "--baseline", "../baseline.json")
    assert found.exit_code == 0, found.output
    for what in ("a sweep of 2 runs", "a workload of 1 nodes", "prices of 1 switches", "a day of 2 loads"):
        assert what in found.stdout
    assert "not raddle's: pipeline.yml" in found.stdout


def test_what_is_wrong_in_them_is_found_at_its_line(repository: Path) -> None:
    wrong = {
        "sizes.yaml": ("4M", "4Mx"),
        "list.yaml": ("price: 5000", "price: low"),
        "day.yaml": ("load.csv", "no.csv"),
    }
    for name, (good, bad) in wrong.items():
        (repository / name).write_text(OTHERS[name].replace(good, bad))
    document = document_of("sizes.yaml", "list.yaml", "day.yaml")
    places = {(each["file"], each["line"]) for case in document["cases"] for each in case["problems"]}
    assert places == {("sizes.yaml", 5), ("list.yaml", 7), ("day.yaml", 3)}
    assert checked("sizes.yaml").exit_code == 2


def test_a_scenario_that_has_its_fabric_from_an_included_file_is_run(repository: Path) -> None:
    (repository / "far.yaml").write_text(
        "raddle: 1\nname: far\ninclude: ring.yaml\nexpect: train.busbw >= 900 GB/s\n"
    )
    found = checked("far.yaml")
    assert found.exit_code == 1, found.output
    assert "FAIL train.busbw >= 900 GB/s" in found.stdout


def test_what_an_update_takes_beside_routes_is_a_warning(repository: Path) -> None:
    (repository / "pod.yaml").write_text(FABRIC.replace("cable: 30m", "cable: 300m"))
    document = document_of("pod.yaml", "--base", "HEAD")
    warned = [problem for case in document["cases"] for problem in case["problems"]]
    assert any(
        each["code"] == "outside-the-proof" and "new config_db.json" in each["message"] for each in warned
    ), document


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("nowhere",), "no-such-file", "no file or folder 'nowhere'"),
        (("--base", "no-such-branch"), "bad-base", "git finds no base"),
        (("--baseline", "nowhere.json"), "bad-baseline", "cannot read 'nowhere.json'"),
        (("--no-removals",), "bad-option", "says nothing without --base"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    repository: Path, words: tuple[str, ...], code: str, text: str
) -> None:
    with pytest.raises(InputError, match=text) as raised:
        checked(*words)
    assert raised.value.diagnostics[0].code == code
