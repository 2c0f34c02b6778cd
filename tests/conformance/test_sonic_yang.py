"""What the SONiC driver writes is valid under SONiC's own YANG models, as libyang judges it."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest

from raddle.controller.plan import make_plan
from raddle.controller.southbound.sonic.tables import Tables, bootstrap, intended
from raddle.controller.southbound.sonic.yang import check_yang, yang_judge
from raddle.errors import InputError
from raddle.nos.db.patch import PatchError, PatchOp
from raddle.nos.switch import BootConfig, SimulatedSwitch
from raddle.topology import bundled_examples, load
from tests.fabrics import three_tiers

YANG = Path(__file__).parents[3] / "shared" / "sonic-yang"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not YANG.is_dir(), reason="SONiC's YANG models are not in ../shared/sonic-yang"),
    pytest.mark.skipif(
        not shutil.which("yanglint"), reason="yanglint is missing (Debian: libyang2-tools or libyang3-tools)"
    ),
]

FABRIC = """
raddle: 1
name: wide
models:
  wide: {{ports: {ports}, port_speed: 400G, lanes_per_port: 4, buffer: 108MiB}}
fabric:
  kind: leaf-spine
  leaves: {{count: 2, model: wide}}
  spines: {{count: 1, model: wide}}
hosts: {{per_leaf: 8}}
addressing: {{hosts: 10.0.0.0/16, loopbacks: 10.255.0.0/20, underlay: 172.16.0.0/14}}
"""


def tables_of(example: str, role: str) -> Tables:
    plan = make_plan(load(bundled_examples()[example]), "ecmp")
    return copy.deepcopy(intended(next(each for each in plan.switches if each.role == role)))


LARGE = {"fat-tree-65536", "multi-plane-16384", "multi-plane-32768", "clos-8192", "npu-768-910c"} | {
    "three-tier-24576",
    "dual-plane-30720",
    "rail-tree-12288",
    "three-networks-2048",
    "two-tier-131072",
    "multi-plane-131072",
}
"""Fabrics with too many switches to check them all: one of each tier is; the others differ in addresses."""


@pytest.mark.parametrize("example", sorted(set(bundled_examples()) - LARGE))
def test_every_switch_of_a_bundled_fabric_is_valid_sonic(example: str) -> None:
    plan = make_plan(load(bundled_examples()[example]), "ecmp")
    check_yang({each.name: intended(each) for each in plan.switches}, YANG)


@pytest.mark.parametrize("example", ["clos-8192", "multi-plane-16384", "three-tier-24576"])
def test_a_switch_of_each_tier_of_a_large_fabric_is_valid_sonic(example: str) -> None:
    plan = make_plan(load(bundled_examples()[example]), "ecmp")
    of_tier = {each.role: each for each in plan.switches}
    check_yang({each.name: intended(each) for each in of_tier.values()}, YANG)


@pytest.mark.parametrize(
    "addressing",
    ["families: ipv6", "families: dual", "links: unnumbered", "families: ipv6, links: unnumbered"],
)
def test_a_switch_of_each_of_three_tiers_is_valid_sonic(addressing: str, tmp_path: Path) -> None:
    file = tmp_path / "tiers.yaml"
    file.write_text(three_tiers(superspines=2, more=f"addressing: {{{addressing}}}\n"))
    of_tier = {each.role: each for each in make_plan(load(file), "ecmp").switches}
    assert len(of_tier) == 3
    check_yang({each.name: intended(each) for each in of_tier.values()}, YANG)


@pytest.mark.parametrize("ports", [64, 128])
def test_switches_of_64_and_128_ports_of_400G_are_valid_sonic(ports: int, tmp_path: Path) -> None:
    file = tmp_path / "wide.yaml"
    file.write_text(FABRIC.format(ports=ports))
    plan = make_plan(load(file), "ecmp")
    assert {len(each.ports) for each in plan.switches} == {ports}
    check_yang({plan.switches[0].name: intended(plan.switches[0])}, YANG)


def test_bootstrap_is_valid_before_anything_is_pushed() -> None:
    plan = make_plan(load(bundled_examples()["leaf-spine-16"]), "ecmp")
    check_yang({"leaf0": bootstrap(plan.switches[0]).config_db}, YANG)


@pytest.mark.parametrize(
    ("table", "key", "field", "value", "message"),
    [
        ("BUFFER_PG", "Ethernet0|3", "profile", "no_such_profile", "no_such_profile"),
        ("PORT", "Ethernet0", "sped", "400000", "sped"),
        ("PORT", "Ethernet0", "mtu", "20000", "20000"),
        ("PORTS", "Ethernet0", "speed", "400000", "leaf0: table PORTS has no YANG model"),
    ],
)
def test_a_mistake_is_told_with_the_switch(
    table: str, key: str, field: str, value: str, message: str
) -> None:
    tables = tables_of("leaf-spine-16", "leaf")
    tables.setdefault(table, {}).setdefault(key, {})[field] = value
    with pytest.raises(InputError, match=message) as caught:
        check_yang({"leaf0": tables}, YANG)
    assert "error[sonic-yang]: leaf0: " in str(caught.value)


def test_a_switch_judges_a_table_that_it_only_holds_by_the_models() -> None:
    plan = make_plan(load(bundled_examples()["leaf-spine-16"]), "ecmp")
    held = {"FEATURE": {"lldp": {"state": "enabled", "auto_restart": "enabled"}}}
    config = bootstrap(plan.switches[0]).config_db | held
    switch = SimulatedSwitch("leaf0", BootConfig(config, {}), frozenset(), yang=yang_judge(YANG))
    assert switch.held_tables == ("FEATURE",)
    assert switch.held_problems() == ()
    switch.apply_patch([PatchOp("replace", ("FEATURE", "lldp", "auto_restart"), "disabled")])
    with pytest.raises(PatchError, match=r"Data Loading Failed(.|\n)*no_such_leaf"):
        switch.apply_patch([PatchOp("add", ("FEATURE", "lldp", "no_such_leaf"), "1")])


METER = {"meter_type": "packets", "mode": "sr_tcm", "cir": "600", "cbs": "600", "red_action": "drop"}


def test_tables_of_odd_forms_are_judged_too() -> None:
    tables = bootstrap(make_plan(load(bundled_examples()["leaf-spine-16"]), "ecmp").switches[0]).config_db | {
        "COPP_GROUP": {"of_bgp": {"trap_action": "trap", "trap_priority": "4", "queue": "4", **METER}},
        "COPP_TRAP": {"bgp": {"trap_ids": "bgp,bgpv6", "trap_group": "of_bgp"}},
        "MGMT_PORT": {"eth0": {"alias": "eth0", "admin_status": "up"}},
        "NTP": {"global": {"src_intf": "eth0;Loopback0"}},
        "LOOPBACK_INTERFACE": {"Loopback0": {}},
    }
    check_yang({"leaf0": tables}, YANG)
    tables["NTP"]["global"]["src_intf"] = "eth0;Loopback7000000000000"
    with pytest.raises(InputError) as caught:
        check_yang({"leaf0": tables}, YANG)
    assert "Loopback7000000000000" in str(caught.value)
    assert "warn" not in str(caught.value)


def test_a_folder_without_models_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-yang-models"):
        check_yang({}, tmp_path)
