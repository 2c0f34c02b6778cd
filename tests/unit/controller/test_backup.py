"""The plan's answer to every single failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from typer.testing import CliRunner

import raddle
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.controller.plan.backup import Backup, backups
from raddle.controller.plan.replan import replanner
from raddle.lab.workloads.collective import collective_demand
from raddle.lab.workloads.ranks import Scope
from tests.fabrics import THREE_LEAVES

FABRIC = raddle.loads(THREE_LEAVES)


def by_failure(routing: str = "ecmp") -> dict[str, Backup]:
    demand = collective_demand(FABRIC, "all_reduce", None, Scope("strided")) if routing == "pinned" else None
    policy: Literal["ecmp", "pinned"] = "pinned" if routing == "pinned" else "ecmp"
    plan = make_plan(FABRIC, policy, demand)
    return {each.failure: each for each in backups(FABRIC, plan, replanner(FABRIC, plan, demand))}


def test_every_fabric_link_and_switch_has_a_backup() -> None:
    assert len(by_failure()) == 3 * 2 + 5


def test_a_dead_link_is_repaired_at_its_leaf_and_needs_the_controller_elsewhere() -> None:
    link = next(each for each in FABRIC.links if (each.a.device, each.b.device) == ("leaf0", "spine0"))
    backup = by_failure()[f"{link.a} - {link.b}"]
    at_leaf, at_spine = backup.alone
    assert (at_leaf.port, len(at_leaf.narrowed), at_leaf.gone) == (link.a, 2, ())
    assert (at_spine.port, at_spine.narrowed, len(at_spine.gone)) == (link.b, (), 1)
    # leaf1 and leaf2 must not send to spine0 what is for leaf0's hosts.
    assert {write.switch for write in backup.controller} == {"leaf1", "leaf2"}
    for write in backup.controller:
        assert len(write.before) == 2
        assert len(write.after) == 1


def test_a_dead_spine_is_repaired_without_the_controller() -> None:
    backup = by_failure()["spine1"]
    assert {repair.port.device for repair in backup.alone} == {"leaf0", "leaf1", "leaf2"}
    assert backup.controller == ()


def test_pins_over_a_dead_link_are_pinned_anew_and_others_stay() -> None:
    demand = collective_demand(FABRIC, "all_reduce", None, Scope("strided"))
    plan = make_plan(FABRIC, "pinned", demand)
    pins = {
        (switch.name, route.prefix): route.next_hops
        for switch in plan.switches
        for route in switch.routes
        if route.origin == "pin"
    }
    assert pins
    for backup in by_failure("pinned").values():
        gone = {(repair.port.device, prefix) for repair in backup.alone for prefix in repair.gone}
        moved = {(write.switch, write.prefix) for write in backup.controller if write.prefix.endswith("/32")}
        for key in moved - gone:
            # It leads to a spine that has lost its link to the destination.
            assert key in pins
            assert _leads_to_the_failure(backup, key, pins[key][0].port)


def _leads_to_the_failure(backup: Backup, pin: tuple[str, str], port: str) -> bool:
    switch, _ = pin
    link = next(each for each in FABRIC.links if (each.a.device, each.a.port) == (switch, port))
    lost = {repair.port.device for repair in backup.alone}
    return link.b.device in lost | {backup.failure}


def test_backups_are_written_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "backup.json"
    arguments = ["plan", "leaf-spine-16", "--routing", "ecmp", "--backup", str(file)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "24 failures, 4 of them repaired by the switches alone" in result.stderr
    failures = json.loads(file.read_text())["failures"]
    first = next(each for each in failures if each["failure"] == "leaf0:Ethernet32 - spine0:Ethernet0")
    assert [repair["port"] for repair in first["alone"]] == ["leaf0:Ethernet32", "spine0:Ethernet0"]
    assert {write["switch"] for write in first["controller"]} == {"leaf1", "leaf2", "leaf3"}
