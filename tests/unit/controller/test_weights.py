"""Whole-number weights: the least loss at every size, against trying everything."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raddle
from raddle.controller.plan import from_json, make_plan, to_json
from raddle.controller.plan.balance import balance_of
from raddle.controller.plan.graph import graph_of
from raddle.controller.plan.paths import find_paths
from raddle.controller.plan.weights import equal_weights, loss_of, reduce_group, reduce_groups
from raddle.controller.southbound.sonic.tables import pushed
from raddle.errors import InputError
from raddle.topology import find
from raddle.topology.model import TableBudget

speeds = st.lists(st.sampled_from([100, 200, 375, 400, 800]), min_size=1, max_size=4)


def shares_of(values: list[int]) -> tuple[float, ...]:
    return tuple(value / sum(values) for value in values)


@given(speeds, st.integers(1, 8))
@settings(deadline=None)
def test_no_group_of_this_size_or_less_loses_less(values: list[int], most: int) -> None:
    shares = shares_of(values)
    every = (each for each in product(range(most + 1), repeat=len(shares)) if 0 < sum(each) <= most)
    assert reduce_group(shares, most, wanted=0.0).loss == pytest.approx(
        min(loss_of(weights, shares) for weights in every), abs=1e-9
    )


@given(speeds)
def test_no_set_of_equal_members_loses_less(values: list[int]) -> None:
    shares, places = shares_of(values), range(len(values))
    every = (set(kept) for count in range(1, len(values) + 1) for kept in combinations(places, count))
    least = min(loss_of([int(i in kept) for i in places], shares) for kept in every)
    assert loss_of(equal_weights(shares), shares) == pytest.approx(least, abs=1e-9)


def test_group_is_no_larger_than_it_must_be() -> None:
    assert reduce_group(shares_of([200, 400, 400]), 128).weights == (1, 2, 2)
    assert reduce_group(shares_of([400] * 32), 128).weights == (1,) * 32


def test_a_spine_short_of_one_in_32_uplinks_costs_a_percent_in_a_group_of_128() -> None:
    # 31 parts of 32/1023 and one of 31/1023: 3 entries for each of 31 and 2 for the last are 95.
    group = reduce_group(shares_of([31] + [32] * 31), 128)
    assert group.weights == (2, *[3] * 31)
    assert group.loss == pytest.approx(3 / 95 / (32 / 1023) - 1)


@pytest.mark.parametrize(("members", "most", "size"), [(200, 256, 200), (101, 128, 101), (200, 128, 128)])
def test_of_equal_members_none_is_left_out_while_there_is_room(members: int, most: int, size: int) -> None:
    group = reduce_group((1 / members,) * members, most)
    assert group.size == size
    assert group.loss == pytest.approx(max(members / size - 1, 0))


def test_groups_that_do_not_fit_the_table_together_lose_more_each() -> None:
    shares = [shares_of([i, 16]) for i in range(1, 16)]
    free = reduce_groups(shares, TableBudget(group_size=128))
    tight = reduce_groups(shares, TableBudget(group_size=128, group_members=60))
    assert sum(group.size for group in free) > 60 >= sum(group.size for group in tight)
    assert max(group.loss for group in tight) > max(group.loss for group in free)


def test_plan_tells_what_carries_weights_and_static_routes_treat_all_alike() -> None:
    plan = make_plan(raddle.load(find("mixed-speed")), "ecmp")
    assert plan.weights is not None
    losses = {each.switches: each.loss for each in plan.weights.carriers}
    # leaf3 has 1.2T of 800G ports' 2.4T to two of four spines: 6 links of 1/18, 6 of 2/18; without the slow
    # ones 1/6 instead of 1/9 each, with them 1/12 instead of 1/18: the same, so all are kept.
    assert losses == {
        **dict.fromkeys(("p4runtime", "openflow", "sonic-appl-db", "sonic-bgp"), 0.0),
        "sonic-config-db": pytest.approx(0.5),
    }
    assert plan.weights.carriers[0].worst == "leaf0 to leaf3"
    route = plan.switches[0].routes[-1]
    assert [hop.weight for hop in route.next_hops] == [1] * 6 + [2] * 6
    nexthop = pushed(plan.switches[0])["STATIC_ROUTE"][f"default|{route.prefix}"]["nexthop"]
    assert len(nexthop.split(",")) == 12
    assert from_json(to_json(plan)) == plan


def test_equal_shares_need_no_report() -> None:
    assert make_plan(raddle.load(find("leaf-spine-16")), "ecmp").weights is None


def test_groups_beyond_the_table_of_a_model_are_an_error_that_says_what_it_holds() -> None:
    text = """
raddle: 1
name: small-tables
models: {small: {ports: 16, port_speed: 400G, buffer: 64MiB, tables: {groups: 1, group_members: 4}}}
fabric: {leaves: {count: 3, model: small}, spines: {count: 4}}
hosts: {per_leaf: 1}
overrides: {links: [{ends: [leaf2, spine3], state: down}]}
"""
    with pytest.raises(InputError, match="leaf0 needs 2 prefix routes and 2 next-hop groups of 7") as caught:
        make_plan(raddle.loads(text), "ecmp")
    assert [each.code for each in caught.value.diagnostics] == ["table-too-small"]


def test_leaves_take_turns_at_the_uplinks_that_a_group_cannot_hold_together() -> None:
    """Nine leaves of eight uplinks, four to a group: each sends to four others over each half of them."""
    fabric = raddle.loads("""
raddle: 1
name: wide
models: {small: {ports: 16, port_speed: 400G, buffer: 64MiB, tables: {group_size: 4}}}
fabric: {leaves: {count: 9, model: small}, spines: {count: 8}}
hosts: {per_leaf: 8}
""")
    table = find_paths(graph_of(fabric))
    balance = balance_of(fabric, table)
    assert balance is not None
    # A leaf's 8 endpoints send 64 of 71 parts of a link each over 8 uplinks, evenly, as with groups of 8.
    assert (balance.held, balance.best) == (pytest.approx(64 / 71), pytest.approx(64 / 71))
    for leaf in make_plan(fabric, "ecmp").switches[:9]:
        ports = Counter(hop.port for route in leaf.routes for hop in route.next_hops)
        assert set(ports.values()) == {4}
        assert len(ports) == 8
