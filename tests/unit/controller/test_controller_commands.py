"""`raddle plan`, `render`, `apply` and `status`."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from raddle.cli.apply import apply, line_of
from raddle.cli.drift import drift
from raddle.cli.plan import plan
from raddle.cli.render import render
from raddle.cli.status import status
from raddle.controller.plan import from_json, make_plan
from raddle.controller.reconcile import SwitchResult
from raddle.controller.southbound.sonic.tables import bootstrap, pushed
from raddle.errors import InputError, UnreachableError
from raddle.inventory import Inventory
from raddle.topology import bundled_examples, load
from tests.unit.controller.fake_switch import FakeSwitch, free_address, serving

APP = typer.Typer()
for command in (plan, render, apply, status, drift):
    APP.command()(command)

FABRIC = load(bundled_examples()["leaf-spine-16"])
PLAN = make_plan(FABRIC, "ecmp")


def run(command: str, *options: str) -> Any:
    return CliRunner().invoke(APP, [command, "leaf-spine-16", "--routing", "ecmp", *options])


@pytest.fixture
def switches(tmp_path: Path) -> Iterator[tuple[dict[str, FakeSwitch], str]]:
    """All switches of the fabric, booted, and their inventory file."""
    booted = {each.name: FakeSwitch(bootstrap(each).config_db) for each in PLAN.switches}
    with ExitStack() as stack:
        addresses = {name: stack.enter_context(serving(switch)) for name, switch in booted.items()}
        file = tmp_path / "inventory.json"
        Inventory(FABRIC.name, addresses).save(file)
        yield booted, str(file)


def test_plan_prints_one_line_per_switch() -> None:
    result = run("plan")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:9]] == [switch.name for switch in PLAN.switches]
    assert lines[-1] == "8 switches, 16 endpoints, routing ecmp"


def test_the_fabrics_own_policy_pins_a_ring_unless_told_otherwise() -> None:
    result = CliRunner().invoke(APP, ["plan", "leaf-spine-16", "--placement", "strided"])
    # A strided ring over 16 hosts crosses leaves at every hop: 16 pins for data, 16 for acknowledgements.
    assert "16 flows on 32 host routes (edge-colouring): busiest link carries 1 (bound 1)" in result.stdout


def test_a_collective_is_pinned_with_its_own_default_algorithm() -> None:
    result = CliRunner().invoke(APP, ["plan", "leaf-spine-16", "--collective", "all_to_all"])
    assert "240 flows on 48 host routes (destination-modulo): busiest link carries 1" in result.stdout


def test_plan_json_and_plan_file_are_the_plan(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    result = run("plan", "--json", "-o", str(file))
    assert result.stdout == file.read_text()
    assert from_json(result.stdout) == PLAN


def test_plan_diff_shows_what_changes(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    old = PLAN.switches[0].hash_seed
    run("plan", "-o", str(file))
    summary, changes = run("plan", "--diff", str(file)).stdout.split("\n\n")
    assert len(summary.splitlines()) == 10
    assert changes == "0 changes\n"
    document = json.loads(file.read_text().replace(str(old), "7"))
    del document["made_of"]  # whose digest is that of the plan as it was
    file.write_text(json.dumps(document))
    printed = run("plan", "--diff", str(file)).stdout
    assert printed.endswith(f"\n\n~ leaf0 hash_seed  7 -> {old}\n1 change\n")
    found = json.loads(run("plan", "--diff", str(file), "--json").stdout)["changes"]
    assert found == [{"switch": "leaf0", "path": "hash_seed", "before": "7", "after": str(old)}]


def test_a_missing_old_plan_is_bad_input() -> None:
    error = run("plan", "--diff", "/no/such/plan.json").exception
    assert isinstance(error, InputError)
    assert "error[no-plan]: cannot read '/no/such/plan.json'" in str(error)


def test_render_prints_what_is_pushed_or_what_the_switch_boots_with() -> None:
    leaf = PLAN.switches[0]
    assert json.loads(run("render", "--switch", "leaf0").stdout) == pushed(leaf)
    booted = json.loads(run("render", "--switch", "leaf0", "--bootstrap").stdout)
    assert booted == bootstrap(leaf, has_own_ecn=True).config_db


def test_render_names_the_switches_when_one_is_unknown() -> None:
    error = run("render", "--switch", "leaf9").exception
    assert isinstance(error, InputError)
    assert "no switch 'leaf9'" in str(error)
    assert "leaf0, leaf1" in str(error)


def test_apply_then_status_in_sync(switches: tuple[dict[str, FakeSwitch], str]) -> None:
    _, inventory = switches
    before = run("status", "--inventory", inventory)
    assert before.exit_code == 1
    assert "differences, the first: INTERFACE/Ethernet0" in before.stdout
    applied = run("apply", "--inventory", inventory)
    assert applied.exit_code == 0
    assert applied.stdout.count("in 1 Set, verified") == 8
    after = run("status", "--inventory", inventory)
    assert after.exit_code == 0
    assert after.stdout.count("in sync") == 8


def test_dry_run_prints_changes_and_changes_nothing(switches: tuple[dict[str, FakeSwitch], str]) -> None:
    booted, inventory = switches
    result = run("apply", "--inventory", inventory, "--dry-run")
    assert result.exit_code == 0
    assert "+ leaf0 STATIC_ROUTE/default|10.0.0.8/29" in result.stdout
    assert not any(switch.requests for switch in booted.values())


def test_status_json_lists_every_switch(switches: tuple[dict[str, FakeSwitch], str]) -> None:
    document = json.loads(run("status", "--inventory", switches[1], "--json").stdout)
    assert [each["switch"] for each in document["switches"]] == [switch.name for switch in PLAN.switches]
    assert not any(each["is_in_sync"] for each in document["switches"])


@pytest.mark.parametrize("command", ["apply", "status"])
def test_an_unreachable_switch_ends_with_code_3(
    command: str, switches: tuple[dict[str, FakeSwitch], str]
) -> None:
    _, inventory = switches
    document = json.loads(Path(inventory).read_text())
    document["switches"]["spine3"]["address"] = free_address()
    Path(inventory).write_text(json.dumps(document))
    result = run(command, "--inventory", inventory)
    assert isinstance(result.exception, UnreachableError)
    assert result.exception.exit_code == 3
    assert "spine3" in str(result.exception)
    assert "leaf0" in result.stdout


def test_a_missing_inventory_says_how_to_get_one() -> None:
    error = run("status", "--inventory", "/no/such/file.json").exception
    assert isinstance(error, InputError)
    assert "raddle up" in str(error)


def test_drift_lists_entries_and_says_which_need_a_new_boot_file(
    switches: tuple[dict[str, FakeSwitch], str],
) -> None:
    booted, inventory = switches
    assert run("apply", "--inventory", inventory).exit_code == 0
    clean = run("drift", "--inventory", inventory)
    assert (clean.exit_code, clean.stdout) == (0, "0 changes\n")
    del booted["leaf0"].config["STATIC_ROUTE"]["default|10.0.0.8/29"]
    booted["leaf0"].config["BUFFER_POOL"]["egress_lossless_pool"]["size"] = "1"
    drifted = run("drift", "--inventory", inventory)
    assert drifted.exit_code == 1
    assert "+ leaf0 STATIC_ROUTE/default|10.0.0.8/29" in drifted.stdout
    assert "! leaf0 BUFFER_POOL/egress_lossless_pool needs a new config_db.json" in drifted.stdout


def test_a_dry_run_tells_sets_and_time_on_hardware(switches: tuple[dict[str, FakeSwitch], str]) -> None:
    result = run("apply", "--inventory", switches[1], "--dry-run")
    assert "8 Sets; on SONiC hardware about " in result.stdout


def test_apply_holds_back_what_flaps_and_ends_with_code_1(
    switches: tuple[dict[str, FakeSwitch], str],
) -> None:
    booted, inventory = switches
    booted["leaf0"].config["QUEUE"]["Ethernet0|3"]["scheduler"] = "other"
    assert run("apply", "--inventory", inventory, "--dry-run").exit_code == 1
    result = run("apply", "--inventory", inventory)
    assert result.exit_code == 1
    assert "leaf0: 1 port would go down and up: Ethernet0" in result.stderr
    assert "--allow-flap" in result.stderr
    assert booted["leaf0"].requests == []
    assert run("apply", "--inventory", inventory, "--allow-flap").exit_code == 0


def test_status_and_drift_agree_with_an_apply_that_kept_pins(
    switches: tuple[dict[str, FakeSwitch], str], tmp_path: Path
) -> None:
    _, inventory = switches
    old = str(tmp_path / "old.json")
    pinned = ("--routing", "pinned", "--keep", old, "--inventory", inventory)
    assert run("plan", "--routing", "pinned", "--placement", "strided", "-o", old).exit_code == 0
    assert run("apply", *pinned, "--placement", "random", "--seed", "2").exit_code == 0
    for command in ("status", "drift"):
        assert run(command, *pinned, "--placement", "random", "--seed", "2").exit_code == 0
    fresh = ("--routing", "pinned", "--placement", "random", "--seed", "2", "--inventory", inventory)
    assert run("status", *fresh).exit_code == 1  # a plan from scratch has other pins


def test_apply_tells_routes_and_ports_apart_that_wait_for_another_switch() -> None:
    waiting = {"10.4.0.0/24": "leaf2", "10.5.0.0/24": "leaf2", "Ethernet8": "leaf3"}
    told = SwitchResult("leaf1", "127.0.0.1:1", (), 1, "", True, waiting=waiting)
    line = line_of(told)
    assert line.endswith("; 2 routes and 1 port held: leaf2, leaf3 may still send here")
    line = line_of(replace(told, waiting={"Ethernet8": "leaf3"}))
    assert line.endswith("; 1 port held: leaf3 may still send here")


def test_status_names_routes_of_others_that_packets_to_hosts_take(
    switches: tuple[dict[str, FakeSwitch], str],
) -> None:
    booted, inventory = switches
    assert run("apply", "--inventory", inventory).exit_code == 0
    routes = booted["leaf0"].config.setdefault("STATIC_ROUTE", {})
    address = PLAN.endpoints[4][1]
    routes["default|0.0.0.0/0"] = routes["default|192.0.2.0/24"] = {"blackhole": "true"}
    assert run("status", "--inventory", inventory).exit_code == 0
    routes[f"default|{address}/32"] = {"blackhole": "true"}
    told = run("status", "--inventory", inventory)
    assert told.exit_code == 1
    stray = f"STATIC_ROUTE/default|{address}/32"
    line = f"; packets to hosts take 1 route that raddle never wrote, the first {stray}"
    assert [each.endswith(line) for each in told.stdout.splitlines()] == [True] + [False] * 7
    document = json.loads(run("status", "--inventory", inventory, "--json").stdout)
    assert [each["routes_beside"] for each in document["switches"]] == [[stray]] + [[]] * 7
