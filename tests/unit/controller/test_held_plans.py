"""A plan that is held, and the record of what was applied."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import typer
from finsy.proto import gnmi
from typer.testing import CliRunner, Result

import raddle
from raddle.cli.apply import apply
from raddle.cli.bench import bench
from raddle.cli.drift import drift
from raddle.cli.plan import plan
from raddle.cli.render import render
from raddle.cli.status import status
from raddle.cli.verify import verify
from raddle.controller.ledger import Ledger
from raddle.controller.locks import lock_file
from raddle.controller.plan import from_json, make_plan
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.tables import bootstrap, pushed
from raddle.errors import InputError
from raddle.inventory import Inventory, load_inventory
from tests.fabrics import leaf_spine
from tests.unit.controller.fake_switch import FakeSwitch, serving

APP = typer.Typer()
for command in (plan, render, apply, status, drift, verify, bench):
    APP.command()(command)

TEXT = leaf_spine(per_leaf=4, more="routing: {policy: ecmp}\n", name="hall")
PINNED = ("--routing", "pinned", "--placement", "strided")


class Hall:
    """A fabric file, its booted switches and their inventory."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.file, self.inventory, self.plan = (
            folder / "hall.yaml",
            folder / "hall.json",
            folder / "plan.json",
        )
        self.file.write_text(TEXT)
        switches = make_plan(raddle.loads(TEXT), "ecmp").switches
        self.switches = {each.name: FakeSwitch(bootstrap(each).config_db) for each in switches}
        addresses = {name: stack.enter_context(serving(switch)) for name, switch in self.switches.items()}
        Inventory("hall", addresses).save(self.inventory)

    def run(self, verb: str, *options: str) -> Result:
        where = () if verb in ("plan", "render", "verify", "bench") else ("--inventory", str(self.inventory))
        return CliRunner().invoke(APP, [verb, str(self.file), *where, *options])


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    with ExitStack() as stack:
        yield Hall(tmp_path, stack)


def test_status_and_drift_compare_with_what_was_applied(hall: Hall) -> None:
    assert hall.run("apply", *PINNED).exit_code == 0
    for verb in ("status", "drift"):
        assert hall.run(verb).exit_code == 0
        assert hall.run(verb, "--routing", "ecmp").exit_code == 1
    assert hall.run("status").stdout.count("in sync") == 4


def test_what_was_reviewed_is_what_is_applied(hall: Hall) -> None:
    assert hall.run("plan", *PINNED, "-o", str(hall.plan)).exit_code == 0
    assert hall.run("apply", "--plan", str(hall.plan)).exit_code == 0
    held = from_json(hall.plan.read_text())
    assert held.pins is not None
    for each in held.switches:
        assert hall.switches[each.name].config["STATIC_ROUTE"] == pushed(each)["STATIC_ROUTE"]
    assert hall.run("drift", "--plan", str(hall.plan)).exit_code == 0
    rendered = json.loads(hall.run("render", "--plan", str(hall.plan)).stdout)
    assert rendered == {each.name: pushed(each) for each in held.switches}


def test_a_plan_of_another_fabric_file_is_refused_before_anything_is_sent(hall: Hall) -> None:
    hall.run("plan", "-o", str(hall.plan))
    hall.file.write_text(TEXT.replace("per_leaf: 4", "per_leaf: 3"))
    refused = hall.run("apply", "--plan", str(hall.plan)).exception
    assert isinstance(refused, InputError)
    assert refused.diagnostics[0].code == "stale-plan"
    assert str(hall.file) in str(refused)
    hall.file.write_text(TEXT.replace("name: hall", "name: annex"))
    assert "is a plan of 'hall', not of 'annex'" in str(
        hall.run("render", "--plan", str(hall.plan)).exception
    )
    assert not any(switch.requests for switch in hall.switches.values())


def test_verify_and_bench_take_the_plan_as_it_is(hall: Hall) -> None:
    hall.run("plan", *PINNED, "-o", str(hall.plan))
    held = ("--plan", str(hall.plan))
    proved = hall.run("verify", *held, "--failures", "0", "--json")
    fresh = hall.run("verify", *PINNED, "--failures", "0", "--json")
    assert proved.exit_code == 0
    assert proved.stdout == fresh.stdout
    sizes = ("-b", "64K", "-e", "64K", "--placement", "strided", "--json")
    both = (held, ("--routing", "pinned"))
    same = [json.loads(hall.run("bench", *more, *sizes).stdout) for more in both]
    assert [[each["name"] for each in run.pop("inputs")] for run in same] == [
        ["hall.yaml", "plan.json"],
        ["hall.yaml"],
    ]
    assert same[0] == same[1]
    assert same[0]["pins"]
    hall.file.write_text(TEXT.replace("count: 2}, spines", "count: 3}, spines"))
    for verb in ("verify", "bench"):
        refused = hall.run(verb, *held).exception
        assert isinstance(refused, InputError)
        assert refused.diagnostics[0].code == "stale-plan"


def test_a_benchmark_of_other_flows_than_the_plan_pins_says_so(hall: Hall) -> None:
    hall.run("plan", *PINNED, "-o", str(hall.plan))
    sizes = ("--plan", str(hall.plan), "-b", "64K", "-e", "64K")
    assert "pins were made with --placement strided: not for these flows" in hall.run("bench", *sizes).stderr
    assert "pins were made" not in hall.run("bench", *sizes, "--placement", "strided").stderr


@pytest.mark.parametrize("with_digest", [True, False])
def test_a_plan_that_was_changed_by_hand_is_refused(hall: Hall, with_digest: bool) -> None:
    hall.run("plan", *PINNED, "-o", str(hall.plan))
    document = json.loads(hall.plan.read_text())
    del document["switches"][0]
    if not with_digest:
        del document["made_of"]["plan_digest"]
    hall.plan.write_text(json.dumps(document))
    says = "was changed after it was written" if with_digest else "has other switches, ports or endpoints"
    for verb in ("verify", "render", "bench", "apply", "status", "drift"):
        refused = hall.run(verb, "--plan", str(hall.plan)).exception
        assert isinstance(refused, InputError), verb
        assert refused.diagnostics[0].code == "bad-plan"
        assert says in str(refused)


@pytest.mark.parametrize("with_digest", [True, False])
def test_options_that_were_changed_by_hand_are_refused(hall: Hall, with_digest: bool) -> None:
    """What pins are for is read from them."""
    hall.run("plan", *PINNED, "-o", str(hall.plan))
    document = json.loads(hall.plan.read_text())
    document["made_of"]["options"]["seed"] = 77
    if not with_digest:
        del document["made_of"]["options_digest"]
    hall.plan.write_text(json.dumps(document))
    says = "options in 'made_of' were changed" if with_digest else "has no digest of the plan"
    for verb in ("verify", "render", "bench", "apply", "status", "drift"):
        refused = hall.run(verb, "--plan", str(hall.plan)).exception
        assert isinstance(refused, InputError), verb
        assert refused.diagnostics[0].code == "bad-plan"
        assert says in str(refused)


def test_a_plan_without_its_digest_is_refused_and_as_an_earlier_one_told(hall: Hall) -> None:
    """Nobody can tell whether it is what was reviewed; an update from it is judged as it stands."""
    hall.run("plan", *PINNED, "-o", str(hall.plan))
    document = json.loads(hall.plan.read_text())
    del document["made_of"]["plan_digest"]
    document["switches"][0]["qos"]["cnp"] = None
    hall.plan.write_text(json.dumps(document))
    for verb in ("verify", "render", "bench", "apply", "status", "drift"):
        refused = hall.run(verb, "--plan", str(hall.plan)).exception
        assert isinstance(refused, InputError), verb
        assert "has no digest of the plan" in str(refused)
    told = hall.run("verify", *PINNED, "--failures", "0", "--from", str(hall.plan))
    assert "has no digest of the plan: whether it was changed by hand cannot be told" in told.stderr
    last = told.stdout.splitlines()[-1]
    assert f"whether '{hall.plan}' is as it was written: it has no digest" in last
    assert not last.startswith("ok")


def test_a_comment_makes_no_other_fabric(hall: Hall) -> None:
    hall.run("plan", "-o", str(hall.plan))
    hall.file.write_text(f"# the new hall\n{TEXT}")
    assert hall.run("apply", "--plan", str(hall.plan)).exit_code == 0


def test_a_plan_file_beside_routing_options_is_refused(hall: Hall) -> None:
    hall.run("plan", "-o", str(hall.plan))
    refused = hall.run("apply", "--plan", str(hall.plan), *PINNED).exception
    assert "--placement, --routing would make another" in str(refused)


def test_a_changed_fabric_is_compared_by_the_options_of_then(hall: Hall) -> None:
    hall.run("apply", *PINNED)
    hall.file.write_text(TEXT + "overrides: {drain: [spine1]}\n")
    changed = hall.run("status")
    assert "note: the fabric file has changed since the apply of " in changed.stderr
    assert changed.exit_code == 1
    assert hall.run("apply", *PINNED).exit_code == 0
    assert hall.run("status").exit_code == 0


def test_the_exit_code_of_a_diff_says_whether_something_changes(hall: Hall) -> None:
    hall.run("plan", "-o", str(hall.plan))
    diff = ("--diff", str(hall.plan), "--exit-code")
    assert hall.run("plan", *diff).exit_code == 0
    assert hall.run("plan", *diff, *PINNED).exit_code == 1
    assert hall.run("plan", "--exit-code").exit_code == 2


def test_a_second_apply_waits_its_turn(hall: Hall) -> None:
    with Ledger(hall.inventory).locked("apply hall", load_inventory(hall.inventory)):
        refused = hall.run("apply").exception
        assert hall.run("apply", "--dry-run").exit_code == 0
    assert isinstance(refused, InputError)
    assert f"is held by 'raddle apply hall', process {os.getpid()}" in str(refused)
    assert not any(switch.requests for switch in hall.switches.values())
    assert hall.run("apply").exit_code == 0
    assert not hall.inventory.with_suffix(".lock").exists()


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    path = tmp_path / "hall.lock"
    text = (
        "import sys, pathlib, time\n"
        "from raddle.controller.locks import lock_file\n"
        "with lock_file(pathlib.Path(sys.argv[1]), 'apply hall', ''):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", text, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(InputError, match=f"process {other.pid}"), lock_file(path, "apply", ""):
            pass
        other.kill()
    assert path.exists()
    with lock_file(path, "apply", ""), path.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("at", range(1, 5))
def test_an_apply_that_is_killed_is_finished_by_the_next(
    hall: Hall, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each switch holds what it held after one of its Sets; what the killed one wrote is raddle's."""
    hall.run("apply", *PINNED)
    before = {name: switch.config for name, switch in hall.switches.items()}
    states: dict[str, list[object]] = {name: [config] for name, config in before.items()}
    push = GnmiClient.push
    lock = threading.Lock()
    count = 0

    def dies(self: GnmiClient, request: gnmi.SetRequest) -> None:
        nonlocal count
        with lock:
            count += 1
            if count >= at:
                raise SystemExit(9)
            push(self, request)
            states[self.name].append(hall.switches[self.name].config)

    monkeypatch.setattr(GnmiClient, "push", dies)
    hall.file.write_text(TEXT + "overrides: {drain: [spine1]}\n")
    killed = hall.run("apply", "--routing", "ecmp")
    monkeypatch.undo()
    assert killed.exit_code == 9
    for name, switch in hall.switches.items():
        assert switch.config in states[name]
    hall.file.write_text(TEXT)
    assert hall.run("apply", "--routing", "ecmp").exit_code == 0
    for each in make_plan(raddle.loads(TEXT), "ecmp").switches:
        config = hall.switches[each.name].config
        assert config.get("STATIC_ROUTE", {}) == pushed(each)["STATIC_ROUTE"]


def test_a_record_that_is_none_is_told_with_a_way_out(hall: Hall) -> None:
    hall.inventory.with_suffix(".applied.json").write_text('{"schema_version": 1, "plan": 3}')
    refused = hall.run("status").exception
    assert isinstance(refused, InputError)
    assert "move it away" in str(refused)
