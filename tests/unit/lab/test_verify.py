"""`raddle verify`: findings with the line that causes them, exit codes, and what running switches report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from typer.testing import CliRunner

from raddle.cli.plan import plan
from raddle.cli.verify import text_of, verify
from raddle.controller.plan import make_plan
from raddle.controller.plan.make import outline_plan
from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.sonic.beside import entries_beside
from raddle.controller.southbound.sonic.sets import differences
from raddle.controller.southbound.sonic.tables import intended
from raddle.controller.verify.failures import failures
from raddle.controller.verify.hashes import check_hashes
from raddle.controller.verify.lossless import check_lossless
from raddle.controller.verify.network import entries_of_plan, entries_of_state, network_of
from raddle.controller.verify.tables import tables_of
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.lab.collisions import find_job_collisions
from raddle.lab.planned_states import planned_state
from raddle.lab.switches.programmed import program, switch_farm
from raddle.lab.switches.reported import planned_switch
from raddle.lab.verify.model import FailureScope, Verification
from raddle.lab.verify.plan import verify_outline, verify_plan
from raddle.lab.verify.proofs import Subject, prove
from raddle.lab.verify.running import verify_running
from raddle.lab.workloads.collective import collective_demand, find_job
from raddle.lab.workloads.ranks import Scope as Where
from raddle.nos.db.databases import ConfigDb
from raddle.nos.orch import derive
from raddle.state import PortState, SwitchState
from raddle.topology import bundled_examples, load, loads
from raddle.topology.views.cable_truth import SeenCable
from tests.fabrics import leaf_spine
from tests.unit.controller.fake_switch import FakeSwitch, serving

APP = typer.Typer()
for command in (plan, verify):
    APP.command()(command)
FILE = bundled_examples()["leaf-spine-16"]
FABRIC = load(FILE)
PLAN = make_plan(FABRIC, "ecmp")
STATES = {switch.name: planned_state(FABRIC, PLAN, switch.name) for switch in PLAN.switches}
CHECKER = Path(__file__).parents[3] / "scripts" / "check-certificate"
BORDER = """
raddle: 1
name: border
fabric: {leaves: {count: 3}, spines: {count: 2}}
hosts: {per_leaf: 4}
addressing: {families: dual}
external:
  - {name: core0, port: "leaf0:Ethernet128", address: [198.51.100.1/31, "2001:db8::1/127"]}
"""
SINGLE = FailureScope(together=1, most=200, seed=1, congested_groups=8)


def silent(what: str, share: float) -> None:
    """No progress."""


def run(*options: str) -> Any:
    return CliRunner().invoke(APP, ["verify", *options])


def test_a_sound_plan_passes_and_says_what_each_failure_costs() -> None:
    result = run("leaf-spine-16", "--routing", "ecmp", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["ok"] is document["deadlock_free"] is True
    # 16 host links, 16 fabric links, 8 switches.
    assert document["failures_checked"] == document["failures_total"] == 40
    # A spine that lost its link to a leaf cannot tell the others: 12 hosts of other leaves times 4.
    remote = [each for each in document["outcomes"] if each["failure"].startswith("leaf0:Ethernet32")]
    assert [(each["alone"]["lost"], each["replanned"]["lost"]) for each in remote] == [(48, 0)]
    # A host that lost its only link: 15 pairs to it and 15 from it.
    assert document["outcomes"][0]["cut_off"] == 30
    # Uniform traffic over 4 equal uplinks: 12 of 15 destinations are remote, 4 hosts for 4 links.
    assert document["busiest_link"]["load"] == pytest.approx(12 / 15, abs=1e-6)
    # A leaf that has lost one of them.
    assert document["worst_load"]["load"] == pytest.approx(12 / 15 * 4 / 3, abs=1e-6)
    assert document["worst_load"]["failure"].startswith("leaf0:Ethernet32 - spine0")
    assert (document["bisection_bps"], document["oversubscription"]) == (3_200_000_000_000, {"leaves": 1.0})


def test_one_more_lossless_group_is_a_finding_for_verify_and_a_difference_for_status() -> None:
    switch = PLAN.switches[0]
    wanted = intended(switch)
    held = {table: dict(rows) for table, rows in wanted.items()}
    held["BUFFER_PG"]["Ethernet0|4"] = held["BUFFER_PG"]["Ethernet0|3"]
    oper = {port.name: {"oper_status": "up"} for port in switch.ports}
    state = derive(cast(ConfigDb, held), {"PORT_TABLE": oper})
    found = check_lossless(FABRIC, {**STATES, switch.name: state})
    assert [each.code for each in found] == ["headroom-shared-out", "lossless-beside"]
    assert found[1].message == "leaf0:Ethernet0: priority group 4 is lossless, and no class of the fabric is"
    assert [change.path for change in differences(switch.name, held, wanted)] == ["BUFFER_PG/Ethernet0|4"]


def test_one_more_lossless_group_is_told_by_both_where_its_pool_has_room() -> None:
    roomy = loads(leaf_spine(2, 1, 2) + "reserve: {hosts_per_leaf: 12, spines: 4}\n")
    plan = make_plan(roomy, "ecmp")
    switch = plan.switches[0]
    wanted = intended(switch)
    held = {table: dict(rows) for table, rows in wanted.items()}
    held["BUFFER_PG"]["Ethernet0|4"] = held["BUFFER_PG"]["Ethernet0|3"]
    oper = {port.name: {"oper_status": "up"} for port in switch.ports}
    states = {each.name: planned_state(roomy, plan, each.name) for each in plan.switches}
    states[switch.name] = derive(cast(ConfigDb, held), {"PORT_TABLE": oper})
    assert [each.code for each in check_lossless(roomy, states)] == ["lossless-beside"]
    assert [change.path for change in differences(switch.name, held, wanted)] == ["BUFFER_PG/Ethernet0|4"]
    entries = {name: entries_of_state(state) for name, state in states.items()}
    scope = FailureScope(together=0, most=1, seed=1, congested_groups=8)
    subject = Subject("running switches", entries, states)
    result = prove(roomy, network_of(roomy), subject, None, scope, lambda what, share: None)
    assert (
        text_of(result)
        .splitlines()[-1]
        .startswith("no findings; outside the proof: traffic of lossless priority groups")
    )


def test_a_lossless_group_of_a_port_without_a_cable_is_a_warning_and_told_by_status() -> None:
    switch = PLAN.switches[0]
    wanted = intended(switch)
    held = {table: dict(rows) for table, rows in wanted.items()}
    held["BUFFER_PG"]["Ethernet80|4"] = held["BUFFER_PG"]["Ethernet0|3"]
    oper = {port.name: {"oper_status": "up"} for port in switch.ports}
    state = derive(cast(ConfigDb, held), {"PORT_TABLE": oper})
    (found,) = check_lossless(FABRIC, {**STATES, switch.name: state})
    assert (found.code, found.severity) == ("headroom-beside", "warning")
    assert found.message.startswith("leaf0: with Ethernet80, which the fabric has no cable at")
    assert not list(differences(switch.name, held, wanted))
    assert entries_beside(switch, held) == ("BUFFER_PG/Ethernet80|4",)
    assert entries_beside(switch, wanted) == ()
    # Where its pool has room for it, neither says anything.
    pool = held["BUFFER_POOL"]["ingress_lossless_pool"]
    held["BUFFER_POOL"]["ingress_lossless_pool"] = {**pool, "xoff": str(2 * int(str(pool["xoff"])))}
    assert entries_beside(switch, held) == ()
    roomy = derive(cast(ConfigDb, held), {"PORT_TABLE": oper})
    codes = {each.code for each in check_lossless(FABRIC, {**STATES, switch.name: roomy})}
    assert "headroom-beside" not in codes


def test_one_kmax_gets_one_bound_which_suits_every_switch() -> None:
    def late(kmax_bytes: int) -> list[str]:
        policy = replace(FABRIC.roce, ecn=replace(FABRIC.roce.ecn, kmax_bytes=kmax_bytes))
        fabric = replace(FABRIC, roce=policy)
        plan = make_plan(fabric, "ecmp")
        states = {switch.name: planned_state(fabric, plan, switch.name) for switch in plan.switches}
        return [each.hint for each in check_lossless(fabric, states) if each.code == "ecn-after-pfc"]

    (hint,) = late(32_000_000)
    bound = int(hint.split()[3])
    assert late(bound) == [hint]
    assert late(bound - 1) == []


def test_larger_sets_of_failures_are_sampled_and_it_says_so() -> None:
    result = run("leaf-spine-16", "--routing", "ecmp", "--failures", "2", "--most", "20")
    assert result.exit_code == 0, result.output
    assert "60 states of 820, sampled" in result.stdout
    network = network_of(FABRIC)
    every, total = failures(network, 2, 1000, 1)
    assert len(every) == total == 40 + 40 * 39 // 2
    assert failures(network, 2, 20, 1) == failures(network, 2, 20, 1) != failures(network, 2, 20, 2)


def test_a_certificate_is_proven_by_the_checker_with_its_plan_and_not_with_another(tmp_path: Path) -> None:
    proof, own, other = tmp_path / "proof.json", tmp_path / "own.json", tmp_path / "other.json"
    assert run("leaf-spine-16", "--failures", "0", "--certificate", str(proof)).exit_code == 0
    for file, placement in ((own, "linear"), (other, "strided")):
        CliRunner().invoke(APP, ["plan", "leaf-spine-16", "-o", str(file), "--placement", placement])

    def check(*files: Path) -> tuple[int, str]:
        done = subprocess.run([sys.executable, CHECKER, *files], capture_output=True, text=True)
        return done.returncode, done.stdout

    assert (check(proof, own)[0], check(proof)[0]) == (0, 3)
    assert check(proof, own)[1].startswith("proven of the plan: 48 dependencies")
    assert check(proof)[1].startswith("not compared with a plan, and sound in itself: 48 dependencies")
    assert check(proof, other)[0] == 1
    assert check(tmp_path / "none.json")[0] == 2


@pytest.mark.parametrize("routing", ["ecmp", "pinned"])
def test_the_plans_tables_are_those_that_its_switches_derive(routing: Any) -> None:
    made = make_plan(FABRIC, routing, collective_demand(FABRIC, "all_reduce", None, Where("strided")))
    network = network_of(FABRIC)
    planned = tables_of(network, {switch.name: entries_of_plan(switch) for switch in made.switches})
    derived = tables_of(
        network, {s.name: entries_of_state(planned_state(FABRIC, made, s.name)) for s in made.switches}
    )
    ways = []
    for tables in (planned, derived):
        groups = [
            tables.members[tables.offsets[g] : tables.offsets[g + 1]].tolist()
            for g in range(len(tables.switch))
        ]
        ways.append([[groups[g] if g >= 0 else [] for g in row] for row in tables.choices[0].tolist()])
    assert ways[0] == ways[1]


Change = Callable[[PortState], PortState]


def with_port(change: Change, port: str = "Ethernet0") -> dict[str, SwitchState]:
    """leaf0 with one port changed."""
    leaf = STATES["leaf0"]
    ports = tuple(change(each) if each.name == port else each for each in leaf.ports)
    return {**STATES, "leaf0": replace(leaf, ports=ports)}


def changed(values: tuple[Any, ...], at: int, value: Any) -> tuple[Any, ...]:
    return (*values[:at], value, *values[at + 1 :])


def map_entry(table: str, at: int, value: int) -> Change:
    def change(port: PortState) -> PortState:
        entries: Any = {table: changed(getattr(port, table), at, value)}
        return replace(port, **entries)

    return change


def queue(at: int, **fields: Any) -> Change:
    return lambda port: replace(port, queues=changed(port.queues, at, replace(port.queues[at], **fields)))


CHAIN: list[tuple[str, str, Change]] = [
    ("priority-chain", "DSCP 26 maps to TC 0, not 3", map_entry("dscp_to_tc", 26, 0)),
    ("priority-chain", "TC 3 maps to priority group 0", map_entry("tc_to_pg", 3, 0)),
    ("priority-chain", "TC 3 maps to queue 4", map_entry("tc_to_queue", 3, 4)),
    ("priority-chain", "stops queue 2", map_entry("pfc_to_queue", 3, 2)),
    ("pfc-off", "no PFC for lossless priority 3", lambda port: replace(port, pfc_enable=0)),
    ("no-headroom", "3 has no headroom", lambda port: replace(port, pgs=changed(port.pgs, 3, None))),
    ("cnp-queue", "CNPs (DSCP 48) map to TC 0", map_entry("dscp_to_tc", 48, 0)),
    ("cnp-queue", "not of strict priority", queue(6, weight=1)),
    ("cnp-droppable", "group 6 has no buffer", lambda port: replace(port, pgs=changed(port.pgs, 6, None))),
    (
        "cnp-droppable",
        "priority group 6 has nothing reserved",
        lambda port: replace(port, pgs=changed(port.pgs, 6, port.pgs[0])),
    ),
    ("cnp-droppable", "other traffic takes what priority group 6", map_entry("tc_to_pg", 0, 6)),
    ("cnp-droppable", "other traffic takes what queue 6", map_entry("tc_to_queue", 0, 6)),
    ("cnp-droppable", "queue 6 has nothing", queue(6, buffer=STATES["leaf0"].ports[0].queues[0].buffer)),
    ("ecn-off", "marks no ECN", queue(3, wred=None)),
    ("egress-drops-first", "a dynamic threshold", queue(3, buffer=STATES["leaf0"].ports[0].queues[0].buffer)),
    ("speed-differs", "set to 100G, and its link is of 400G", lambda p: replace(p, speed_bps=100 * 10**9)),
    ("pfc-at-one-end", "pauses priority 4, and host", lambda port: replace(port, pfc_enable=0b11000)),
    ("mtu-too-small", "below 4156 B", lambda port: replace(port, mtu_bytes=1500)),
    ("mtu-differs", "MTU 9000 B, the fabric's is 9100 B", lambda port: replace(port, mtu_bytes=9000)),
]


@pytest.mark.parametrize(("code", "text", "change"), CHAIN, ids=[text for _, text, _ in CHAIN])
def test_one_broken_link_of_the_chain_is_found_at_its_port(code: str, text: str, change: Change) -> None:
    found = check_lossless(FABRIC, with_port(change))
    assert [each.code for each in found] == [code]
    assert found[0].message.startswith("leaf0:Ethernet0: ")
    assert text in found[0].message


def test_what_the_plan_makes_of_the_switches_has_no_finding() -> None:
    assert check_lossless(FABRIC, STATES) == ()


def test_a_pause_that_ends_before_it_is_renewed_is_found() -> None:
    # Half a pause, a frame of 9100 + 38 bytes, a PFC frame of 84: 2 x 9222 bytes are 288.2 quanta of 64.
    for quanta, codes in ((1, ["pause-too-short"]), (288, ["pause-too-short"]), (289, []), (0, [])):
        fabric = replace(FABRIC, roce=replace(FABRIC.roce, pause_quanta=quanta))
        found = check_lossless(fabric, STATES)
        assert [each.code for each in found] == codes
        assert all(each.place == ("roce", "pause_quanta") for each in found)
    lossy = replace(FABRIC, roce=replace(FABRIC.roce, pause_quanta=1, pfc=False))
    assert "pause-too-short" not in [each.code for each in check_lossless(lossy, STATES)]


def test_a_profile_for_a_shorter_cable_is_too_small_for_the_longer_one() -> None:
    short = STATES["leaf0"].ports[0].pgs
    found = check_lossless(FABRIC, with_port(lambda port: replace(port, pgs=short), "Ethernet32"))
    assert [each.code for each in found] == ["headroom-too-small"]
    assert found[0].place == ("fabric", "uplinks", "cable")


def test_pools_are_held_against_the_buffer_and_against_each_other() -> None:
    leaf = STATES["leaf0"]
    larger = [replace(p, size_bytes=p.size_bytes + 1) if p.is_ingress else p for p in leaf.buffer_pools]
    found = check_lossless(FABRIC, {**STATES, "leaf0": replace(leaf, buffer_pools=tuple(larger))})
    assert {each.code for each in found} == {"buffer-exceeded", "egress-pool-too-small"}
    beside = replace(FABRIC.switches[0].model, pool_size="shared")
    switches = tuple(replace(switch, model=beside) for switch in FABRIC.switches)
    found = check_lossless(replace(FABRIC, switches=switches), STATES)
    assert {each.code for each in found} == {"buffer-exceeded"}
    assert all("and the guarantees beside them" in each.message for each in found)
    less = [replace(p, xoff_bytes=p.xoff_bytes - 1) if p.is_ingress else p for p in leaf.buffer_pools]
    found = check_lossless(FABRIC, {**STATES, "leaf0": replace(leaf, buffer_pools=tuple(less))})
    assert [each.code for each in found] == ["headroom-shared-out"]


def test_ecn_after_pfc_names_the_line_of_kmax(tmp_path: Path) -> None:
    file = tmp_path / "late.yaml"
    file.write_text(FILE.read_text().replace("kmax: 3200KB", "kmax: 32MB"))
    result = run(str(file), "--failures", "0")
    assert result.exit_code == 1
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "kmax" in text)
    assert f"{file}:{line}:" in result.stderr
    assert "error[ecn-after-pfc]" in result.stderr
    # alpha = 1: T = B / (1 + N); with one congested group 32 MB are below it still.
    assert "with 8 congested priority groups" in result.stderr
    found = check_lossless(load(file), STATES, congested_groups=1)
    assert [each.code for each in found] == []


def test_running_switches_are_verified_from_what_they_report() -> None:
    made = make_plan(FABRIC, "ecmp")
    with switch_farm(FABRIC, made) as farm:
        switches = Inventory(FABRIC.name, dict(farm.addresses))
        before = verify_running(FABRIC, switches, replace(SINGLE, together=0), silent)
        program(made, switches)
        after = verify_running(FABRIC, switches, SINGLE, silent)
    # Switches that were only booted have no route.
    assert {problem.code for problem in before.problems} == {"switch-empty"}
    assert not before.is_good
    assert after.is_good
    assert all(outcome.replanned is None for outcome in after.outcomes)
    assert "hash-differs" not in {problem.code for problem in after.problems}
    planned = verify_plan(FABRIC, made, None, SINGLE, silent)
    assert [o.alone for o in after.outcomes] == [o.alone for o in planned.outcomes]
    assert after.proof
    assert planned.proof
    assert json.loads(after.proof())["ranks"] == json.loads(planned.proof())["ranks"]


def test_switches_that_hash_as_sonic_sets_them_by_itself_are_told_of_once() -> None:
    states = {switch.name: planned_state(FABRIC, PLAN, switch.name) for switch in PLAN.switches}
    assert list(check_hashes(FABRIC, states)) == []
    for name in ("spine0", "spine1"):
        states[name] = replace(states[name], hash_seed=10, hash_offset=10)
    (found,) = check_hashes(FABRIC, states)
    assert (found.code, found.severity) == ("hash-differs", "warning")
    assert found.message.startswith("spine0 hashes with seed 10 and offset 10, not ")
    assert "; 2 switches have another hash than planned: simulated paths" in found.message


def test_routes_that_bgp_gives_are_judged_as_they_stand() -> None:
    """The same fabric with all its routes in ROUTE_TABLE only, as FRR brings them there."""
    fabric = loads(leaf_spine(leaves=2, spines=2, per_leaf=2))
    with ExitStack() as stack:
        booted = {switch.name: _routed_by_bgp(switch) for switch in make_plan(fabric, "ecmp").switches}
        addresses = {name: stack.enter_context(serving(switch)) for name, switch in booted.items()}
        inventory = Inventory(fabric.name, addresses)
        result = verify_running(fabric, inventory, SINGLE, silent)
        # 2 hosts of one leaf lose those of the other where one spine does not know the way to it.
        booted["spine0"].learned.popitem()
        lossy = verify_running(fabric, inventory, SINGLE, silent)
    assert (result.pairs, result.present.lost, result.outcomes) == (12, 0, ())
    assert "failures: leaf0, leaf1, spine0, spine1 learn routes to hosts" in result.outside[0]
    errors = [each.code for each in lossy.problems if each.severity == "error"]
    assert (lossy.present.lost, errors) == (4, ["unreached"])


def _routed_by_bgp(switch: SwitchPlan) -> FakeSwitch:
    config = dict(planned_switch(switch).config)
    booted = FakeSwitch({**config, "STATIC_ROUTE": {}})
    booted.up = {port.name for port in switch.ports if port.is_enabled}
    booted.learned = {
        key.partition("|")[2]: {
            "protocol": "bgp",
            "nexthop": str(row["nexthop"]),
            "ifname": str(row["ifname"]),
        }
        for key, row in config["STATIC_ROUTE"].items()
    }
    return booted


def test_another_fabrics_inventory_is_refused() -> None:
    with pytest.raises(InputError, match="inventory is of fabric 'pod'"):
        verify_running(FABRIC, Inventory("pod", {}), SINGLE, silent)


def test_the_way_from_an_earlier_plan_is_proven_too(tmp_path: Path) -> None:
    today, drained = tmp_path / "today.json", tmp_path / "drained.yaml"
    CliRunner().invoke(APP, ["plan", "leaf-spine-16", "--routing", "ecmp", "-o", str(today)])
    down = "overrides: {links: [{ends: [leaf0, spine0], state: down}]}\n"
    drained.write_text(FILE.read_text() + down)
    result = run(str(drained), "--routing", "ecmp", "--failures", "0", "--from", str(today))
    assert result.exit_code == 0, result.output
    # leaf0 to 3 leaves, 3 leaves to leaf0, then spine0 to leaf0.
    assert "7 routes change in 2 rounds; nothing is lost, loops or deadlocks on the way" in result.stdout
    same = run("leaf-spine-16", "--routing", "ecmp", "--failures", "0", "--from", str(today), "--json")
    assert json.loads(same.stdout)["update"]["writes"] == 0
    other = run("white-box-512", "--failures", "0", "--from", str(today))
    assert isinstance(other.exception, InputError)
    assert "is a plan of 'leaf-spine-16', not of 'white-box-512'" in str(other.exception)


def test_cables_that_running_switches_hear_are_compared_and_mended() -> None:
    uplinks = [
        link for link in FABRIC.links if link.a.device == "leaf0" and link.b.device.startswith("spine")
    ]
    first, second = uplinks[:2]
    swapped = {first.a: second.b, second.a: first.b}
    plugged = [SeenCable(link.a, swapped.get(link.a, link.b), None) for link in FABRIC.links]
    with switch_farm(FABRIC, PLAN, cables=plugged) as farm:
        inventory = Inventory(FABRIC.name, farm.addresses)
        program(PLAN, inventory)
        result = verify_running(FABRIC, inventory, replace(SINGLE, together=0), silent)
    # Each wrong cable is heard from one side and the other.
    assert [problem.code for problem in result.problems] == ["cable-wrong"] * 2
    assert result.cabling is not None
    assert [str(step) for step in result.cabling] == [
        f"swap the plugs in {second.a} and {first.a} (both on leaf0)"
    ]
    with switch_farm(FABRIC, PLAN, cables=[]) as farm:
        inventory = Inventory(FABRIC.name, farm.addresses)
        silence = verify_running(FABRIC, inventory, replace(SINGLE, together=0), silent)
    assert [problem.code for problem in silence.problems if problem.severity == "warning"] == [
        "no-neighbours"
    ]
    assert silence.cabling is None


def test_policy_routes_are_told_as_no_part_of_the_proof() -> None:
    model = (
        "{ports: 32, port_speed: 400G, lanes_per_port: 8, buffer: 64MiB, features: [policy-routing], nos: p4}"
    )
    fabric = loads(
        f"raddle: 1\nname: pod\nmodels: {{box: {model}}}\n"
        "fabric: {leaves: {count: 2, model: box}, spines: {count: 2, model: box}}\nhosts: {per_leaf: 2}\n"
        "routing: {policy: pinned, pins: policy-route}\n"
    )
    demand = collective_demand(fabric, "all_reduce", None, Where("strided"))
    result = verify_plan(fabric, make_plan(fabric, "pinned", demand), demand, SINGLE, silent)
    told = [problem for problem in result.problems if problem.code == "policies-not-verified"]
    assert [problem.severity for problem in told] == ["warning"]
    assert "policy routes of this plan are no part of the proof" in told[0].message
    with pytest.raises(InputError, match="this plan pins by policy routes"):
        find_job_collisions(
            fabric, make_plan(fabric, "pinned", demand), [find_job(fabric, "all_reduce", None)]
        )


def test_a_load_above_100_percent_is_in_the_verdict_and_against_a_threshold_a_finding() -> None:
    # 24 endpoints of a leaf send 72 of 95 parts of their traffic over its 8 uplinks.
    asked = f"{24 * 72 / 95 / 8:.0%}"
    options = ("oversubscribed-3to1", "--failures", "0", "--routing", "ecmp")
    told = run(*options)
    assert told.exit_code == 0
    assert told.stdout.splitlines()[-1].startswith(
        f"ok, but uniform all-to-all asks {asked} of the link at leaf"
    )
    refused = run(*options, "--max-load", "200%")
    assert refused.exit_code == 1
    assert refused.stdout.splitlines()[-1] == "1 finding"
    assert "error[link-overloaded]" in refused.stderr
    assert run(*options, "--max-load", "230%").exit_code == 0


def test_what_the_best_shares_would_make_of_the_load_stands_beside_it_where_groups_cannot_have_them() -> None:
    uneven = leaf_spine(4, 4, 4) + (
        "overrides: {links: [{ends: [leaf0, spine0], state: down}, {ends: [leaf1, spine1], speed: 100G}]}\n"
    )
    only = FailureScope(together=0, most=1, seed=1, congested_groups=8)

    def found(text: str) -> Verification:
        model = loads(text)
        return verify_plan(model, make_plan(model, "ecmp"), None, only, lambda what, share: None)

    # 12 of 15 packets of a leaf's 4 hosts leave it, over 3 uplinks where there are no more: 4 * 0.8 / 3.
    assert found(uneven).best_load == pytest.approx(3.2 / 3)
    assert found(uneven).busiest[0] > 3.2 / 3
    assert "106.7% with the best shares there are" in text_of(found(uneven))
    assert found(leaf_spine(4, 4, 4)).best_load is None


def test_nothing_is_said_of_deadlock_where_no_class_is_lossless() -> None:
    model = loads(leaf_spine(2, 2, 2) + "roce: {lossless: []}\n")
    only = FailureScope(together=0, most=1, seed=1, congested_groups=8)
    result = verify_plan(model, make_plan(model, "ecmp"), None, only, lambda what, share: None)
    lines = text_of(result).splitlines()
    assert "deadlock:    not judged: no class of the fabric is lossless" in lines
    assert lines[-1].startswith("no findings; outside the proof: loss and deadlock by pauses")


@pytest.mark.parametrize("name", ["failed-links", "dual-tor-1024", "mixed-speed", "border"])
def test_an_outline_is_verified_as_the_plan_with_all_its_routes_is(name: str) -> None:
    fabric = loads(BORDER) if name == "border" else load(bundled_examples()[name])
    now = replace(SINGLE, together=0)
    whole = verify_plan(fabric, make_plan(fabric, "ecmp"), None, now, silent)
    outlined = verify_outline(outline_plan(fabric), now, silent)
    assert outlined == whole
    assert outlined.proof
    assert whole.proof
    assert outlined.proof() == whole.proof()


def test_a_route_that_an_outline_lacks_is_found() -> None:
    outline = outline_plan(FABRIC)
    pattern = outline.table.pattern.copy()
    pattern[0, 1] = -1  # of leaf0 to leaf1
    short = replace(outline, table=replace(outline.table, pattern=pattern))
    found = verify_outline(short, replace(SINGLE, together=0), silent)
    assert (found.present.lost, found.is_good) == (4 * 4, False)
    assert found.present.example.startswith("leaf0 to host4")


def test_uplinks_that_a_next_hop_group_leaves_out_load_the_others() -> None:
    text = (
        "raddle: 1\nname: wide\nmodels: {many: {ports: 64, port_speed: 100G, buffer: 256MiB, "
        "tables: {group_size: SIZE}}}\nfabric: {leaves: {count: 2, model: many}, "
        "spines: {count: 24, model: many}}\nhosts: {per_leaf: 24, nics: {speed: 100G}}\n"
    )
    found = [
        verify_outline(outline_plan(loads(text.replace("SIZE", size))), replace(SINGLE, together=0), silent)
        for size in ("24", "16")
    ]
    # Of 47 others 24 are behind the other leaf: so much goes up, over as many links as a group has.
    assert [each.busiest[0] for each in found] == pytest.approx([24 / 47, 24 / 47 * 24 / 16])
