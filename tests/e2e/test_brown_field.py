"""A day with switches that somebody else set up: adopt, look, drain, be refused, roll back, undrain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

import raddle
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.tables import intended
from raddle.inventory import Inventory
from raddle.lab.switches.cabling import cabling
from raddle.nos.boot import BootConfig
from raddle.nos.farm import SwitchFarm

THEIRS = raddle.loads("""
raddle: 1
name: theirs
fabric:
  leaves: {count: 2, name: "muc-l{i}"}
  spines: {count: 2, name: "muc-s{i}"}
  uplinks: {cable: 21m}
hosts: {per_leaf: 2, name: "rack{i}"}
roce: {ecn: {kmin: 707KB, kmax: 2929KB, pmax: 11%}}
routing: {policy: ecmp, as_numbers: {leaves: 65200, spines: 65100, superspines: 65000}}
addressing: {hosts: 10.40.0.0/20, loopbacks: 10.41.0.0/24, underlay: 10.42.0.0/20}
""")
BESIDES: dict[str, dict[str, Any]] = {
    "NTP_SERVER": {"192.0.2.5": {}},
    "SYSLOG_SERVER": {"192.0.2.6": {}},
    "FEATURE": {"telemetry": {"state": "enabled", "auto_restart": "enabled"}},
    "LOOPBACK_INTERFACE": {"Loopback3": {}, "Loopback3|192.0.2.77/32": {}},
}


def their_switches() -> dict[str, dict[str, Any]]:
    plan = make_plan(THEIRS, "ecmp")
    configs: dict[str, dict[str, Any]] = json.loads(json.dumps({s.name: intended(s) for s in plan.switches}))
    for config in configs.values():
        for table, rows in BESIDES.items():
            config.setdefault(table, {}).update(rows)
        for place, fields in enumerate(config["PORT"].values()):
            fields["alias"] = f"fourhundredGigE1/{place}"
    return configs


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_brown_field_day(tmp_path: Path) -> None:
    plugged = cabling(THEIRS, make_plan(THEIRS, "ecmp"))
    configs = their_switches()
    boots = {name: BootConfig(config, {}) for name, config in configs.items()}
    where, file = tmp_path / "where.json", tmp_path / "ours.yaml"
    with SwitchFarm(boots, plugged.carriers, cables=plugged.cables, neighbors=plugged.neighbors) as farm:
        Inventory("ours", farm.addresses).save(where)
        at = ("--inventory", str(where))
        adopted = run("import", "sonic", *at, "-o", str(file))
        assert "adopted 4 switches, 4 hosts and 8 cables" in adopted.stdout, adopted.output
        assert run("apply", str(file), *at, "--dry-run").stdout.startswith("0 changes")
        before = held(farm)
        done = run("apply", str(file), *at)
        assert done.stdout.count("0 changes in 0 Sets, verified") == 4, done.output
        assert held(farm) == before
        verified = run("verify", str(file), *at)
        assert verified.exit_code == 0, verified.output + str(verified.exception)

        text = file.read_text()
        file.write_text(text + "overrides: {drain: [muc-s1]}\n")
        assert run("apply", str(file), *at).exit_code == 0
        drained = held(farm)
        assert {table for name in drained for table in changed(before[name], drained[name])} == {
            "STATIC_ROUTE"
        }
        assert not any(
            "Ethernet24" in route["ifname"].split(",") for route in drained["muc-l0"]["STATIC_ROUTE"].values()
        )

        file.write_text(text)
        assert run("apply", str(file), *at).exit_code == 0
        assert held(farm) == before


def held(farm: SwitchFarm) -> dict[str, dict[str, Any]]:
    found = {}
    for name, address in farm.addresses.items():
        with GnmiClient(name, address) as client:
            found[name] = client.read_config()
    return found


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {table for table in before.keys() | after.keys() if before.get(table) != after.get(table)}
