"""The scenarios that are shipped can be read, and `raddle check` knows what they are."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.lab.check.files import find_files
from raddle.lab.scenario.file import read_scenario
from raddle.lab.sweep.file import read_sweep
from raddle.topology import load

FOLDER = Path(__file__).parents[3] / "scenarios"


def test_every_file_is_a_fabric_a_scenario_a_workload_or_a_sweep() -> None:
    kinds = {each.path.name: each.kind for each in find_files([FOLDER])}
    sweeps = 0
    for name, kind in kinds.items():
        if kind == "scenario":
            assert read_scenario(FOLDER / name).expectations
        elif kind == "fabric":
            assert load(FOLDER / name).endpoints
        elif kind == "sweep":
            assert read_sweep(FOLDER / name).runs
            sweeps += 1
        else:
            assert kind == "workload"  # read by the scenario that names it
    assert sweeps == 8


def test_a_controller_that_is_slower_than_the_messages_fails_the_bound_of_a_dead_link(tmp_path: Path) -> None:
    """All is sent into the dead link before the new routes are there, and waits for the sender's timeout."""
    (tmp_path / "clos.yaml").write_text((FOLDER / "clos.yaml").read_text())
    text = (FOLDER / "ietf-link-failure.yaml").read_text()
    slow = tmp_path / "slow.yaml"
    slow.write_text(text.replace("computation: 100us", "computation: 2ms"))
    found = CliRunner().invoke(app, ["run", str(slow)])
    assert found.exit_code == 1
    assert "FAIL stream.recovery <= 400us        67." in found.stdout


def test_incast_and_sharing_reach_the_senders_that_the_draft_asks_for() -> None:
    incast = read_sweep(FOLDER / "ietf-incast-matrix.yaml")
    senders = {len(each.fabric.endpoints) - 1 for each, _ in incast.subjects.values()}
    assert sorted(senders) == [2, 4, 8, 16, 32, 64]
    sharing = read_sweep(FOLDER / "ietf-sharing-matrix.yaml")
    ranks = [each.jobs[0].make(each.fabric, 1).workload.seats.ranks for each, _ in sharing.subjects.values()]
    assert [count - 1 for count in ranks] == [4, 8, 16, 32, 64, 128, 256]
