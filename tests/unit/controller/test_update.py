"""Updates of routes: their order, and what can happen on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import dotted, plan_addresses
from raddle.controller.plan.model import NextHop, Plan, Route
from raddle.controller.plan.replan import replanner
from raddle.controller.plan.update import (
    PortChange,
    Routes,
    Update,
    Write,
    peers_of,
    routes_of,
    states_on_the_way,
    update_rounds,
    writes_between,
)
from raddle.controller.verify.network import entries_of_plan, network_of
from raddle.controller.verify.transient import Step, Transient, judge_update
from raddle.lab.verify import update as verify_update
from raddle.lab.verify.model import FailureScope
from raddle.lab.verify.plan import verify_plan
from raddle.lab.workloads.collective import collective_demand
from raddle.lab.workloads.ranks import Scope
from raddle.topology.model import Fabric
from tests.fabrics import THREE_LEAVES

FABRIC = raddle.loads(THREE_LEAVES)
PEERS = peers_of(make_plan(FABRIC, "ecmp"))
WITHOUT_SPINE1 = raddle.loads(
    THREE_LEAVES
    + "overrides: {links: ["
    + ", ".join(f"{{ends: [leaf{n}, spine1], state: down}}" for n in range(3))
    + "]}\n"
)


def routes(fabric: Fabric) -> Routes:
    return routes_of(make_plan(fabric, "ecmp"))


def judged(old: Routes, rounds: tuple[tuple[Write, ...], ...]) -> Transient:
    network, plan = network_of(FABRIC), make_plan(FABRIC, "ecmp")
    own = {switch.name: entries_of_plan(replace(switch, routes=())) for switch in plan.switches}
    ports = {switch.name: {port.name: port.index for port in switch.ports} for switch in plan.switches}
    return judge_update(network, own, ports, old, [Step(each, network.is_up) for each in rounds])


def test_a_spine_gives_up_its_routes_only_after_the_leaves_have_left_it() -> None:
    first, second = update_rounds(PEERS, routes(FABRIC), routes(WITHOUT_SPINE1))
    assert {write.switch for write in first} == {"leaf0", "leaf1", "leaf2"}
    assert {write.switch for write in second} == {"spine1"}
    assert all(not write.after for write in second)


def test_a_spine_has_its_routes_before_the_leaves_use_it() -> None:
    first, second = update_rounds(PEERS, routes(WITHOUT_SPINE1), routes(FABRIC))
    assert {write.switch for write in first} == {"spine1"}
    assert {write.switch for write in second} == {"leaf0", "leaf1", "leaf2"}


def test_the_first_routes_of_a_fabric_take_one_round() -> None:
    nothing: Routes = {switch.name: {} for switch in FABRIC.switches}
    assert update_rounds(PEERS, nothing, routes(FABRIC)) == (writes_between(nothing, routes(FABRIC)),)
    assert update_rounds(PEERS, routes(FABRIC), routes(FABRIC)) == ()


def test_a_drain_in_rounds_loses_nothing_and_all_at_once_it_does() -> None:
    old, new = routes(FABRIC), routes(WITHOUT_SPINE1)
    safe = judged(old, update_rounds(PEERS, old, new))
    assert (safe.rounds, safe.lost, safe.looping, safe.cycle) == (2, 0, 0, None)
    hasty = judged(old, (writes_between(old, new),))
    # 6 hosts, each to the 4 of the other leaves: every leaf may still hash to a spine without the route.
    assert (hasty.lost, hasty.looping) == (24, 0)
    assert hasty.example == "leaf0 to host2: leaf0:Ethernet24 > spine1"


def test_two_sound_plans_can_loop_between_and_the_rounds_do_not() -> None:
    old, new = (with_pins({"leaf2": (through, by)}) for through, by in ((0, 1), (1, 0)))
    hasty = judged(old, (writes_between(old, new),))
    assert hasty.looping > 0
    safe = judged(old, update_rounds(PEERS, old, new))
    assert (safe.lost, safe.looping) == (0, 0)


def test_routes_that_deadlock_only_together_are_kept_apart_by_the_rounds() -> None:
    """leaf0 > spine0 > leaf1 > spine1 > leaf2 before, leaf1 > spine1 > leaf0 > spine0 > leaf2 after."""
    old = with_route(routes(FABRIC), 4, ("leaf0", "spine0", "leaf1", "spine1"))
    new = with_route(routes(FABRIC), 5, ("leaf1", "spine1", "leaf0", "spine0"))
    hasty = judged(old, (writes_between(old, new),))
    assert hasty.cycle is not None
    safe = judged(old, update_rounds(PEERS, old, new))
    assert (safe.lost, safe.looping, safe.cycle) == (0, 0, None)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (lambda: routes(FABRIC), lambda: routes(WITHOUT_SPINE1), "update-drops"),
        (lambda: with_pins({"leaf2": (0, 1)}), lambda: with_pins({"leaf2": (1, 0)}), "update-loops"),
        (
            lambda: with_route(routes(FABRIC), 4, ("leaf0", "spine0", "leaf1", "spine1")),
            lambda: with_route(routes(FABRIC), 5, ("leaf1", "spine1", "leaf0", "spine0")),
            "update-deadlocks",
        ),
    ],
)
def test_an_update_in_one_round_is_found_out_by_verify(
    old: Callable[[], Routes], new: Callable[[], Routes], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_round(peers: object, before: Routes, after: Routes, ports: Sequence[PortChange]) -> Update:
        writes = writes_between(before, after)
        return Update(writes, (), (tuple(range(len(writes))),), (), ())

    monkeypatch.setattr(verify_update, "plan_update", one_round)
    scope = FailureScope(together=0, most=1, seed=1, congested_groups=8)
    done = verify_plan(FABRIC, planned(new()), None, scope, lambda what, share: None, planned(old()))
    (told,) = [str(problem) for problem in done.problems if problem.code == code]
    assert f"error[{code}]: during the update: " in told
    assert told.endswith("hint: change it in two steps, by a plan between the two")


def planned(table: Routes) -> Plan:
    """The plan with other routes."""
    made = make_plan(FABRIC, "ecmp")
    return replace(
        made,
        switches=tuple(
            replace(switch, routes=tuple(Route(*each, "fabric") for each in table[switch.name].items()))
            for switch in made.switches
        ),
    )


def with_route(base: Routes, endpoint: int, way: tuple[str, ...]) -> Routes:
    """A host route on every switch of a way to the next one."""
    prefix = f"{dotted(plan_addresses(FABRIC).endpoints[endpoint])}/32"
    made = {switch: dict(table) for switch, table in base.items()}
    for here, there in pairwise(way):
        made[here][prefix] = (NextHop("0.0.0.0", port_to(here, there)),)
    return made


def with_pins(bounces: dict[str, tuple[int, int]]) -> Routes:
    """spine to the first leaf, which sends on to the second; so that host4's packets meet both."""
    made = routes(FABRIC)
    for first, second in bounces.values():
        made = with_route(made, 4, (f"leaf{first}", "spine0", f"leaf{second}", "spine1"))
    return made


def port_to(here: str, there: str) -> str:
    for link in FABRIC.links:
        for near, far in ((link.a, link.b), (link.b, link.a)):
            if (near.device, far.device) == (here, there):
                return near.port
    raise AssertionError(f"{here} has no link to {there}")


def test_states_on_the_way_end_with_the_new_routes() -> None:
    old, new = routes(FABRIC), routes(WITHOUT_SPINE1)
    *_, last = states_on_the_way(old, update_rounds(PEERS, old, new))
    assert last == new


def test_a_drained_link_stays_up_and_no_route_or_pin_uses_it() -> None:
    drained = raddle.loads(THREE_LEAVES + "overrides: {drain: [spine1]}\n")
    demand = collective_demand(drained, "all_reduce", None, Scope("strided"))
    plan = make_plan(drained, "pinned", demand)
    switches = {switch.name: switch for switch in plan.switches}
    assert all(port.is_enabled for port in switches["spine1"].ports if port.peer)
    used = {
        hop.port for leaf in drained.leaves for route in switches[leaf.name].routes for hop in route.next_hops
    }
    assert used == {port_to("leaf0", "spine0")}
    assert not switches["spine1"].routes
    assert set(replanner(drained, plan, demand)(drained)[0]) == set(switches["leaf0"].routes)
