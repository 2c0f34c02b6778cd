"""The proof of an update is of what `apply` writes, and names what routes alone do not settle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import raddle
from raddle.cli.plan import plan
from raddle.cli.verify import verify
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import NextHop
from raddle.controller.plan.summary import summarize_change
from raddle.controller.plan.update import Write
from raddle.controller.reconcile import PushPolicy, drivers_of
from raddle.controller.verify.network import entries_of_plan, network_of
from raddle.controller.verify.transient import Step, Transient, judge_update
from raddle.controller.verify.update_scope import scope_of, wire_routes
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import program, switch_farm

APP = typer.Typer()
for command in (plan, verify):
    APP.command()(command)

BOX = "{ports: 32, port_speed: 400G, lanes_per_port: 8, buffer: 64MiB, nos: NOS}"


def fabric(leaves: int, nos: str = "sonic", more: str = "") -> Any:
    return raddle.loads(text(leaves, nos, more))


def text(leaves: int, nos: str = "sonic", more: str = "") -> str:
    return (
        f"raddle: 1\nname: pod\nmodels: {{box: {BOX.replace('NOS', nos)}}}\n"
        f"fabric: {{leaves: {{count: {leaves}, model: box}}, spines: {{count: 3, model: box}}}}\n"
        f"hosts: {{per_leaf: 2}}\n{more}"
    )


SLOW = "overrides: {links: [{ends: [leaf0, spine0], speed: 100G}, {ends: [leaf1, spine1], state: down}]}\n"


@pytest.mark.parametrize("nos", ["sonic", "p4"])
def test_the_proof_starts_and_ends_with_the_routes_that_the_drivers_read_and_want(nos: str) -> None:
    before, after = (make_plan(fabric(3, nos, more), "ecmp") for more in ("", SLOW))
    with switch_farm(fabric(3, nos), before) as farm:
        inventory = Inventory("pod", dict(farm.addresses))
        program(before, inventory)
        with drivers_of(after, inventory, PushPolicy(), None) as drivers:
            for switch, old in zip(after.switches, before.switches, strict=True):
                with drivers[switch.name] as driver:
                    survey = driver.survey()
                for held, planned in ((survey.routes, old), (survey.wanted, switch)):
                    have, want = _ways(held), _ways(wire_routes(planned))
                    assert want.items() <= have.items()
                    # A P4 switch is also written routes to the far ends of its own cables.
                    assert nos == "p4" or have == want
                    assert all(prefix.endswith("/32") for prefix in have.keys() - want.keys())


def _ways(routes: Any) -> dict[str, set[tuple[str, int]]]:
    return {prefix: {(hop.port, hop.weight) for hop in hops} for prefix, hops in routes.items()}


def run(tmp_path: Path, old: str, new: str, *options: str) -> Any:
    (tmp_path / "old.yaml").write_text(old)
    (tmp_path / "new.yaml").write_text(new)
    held = str(tmp_path / "old.json")
    made = CliRunner().invoke(APP, ["plan", str(tmp_path / "old.yaml"), "--routing", "ecmp", "-o", held])
    assert made.exit_code == 0
    command, option = options
    given = ["--routing", "ecmp", option, held, *(["--failures", "0"] if command == "verify" else [])]
    return CliRunner().invoke(APP, [command, str(tmp_path / "new.yaml"), *given])


def test_a_leaf_that_is_taken_out_is_told_and_the_rest_is_proven(tmp_path: Path) -> None:
    result = run(tmp_path, text(4), text(3), "verify", "--from")
    assert result.exit_code == 0, result.output
    assert "leaving:     leaf3, to which nothing is sent: what is there stays" in result.stdout
    assert "nothing is lost, loops or deadlocks on the way" in result.stdout


@pytest.mark.parametrize(("command", "option"), [("verify", "--from"), ("plan", "--diff")])
def test_what_needs_a_new_config_db_is_said_before_anything_is_sent(
    command: str, option: str, tmp_path: Path
) -> None:
    result = run(tmp_path, text(3), text(4), command, option)
    assert "must boot from a new config_db.json" in result.output
    if command == "verify":
        assert "warning[update-needs-reload]" in result.stderr
        assert "entries of spine0, spine1, spine2 cannot be changed over gNMI" in result.stderr
        assert "hint: boot them from 'raddle render --switch spine0" in result.stderr
        assert "'reserve: {leaves: ...}' keeps ports and buffer for what is still to come" in result.stderr
    assert "ok" not in result.stdout.splitlines()
    # The buffer pool of a spine holds headroom for one port more.
    scope = scope_of(make_plan(fabric(3), "ecmp"), make_plan(fabric(4), "ecmp"))
    assert scope.joining == ("leaf3",)
    assert "BUFFER_POOL/ingress_lossless_pool" in scope.reloads["spine0"].paths
    assert not any("leaf" in name for name in scope.reloads)
    # The new leaf has the number that the first spine had.
    assert scope.renumbered == ("spine0", "spine1", "spine2")
    assert "switches that get another loopback, MAC or AS number (spine0, spine1, spine2)" in result.output


@pytest.mark.parametrize(
    ("new", "room"),
    [
        (text(3).replace("spines: {count: 3", "spines: {count: 4"), "{spines: ...}"),
        (text(2), "{leaves: ...}"),
        (text(3).replace("per_leaf: 2", "per_leaf: 3"), "{hosts_per_leaf: ...}"),
        (text(3, more="roce: {lossless: [{priority: 3, dscp: 26}, {priority: 4, dscp: 30}]}\n"), ""),
    ],
    ids=["spine", "leaf gone", "hosts", "class"],
)
def test_the_room_that_is_advised_is_for_what_comes_or_goes(new: str, room: str, tmp_path: Path) -> None:
    told = run(tmp_path, text(3), new, "verify", "--from").stderr
    assert "warning[update-needs-reload]" in told
    assert (f"'reserve: {room}' keeps ports and buffer" in told) == bool(room)
    assert ("'reserve" in told) == bool(room)


def test_an_update_of_routes_alone_is_ok(tmp_path: Path) -> None:
    down = "overrides: {links: [{ends: [leaf0, spine0], state: down}]}\n"
    result = run(tmp_path, text(3), text(3, more=down), "verify", "--from")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "ok"


def test_ports_in_use_that_get_another_address_are_a_finding(tmp_path: Path) -> None:
    pool = "addressing: {hosts: 10.0.0.0/16, loopbacks: 10.255.0.0/20, underlay: 172.20.0.0/14}\n"
    result = run(tmp_path, text(3), text(3, more=pool), "verify", "--from")
    assert result.exit_code == 1
    # Three leaves and three spines: 9 cables with 2 ends each.
    assert "error[update-readdresses]: 18 ports in use get another address" in result.stderr
    assert "SONiC refuses" not in result.stderr
    # No record can keep what the pools do not hold.
    assert "hint: keep the pools of 'addressing' that the earlier plan has numbers of" in result.stderr


CNPS = "roce: {cnp: {priority: 6, dscp: 48}}\n"


@pytest.mark.parametrize(
    ("after", "marks", "flaps"),
    [
        (
            "{priority: 6, dscp: 46}",
            "DSCP 46 is CNP of priority 6 (was lossy of priority 0), DSCP 48 is lossy of priority 0 (was CNP",
            0,
        ),
        ("{priority: 7, dscp: 48}", "DSCP 48 is CNP of priority 7 (was CNP of priority 6)", 24),
    ],
    ids=["dscp", "priority"],
)
def test_other_cnps_alone_change_what_apply_changes_and_hosts_must_mark(
    after: str, marks: str, flaps: int, tmp_path: Path
) -> None:
    """A map is set in place; a priority group that gets another number has its port down first."""
    new = text(3, more=f"roce: {{cnp: {after}}}\n")
    result = run(tmp_path, text(3, more=CNPS), new, "verify", "--from")
    last = result.stdout.splitlines()[-1]
    assert (result.exit_code, last.startswith("ok")) == (0, False)
    assert f"what hosts mark: {marks}" in last
    assert "packets are in other classes on the way, and CNPs can be dropped" in last
    assert "update:      no route changes" in result.stdout
    # 6 host links have one end at a switch, 9 cables two.
    assert (f"{flaps} ports that go down and up" in last) == bool(flaps)
    old, later = (make_plan(raddle.loads(each), "ecmp") for each in (text(3, more=CNPS), new))
    told = {name: each.flaps for name, each in scope_of(old, later).reloads.items()}
    with switch_farm(fabric(3, more=CNPS), old) as farm:
        inventory = Inventory("pod", dict(farm.addresses))
        program(old, inventory)
        with drivers_of(later, inventory, PushPolicy(), None) as drivers:
            for name, driver in drivers.items():
                with driver:
                    survey = driver.survey()
                tables = {change.path.partition("/")[0] for change in survey.changes}
                assert survey.flaps == told.get(name, ())
                assert tables == {"DSCP_TO_TC_MAP"} or flaps
                assert survey.changes


NAMED = (
    f"raddle: 1\nname: pod\nmodels: {{box: {BOX.replace('NOS', 'sonic')}}}\ndevices:\n"
    + "".join(
        f"  {name}: {{role: {name[:-1]}, model: box}}\n" for name in ("leaf0", "leaf1", "spine0", "spine1")
    )
    + "".join(f"  {name}: {{role: host}}\n" for name in "abc")
)


def wired(*cables: str) -> str:
    """A fabric of such cables (`a:eth0 leaf0:Ethernet0`)."""
    return (
        NAMED + "links:\n" + "".join(f"  - {{ends: [{', '.join(map(repr, c.split()))}]}}\n" for c in cables)
    )


HOSTS = ("a:eth0 leaf0:Ethernet0", "b:eth0 leaf0:Ethernet8", "c:eth0 leaf1:Ethernet0")
UPLINKS = ("leaf0:Ethernet64 spine0:Ethernet0", "leaf0:Ethernet72 spine1:Ethernet0")
DOWN = ("leaf1:Ethernet64 spine0:Ethernet8", "leaf1:Ethernet72 spine1:Ethernet8")


@pytest.mark.parametrize(
    ("after", "moved", "ports"),
    [
        (  # uplinks of leaf0 change places
            (*HOSTS, "leaf0:Ethernet72 spine0:Ethernet0", "leaf0:Ethernet64 spine1:Ethernet0", *DOWN),
            ("leaf0:Ethernet64 - spine1:Ethernet0", "leaf0:Ethernet72 - spine0:Ethernet0"),
            ("leaf0:Ethernet64", "leaf0:Ethernet72"),
        ),
        (  # hosts of leaf0 change places
            ("a:eth0 leaf0:Ethernet8", "b:eth0 leaf0:Ethernet0", HOSTS[2], *UPLINKS, *DOWN),
            ("a:eth0 - leaf0:Ethernet8", "b:eth0 - leaf0:Ethernet0"),
            ("leaf0:Ethernet0", "leaf0:Ethernet8"),
        ),
        (  # a host goes to a free port: none in use gets another address
            (*HOSTS[:2], "c:eth0 leaf1:Ethernet16", *UPLINKS, *DOWN),
            ("c:eth0 - leaf1:Ethernet16",),
            (),
        ),
        (  # an uplink of leaf0 leads to the same spine as the other: one end of its cable moves
            (*HOSTS, UPLINKS[0], "leaf0:Ethernet72 spine0:Ethernet16", *DOWN),
            ("leaf0:Ethernet72 - spine0:Ethernet16",),
            (),
        ),
        ((*HOSTS, *UPLINKS, *DOWN, "leaf1:Ethernet80 spine1:Ethernet16"), (), ()),  # one more, at free ports
        ((*HOSTS, *UPLINKS, DOWN[0]), (), ()),  # one less
    ],
    ids=["uplinks", "hosts", "host", "end", "more", "less"],
)
def test_cables_that_move_are_outside_of_the_proof(
    after: tuple[str, ...], moved: tuple[str, ...], ports: tuple[str, ...], tmp_path: Path
) -> None:
    old, new = wired(*HOSTS, *UPLINKS, *DOWN), wired(*after)
    plans = [make_plan(raddle.loads(each), "ecmp") for each in (old, new)]
    scope = scope_of(*plans)
    assert (scope.recabled, scope.readdressed) == (moved, ports)
    assert summarize_change(*plans).cables_moved == len(moved)
    verified, compared = (
        run(tmp_path, old, new, *what) for what in (("verify", "--from"), ("plan", "--diff"))
    )
    count = "1 cable moves" if len(moved) == 1 else f"{len(moved)} cables move"
    said = f"{count} to other ports: {', '.join(moved)}"
    assert (said in verified.stdout.splitlines()[-1]) == (said in compared.stderr) == bool(moved)
    assert ("update-readdresses" in verified.stderr) == bool(ports)
    assert ("hint: leave their cables in the ports where they are" in verified.stderr) == bool(ports)
    assert verified.exit_code == bool(ports)


def test_a_route_that_sonic_replaces_falls_to_the_shorter_prefix_for_a_moment() -> None:
    """leaf0's host route moves from spine0 to spine1; its aggregate leads to spine2, which leads back."""
    model = fabric(3)
    made, network = make_plan(model, "ecmp"), network_of(model)
    own = {switch.name: entries_of_plan(switch)[:0] for switch in made.switches}
    ports = {s.name: {port.name: n for n, port in enumerate(s.ports)} for s in made.switches}
    far = {s.name: {p.peer.partition(":")[0]: p.name for p in s.ports if p.peer} for s in made.switches}
    host = f"{made.endpoints[4][1]}/32"
    whole = "10.0.0.0/16"

    def hop(at: str, to: str) -> tuple[NextHop, ...]:
        return (NextHop("", far[at][to]),)

    routes = {
        "leaf0": {host: hop("leaf0", "spine0"), whole: hop("leaf0", "spine2")},
        "spine0": {host: hop("spine0", "leaf2")},
        "spine1": {host: hop("spine1", "leaf2")},
        "spine2": {host: hop("spine2", "leaf0")},
        "leaf2": {host: hop("leaf2", "host4")},
    }
    write = Write("leaf0", host, hop("leaf0", "spine0"), hop("leaf0", "spine1"))
    step = Step((write,), network.is_up)
    atomic = judge_update(network, own, ports, routes, [step])
    assert (atomic.lost, atomic.looping) == (0, 0)
    replaced = judge_update(network, own, ports, routes, [step], {"leaf0"})
    assert replaced.looping == 2  # both hosts of leaf0


@pytest.mark.parametrize(
    ("role", "others", "moved"),
    [("spines", 'name: "top{i}"', 9), ("leaves", 'name: "rack{i}"', 9 + 6)],  # 3 x 3 cables, and 6 hosts
)
def test_cables_that_lead_to_switches_of_other_names_move(
    role: str, others: str, moved: int, tmp_path: Path
) -> None:
    old = text(3)
    new = old.replace(f"{role}: {{", f"{role}: {{{others}, ")
    verified, compared = (
        run(tmp_path, old, new, *what) for what in (("verify", "--from"), ("plan", "--diff"))
    )
    assert verified.exit_code == 0, verified.output
    last = verified.stdout.splitlines()[-1]
    assert f"outside the proof: {moved} cables move to other ports" in last
    assert "under another name (" in last
    assert f"cables to move to other ports: {moved}" in compared.stdout
    assert "cables: 0 added, 0 removed" in compared.stdout


def test_packets_that_become_lossless_or_are_no_more_are_outside_of_the_proof(tmp_path: Path) -> None:
    result = run(
        tmp_path, text(3), text(3, more="roce: {lossless: [{dscp: 30, priority: 4}]}\n"), "verify", "--from"
    )
    assert "DSCP 26 is lossy of priority 0 (was lossless of priority 3)" in result.stdout
    assert "DSCP 30 is lossless of priority 4 (was lossy of priority 0)" in result.stdout
    same = run(tmp_path, text(3), text(3), "verify", "--from")
    assert same.stdout.splitlines()[-1] == "ok"


def test_one_route_that_changes_is_one() -> None:
    assert Transient(1, 1, 0, 0, "", None).extent == "1 route changes in 1 round"
    assert Transient(7, 2, 0, 0, "", None).extent == "7 routes change in 2 rounds"


def test_a_plan_without_its_digest_is_told(tmp_path: Path) -> None:
    run(tmp_path, text(3), text(3), "verify", "--from")
    held = tmp_path / "old.json"
    document = json.loads(held.read_text())
    del document["made_of"]["plan_digest"]
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(document))
    files = ["--plan", str(held), "--from", str(bare)]
    result = CliRunner().invoke(APP, ["verify", str(tmp_path / "old.yaml"), *files, "--failures", "0"])
    assert f"warning: '{bare}' has no digest of the plan" in result.stderr
    assert f"'{held}' has no digest" not in result.stderr


def test_a_fabric_without_pfc_is_told_that_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "off.yaml").write_text(text(3, more="roce: {pfc: false}\n"))
    result = CliRunner().invoke(APP, ["verify", str(tmp_path / "off.yaml"), "--failures", "0"])
    assert result.exit_code == 1
    assert "off.yaml:6:13: error[pfc-off]" in result.stderr
    assert "no PFC: packets of DSCP 26 can be dropped" in result.stderr
    assert "priority-chain" not in result.stderr
