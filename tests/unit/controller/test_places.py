"""Problems that only a plan finds have their line in the fabric file."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import raddle
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.errors import InputError
from raddle.lab.workloads.collective import collective_demand
from raddle.lab.workloads.ranks import Scope
from raddle.topology.yaml.source import parse
from tests.fabrics import leaf_spine

FABRIC = """raddle: 1
name: pod
models:
  box: {ports: 32, port_speed: 400G, lanes_per_port: 8, buffer: BUFFER,
        tables: {prefix_routes: ROUTES, host_routes: PINS}}
fabric: {leaves: {count: 4, model: box}, spines: {count: 2, model: box}}
hosts: {per_leaf: 2}
routing: {policy: pinned,
          pins: CARRIER}
"""


@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        ({"BUFFER": "1MiB"}, "4:65", "headroom-exceeds-buffer"),
        ({"ROUTES": "1"}, "5:9", "table-too-small"),
        ({"PINS": "1"}, "9:17", "pins-exceed-table"),
        ({"CARRIER": "policy-route"}, "9:17", "carrier-not-supported"),
    ],
)
def test_what_a_plan_refuses_has_its_line_in_the_fabric_file(
    tmp_path: Path, change: dict[str, str], where: str, code: str
) -> None:
    text = FABRIC
    usual = {"BUFFER": "64MiB", "ROUTES": "100", "PINS": "100", "CARRIER": "host-route"}
    for word, value in {**usual, **change}.items():
        text = text.replace(word, value)
    file = tmp_path / "pod.yaml"
    file.write_text(text)
    fabric = raddle.load(file)
    demand = collective_demand(fabric, "all_to_all", None, Scope("linear"))
    with pytest.raises(InputError) as caught:
        make_plan(fabric, "pinned", demand)
    assert str(caught.value).startswith(f"{file}:{where}: error[{code}]")


@pytest.mark.parametrize(
    ("line", "where", "code"),
    [
        # 15 links of two addresses fit into 32; 5 leaves with a block of 8 each do not.
        ("addressing: {hosts: 10.0.0.0/27}", "5:21", "pool-too-small"),
        (
            "addressing: {families: dual, ipv6: {hosts: 'fd00::/123'}}",
            "5:44",
            "pool-too-small",
        ),
        ("roce: {headroom: {pool: 4KiB}}", "5:25", "headroom-pool-too-small"),
    ],
)
def test_what_validate_and_a_plan_find_behind_the_file_has_its_line(
    tmp_path: Path, line: str, where: str, code: str
) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(leaf_spine(5, 2, 3, f"{line}\n"))
    fabric = raddle.load(file)
    said = CliRunner().invoke(app, ["validate", str(file)]).exception
    with pytest.raises(InputError) as caught:
        make_plan(fabric, "ecmp")
    for each in (said, caught.value):
        assert str(each).startswith(f"{file}:{where}: error[{code}]")


BONDS = """raddle: 1
name: pod
fabric: {kind: rail-optimized, tors: 2, leaves: {count: 2}, spines: {count: 2}}
hosts:
  per_leaf: 2
  nics: {ports: 2,
         bond: true}
"""


def test_pins_to_bonds_are_refused_at_the_bond(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(BONDS)
    fabric = raddle.load(file)
    with pytest.raises(InputError, match=r"pod.yaml:7:16: error\[form-not-planned\]"):
        make_plan(fabric, "pinned", collective_demand(fabric, "all_to_all", None, Scope("linear")))


def test_a_list_is_placed_at_the_first_item_that_has_what_is_meant() -> None:
    source = parse("hosts:\n- {nics: {ports: 2}}\n- nics:\n    bond: true\n", "pod.yaml")
    assert str(source.span(("hosts", "*", "nics", "bond"))) == "pod.yaml:4:11"
    assert str(source.span(("hosts", "*", "accelerators"))) == "pod.yaml:1:1"
    lone = parse("hosts:\n  nics: {bond: true}\n", "pod.yaml")
    assert str(lone.span(("hosts", "*", "nics", "bond"))) == "pod.yaml:2:16"


def test_a_load_above_what_is_asked_has_the_line_of_the_uplinks(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(leaf_spine(2, 1, 3))
    asked = ("--routing", "ecmp", "--failures", "0", "--max-load", "100%")
    result = CliRunner().invoke(app, ["verify", str(file), *asked])
    assert result.exit_code == 1
    assert f"{file}:3:1: error[link-overloaded]" in result.stderr


def test_a_fabric_without_a_file_has_no_lines() -> None:
    text = FABRIC.replace("BUFFER", "1MiB").replace("ROUTES", "9").replace("PINS", "9")
    with pytest.raises(InputError) as caught:
        make_plan(raddle.loads(text.replace("CARRIER", "auto")), "ecmp")
    assert str(caught.value).startswith("error[headroom-exceeds-buffer]")
