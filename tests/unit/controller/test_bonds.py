"""Bonds on two leaves: routes over both, around a dead port, and what failures cost."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raddle import InputError, load, loads
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import plan_addresses
from raddle.controller.plan.backup import backup_of
from raddle.controller.plan.codec import to_json
from raddle.controller.plan.make import outline_plan, plan_around
from raddle.controller.plan.replan import replanner
from raddle.controller.plan.update import PortChange, Update, plan_update
from raddle.controller.verify.update_scope import scope_of
from raddle.errors import Diagnostic
from raddle.lab.planned_states import planned_state
from raddle.lab.verify import update as verify_update
from raddle.lab.verify.model import FailureScope, Verification
from raddle.lab.verify.plan import verify_plan
from raddle.sim import FLOW_STATUS, Simulation
from raddle.sim.fluid import FluidSimulation
from raddle.state import SwitchState
from raddle.topology.model import Fabric, PortRef
from raddle.topology.views.capacity import review
from raddle.workload import Demand, Schedule, Sent
from tests.fabrics import BONDED, DUAL_TOR

FABRIC = loads(BONDED + "roce: {congestion_control: none}\n")
PLAN = make_plan(FABRIC, "ecmp")
DEAD_PORT = 'overrides: {links: [{ends: ["host0:eth0p0", leaf0], state: down}]}\n'
ALL_SINGLE = FailureScope(together=1, most=100, seed=1, congested_groups=1)


def hops(fabric: Fabric, switch: str) -> dict[str, set[str]]:
    plan = make_plan(fabric, "ecmp")
    own = next(each for each in plan.switches if each.name == switch)
    peer = {port.name: port.peer.partition(":")[0] for port in own.ports}
    return {route.prefix: {peer[hop.port] for hop in route.next_hops} for route in own.routes}


def test_spines_send_to_both_leaves_of_a_block() -> None:
    assert hops(FABRIC, "spine0") == {"10.0.0.0/30": {"leaf0", "leaf1"}, "10.0.0.4/30": {"leaf2", "leaf3"}}
    assert hops(FABRIC, "leaf0") == {"10.0.0.4/30": {"spine0", "spine1"}}


def test_a_bond_with_one_port_has_host_routes_past_the_leaf_that_lost_it() -> None:
    fabric = loads(BONDED + DEAD_PORT)
    assert hops(fabric, "spine0")["10.0.0.1/32"] == {"leaf1"}
    assert hops(fabric, "leaf0")["10.0.0.1/32"] == {"spine0", "spine1"}
    assert hops(fabric, "leaf3")["10.0.0.1/32"] == {"spine0", "spine1"}
    assert "10.0.0.1/32" not in hops(fabric, "leaf1")
    whole = make_plan(fabric, "ecmp")
    counts = [len(each.routes) for each in whole.switches]
    assert outline_plan(fabric).counts() == counts == [2, 1, 2, 2, 3, 3]
    around = next(each for each in plan_around(fabric, "spine0").switches if each.name == "spine0")
    assert around.routes == next(each for each in whole.switches if each.name == "spine0").routes


def test_a_leaf_with_fewer_uplinks_gets_its_part() -> None:
    more = "overrides: {remove: [{ends: [leaf0, spine0]}]}\n"
    fabric = loads(BONDED.replace("spines: {count: 2}", "spines: {count: 2}, uplinks: {per_pair: 2}") + more)
    plan = make_plan(fabric, "ecmp")
    leaf3 = next(each for each in plan.switches if each.name == "leaf3")
    weight = {hop.port: hop.weight for hop in leaf3.routes[0].next_hops}
    links = {link.a.port: link.b.device for link in fabric.links if link.a.device == "leaf3"}
    by_spine = {
        spine: sum(weight.get(port, 0) for port, to in links.items() if to == spine)
        for spine in ("spine0", "spine1")
    }
    # spine0 has two links to the block, as many as leaf3 has to it; that spine1 has four is of no use.
    assert by_spine["spine0"] == by_spine["spine1"]


def test_a_dead_leaf_cuts_off_nothing_and_needs_no_new_plan() -> None:
    result = verify_plan(FABRIC, PLAN, None, ALL_SINGLE, lambda what, share: None)
    assert result.is_good
    assert (result.endpoints, result.pairs, result.cut_off) == (4, 12, 0)
    outcomes = {each.failure: each for each in result.outcomes}
    assert len(outcomes) == 16 + 6
    for name in ("leaf0", "leaf3", "spine1"):
        assert (outcomes[name].cut_off, outcomes[name].alone.lost) == (0, 0)
    port = outcomes["host0:eth0p0 - leaf0:Ethernet0"]
    assert (port.cut_off, port.alone.lost) == (0, 3)
    assert port.replanned
    assert port.replanned.lost == 0


def test_the_same_ports_without_bonds_are_cut_off_with_their_leaf() -> None:
    fabric = loads(DUAL_TOR)
    result = verify_plan(fabric, make_plan(fabric, "ecmp"), None, ALL_SINGLE, lambda what, share: None)
    leaf = next(each for each in result.outcomes if each.failure == "leaf0")
    assert leaf.cut_off == 2 * 2 * 6 + 2


def test_load_of_the_busiest_link_counts_both_ports() -> None:
    result = verify_plan(FABRIC, PLAN, None, replace(ALL_SINGLE, together=0), lambda what, share: None)
    # Each of a pair's 4 ports sends 400G, two thirds of it to the other pair, over 4 uplinks of 400G.
    assert result.busiest[0] == pytest.approx(2 / 3)


def test_the_independent_checker_takes_the_certificate(tmp_path: Path) -> None:
    result = verify_plan(FABRIC, PLAN, None, replace(ALL_SINGLE, together=0), lambda what, share: None)
    assert result.proof
    document = json.loads(result.proof())
    assert (
        document["endpoints"]["host0:eth0p0"]["address"] == document["endpoints"]["host0:eth0p1"]["address"]
    )
    checker = runpy.run_path(str(Path(__file__).parents[3] / "scripts/check-certificate"))
    assert checker["check"](document)[0] == result.dependencies > 0


def test_flows_to_bonds_are_not_pinned() -> None:
    demand = Demand(np.array([0], np.int32), np.array([4], np.int32), np.array([0], np.int32))
    with pytest.raises(InputError, match=r"form-not-planned.*two ports share an address"):
        make_plan(FABRIC, "pinned", demand)


def states_of(fabric: Fabric) -> dict[str, SwitchState]:
    plan = make_plan(fabric, "ecmp")
    return {switch.name: planned_state(fabric, plan, switch.name) for switch in fabric.switches}


def messages(pairs: list[tuple[int, int]], size: int) -> Schedule:
    count = len(pairs)
    src, dst = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    zero = np.zeros(count, np.int32)
    return Schedule(
        name="messages", ranks=8, src=src, dst=dst, size_bytes=np.full(count, size, np.int64), step=zero,
        qp=np.arange(count, dtype=np.int32), dep_offsets=np.zeros(count + 1, np.int64),
        dep_ids=np.empty(0, np.int32), chunk=zero, chunk_count=zero, op=zero.astype(np.int8), fan=zero,
        chunk_bytes=np.zeros(1, np.int64),
    )  # fmt: skip


PAIRS = [(src, dst) for src in (0, 1, 4, 5) for dst in (2, 3, 6, 7)]
"""From either port of two bonds to either port of the two others."""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("engine", [Simulation, FluidSimulation])
def test_a_leaf_that_dies_under_traffic_costs_bandwidth_and_no_connection(
    engine: type[Simulation], threads: int
) -> None:
    sent = Sent.between(messages(PAIRS, 4_000_000), np.arange(8, dtype=np.int32))
    runs = {}
    for dies in (False, True):
        simulation = engine(
            FABRIC, plan_addresses(FABRIC).endpoints, states_of(FABRIC), sent, seed=3, threads=threads
        )
        simulation.advance(50_000_000)
        if dies:
            gone = [link for link in FABRIC.links if "leaf0" in (link.a.device, link.b.device)]
            cut = ", ".join(f'{{ends: ["{link.a}", "{link.b}"], state: down}}' for link in gone)
            dead = loads(BONDED + f"overrides: {{links: [{cut}]}}\n")
            for link in gone:
                simulation.set_link(link.a, is_up=False)
            for name, state in states_of(dead).items():
                simulation.set_switch(name, state)
        simulation.run()
        assert (simulation.flows().status == FLOW_STATUS.index("done")).all()
        runs[dies] = simulation
    ports = runs[True].ports().tx_bytes.sum(axis=1)
    index = runs[True].port_index
    host0 = [int(ports[index[PortRef("host0", nic)]]) for nic in ("eth0p0", "eth0p1")]
    assert host0[0] < host0[1]
    assert runs[True].flows().finish_ps.max() > runs[False].flows().finish_ps.max()


def test_queue_pairs_come_back_to_a_port_that_is_mended() -> None:
    sent = Sent.between(messages([(0, 4), (1, 5)], 20_000_000), np.arange(8, dtype=np.int32))
    simulation = Simulation(FABRIC, plan_addresses(FABRIC).endpoints, states_of(FABRIC), sent, seed=3)
    first = [int(simulation.trace(qp)[0]) for qp in (0, 1)]
    assert first == [0, 1]
    simulation.advance(20_000_000)
    simulation.set_link(PortRef("host0", "eth0p0"), is_up=False)
    assert [int(simulation.trace(qp)[0]) for qp in (0, 1)] == [1, 1]
    simulation.advance(40_000_000)
    simulation.set_link(PortRef("host0", "eth0p0"), is_up=True)
    assert [int(simulation.trace(qp)[0]) for qp in (0, 1)] == [0, 1]
    simulation.run()
    assert (simulation.flows().status == FLOW_STATUS.index("done")).all()


def test_blocks_of_both_families_are_at_both_leaves() -> None:
    fabric = loads(BONDED + "addressing: {families: dual}\n")
    routes = hops(fabric, "spine0")
    assert {ip_network(prefix).version for prefix in routes} == {4, 6}
    assert all(len(leaves) == 2 for leaves in routes.values())


def test_a_bond_without_ports_leaves_the_load_of_the_others() -> None:
    dead = "overrides: {links: [{ends: [leaf0, host0], state: down}, {ends: [leaf1, host0], state: down}]}\n"
    fabric = loads(BONDED + dead)
    result = verify_plan(fabric, make_plan(fabric, "ecmp"), None, ALL_SINGLE, lambda *_: None)
    # host1 sends 400G by each of its leaves, of which each has two uplinks of 400G.
    assert result.busiest[0] == pytest.approx(0.5)
    after = {each.failure: each.busiest[0] for each in result.outcomes}
    assert after["leaf0:Ethernet16 - spine0:Ethernet0"] == pytest.approx(1.0)


NO_WAY_UP = {
    "drained": "overrides:\n  drain: [leaf0]\n",
    "down": "overrides:\n  links:\n    - {ends: [leaf0, spine0], state: down}\n"
    "    - {ends: [leaf0, spine1], state: down}\n",
    "removed": "overrides:\n  remove: [{ends: [leaf0, spine0]}, {ends: [leaf0, spine1]}]\n",
}


@pytest.mark.parametrize("way", NO_WAY_UP)
def test_ports_at_a_leaf_without_a_way_up_are_shut_and_all_else_is_reached(way: str) -> None:
    text = BONDED + NO_WAY_UP[way]
    fabric = loads(text)
    plan = make_plan(fabric, "ecmp")
    leaf = next(each for each in plan.switches if each.name == "leaf0")
    assert [port.peer for port in leaf.ports if port.peer.startswith("host") and port.is_enabled] == []
    # The blocks lead over the leaf that is left, so that no bond needs a host route.
    assert {prefix[-3:] for each in plan.switches for prefix in hops(fabric, each.name)} == {"/30"}
    assert hops(fabric, "spine0")["10.0.0.0/30"] == {"leaf1"}
    result = verify_plan(fabric, plan, None, ALL_SINGLE, lambda *_: None)
    assert result.is_good
    assert (result.pairs, result.cut_off, result.present.lost) == (12, 0, 0)
    (warning,) = fabric.warnings
    assert (warning.code, "'host0:eth0p0', 'host1:eth0p0' are shut" in warning.message) == ("cut-off", True)
    assert warning.span
    place = {"drained": "drain: [leaf0]", "down": "state: down", "removed": "leaves:"}[way]
    assert place in text.splitlines()[warning.span.line - 1]
    assert "link-down" not in {each.code for each in review(fabric)} or way == "down"
    sent = Sent.between(messages(PAIRS, 100_000), np.arange(8, dtype=np.int32))
    simulation = Simulation(fabric, plan_addresses(fabric).endpoints, states_of(fabric), sent, seed=3)
    simulation.run()
    assert (simulation.flows().status == FLOW_STATUS.index("done")).all()


def test_a_bond_whose_other_port_is_dead_keeps_that_at_a_leaf_without_a_way_up() -> None:
    more = '  links: [{ends: ["host0:eth0p1", leaf1], state: down}]\n'
    fabric = loads(BONDED + NO_WAY_UP["drained"] + more)
    up = {str(link.a) for link in fabric.links if link.is_up and link.b.device == "leaf0"}
    assert "host0:eth0p0" in up
    assert "host1:eth0p0" not in up
    both = loads(BONDED + "overrides: {drain: [leaf0, leaf1]}\n")
    assert all(link.is_up for link in both.links)


DRAINED = NO_WAY_UP["drained"]
TWO_STATES = [("", DRAINED), (DRAINED, ""), ("", DEAD_PORT), (DEAD_PORT, ""), (DRAINED, DEAD_PORT)]


def updated(old: str, new: str) -> Verification:
    """What `verify --from` says of the way between two states of the fabric."""
    earlier, fabric = (loads(BONDED + more) for more in (old, new))
    only = replace(ALL_SINGLE, together=0)
    before = make_plan(earlier, "ecmp")
    return verify_plan(fabric, make_plan(fabric, "ecmp"), None, only, lambda *_: None, before)


@pytest.mark.parametrize(("old", "new"), TWO_STATES)
def test_ports_of_bonds_change_between_the_rounds_in_which_nothing_is_lost(old: str, new: str) -> None:
    found = updated(old, new)
    assert found.update
    assert (found.update.lost, found.update.looping, found.update.cycle) == (0, 0, None)
    is_told = any("shut one after the other" in each for each in found.outside)
    assert is_told == (not old)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(("old", "new"), TWO_STATES[:2])
def test_ports_that_change_before_or_after_all_routes_lose_packets_and_verify_says_so(
    old: str, new: str, is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hasty(*given: Any) -> Update:
        update = plan_update(*given)
        [ports] = [each for each in update.rounds if isinstance(update.at(each[0]), PortChange)]
        routes = tuple(each for each in update.rounds if each != ports)
        return replace(update, rounds=(ports, *routes) if is_first else (*routes, ports))

    monkeypatch.setattr(verify_update, "plan_update", hasty)
    found = updated(old, new)
    # Hosts send to a leaf that knows no way on, or spines to one whose ports are down.
    assert found.update
    assert found.update.lost > 0
    assert "update-drops" in {each.code for each in found.problems}


def test_a_leaf_that_loses_its_last_uplink_leaves_its_bonds_to_the_other_once_the_controller_has_acted() -> (
    None
):
    fabric = loads(BONDED.replace("spines: {count: 2}", "spines: {count: 1}"))
    plan = make_plan(fabric, "ecmp")
    result = verify_plan(fabric, plan, None, ALL_SINGLE, lambda *_: None)
    assert result.is_good
    outcome = next(each for each in result.outcomes if each.failure == "leaf0:Ethernet16 - spine0:Ethernet0")
    # Until then half of what leaf0's two bonds send to the others is lost.
    assert (outcome.cut_off, outcome.alone.lost) == (0, 4)
    assert outcome.replanned
    assert outcome.replanned.lost == 0
    replan = replanner(fabric, plan, None)
    link = fabric.link_by_port[PortRef("leaf0", "Ethernet16")].index
    state = backup_of(fabric, plan, replan, "", [link])
    assert [str(port) for port in state.shut] == ["leaf0:Ethernet0", "leaf0:Ethernet8"]


def test_ports_that_no_driver_sets_are_named() -> None:
    plans = (make_plan(loads(BONDED + more), "ecmp") for more in ("", DRAINED))
    old, new = (
        replace(plan, switches=tuple(replace(each, nos="p4") for each in plan.switches)) for plan in plans
    )
    [said] = scope_of(old, new).outside()
    assert said.startswith("leaf0:Ethernet0, leaf0:Ethernet8 of bonds, set up or down by hand")


def test_a_certificate_without_what_is_outside_is_no_certificate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = verify_plan(FABRIC, PLAN, None, replace(ALL_SINGLE, together=0), lambda what, share: None)
    assert result.proof
    document = json.loads(result.proof())
    del document["outside"]
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps(document))
    checker = runpy.run_path(str(Path(__file__).parents[3] / "scripts/check-certificate"))
    assert checker["main"]([str(path)]) == 2
    told = capsys.readouterr()
    assert (told.out, "'outside'" in told.err) == ("", True)


def test_the_certificate_of_bonds_is_compared_with_the_plan() -> None:
    fabric = loads(BONDED + "addressing: {families: dual}\n")
    plan = make_plan(fabric, "ecmp")
    result = verify_plan(fabric, plan, None, replace(ALL_SINGLE, together=0), lambda what, share: None)
    checker = runpy.run_path(str(Path(__file__).parents[3] / "scripts/check-certificate"))
    assert result.proof
    document, given = json.loads(result.proof()), json.loads(to_json(plan))
    checker["check_plan"](document, given)
    ends = document["endpoints"]
    ends["host0:eth0p0"]["port"], ends["host0:eth0p1"]["port"] = "leaf1:Ethernet0", "leaf0:Ethernet0"
    with pytest.raises(checker["Rejected"], match="host0:eth0p0 is not on the port"):
        checker["check_plan"](document, given)
    emptied = json.loads(result.proof()) | {"outside": []}
    with pytest.raises(checker["Rejected"], match="plan's IPv6 routes are outside"):
        checker["check_plan"](emptied, given)


def test_a_loop_around_a_bond_with_a_dead_port_is_told_at_that_port_and_draining_its_leaf_avoids_it(
    tmp_path: Path,
) -> None:
    def problems(more: str) -> list[Diagnostic]:
        file = tmp_path / "pair.yaml"
        file.write_text(
            BONDED + f"overrides:\n  {more}links: [{{ends: ['host0:eth0p0', leaf0], state: down}}]\n"
        )
        fabric = load(file)
        return list(
            verify_plan(fabric, make_plan(fabric, "ecmp"), None, ALL_SINGLE, lambda *_: None).problems
        )

    loop = next(each for each in problems("") if each.code == "loop")
    line = len(BONDED.splitlines()) + 2
    assert loop.span
    assert loop.span.line == line
    assert "bring 'host0:eth0p0' up, or drain 'leaf0'" in loop.hint
    assert [each.code for each in problems("drain: [leaf0]\n  ")] == ["cut-off"]
