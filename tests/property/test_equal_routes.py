"""Endpoints whose routes are equal are worked out once, and what comes out is what comes out for each."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.verify.deadlock import dependencies, ranks, smallest_cycle
from raddle.controller.verify.equal_routes import stands_for
from raddle.controller.verify.failures import judge
from raddle.controller.verify.load import busiest_link
from raddle.controller.verify.network import Entry, Network, entries_of_plan, network_of
from raddle.controller.verify.tables import tables_of
from raddle.topology.model import Fabric
from tests.fabrics import BONDED, TWO_PLANES, leaf_spine
from tests.property.test_verified_tables import FABRIC, NETWORK, Tree, arbitrary_tables

RANDOM = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "verify-random"))["random_fabric"]


def hold_equal(fabric: Fabric, network: Network, entries: dict[str, list[Entry]]) -> int:
    """How many endpoints stand for all, after a comparison of all that is said of them and of each."""
    stands = stands_for(network, entries)
    few, every = tables_of(network, entries, stands), tables_of(network, entries)
    assert (stands[stands] == stands).all()
    links = network.is_up
    edges = dependencies(network, every, links)
    assert np.array_equal(dependencies(network, few, links), edges)
    rank = ranks(network, edges)
    if rank is None:
        assert smallest_cycle(network, few, links, edges) == smallest_cycle(network, every, links, edges)
    odd = np.arange(len(network.endpoints)) % 3 == 1
    speed_bps = fabric.arrays.speed_bps
    for members in (None, odd):
        assert judge(network, few, links, rank, members) == judge(network, every, links, rank, members)
        one, other = (busiest_link(network, each, links, speed_bps, members) for each in (few, every))
        assert one[0] == pytest.approx(other[0], rel=1e-9)
    return len(few.destinations)


@settings(max_examples=60, deadline=None)
@given(entries=arbitrary_tables())
def test_of_arbitrary_tables(entries: Tree) -> None:
    hold_equal(FABRIC, NETWORK, entries)


def planned(text: str) -> tuple[Fabric, Network, dict[str, list[Entry]]]:
    fabric = raddle.loads(text)
    plan = make_plan(fabric, "ecmp")
    return fabric, network_of(fabric), {switch.name: entries_of_plan(switch) for switch in plan.switches}


@pytest.mark.parametrize("seed", range(12))
def test_of_random_fabrics(seed: int) -> None:
    hold_equal(*planned(RANDOM(seed)))


@pytest.mark.parametrize(("text", "most"), [(leaf_spine(per_leaf=4), 2), (TWO_PLANES, 4), (BONDED, 4)])
def test_of_planned_tables_one_endpoint_of_each_leaf_stands_for_all(text: str, most: int) -> None:
    assert hold_equal(*planned(text)) == most


def test_a_host_route_elsewhere_or_a_lost_port_at_home_makes_an_endpoint_one_of_its_own() -> None:
    fabric, network, entries = planned(leaf_spine(per_leaf=4))
    host = int(network.addresses[1])
    elsewhere = entries | {"leaf1": [*entries["leaf1"], (host, 32, ())]}
    assert hold_equal(fabric, network, elsewhere) == 3
    assert judge(network, tables_of(network, elsewhere), network.is_up, None).lost > 0
    at_home = entries | {"leaf0": [*entries["leaf0"], (host, 32, ())]}
    assert hold_equal(fabric, network, at_home) == 3
    down = leaf_spine(per_leaf=4, more="overrides: {links: [{ends: [host1, leaf0], state: down}]}\n")
    assert hold_equal(*planned(down)) == 3
