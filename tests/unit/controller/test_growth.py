"""Numbers that stay: the allocation record, reservations, and what a change of plan is summed up as."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle import InputError, load, loads
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.plan.summary import Summary, summarize_change
from raddle.topology import find
from tests.fabrics import leaf_spine

ROOM = "reserve: {leaves: 6, spines: 4, hosts_per_leaf: 5}\n"
RECORD = "record: row.json\n"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(leaves: int, spines: int, hosts: int, more: str = "") -> Path:
        path = tmp_path / "row.yaml"
        path.write_text(leaf_spine(leaves, spines, hosts, more, name="row"))
        return path

    return write


def plan_command(path: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["plan", str(path), "--routing", "ecmp", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def change(write: Write, old: tuple[int, int, int], new: tuple[int, int, int], more: str) -> Summary:
    """What `plan` makes of one row after another."""
    plan_command(write(*old, more))
    before = make_plan(load(write(*old, more)), "ecmp")
    return summarize_change(before, make_plan(load(write(*new, more)), "ecmp"))


@pytest.mark.parametrize("more", [RECORD, ROOM, RECORD + ROOM])
@pytest.mark.parametrize(
    ("old", "new", "cables"),
    [
        ((3, 3, 3), (3, 3, 4), 3),  # a host on each leaf
        ((3, 3, 4), (4, 3, 4), 4 + 3),  # a leaf with its hosts and uplinks
        ((3, 3, 4), (3, 4, 4), 3),  # a spine
    ],
)
def test_a_row_that_grows_only_gets_more(
    write: Write, old: tuple[int, int, int], new: tuple[int, int, int], cables: int, more: str
) -> None:
    found = change(write, old, new, more)
    assert found.cables_added == cables
    assert (found.cables_moved, found.cables_removed, found.links_readdressed) == (0, 0, 0)
    assert (found.endpoints_readdressed, found.switches_renumbered) == (0, ())


def test_without_either_the_summary_says_what_it_costs(write: Write) -> None:
    # One host more on each of 3 leaves pushes all 9 uplinks to the next port; 3 hosts of leaf1 and leaf2
    # each are named anew, so that 4 cables of NICs go to other leaves and 2 to other ports.
    found = change(write, (3, 3, 3), (3, 3, 4), "")
    assert found.cables_moved == 9 + 6
    assert (found.cables_added, found.endpoints_added) == (3, 3)
    assert found.endpoints_readdressed == 6


def test_plan_diff_begins_with_ten_lines(write: Write, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    plan_command(write(2, 2, 2, RECORD), "-o", str(old))
    lines = plan_command(write(3, 2, 2, RECORD), "--diff", str(old)).splitlines()
    assert lines[10] == ""
    assert lines[:6] == [
        "switches: 1 added (leaf2), 0 removed",
        "endpoints: 2 added, 0 removed",
        "endpoints with another address: 0",
        "cables: 4 added, 0 removed",
        "cables to move to other ports: 0",
        "links between switches with other addresses: 0",
    ]
    document = json.loads(plan_command(write(3, 2, 2, RECORD), "--diff", str(old), "--json"))
    assert document["summary"]["switches_added"] == ["leaf2"]


def test_numbers_of_what_is_gone_are_free_again_after_release(write: Write, tmp_path: Path) -> None:
    def loopback(name: str) -> str:
        plan = make_plan(load(tmp_path / "row.yaml"), "ecmp")
        switch = next(each for each in plan.switches if each.name == name)
        return switch.interfaces[-1].prefix

    plan_command(write(3, 2, 2, RECORD))
    plan_command(write(2, 2, 2, RECORD))
    write(2, 3, 2, RECORD)
    assert loopback("spine2") == "10.255.0.5/32"  # .2 is leaf2's, .3 and .4 are spines'
    plan_command(write(2, 2, 2, RECORD), "--release")
    assert "leaf2" not in (tmp_path / "row.json").read_text()
    write(2, 3, 2, RECORD)
    assert loopback("spine2") == "10.255.0.2/32"


def test_a_full_pool_gives_out_what_is_gone(write: Write) -> None:
    small = RECORD + "addressing: {loopbacks: 10.255.0.0/30}\n"
    plan_command(write(2, 2, 2, small))
    plan_command(write(1, 2, 2, small))
    plan_command(write(1, 3, 2, small))  # spine2 has leaf1's loopback, its record goes
    assert plan_command(write(1, 3, 2, small))
    with pytest.raises(InputError, match="pool-too-small"):
        load(write(2, 3, 2, small))


def test_a_record_that_is_edited_is_followed(write: Write, tmp_path: Path) -> None:
    plan_command(write(2, 2, 2, RECORD))
    record = tmp_path / "row.json"
    edited = (
        record.read_text()
        .replace("10.255.0.3", "10.255.9.9")
        .replace("02:00:00:00:00:03", "aa:bb:cc:00:00:01")
    )
    record.write_text(edited.replace("spine1:Ethernet8", "spine1:Ethernet240"))
    plan = make_plan(load(write(2, 2, 2, RECORD)), "ecmp")
    spine = plan.switches[3]
    assert (spine.mac, spine.interfaces[-1].prefix) == ("aa:bb:cc:00:00:01", "10.255.9.9/32")
    assert [port.name for port in spine.ports if port.peer] == ["Ethernet0", "Ethernet240"]


def test_a_pool_that_grows_downwards_moves_nothing(write: Write) -> None:
    # 10.4.0.0/16 is the upper part of 10.0.0.0/13; a number that counts from the pool's start would move.
    before = RECORD + "addressing: {hosts: 10.4.0.0/16}\n"
    plan_command(write(2, 2, 2, before))
    old = make_plan(load(write(2, 2, 2, before)), "ecmp")
    after = RECORD + "addressing: {hosts: 10.0.0.0/13}\n"
    assert summarize_change(old, make_plan(load(write(2, 2, 2, after)), "ecmp")).endpoints_readdressed == 0


def test_renamed_switches_keep_their_numbers(write: Write) -> None:
    plan_command(write(2, 2, 2, RECORD))
    path = write(2, 2, 2, RECORD)
    text = path.read_text()
    old = make_plan(load(path), "ecmp")
    path.write_text(text.replace("leaves: {count: 2}", "leaves: {count: 2, name: 'tor{i:02}'}"))
    new = make_plan(load(path), "ecmp")
    assert [switch.name for switch in new.switches[:2]] == ["tor00", "tor01"]
    assert [switch.interfaces for switch in new.switches] == [switch.interfaces for switch in old.switches]


def test_an_absent_leaf_takes_its_hosts_with_it_and_nothing_else(write: Write) -> None:
    whole = make_plan(load(write(3, 2, 2)), "ecmp")
    rest = make_plan(load(write(3, 2, 2, "overrides: {absent: [leaf1]}\n")), "ecmp")
    found = summarize_change(whole, rest)
    assert found.switches_removed == ("leaf1",)
    assert (found.endpoints_removed, found.cables_removed) == (2, 4)
    assert (found.cables_moved, found.links_readdressed, found.endpoints_readdressed) == (0, 0, 0)
    assert found.switches_renumbered == ()


def test_a_second_block_of_a_leaf_is_routed(write: Write) -> None:
    plan_command(write(2, 2, 2, RECORD))
    plan = make_plan(load(write(2, 2, 3, RECORD)), "ecmp")
    routes = {route.prefix: route.next_hops for route in plan.switches[1].routes}
    assert set(routes) == {"10.0.0.0/30", "10.0.0.8/30"}
    assert routes["10.0.0.0/30"] == routes["10.0.0.8/30"]
    assert dict(plan.endpoints)["host4"] == "10.0.0.9"


def numbers_of(plan: Plan) -> str:
    """A digest of all ports, addresses, MAC and AS numbers of a plan."""
    rows: list[object] = [list(plan.endpoints)]
    for switch in plan.switches:
        interfaces = [(each.name, each.prefix) for each in switch.interfaces]
        peers = [(port.name, port.peer) for port in switch.ports]
        prefixes = [route.prefix for route in switch.routes]
        rows.append([switch.name, switch.mac, switch.asn, interfaces, peers, prefixes])
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("failed-links", "045e1c465bd0138d"),
        ("mixed-speed", "1259d2f51aae2bac"),
        ("npu-128-910b", "aa5f07938e0c77bb"),
        ("rail-256-h100", "4b946e84f4107608"),
        ("white-box-512", "464150fc3c3b1638"),
    ],
)
def test_fabrics_without_a_record_keep_the_numbers_of_earlier_releases(name: str, digest: str) -> None:
    # Digests of what raddle gave out before there were records.
    assert numbers_of(make_plan(load(find(name)), "ecmp")) == digest


def test_explicit_fabrics_keep_addresses_when_a_link_comes_in_between(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    devices = (
        "raddle: 1\nname: two\nrecord: two.json\ndevices:\n  leaf0: {role: leaf}\n  leaf1: {role: leaf}\n"
        "  spine0: {role: spine}\n  host0: {role: host}\n  host1: {role: host}\nlinks:\n"
        '  - {ends: ["host0:eth0", "leaf0:Ethernet0"]}\n  - {ends: ["host1:eth0", "leaf1:Ethernet0"]}\n'
        '  - {ends: ["leaf0:Ethernet8", "spine0:Ethernet0"]}\n'
        '  - {ends: ["leaf1:Ethernet8", "spine0:Ethernet8"]}\n'
    )
    path.write_text(devices)
    plan_command(path)
    old = make_plan(load(path), "ecmp")
    path.write_text(devices + '  - {ends: ["leaf0:Ethernet16", "spine0:Ethernet16"]}\n')
    found = summarize_change(old, make_plan(load(path), "ecmp"))
    assert (found.cables_added, found.links_readdressed) == (1, 0)
    positional = make_plan(loads(path.read_text().replace("record: two.json\n", "")), "ecmp")
    assert summarize_change(old, positional).links_readdressed == 1


def test_a_look_at_what_changes_writes_no_record(write: Write, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    plan_command(write(2, 2, 2, RECORD), "-o", str(old))
    record = (tmp_path / "row.json").read_text()
    grown = write(3, 2, 2, RECORD)
    plan_command(grown, "--diff", str(old))
    assert (tmp_path / "row.json").read_text() == record
    refused = CliRunner().invoke(app, ["plan", str(grown), "--diff", str(old), "--release"])
    assert refused.exit_code != 0
    plan_command(grown, "--diff", str(old), "-o", str(tmp_path / "new.json"))
    assert (tmp_path / "row.json").read_text() != record
