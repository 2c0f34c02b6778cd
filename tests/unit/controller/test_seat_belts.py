"""The right switch, and only what is ours: before and while a controller writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

import raddle
from raddle.cli.apply import apply, in_band
from raddle.cli.drift import drift
from raddle.cli.status import status
from raddle.controller.plan import make_plan
from raddle.controller.plan.summary import summarize_change
from raddle.controller.southbound.sonic.tables import bootstrap
from raddle.errors import InputError
from raddle.inventory import Inventory
from tests.fabrics import leaf_spine
from tests.unit.controller.fake_switch import FakeSwitch, serving

APP = typer.Typer()
for command in (apply, status, drift):
    APP.command()(command)

TEXT = leaf_spine(per_leaf=3, more="routing: {policy: ecmp}\n", name="hall")
PLAN = make_plan(raddle.loads(TEXT), "ecmp")
FREE = next(port.name for port in PLAN.switches[0].ports if not port.peer)
THEIRS: dict[str, dict[str, Any]] = {
    "INTERFACE": {
        "Ethernet0": {},
        "Ethernet0|192.0.2.0/31": {},
        FREE: {},
        f"{FREE}|192.0.2.8/31": {},
    },
    "LOOPBACK_INTERFACE": {"Loopback7": {}, "Loopback7|192.0.2.64/32": {}},
    "STATIC_ROUTE": {
        "default|0.0.0.0/0": {"nexthop": "192.0.2.9", "ifname": FREE},
        "default|198.51.100.0/24": {"nexthop": "192.0.2.1", "ifname": "Ethernet0"},
        "mgmt|0.0.0.0/0": {"nexthop": "203.0.113.1", "ifname": "eth0"},
    },
    "BGP_NEIGHBOR": {"192.0.2.1": {"asn": "65100"}},
    "NTP_SERVER": {"203.0.113.5": {}},
    "SYSLOG_SERVER": {"203.0.113.6": {}},
}


class Hall:
    """The fabric's switches, booted, their inventory, and leaf0 as somebody has left it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.file, self.inventory = folder / "hall.yaml", folder / "hall.json"
        self.file.write_text(TEXT)
        self.switches = {each.name: FakeSwitch(bootstrap(each).config_db) for each in PLAN.switches}
        self.addresses = {name: stack.enter_context(serving(each)) for name, each in self.switches.items()}
        self.locate(self.addresses)

    def locate(self, addresses: dict[str, str]) -> None:
        Inventory("hall", addresses).save(self.inventory)

    def run(self, verb: str, *options: str) -> Result:
        return CliRunner().invoke(APP, [verb, str(self.file), "--inventory", str(self.inventory), *options])

    @property
    def sent(self) -> int:
        return sum(len(switch.requests) for switch in self.switches.values())


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    with ExitStack() as stack:
        yield Hall(tmp_path, stack)


def grown(hall: Hall) -> dict[str, Any]:
    """leaf0 with entries of others; returns a copy of its configuration."""
    config = hall.switches["leaf0"].config
    for table, entries in THEIRS.items():
        config.setdefault(table, {}).update(entries)
    config["PORT"][FREE]["admin_status"] = "up"
    copy: dict[str, Any] = json.loads(json.dumps(config))
    return copy


def test_two_addresses_that_are_swapped_are_refused_before_anything_is_sent(hall: Hall) -> None:
    swapped = {**hall.addresses, "leaf0": hall.addresses["leaf1"], "leaf1": hall.addresses["leaf0"]}
    hall.locate(swapped)
    refused = hall.run("apply").exception
    assert isinstance(refused, InputError)
    assert [each.code for each in refused.diagnostics] == ["wrong-switch"] * 2
    assert "is another switch: its hostname is 'leaf1', not 'leaf0'; its MAC address" in str(refused)
    assert "that of leaf1" in str(refused)
    assert hall.sent == 0
    seen = hall.run("status")
    assert seen.stdout.count("failed") == 2
    assert "is another switch" in str(seen.exception)


@pytest.mark.parametrize(("name", "value"), [("hwsku", "Other-C64"), ("platform", "x86_64-other-r0")])
def test_a_box_of_another_kind_is_refused_unless_it_is_accepted(hall: Hall, name: str, value: str) -> None:
    hall.switches["spine1"].config["DEVICE_METADATA"]["localhost"][name] = value
    refused = hall.run("apply").exception
    assert f"its {name} is '{value}', not '" in str(refused)
    assert "give --accept-identity spine1" in str(refused)
    assert hall.sent == 0
    seen = hall.run("status")
    assert "is another switch" in str(seen.exception)
    assert "--take-over" not in seen.output
    unknown = hall.run("apply", "--accept-identity", "spine9").exception
    assert "error[unknown-switch]: fabric 'hall' has no switch 'spine9'" in str(unknown)
    assert hall.run("apply", "--accept-identity", "spine1").exception is None or hall.sent > 0


def test_a_switch_of_the_inventory_that_the_fabric_lacks_is_named(hall: Hall) -> None:
    hall.locate({**hall.addresses, "leaf9": "127.0.0.1:1"})
    done = hall.run("apply")
    assert done.exit_code == 0
    assert "note: fabric 'hall' has no switch leaf9, which the inventory has; nothing is sent" in done.stderr
    for verb in ("status", "drift"):
        assert "has no switch leaf9, which the inventory has; nothing there is comp" in hall.run(verb).stderr


def test_take_over_leaves_routes_of_vrfs_alone(hall: Hall) -> None:
    route = {"nexthop": "192.0.2.1", "ifname": "Ethernet0"}
    hall.switches["leaf0"].config["STATIC_ROUTE"] = {"Vrf-red|198.51.100.0/24": route}
    assert hall.run("apply", "--take-over").exit_code == 0
    assert hall.switches["leaf0"].config["STATIC_ROUTE"]["Vrf-red|198.51.100.0/24"] == route


def test_a_box_that_was_swapped_for_another_is_noticed(hall: Hall) -> None:
    assert hall.run("apply").exit_code == 0
    hall.switches["leaf1"].config["DEVICE_METADATA"]["localhost"]["mac"] = "02:aa:00:00:00:01"
    refused = hall.run("apply").exception
    assert "its mac is 02:aa:00:00:00:01; at the last apply it was 02:00:00:00:00:01" in str(refused)
    hall.run("apply", "--accept-identity", "leaf1")
    assert not isinstance(hall.run("apply").exception, InputError)


def test_a_switch_that_hears_no_neighbour_of_the_plans_is_refused(hall: Hall) -> None:
    uplink = next(port.name for port in PLAN.switches[0].ports if port.peer.startswith("spine0"))
    leaf = hall.switches["leaf0"]
    leaf.heard = {uplink: {"lldp_rem_sys_name": "core7"}}
    assert f"it hears core7 at {uplink}, where spine0 should be" in str(hall.run("apply").exception)
    leaf.heard = {uplink: {"lldp_rem_sys_name": "Spine0.hall.example"}}
    assert hall.run("apply").exit_code == 0


def test_what_raddle_never_wrote_stays_and_is_told(hall: Hall) -> None:
    before = grown(hall)
    dry = hall.run("drift")
    assert "- leaf0" not in dry.stdout
    done = hall.run("apply")
    assert done.exit_code == 0
    assert "leaf0: 7 entries that raddle never wrote stay" in done.stderr
    after = hall.switches["leaf0"].config
    for table, entries in THEIRS.items():
        assert {key: after[table][key] for key in entries} == entries
    assert after["PORT"][FREE] == before["PORT"][FREE]
    assert hall.run("status").exit_code == 0


def test_what_raddle_wrote_goes_when_the_plan_wants_it_no_more(hall: Hall) -> None:
    grown(hall)
    hall.run("apply")
    routes = set(hall.switches["spine1"].config["STATIC_ROUTE"])
    hall.file.write_text(TEXT + "overrides: {drain: [spine1]}\n")
    assert hall.run("apply").exit_code == 0
    assert routes
    assert "STATIC_ROUTE" not in hall.switches["spine1"].config
    assert hall.switches["leaf0"].config["STATIC_ROUTE"].keys() >= THEIRS["STATIC_ROUTE"].keys()


def test_take_over_deletes_what_is_of_the_fabrics_ports_and_nothing_else(hall: Hall) -> None:
    grown(hall)
    done = hall.run("apply", "--take-over")
    assert done.exit_code == 0
    assert "leaf0: 5 entries that raddle never wrote stay" in done.stderr
    assert "not of the fabric's ports, or ignored by the fabric file" in done.stderr
    assert "raddle apply --take-over" not in done.stderr
    after = hall.switches["leaf0"].config
    gone = {(table, key) for table, rows in THEIRS.items() for key in rows if key not in after.get(table, {})}
    assert gone == {("INTERFACE", "Ethernet0|192.0.2.0/31"), ("STATIC_ROUTE", "default|198.51.100.0/24")}
    assert after["PORT"][FREE]["admin_status"] == "up"


@pytest.mark.parametrize(
    ("fields", "is_of_fabric"),
    [
        ({"nexthop": "192.0.2.1"}, True),
        ({"nexthop": "192.0.2.9"}, False),
        ({"nexthop": "203.0.113.1"}, False),
        ({"nexthop": "192.0.2.1,192.0.2.9"}, False),
        ({"nexthop": "192.0.2.9,192.0.2.1", "ifname": f"{FREE},Ethernet0"}, False),
        ({"nexthop": "nonsense"}, False),
        ({"blackhole": "true"}, False),
    ],
)
def test_a_route_without_a_port_is_of_those_whose_networks_its_next_hops_are_in(
    hall: Hall, fields: dict[str, str], is_of_fabric: bool
) -> None:
    """That of a port outside the fabric, or of the management port, is not taken over."""
    config = hall.switches["leaf0"].config
    interfaces = {FREE: {}, f"{FREE}|192.0.2.8/31": {}, "Ethernet0|192.0.2.0/31": {}}
    config.setdefault("INTERFACE", {}).update(interfaces)
    config["STATIC_ROUTE"] = {"default|0.0.0.0/0": fields}
    config["MGMT_INTERFACE"] = {"eth0|203.0.113.9/24": {"gwaddr": "203.0.113.1"}}
    assert hall.run("apply", "--take-over").exit_code == 0
    left = hall.switches["leaf0"].config["STATIC_ROUTE"]
    assert ("default|0.0.0.0/0" not in left) == is_of_fabric


def test_ignored_entries_are_touched_by_nothing(hall: Hall) -> None:
    hall.file.write_text(TEXT + 'ignore: ["STATIC_ROUTE/default|198.*", "leaf0:WRED_PROFILE/*"]\n')
    grown(hall)
    wred = hall.switches["leaf0"].config["WRED_PROFILE"]
    done = hall.run("apply", "--take-over")
    after = hall.switches["leaf0"].config
    assert "default|198.51.100.0/24" in after["STATIC_ROUTE"]
    assert after["WRED_PROFILE"] == wred
    assert hall.switches["leaf1"].config["WRED_PROFILE"] != wred
    assert "198.51.100.0" not in done.stderr


BASE = "base: [{tables: {NTP_SERVER: {192.0.2.5: {}}}}]\n"
MANAGEMENT = "management: {gateway: 192.0.2.1, switches: {leaf0: {address: 192.0.2.10/24}}}\n"


@pytest.mark.parametrize("verb", ["apply", "status", "drift"])
@pytest.mark.parametrize(
    ("text", "sections", "said"),
    [
        (BASE + MANAGEMENT, ["base", "management"], "'base' and 'management' of the fabric file are not"),
        (BASE, ["base"], "'base' of the fabric file is not compared or pushed"),
        ("", [], ""),
    ],
)
def test_what_switches_only_boot_with_is_said_not_to_be_compared_once(
    hall: Hall, verb: str, text: str, sections: list[str], said: str
) -> None:
    hall.file.write_text(TEXT + text)
    assert json.loads(hall.run(verb, "--json").stdout)["not_compared"] == sections
    printed = hall.run(verb).stderr
    assert printed.count("not compared or pushed") == bool(sections)
    assert said in printed


@pytest.mark.parametrize(
    ("table", "rule", "is_told"),
    [
        ({"type": "L3", "ports": ["Ethernet0"]}, {"PACKET_ACTION": "DROP", "SRC_IP": "10.0.0.0/8"}, True),
        ({"type": "L3", "ports": ["Ethernet0"]}, {"PACKET_ACTION": "FORWARD"}, False),
        ({"type": "L3", "ports": ["Ethernet0"]}, {"PACKET_ACTION": "DROP", "ETHER_TYPE": "0x88cc"}, False),
        ({"type": "L3"}, {"PACKET_ACTION": "DROP"}, False),
        ({"type": "CTRLPLANE", "services": ["SSH"]}, {"PACKET_ACTION": "DROP"}, False),
    ],
)
def test_a_rule_that_drops_packets_is_told_by_status_too(
    hall: Hall, table: dict[str, Any], rule: dict[str, str], is_told: bool
) -> None:
    """`verify --running` names it; a push leaves it alone."""
    hall.run("apply")
    config = hall.switches["spine1"].config
    config |= {"ACL_TABLE": {"EDGE": table}, "ACL_RULE": {"EDGE|r1": {"PRIORITY": "9", **rule}}}
    for verb in ("status", "drift", "apply"):
        done = hall.run(verb)
        assert ("spine1: ACL_RULE/EDGE|r1, which others wrote, drop" in done.stderr) == is_told
        assert done.exit_code == 0
    hall.file.write_text(TEXT + "ignore: ['ACL_RULE/EDGE*']\n")
    assert "ACL_RULE" not in hall.run("status").stderr
    assert config["ACL_RULE"] == {"EDGE|r1": {"PRIORITY": "9", **rule}}


def test_what_no_push_does_is_told_by_a_dry_run_and_by_the_push(hall: Hall) -> None:
    """A host more for each leaf, without room kept for it: uplinks move by a port."""
    assert "by hand" not in hall.run("apply").stderr
    hall.file.write_text(TEXT.replace("per_leaf: 3", "per_leaf: 4"))
    new = make_plan(raddle.load(hall.file), "ecmp")
    moves = summarize_change(PLAN, new).cables_moved
    assert moves > 1
    for options in (["--dry-run"], ["--allow-flap"]):
        assert f"note: by hand: {moves} cables move to other ports: " in hall.run("apply", *options).stderr
    assert json.loads(hall.run("apply", "--dry-run", "--json").stdout)["by_hand"] == []


def test_a_switch_that_hashes_otherwise_than_planned_is_named_and_can_be_ignored(hall: Hall) -> None:
    """What pins, collisions and simulations assume of it is not so."""
    assert "in sync" in hall.run("apply").stdout + hall.run("status").stdout
    hall.switches["spine1"].hashing = {"ecmp_hash_seed": "10", "ecmp_hash_offset": "10"}
    seen = hall.run("status")
    assert seen.exit_code == 1
    assert "spine1       1 difference, the first: SWITCH_TABLE/switch" in seen.stdout
    assert "! spine1 SWITCH_TABLE/switch needs its switch.json" in hall.run("drift").stdout
    sent, applied = hall.sent, hall.run("apply")
    assert (applied.exit_code, hall.sent) == (1, sent)
    assert "spine1: 1 entry cannot be changed over gNMI, the first SWITCH_TABLE/switch" in applied.stderr
    assert "give it its switch.json: 'raddle render --switch spine1" in applied.stderr
    hall.file.write_text(TEXT + 'ignore: ["spine1:SWITCH_TABLE/*"]\n')
    assert hall.run("apply").exit_code == 0
    hall.file.write_text(TEXT.replace("ecmp}", "ecmp, hash: {seed: sonic, offset: sonic}}"))
    assert hall.run("apply").exit_code == 0


def test_switches_that_are_reached_through_the_fabric_are_warned_of(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a push cuts off there cannot be put back, as SONiC has no commit that undoes itself over gNMI."""
    loopback = next(each for each in PLAN.switches[0].interfaces if each.name == "Loopback0")
    own = loopback.prefix.partition("/")[0]
    inventory = Inventory("hall", {"leaf0": f"{own}:8080", "leaf1": "192.0.2.9:8080"})
    assert in_band(PLAN, inventory) == ("leaf0",)
    assert "warning" not in hall.run("apply").stderr
    monkeypatch.setattr("raddle.cli.apply.in_band", lambda plan, where: in_band(plan, inventory))
    said = hall.run("apply").stderr
    assert "warning: leaf0 is reached through the fabric that this changes" in said
