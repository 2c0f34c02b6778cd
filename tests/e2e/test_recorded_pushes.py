"""What a run pushes to running switches is pushed as `apply` does it: alone, and with a record of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import raddle
from raddle.cli.main import app
from raddle.controller.ledger import Ledger
from raddle.controller.plan import make_plan
from raddle.errors import InputError
from raddle.inventory import Inventory, load_inventory
from raddle.lab.switches.programmed import switch_farm
from tests.fabrics import SMALL_POD

BENCH = ("bench", "pod.yaml", "--routing", "pinned", "--placement", "strided", "-b", "64K", "-e", "64K")
SIMULATE = ("simulate", "pod.yaml", "--flows", "flows.csv", "-o", "out", "--routing", "pinned")


@pytest.fixture(autouse=True)
def _booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """pod.yaml, and its switches in pod.json, booted and not programmed."""
    monkeypatch.chdir(tmp_path)
    Path("pod.yaml").write_text(SMALL_POD)
    Path("flows.csv").write_text("src,dst,bytes\nhost0,host2,100000\n")
    fabric = raddle.loads(SMALL_POD)
    with switch_farm(fabric, make_plan(fabric, "ecmp")) as farm:
        Inventory(fabric.name, dict(farm.addresses)).save(Path("pod.json"))
        yield


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--inventory", "pod.json"])


@pytest.mark.parametrize("words", [BENCH, SIMULATE], ids=lambda words: words[0])
def test_status_after_a_push_compares_with_what_was_pushed(words: tuple[str, ...]) -> None:
    assert run(*words, "--push").exit_code == 0
    status = run("status", "pod.yaml")
    assert (status.exit_code, status.stdout.count("in sync")) == (0, 4)
    assert run("status", "pod.yaml", "--routing", "ecmp").exit_code == 1  # the pins are there
    record = json.loads(Path("pod.applied.json").read_text())
    assert record["plan"]["made_of"]["options"]["pushed_by"].startswith(f"{words[0]} pod.yaml")
    Path("pod.yaml").write_text(SMALL_POD + "overrides: {drain: [spine1]}\n")
    later = run("status", "pod.yaml")
    assert later.exit_code == 0
    assert f"note: the fabric file has changed since '{words[0]} pod.yaml" in later.stderr
    assert "compared with the plan of then" in later.stderr


def test_who_pushes_waits_for_nobody_and_says_who_is_at_it() -> None:
    with Ledger(Path("pod.json")).locked("apply pod.yaml", load_inventory(Path("pod.json"))):
        refused = run(*BENCH, "--push")
    assert isinstance(refused.exception, InputError)
    assert "error[locked]: 'pod.lock' is held by 'raddle apply pod.yaml'" in str(refused.exception)
    assert run("status", "pod.yaml", "--routing", "ecmp").exit_code == 1  # nothing was sent
    assert not Path("pod.applied.json").exists()


def test_who_comes_with_a_copy_of_the_inventory_waits_too() -> None:
    Path("elsewhere").mkdir()
    here, there = Path("pod.json"), Path("elsewhere/copy.json")
    shutil.copy(here, there)
    with Ledger(here).locked("apply pod.yaml", load_inventory(here)):
        for words in (("apply", "pod.yaml"), ("bench", "pod.yaml", "--push", "-b", "64K", "-e", "64K")):
            refused = CliRunner().invoke(app, [*words, "--inventory", str(there)]).exception
            assert isinstance(refused, InputError)
            assert "and 3 more switches are held by 'raddle apply pod.yaml'" in str(refused)
        with pytest.raises(InputError, match="are held by"):
            raddle.apply(raddle.plan(raddle.loads(SMALL_POD)), load_inventory(there))
        assert CliRunner().invoke(app, ["status", "pod.yaml", "--inventory", str(there)]).exit_code == 1
    assert CliRunner().invoke(app, ["apply", "pod.yaml", "--inventory", str(there)]).exit_code == 0


def test_a_run_on_switches_as_they_are_leaves_the_record_alone() -> None:
    assert run("apply", "pod.yaml", "--routing", "ecmp").exit_code == 0
    before = Path("pod.applied.json").read_bytes()
    assert run(*BENCH).exit_code == 0
    assert Path("pod.applied.json").read_bytes() == before
    assert not Path("pod.lock").exists()


def test_the_plan_that_is_pushed_is_put_by_as_it_was_made() -> None:
    CliRunner().invoke(
        app, ["plan", "pod.yaml", "--routing", "pinned", "--hosts", "host[0-3]", "-o", "a.json"]
    )
    assert run("bench", "pod.yaml", "--plan", "a.json", "-b", "64K", "-e", "64K", "--push").exit_code == 0
    made_of = json.loads(Path("pod.applied.json").read_text())["plan"]["made_of"]
    assert made_of == json.loads(Path("a.json").read_text())["made_of"]
