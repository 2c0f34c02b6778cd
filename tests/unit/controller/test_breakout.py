"""A breakout on a running switch: a Set for the ports and all that names them; nothing dangles."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from finsy.proto import gnmi

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.reconcile import PushPolicy, SwitchResult, apply_plan
from raddle.controller.southbound.sonic.breakout import REFERENCES
from raddle.controller.southbound.sonic.sets import plan_push
from raddle.controller.southbound.sonic.tables import Tables, bootstrap, intended
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.topology.model import Fabric

WHOLE = """
raddle: 1
name: row
devices:
  tor: {{role: leaf, model: tomahawk5-64x800g{breakout}}}
  x: {{role: host, nics: {{count: 1, speed: 800G}}}}
{hosts}
links:
  - {{ends: ["x:eth0", "tor:Ethernet0"], speed: 800G, cable: 2m}}
{links}
"""
WHOLE_TEXT = WHOLE.format(
    breakout="",
    hosts="  y: {role: host, nics: {count: 1, speed: 800G}}",
    links='  - {ends: ["y:eth0", "tor:Ethernet16"], speed: 800G, cable: 2m}',
)
SPLIT_TEXT = WHOLE.format(
    breakout=", breakout: [{ports: 2, mode: 2x400G}]",
    hosts="  y: {role: host, nics: {count: 1, speed: 400G}}\n"
    "  z: {role: host, nics: {count: 1, speed: 400G}}",
    links='  - {ends: ["y:eth0", "tor:Ethernet16"], speed: 400G, cable: 2m}\n'
    '  - {ends: ["z:eth0", "tor:Ethernet20"], speed: 400G, cable: 2m}',
)


NO_WATCHDOG = "roce: {watchdog: none}\n"


def fabric(text: str) -> Fabric:
    return raddle.loads(text)


def plan(text: str) -> Plan:
    return make_plan(fabric(text), "ecmp")


def after(tables: Tables, request: gnmi.SetRequest) -> Tables:
    """CONFIG_DB after a Set: deletes, then updates."""
    document: Any = json.loads(json.dumps(tables))
    for path in request.delete:
        *parents, last = (elem.name.replace("~1", "/").replace("~0", "~") for elem in path.elem[2:])
        node = document
        for name in parents:
            node = node[name]
        del node[last]
    for update in request.update:
        *parents, last = (elem.name.replace("~1", "/").replace("~0", "~") for elem in update.path.elem[2:])
        node = document
        for name in parents:
            node = node[name]
        node[last] = json.loads(update.val.json_ietf_val)
    return document


def faults(tables: Tables) -> list[str]:
    """What SONiC's YANG models would refuse: a lane of two ports, a name of what is not there, no entry."""
    lanes = [lane for fields in tables["PORT"].values() for lane in fields["lanes"].split(",")]
    found = ["a lane of two ports"] * (len(lanes) != len(set(lanes)))
    for table, rows in tables.items():
        found += [f"{table} is empty"] * (not rows)
        for key, fields in rows.items():
            port = key.split("|")[0]
            if port.startswith("Ethernet") and port not in tables["PORT"]:
                found.append(f"{table}/{key} without its port")
            for name, value in fields.items():
                target = REFERENCES.get((table, name))
                if target and value not in tables[target]:
                    found.append(f"{table}/{key} names {value}")
    for port in tables["CABLE_LENGTH"]["AZURE"]:
        found += [f"cable of {port}"] * (port not in tables["PORT"])
    return found


@pytest.mark.parametrize(("first", "second"), [(WHOLE_TEXT, SPLIT_TEXT), (SPLIT_TEXT, WHOLE_TEXT)])
def test_after_every_set_of_a_breakout_the_configuration_is_whole(first: str, second: str) -> None:
    (old,), (new,) = plan(first).switches, plan(second).switches
    tables = {table: rows for table, rows in intended(old).items() if table != "PFC_WD"}
    push = plan_push(tables, {table: rows for table, rows in intended(new).items() if table != "PFC_WD"})
    assert len(push.requests) >= 1
    for request in push.requests:
        tables = after(tables, request)
        assert faults(tables) == []
    wanted = intended(new)["PORT"]
    assert {port: tables["PORT"][port]["lanes"] for port in wanted} == {
        port: fields["lanes"] for port, fields in wanted.items()
    }


def test_an_entry_that_names_what_only_a_new_boot_file_brings_waits_for_it() -> None:
    (old,) = plan(WHOLE_TEXT).switches
    tables = intended(old)
    held = {**tables, "BUFFER_POOL": {}, "BUFFER_PROFILE": {}, "BUFFER_PG": {}}
    push = plan_push(held, tables)
    assert {path.split("/")[0] for path in push.bootstrap} >= {"BUFFER_POOL", "BUFFER_PROFILE", "BUFFER_PG"}


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        (WHOLE_TEXT, SPLIT_TEXT, {"BUFFER_POOL", "BUFFER_PROFILE", "PFC_WD"}),
        # The updater lets nobody take a watchdog away on this HwSKU, so the two ports stay two.
        (SPLIT_TEXT, WHOLE_TEXT, {"BUFFER_POOL", "BUFFER_PROFILE", "PORT"}),
        (SPLIT_TEXT + NO_WATCHDOG, WHOLE_TEXT + NO_WATCHDOG, {"BUFFER_POOL", "BUFFER_PROFILE"}),
    ],
)
def test_a_simulated_switch_takes_a_breakout_while_it_runs(first: str, second: str, left: set[str]) -> None:
    """It checks by SONiC's YANG models. What it never changes while it runs needs a boot file."""
    before, then = plan(first), plan(second)
    with switch_farm(fabric(first), before) as farm:
        inventory = Inventory("row", dict(farm.addresses))
        assert all(result.is_in_sync for result in apply_plan(before, inventory))
        assert "Ethernet16" in result_of(then, inventory, PushPolicy()).held
        done = result_of(then, inventory, PushPolicy(allow_flap=True))
        assert done.error == ""
        assert {path.split("/")[0] for path in done.bootstrap} <= left
        again = result_of(then, inventory, PushPolicy(dry_run=True))
        assert {change.path for change in again.changes} == set(again.bootstrap)
        assert again.planned_sets == 0


def result_of(wanted: Plan, inventory: Inventory, policy: PushPolicy) -> SwitchResult:
    (result,) = apply_plan(wanted, inventory, policy)
    return result


def test_ports_of_a_switch_that_has_none_come_with_its_boot_file() -> None:
    (switch,) = plan(WHOLE_TEXT).switches
    tables = bootstrap(replace(switch)).config_db
    push = plan_push({}, tables)
    assert f"PORT/{switch.ports[0].name}" in push.bootstrap
