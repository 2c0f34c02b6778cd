"""A plan made from an earlier one: only what must move moves."""

from __future__ import annotations

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.plan.replan import without_drained
from raddle.lab.workloads.collective import collective_demand
from raddle.lab.workloads.ranks import Scope
from raddle.topology.model import Fabric

TWO_TIERS = "fabric: {leaves: {count: 4}, spines: {count: 4}, uplinks: {per_pair: 2}}\nhosts: {per_leaf: 8}\n"
THREE_TIERS = """
fabric:
  kind: fat-tree
  pods: 4
  leaves: {per_pod: 2}
  spines: {per_pod: 2}
  superspines: {count: 4}
hosts: {per_leaf: 2}
"""


def fabric_of(form: str, overrides: str = "") -> Fabric:
    return raddle.loads(f"raddle: 1\nname: pod\n{form}\n{overrides}")


def pins_of(plan: Plan) -> dict[tuple[str, str], str]:
    return {
        (switch.name, route.prefix): route.next_hops[0].port
        for switch in plan.switches
        for route in switch.routes
        if route.origin == "pin"
    }


def dead_ports(fabric: Fabric) -> set[tuple[str, str]]:
    links = [link for link in without_drained(fabric).links if not link.is_up]
    return {(end.device, end.port) for link in links for end in (link.a, link.b)}


@pytest.mark.parametrize("form", [TWO_TIERS, THREE_TIERS])
def test_a_plan_kept_on_the_same_fabric_is_the_same(form: str) -> None:
    fabric = fabric_of(form)
    demand = collective_demand(fabric, "all_reduce", None, Scope("random"))
    plan = make_plan(fabric, "pinned", demand)
    assert pins_of(plan)
    assert pins_of(make_plan(fabric, "pinned", demand, plan)) == pins_of(plan)


def test_pins_do_not_stay_on_a_link_that_became_slow() -> None:
    before = fabric_of(TWO_TIERS)
    after = fabric_of(TWO_TIERS, "overrides: {links: [{ends: [leaf0, spine2], number: 1, speed: 100G}]}\n")
    demand = collective_demand(before, "all_to_all", None, Scope("random"))
    old = make_plan(before, "pinned", demand)
    kept, fresh = make_plan(after, "pinned", demand, old), make_plan(after, "pinned", demand)
    (slow,) = (link for link in after.links if link.speed_bps < 400 * 10**9 and "spine2" in str(link.b))
    over = {(end.device, end.port) for end in (slow.a, slow.b)}
    held = [key for key, port in pins_of(old).items() if (key[0], port) in over]
    stay = [key for key, port in pins_of(kept).items() if (key[0], port) in over]
    assert len(stay) < len(held)  # all would be four times too many
    assert kept.pins is not None
    assert fresh.pins is not None
    assert kept.pins.data.worst <= 1.25 * fresh.pins.data.worst
    elsewhere = [key for key in pins_of(old) if key not in held]
    assert sum(pins_of(kept).get(key) == pins_of(old)[key] for key in elsewhere) > 0.8 * len(elsewhere)


def test_pins_that_lose_no_link_stay_when_a_spine_is_drained() -> None:
    before = fabric_of(TWO_TIERS)
    after = fabric_of(TWO_TIERS, "overrides: {drain: [spine2]}\n")
    demand = collective_demand(before, "all_to_all", None, Scope("random"))
    old = make_plan(before, "pinned", demand)
    kept, fresh = make_plan(after, "pinned", demand, old), make_plan(after, "pinned", demand)
    moved = {key for key, port in pins_of(kept).items() if pins_of(old).get(key) != port}
    over_spine2 = {key for key, port in pins_of(old).items() if (key[0], port) in dead_ports(after)}
    # At a leaf only what went over spine2; at other spines what has come there.
    assert {key for key in moved if key[0].startswith("leaf")} == {
        key for key in over_spine2 if key[0].startswith("leaf")
    }
    anew = {key for key, port in pins_of(fresh).items() if pins_of(old).get(key) != port}
    assert len(moved) < len(anew)
    assert kept.pins is not None
    assert kept.pins.data.worst >= kept.pins.data.bound


def test_an_earlier_plan_of_other_hosts_and_switches_is_no_hindrance() -> None:
    small = fabric_of("fabric: {leaves: {count: 2}, spines: {count: 3}}\nhosts: {per_leaf: 4}\n")
    large = fabric_of("fabric: {leaves: {count: 4}, spines: {count: 4}}\nhosts: {per_leaf: 4}\n")
    old = make_plan(large, "pinned", collective_demand(large, "all_reduce", None, Scope("strided")))
    demand = collective_demand(small, "all_reduce", None, Scope("strided"))
    plan = make_plan(small, "pinned", demand, old)
    assert pins_of(plan)
    assert plan.pins is not None
    assert plan.pins.data.worst >= plan.pins.data.bound
