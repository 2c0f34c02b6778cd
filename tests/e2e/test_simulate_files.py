"""What `raddle simulate` leaves in its folder: whole files, of one run, told apart from another's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from raddle.cli import simulate as command
from raddle.cli.main import app
from raddle.errors import InputError

POD = "raddle: 1\nname: pod\nfabric: {leaves: {count: 2}, spines: {count: 1}}\ninclude: hosts.yaml\n"
HOSTS = "hosts: {per_leaf: 2}\nroce: {congestion_control: none}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / "hosts.yaml").write_text(HOSTS)
    (tmp_path / "flows.csv").write_text("src,dst,bytes\nhost0,host2,40960000\nhost1,host0,4096\n")
    return tmp_path


def simulate(folder: Path, *options: str, out: str = "out") -> Result:
    words = ["simulate", str(folder / "pod.yaml"), "--flows", str(folder / "flows.csv")]
    return CliRunner().invoke(app, [*words, "-o", str(folder / out), *options])


def test_the_summary_names_its_inputs_and_the_busiest_link(folder: Path) -> None:
    result = simulate(folder)
    summary = json.loads((folder / "out/summary.json").read_text())
    assert summary["inputs"] == [
        {"name": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
        for name in ("pod.yaml", "hosts.yaml", "flows.csv")
    ]
    # 10,000 packets of 4096 bytes, each with 58 bytes of headers and FCS, cross four links one by one.
    busiest = summary["busiest_link"]
    assert busiest["tx_bytes"] >= 10_000 * (4096 + 58)
    assert 0.95 < busiest["utilisation"] <= 1
    assert result.stdout.splitlines()[1].startswith("FCT p50 ")
    assert "no PFC pause, no ECN mark, no drop" in result.stdout
    assert f"busiest link {busiest['name']}, in use {busiest['utilisation']:.1%}" in result.stdout


def test_replacing_an_earlier_result_is_told_and_leaves_nothing_of_it(folder: Path) -> None:
    assert "note:" not in simulate(folder, "--series", "100us").stderr
    assert (folder / "out/series.csv").exists()
    again = simulate(folder)
    assert "holds an earlier result, which this one will replace" in again.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "fct.csv",
        "ports.csv",
        "summary.json",
    ]


def test_an_earlier_result_can_be_kept(folder: Path) -> None:
    simulate(folder)
    before = (folder / "out/fct.csv").read_bytes()
    refused = simulate(folder, "--seed", "2", "--no-overwrite")
    assert isinstance(refused.exception, InputError)
    assert refused.exception.diagnostics[0].code == "result-exists"
    assert (folder / "out/fct.csv").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told_before_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "out").write_text("a file")
    monkeypatch.setattr(command, "run_flows", lambda *_: pytest.fail("the run began"))
    refused = simulate(folder)
    assert isinstance(refused.exception, InputError)
    assert refused.exception.diagnostics[0].code == "cannot-write"


def test_a_run_that_breaks_off_leaves_the_earlier_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate(folder)
    before = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}

    def broken(*_: object) -> str:
        raise InputError.of("cannot-write", "no space left")

    monkeypatch.setattr(command, "ports_csv", broken)
    assert simulate(folder, "--trace", "host0").exception
    assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == before
