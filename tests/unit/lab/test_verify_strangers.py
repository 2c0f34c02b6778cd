"""`raddle verify --running` where addresses of the inventory are those of other switches than it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from raddle.cli.verify import verify
from raddle.controller.plan import make_plan
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import program, switch_farm
from raddle.lab.switches.reported import planned_switch
from raddle.lab.verify.model import FailureScope, Verification
from raddle.lab.verify.running import verify_running
from raddle.topology import loads
from tests.fabrics import leaf_spine
from tests.unit.controller.fake_switch import FakeSwitch, serving

TEXT = leaf_spine(leaves=4, spines=2, per_leaf=2)
FABRIC = loads(TEXT)
PLAN = make_plan(FABRIC, "ecmp")
SINGLE = FailureScope(together=1, most=200, seed=1, congested_groups=8)


@pytest.fixture(scope="module")
def running() -> Iterator[Inventory]:
    with switch_farm(FABRIC, PLAN) as farm:
        inventory = Inventory(FABRIC.name, dict(farm.addresses))
        program(PLAN, inventory)
        yield inventory


def _judged(inventory: Inventory, *accepted: str) -> Verification:
    return verify_running(FABRIC, inventory, SINGLE, lambda what, share: None, accepted=accepted)


def _located(running: Inventory, **addresses: str) -> Inventory:
    return replace(running, addresses={**running.addresses, **addresses})


def test_two_addresses_that_are_swapped_are_told_as_such_and_nothing_else_is_wrong(
    running: Inventory,
) -> None:
    at = running.addresses
    result = _judged(_located(running, leaf1=at["leaf2"], leaf2=at["leaf1"]))
    assert [each.code for each in result.problems] == ["wrong-switch"] * 2
    first = result.problems[0]
    assert first.severity == "error"
    assert first.message.startswith(f"leaf1 ({at['leaf2']}) is another switch: its hostname is 'leaf2', not")
    assert "mend the inventory" in first.hint
    assert result.cabling == ()
    # The other 4 of 8 hosts reach each other.
    assert (result.pairs, result.cut_off, result.present.lost) == (56, 44, 0)
    assert [(each.switch, each.why) for each in result.missing] == [
        ("leaf1", "is another switch"),
        ("leaf2", "is another switch"),
    ]
    assert result.outside[0] == "leaf1, leaf2, which are other switches, and all behind"


def test_an_address_that_stands_twice_is_told_of_the_switch_that_is_not_there(running: Inventory) -> None:
    result = _judged(_located(running, spine1=running.addresses["spine0"]))
    assert [each.code for each in result.problems] == ["wrong-switch"]
    assert result.problems[0].message.startswith("spine1 (")
    assert result.cabling == ()


def test_where_only_others_answer_nothing_is_judged(running: Inventory) -> None:
    at = list(running.addresses.values())
    turned = dict(zip(running.addresses, [*at[1:], at[0]], strict=True))
    with pytest.raises(InputError) as refused:
        _judged(replace(running, addresses=turned))
    assert [each.code for each in refused.value.diagnostics] == ["wrong-switch"] * 6


@pytest.mark.parametrize(("name", "value"), [("hwsku", "Other-C64"), ("mac", PLAN.switches[1].mac)])
def test_a_box_of_another_kind_is_judged_where_it_is_accepted(name: str, value: str) -> None:
    with ExitStack() as stack:
        addresses = {}
        for switch in PLAN.switches:
            booted = FakeSwitch(dict(planned_switch(switch).config))
            booted.up = {port.name for port in switch.ports if port.is_enabled}
            if switch.name == "leaf0":
                booted.config["DEVICE_METADATA"]["localhost"][name] = value
            addresses[switch.name] = stack.enter_context(serving(booted))
        inventory = Inventory(FABRIC.name, addresses)
        found = {each.code for each in _judged(inventory).problems}
        accepted = {each.code for each in _judged(inventory, "leaf0").problems}
    assert "wrong-switch" in found
    assert "wrong-switch" not in accepted


def test_the_option_is_of_running_switches_of_the_fabric(running: Inventory, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(verify)
    fabric, inventory = tmp_path / "f.yaml", tmp_path / "inventory.json"
    fabric.write_text(TEXT)
    at = running.addresses
    _located(running, leaf1=at["leaf2"], leaf2=at["leaf1"]).save(inventory)
    options = [str(fabric), "--failures", "0", "--inventory", str(inventory)]
    result = CliRunner().invoke(app, [*options, "--running"])
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("error[wrong-switch]: leaf1 (")
    assert CliRunner().invoke(app, [*options, "--accept-identity", "leaf1"]).exit_code == 2
    unknown = CliRunner().invoke(app, [*options, "--running", "--accept-identity", "leaf9"]).exception
    assert "error[unknown-switch]" in str(unknown)
