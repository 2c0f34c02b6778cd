"""Switches boot with the files that are rendered for their first day, and are programmed then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.inventory import Inventory
from raddle.nos.boot import BootConfig
from raddle.nos.farm import SwitchFarm
from tests.fabrics import leaf_spine

MANAGED = """
routing: {policy: ecmp, hash: {seed: sonic, offset: sonic}}
management:
  gateway: 192.0.2.1
  switches: {leaf0: {address: 192.0.2.10/24}, leaf1: {address: 192.0.2.11/24}}
"""


def programmed(folder: Path, more: dict[str, Any]) -> None:
    """Render, boot with that and `more`, apply; leaves, which need no switch.json, are in sync."""
    file, inventory = folder / "hall.yaml", folder / "hall.json"
    file.write_text(leaf_spine(more=MANAGED, name="hall"))
    run = CliRunner().invoke
    rendered = json.loads(run(app, ["render", str(file), "--bootstrap"]).stdout)
    boots = {name: BootConfig({**tables, **more}, {}) for name, tables in rendered.items()}
    carriers = {name: frozenset(tables["PORT"]) for name, tables in rendered.items()}
    with SwitchFarm(boots, carriers) as farm:
        Inventory("hall", farm.addresses).save(inventory)
        run(app, ["apply", str(file), "--inventory", str(inventory)])
        status = json.loads(run(app, ["status", str(file), "--inventory", str(inventory), "--json"]).stdout)
        leaves = [each for each in status["switches"] if each["switch"].startswith("leaf")]
        assert [(each["state"], each["changes"]) for each in leaves] == [("in sync", [])] * 2
        held = farm.switches["leaf0"].databases.config
        assert held["MGMT_INTERFACE"].keys() == {"eth0|192.0.2.10/24"}
        assert not more.keys() & held.keys()


def test_a_switch_with_a_management_address_takes_the_plan(tmp_path: Path) -> None:
    programmed(tmp_path, {})


def test_a_table_without_entries_is_none_and_does_not_keep_a_switch_from_taking_the_plan(
    tmp_path: Path,
) -> None:
    programmed(tmp_path, {"TACPLUS_SERVER": {}, "VLAN": {}})
