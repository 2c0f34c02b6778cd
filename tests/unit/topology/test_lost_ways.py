"""Who has no way any more after links have died, against all paths up and down."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raddle import Fabric, loads
from raddle.controller.plan.replan import with_links
from raddle.topology.model import Link
from raddle.topology.views.cut_off import lost_ways

HEAD = "raddle: 1\nname: pod\n"
TWO = loads(HEAD + "fabric: {leaves: {count: 3}, spines: {count: 3}}\nhosts: {per_leaf: 2}\n")
THREE = loads(
    HEAD + "fabric: {kind: fat-tree, pods: 2, leaves: {per_pod: 2}, spines: {per_pod: 2}, "
    "superspines: {count: 2}, spine_uplinks: {mesh: full}}\nhosts: {per_leaf: 1}\n"
)
PLANES = loads(
    HEAD + "fabric: {planes: 2, leaves: {count: 2}, spines: {count: 2}}\n"
    "hosts: {per_leaf: 1, nics: {count: 2}}\n"
)


def without(fabric: Fabric, *dead: tuple[str, str]) -> Fabric:
    return with_links(
        fabric, [link.is_up and (link.a.device, link.b.device) not in dead for link in fabric.links]
    )


def told(before: Fabric, after: Fabric) -> tuple[list[str], list[tuple[str, str]]]:
    lost = lost_ways(before, after)
    names = [switch.name for switch in before.switches]
    endpoints = [before.endpoints[index].name for index in np.flatnonzero(lost.endpoints)]
    return endpoints, [(names[one], names[other]) for one, other in lost.leaves]


def test_a_leaf_whose_only_spine_no_other_leaf_reaches_is_cut_off_with_its_link_up() -> None:
    alone = without(TWO, ("leaf0", "spine1"), ("leaf0", "spine2"), ("leaf1", "spine0"), ("leaf2", "spine0"))
    assert told(TWO, alone) == (["host0", "host1"], [])


def test_two_leaves_that_only_a_way_down_and_up_again_connects_are_apart() -> None:
    apart = without(TWO, ("leaf0", "spine1"), ("leaf0", "spine2"), ("leaf1", "spine0"))
    assert told(TWO, apart) == ([], [("leaf0", "leaf1")])


def test_of_two_leaves_the_one_without_an_uplink_is_cut_off() -> None:
    assert told(PLANES, without(PLANES, ("p1-leaf1", "p1-spine0"), ("p1-leaf1", "p1-spine1"))) == (
        ["host1:eth1"],
        [],
    )
    both = without(PLANES, ("p0-leaf0", "p0-spine0"), ("p0-leaf1", "p0-spine1"))
    assert told(PLANES, both) == ([], [("p0-leaf0", "p0-leaf1")])


def is_used(link: Link) -> bool:
    return link.is_up and not link.is_drained


def slow(fabric: Fabric) -> set[tuple[int, int]]:
    """Pairs of leaves of one plane with hosts that some switch is above both of."""

    def above(name: str) -> set[str]:
        ups = [link.b.device for link in fabric.links if link.a.device == name and is_used(link)]
        return {name}.union(*map(above, ups))

    leaves = sorted({each.leaf for each in fabric.endpoints})
    sets = {leaf: above(fabric.switches[leaf].name) for leaf in leaves}
    plane = {leaf: fabric.switches[leaf].plane for leaf in leaves}
    return {(a, b) for a in leaves for b in leaves if a < b and plane[a] == plane[b] and sets[a] & sets[b]}


@pytest.mark.parametrize("fabric", [TWO, THREE, PLANES], ids=["two tiers", "three tiers", "planes"])
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_who_is_told_is_whom_no_switch_above_connects(fabric: Fabric, data: st.DataObject) -> None:
    inner = [link.index for link in fabric.links if fabric.arrays.tier[link.index]]
    dead = data.draw(st.sets(st.sampled_from(inner)))
    drained = data.draw(st.sets(st.sampled_from(inner), max_size=3))
    links = tuple(
        replace(link, is_up=link.index not in dead, is_drained=link.index in drained) for link in fabric.links
    )
    after = replace(fabric, links=links)
    lost = lost_ways(fabric, after)
    gone = {fabric.endpoints[index].leaf for index in np.flatnonzero(lost.endpoints)}
    left, missing = slow(after), slow(fabric) - slow(after)
    assert {pair for pair in missing if not gone & {*pair}} == {*lost.leaves}
    assert all(not gone & {*pair} for pair in left)
    assert all(any(leaf in pair for pair in missing) for leaf in gone)
    assert bool(lost) == bool(missing)
