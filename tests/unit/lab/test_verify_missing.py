"""`raddle verify --running` of a fabric of which some switches are not there: the others are judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from raddle.cli.verify import text_of, verify
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.errors import InputError, UnreachableError
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import program, switch_farm
from raddle.lab.switches.reported import planned_switch
from raddle.lab.verify.model import FailureScope, Verification
from raddle.lab.verify.running import verify_running
from raddle.topology import loads
from tests.fabrics import leaf_spine
from tests.unit.controller.fake_switch import FakeSwitch, serving

TEXT = leaf_spine(leaves=3, spines=2, per_leaf=2)
FABRIC = loads(TEXT)
PLAN = make_plan(FABRIC, "ecmp")
PRESENT = FailureScope(together=0, most=200, seed=1, congested_groups=8)
NOWHERE = "127.0.0.1:1"


def silent(what: str, share: float) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def running() -> Iterator[Inventory]:
    """All switches as planned, but for leaf2, which nobody has programmed."""
    with switch_farm(FABRIC, PLAN) as farm:
        inventory = Inventory(FABRIC.name, dict(farm.addresses))
        program(_without(PLAN, "leaf2"), inventory)
        yield inventory


def _without(plan: Plan, name: str) -> Plan:
    return replace(plan, switches=tuple(each for each in plan.switches if each.name != name))


def _judged(inventory: Inventory) -> Verification:
    return verify_running(FABRIC, inventory, PRESENT, silent)


def _codes(result: Verification) -> list[str]:
    return [problem.code for problem in result.problems]


def test_a_leaf_without_routes_is_cut_off_and_the_others_are_judged(running: Inventory) -> None:
    result = _judged(running)
    # 2 of 6 hosts: 30 - 4 * 3 pairs. What the spines send there is of no pair that could be reached.
    assert (result.pairs, result.cut_off, result.present.lost) == (30, 18, 0)
    assert _codes(result) == ["switch-empty"]
    assert [(each.switch, each.why) for each in result.missing] == [("leaf2", "holds no route")]
    assert (
        text_of(result)
        .splitlines()[-1]
        .startswith("1 finding; outside the proof: leaf2, which holds no route, and all behind")
    )


def test_packets_to_a_spine_without_routes_are_lost() -> None:
    with switch_farm(FABRIC, PLAN) as farm:
        inventory = Inventory(FABRIC.name, dict(farm.addresses))
        program(_without(PLAN, "spine1"), inventory)
        result = _judged(inventory)
    # Every leaf hashes over both spines: all 24 pairs between leaves can meet the one that drops them.
    assert (result.cut_off, result.present.lost) == (0, 24)
    assert _codes(result) == ["unreached", "switch-empty"]


@pytest.mark.parametrize("why", ["does not answer", "is not in the inventory"])
def test_a_spine_that_nobody_can_ask_is_named_with_those_who_send_there(running: Inventory, why: str) -> None:
    addresses = {name: each for name, each in running.addresses.items() if name != "spine1"}
    if why == "does not answer":
        addresses["spine1"] = NOWHERE
    result = _judged(replace(running, addresses=addresses))
    assert (result.cut_off, result.present.lost) == (18, 0)
    assert _codes(result) == ["switch-missing", "switch-empty"]
    # leaf2 has no routes, and so sends nothing.
    assert result.outside[:2] == (
        f"spine1, which {why}, and all behind",
        "what leaf0, leaf1 still send there",
    )


def test_a_dead_leaf_that_nobody_has_a_live_port_to_is_all_that_is_left_out() -> None:
    """Its neighbours have no light at the ports to it, and the way that is left is proven."""
    dark = {link.b.device: link.b.port for link in FABRIC.links if link.a.device == "leaf0"}
    with ExitStack() as stack:
        addresses = {"leaf0": NOWHERE}
        for switch in _without(PLAN, "leaf0").switches:
            booted = FakeSwitch(dict(planned_switch(switch).config))
            booted.oper_status = "down"  # of Ethernet0, unless it is in `up`
            booted.up = {port.name for port in switch.ports if port.is_enabled} - {dark.get(switch.name, "")}
            addresses[switch.name] = stack.enter_context(serving(booted))
        result = _judged(Inventory(FABRIC.name, addresses))
    assert (result.cut_off, result.present.lost) == (18, 0)
    assert result.outside == ("leaf0, which does not answer, and all behind",)
    assert {problem.severity for problem in result.problems} == {"warning"}


def test_ports_that_a_switch_lacks_are_named_and_its_routes_keep_their_ports() -> None:
    with ExitStack() as stack:
        addresses = {}
        for switch in PLAN.switches:
            config: dict[str, Any] = dict(planned_switch(switch).config)
            if switch.name == "leaf0":  # host0 hangs on the first port
                config["PORT"] = {name: row for name, row in config["PORT"].items() if name != "Ethernet0"}
            booted = FakeSwitch(config)
            booted.up = {port.name for port in switch.ports if port.is_enabled}
            addresses[switch.name] = stack.enter_context(serving(booted))
        result = _judged(Inventory(FABRIC.name, addresses))
    (missing,) = (each for each in result.problems if each.code == "port-missing")
    assert missing.message == "leaf0 has no port Ethernet0, where the fabric has a cable"
    # All that is lost is what 5 others send to host0.
    assert result.present.lost == 5


@pytest.mark.parametrize("lost", [("STATIC_ROUTE",), ("STATIC_ROUTE", "INTERFACE")])
@pytest.mark.parametrize(
    "foreign", [{}, {"default|198.51.100.0/24": {"nexthop": "192.0.2.1"}, "nonsense": {}}]
)
def test_a_programmed_switch_that_loses_its_routes_is_named(
    lost: tuple[str, ...], foreign: dict[str, dict[str, str]]
) -> None:
    """What it has left are its loopback and perhaps its own links, and what others wrote."""
    result = _with_leaf2({table: foreign if table == "STATIC_ROUTE" else {} for table in lost})
    (empty,) = (each for each in result.problems if each.code == "switch-empty")
    assert empty.severity == "error"
    if len(lost) == 1:
        assert empty.message == (
            "leaf2 holds no routes but to its own links: what comes there for hosts of others is lost"
        )
        # 2 hosts there do not reach the 4 elsewhere, which still reach them.
        assert (result.cut_off, result.present.lost) == (0, 8)
    else:
        assert empty.message.startswith("leaf2 holds no route: the fabric is judged with that cut off")
        assert (result.cut_off, result.present.lost) == (18, 0)


def test_a_programmed_leaf_without_light_is_not_said_to_be_empty() -> None:
    result = _with_leaf2({}, is_dark=True)
    assert "switch-empty" not in _codes(result)
    assert result.present.lost > 0


def test_a_lone_leaf_needs_no_route_but_those_of_its_links() -> None:
    fabric = loads(leaf_spine(leaves=1, spines=1, per_leaf=3))
    plan = make_plan(fabric, "ecmp")
    with ExitStack() as stack:
        addresses = {each.name: stack.enter_context(serving(_booted(each))) for each in plan.switches}
        result = verify_running(fabric, Inventory(fabric.name, addresses), PRESENT, silent)
    assert "switch-empty" not in _codes(result)
    assert result.present.lost == 0


def _booted(switch: SwitchPlan, tables: dict[str, Any] | None = None, is_dark: bool = False) -> FakeSwitch:
    booted = FakeSwitch(dict(planned_switch(switch).config) | (tables or {}))
    booted.oper_status = "down"
    booted.up = {port.name for port in switch.ports if port.is_enabled and not is_dark}
    return booted


def _with_leaf2(tables: dict[str, Any], is_dark: bool = False) -> Verification:
    """The fabric with other tables at one of its switches, or all of its ports without light."""
    with ExitStack() as stack:
        booted = {
            each.name: _booted(each, tables, is_dark) if each.name == "leaf2" else _booted(each)
            for each in PLAN.switches
        }
        addresses = {name: stack.enter_context(serving(each)) for name, each in booted.items()}
        return _judged(Inventory(FABRIC.name, addresses))


def test_where_nothing_is_programmed_the_result_says_so_and_nothing_else() -> None:
    with switch_farm(FABRIC, PLAN) as farm:
        inventory = Inventory(FABRIC.name, dict(farm.addresses))
        scope = replace(PRESENT, together=1)
        result = verify_running(FABRIC, inventory, scope, silent)
    lines = dict(line.split(":", 1) for line in text_of(result).splitlines()[:-1])
    assert lines["reach"].strip().startswith("0 of 30 pairs")
    assert lines["capacity"].strip() == "none: all pairs are cut off"
    assert lines["load"].strip() == "not judged: no pair has a way"
    assert (
        lines["failures"].strip().endswith("states, in which nothing is left to lose: all pairs are cut off")
    )
    assert not lines.keys() & {"cut off", "re-planning"}


def test_a_leaf_that_is_alone_makes_no_single_tier(running: Inventory) -> None:
    alone = replace(running, addresses={"leaf0": running.addresses["leaf0"]})
    text = text_of(_judged(alone))
    assert "2 of 30 pairs" in text
    assert "no leaf with hosts has uplinks that carry" in text
    assert "a single tier" not in text


def test_an_inventory_without_switches_says_how_many_are_missing(running: Inventory) -> None:
    with pytest.raises(InputError, match="no address for leaf0, leaf1, leaf2, spine0, spine1\n"):
        _judged(replace(running, addresses={}))
    larger = loads(leaf_spine(leaves=5, spines=2, per_leaf=2))
    with pytest.raises(InputError, match="no address for leaf0, leaf1, leaf2, leaf3, leaf4 and 2 more"):
        verify_running(larger, replace(running, addresses={}), PRESENT, silent)


def test_a_switch_that_the_fabric_lacks_is_told(running: Inventory, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(verify)
    fabric, inventory = tmp_path / "f.yaml", tmp_path / "inventory.json"
    fabric.write_text(TEXT)
    replace(running, addresses={**running.addresses, "leaf9": NOWHERE}).save(inventory)
    options = [str(fabric), "--running", "--failures", "0", "--inventory", str(inventory)]
    note = "has no switch leaf9, which the inventory has; nothing there is judged"
    assert note in CliRunner().invoke(app, options).stderr


def test_exit_code_3_stands_for_silence_and_1_for_what_is_found(running: Inventory, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(verify)
    fabric, inventory = tmp_path / "f.yaml", tmp_path / "inventory.json"
    fabric.write_text(TEXT)
    options = [str(fabric), "--running", "--failures", "0", "--inventory", str(inventory)]
    addresses = {**running.addresses, "leaf2": NOWHERE}
    replace(running, addresses=addresses).save(inventory)
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 3, result.output
    assert "\nok" not in result.stdout
    running.save(inventory)
    assert CliRunner().invoke(app, options).exit_code == 1


def test_where_no_switch_answers_nothing_is_judged(running: Inventory) -> None:
    with pytest.raises(UnreachableError, match="leaf0"):
        _judged(replace(running, addresses=dict.fromkeys(running.addresses, NOWHERE)))
