"""The scenarios that are shipped can be read, and `raddle check` knows what they are."""

from __future__ import annotations

from pathlib import Path

from raddle.lab.check.files import find_files
from raddle.lab.scenario.file import read_scenario
from raddle.lab.sweep.file import read_sweep

FOLDER = Path(__file__).parents[3] / "scenarios"


def test_every_file_is_a_fabric_a_scenario_or_a_sweep() -> None:
    kinds = {each.path.name: each.kind for each in find_files([FOLDER])}
    assert kinds.pop("leaf.yaml") == "fabric"
    for name, kind in kinds.items():
        if kind == "scenario":
            assert read_scenario(FOLDER / name).expectations
        else:
            assert kind == "other"
            assert read_sweep(FOLDER / name)
