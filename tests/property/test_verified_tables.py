"""Array proofs against walking every path, on small fabrics with arbitrary tables and failures."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import plan_addresses
from raddle.controller.plan.replan import replanner, with_links
from raddle.controller.verify.certificate import certificate
from raddle.controller.verify.deadlock import breaks_ranks, dependencies, rank_by_name, ranks, smallest_cycle
from raddle.controller.verify.network import RESERVE, Entry, Network, entries_of_plan, network_of, split
from raddle.controller.verify.reach import connected, delivered, looping, repair, sources
from raddle.controller.verify.tables import LookUp, Tables, tables_of
from raddle.lab.verify.model import FailureScope
from raddle.lab.verify.plan import verify_plan
from raddle.lab.workloads.collective import collective_demand
from raddle.lab.workloads.ranks import Scope
from raddle.topology.model import PortRef
from tests.fabrics import THREE_LEAVES

FABRIC = raddle.loads(THREE_LEAVES)
NETWORK = network_of(FABRIC)
CHECKER = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "check-certificate"))
EVERY = np.arange(len(FABRIC.endpoints))

Tree = dict[str, list[Entry]]


@st.composite
def arbitrary_tables(draw: st.DrawFn) -> Tree:
    """Own links as they are; to every leaf's prefix and some hosts, any set of ports, or no route. Routes to
    hosts may have others in reserve."""
    addresses = plan_addresses(FABRIC)
    planned = make_plan(FABRIC, "ecmp")
    entries: Tree = {}
    for switch, each in zip(FABRIC.switches, planned.switches, strict=True):
        own = [entry for entry in entries_of_plan(each) if entry[1] == 31]
        cabled = [
            port.index
            for port in switch.ports
            if (link := FABRIC.link_by_port.get(PortRef(switch.name, port.name)))
            and link.a.device in FABRIC.switch_by_name
        ]
        some = st.lists(st.sampled_from(cabled), unique=True, max_size=2)
        routes = [
            (int(prefix.network_address), prefix.prefixlen, tuple(draw(some)))
            for (prefix,) in addresses.leaf_prefixes
            if draw(st.booleans())
        ]
        pins = [
            (addresses.endpoints[e], 32, with_reserve(draw(some), draw(some)))
            for e in draw(st.lists(st.sampled_from(range(len(addresses.endpoints))), unique=True, max_size=2))
        ]
        at_home = {e.index for e in FABRIC.endpoints if e.leaf == switch.index}
        pins = [pin for pin in pins if addresses.endpoints.index(pin[0]) not in at_home]
        entries[switch.name] = own + routes + pins
    return entries


def with_reserve(own: list[int], reserve: list[int]) -> tuple[int, ...]:
    """The ports of a route; a blackhole needs none in reserve."""
    return (*own, *(RESERVE + port for port in reserve)) if own else ()


failed = st.lists(st.sampled_from(range(len(FABRIC.links))), unique=True, max_size=3)


def next_hops(entries: Tree, links: Any, switch: int, address: int) -> list[int]:
    """Live channels of the longest prefix that has one, else in reserve; a blackhole ends the search."""
    name = NETWORK.switches[switch]
    for prefix, length, ports in sorted(entries[name], key=lambda entry: -entry[1]):
        if address >> (32 - length) != prefix >> (32 - length):
            continue
        for numbers in ([p for p in ports if p < RESERVE], [p - RESERVE for p in ports if p >= RESERVE]):
            live = [NETWORK.channel[switch, port] for port in numbers]
            live = [channel for channel in live if links[NETWORK.link[channel]]]
            if live or not ports:
                return live
    return []


def paths(entries: Tree, links: Any, switch: int, endpoint: int) -> Iterator[tuple[str, list[int]]]:
    """Every way a packet can go, as (how it ends, channels)."""
    address = int(NETWORK.addresses[endpoint])
    stack: list[tuple[int, list[int], set[int]]] = [(switch, [], {switch})]
    while stack:
        here, way, seen = stack.pop()
        hops = next_hops(entries, links, here, address)
        if not hops:
            yield "lost", way
        for channel in hops:
            there = int(NETWORK.peer[channel])
            longer = [*way, channel]
            if there == len(NETWORK.switches):
                yield ("done" if NETWORK.endpoint[channel] == endpoint else "lost"), longer
            elif there in seen:
                yield "loop", longer
            else:
                stack.append((there, longer, seen | {there}))


@settings(max_examples=60, deadline=None)
@given(entries=arbitrary_tables(), down=failed)
def test_delivery_and_loops_are_those_of_every_path(entries: Tree, down: list[int]) -> None:
    links = NETWORK.without(down)
    live = repair(NETWORK, tables_of(NETWORK, entries), links)
    good, loops = delivered(NETWORK, live), looping(NETWORK, live)
    for switch in range(len(NETWORK.switches)):
        for endpoint in EVERY.tolist():
            ends = {end for end, _ in paths(entries, links, switch, endpoint)}
            assert good[switch, endpoint] == (ends == {"done"})
            assert loops[switch, endpoint] == ("loop" in ends)


@settings(max_examples=60, deadline=None)
@given(entries=arbitrary_tables(), down=failed)
def test_dependencies_ranks_and_certificate_are_those_of_every_path(entries: Tree, down: list[int]) -> None:
    fabric = with_links(FABRIC, NETWORK.without(down)[:-1].tolist())
    network = network_of(fabric)
    links = network.is_up
    tables = tables_of(network, entries)
    wanted = set()
    is_source = sources(network, links, EVERY)
    for switch, endpoint in zip(*np.nonzero(is_source), strict=True):
        for _, way in paths(entries, links, int(switch), int(endpoint)):
            inside = [channel for channel in way if network.peer[channel] < len(network.switches)]
            wanted |= set(pairwise(inside))
    # A loop's last step leads back into its own way, whose next step depends on it too.
    edges = dependencies(network, tables, links)
    found = {(int(a), int(b)) for a, b in edges}
    assert wanted <= found
    assert all(network.peer[a] == network.out[b] for a, b in found)
    graph = nx.DiGraph(sorted(found))
    rank = ranks(network, edges)
    is_acyclic = nx.is_directed_acyclic_graph(graph)
    assert (rank is not None) == is_acyclic
    live = repair(network, tables, links)
    if rank is None:
        cycle = smallest_cycle(network, tables, links, edges)
        closing = [nx.shortest_path_length(graph, b, a) + 1 for a, b in found if nx.has_path(graph, b, a)]
        assert len(cycle.channels) == min(closing)
        assert breaks_ranks(network, live, np.zeros(len(network.out), np.int64))
        return
    assert found == wanted
    local = {name: live_entries(entries, network, links, name) for name in entries}
    text = certificate(fabric, network.addresses.tolist(), local, rank_by_name(network, rank, edges))
    assert CHECKER["check"](json.loads(text))[0] == len(edges)


def live_entries(entries: Tree, network: Network, links: Any, name: str) -> list[Entry]:
    """A switch's routes without dead next hops, as it reports them."""
    switch = network.switches.index(name)
    result = []
    for prefix, length, ports in entries[name]:
        own, reserve = (
            tuple(port for port in side if links[network.link[network.channel[switch, port]]])
            for side in split(ports)
        )
        live = own or reserve
        if live or not ports:
            result.append((prefix, length, live))
    return result


def planned(routing: Any) -> tuple[Tables, Tree, str]:
    demand = collective_demand(FABRIC, "all_to_all", None)
    plan = make_plan(FABRIC, routing, demand)
    entries = {switch.name: entries_of_plan(switch) for switch in plan.switches}
    tables = tables_of(NETWORK, entries)
    edges = dependencies(NETWORK, tables, NETWORK.is_up)
    rank = ranks(NETWORK, edges)
    assert rank is not None
    ranked = rank_by_name(NETWORK, rank, edges)
    return tables, entries, certificate(FABRIC, NETWORK.addresses.tolist(), entries, ranked)


@pytest.mark.parametrize("routing", ["ecmp", "pinned"])
def test_the_checker_refuses_a_certificate_whose_numbers_or_tables_were_changed(routing: str) -> None:
    _, _, text = planned(routing)
    check, rejected = CHECKER["check"], CHECKER["Rejected"]
    assert check(json.loads(text))[0] > 0

    equal = json.loads(text)
    equal["ranks"] = dict.fromkeys(equal["ranks"], 7)
    with pytest.raises(rejected, match="whose number is not larger"):
        check(equal)

    fewer = json.loads(text)
    fewer["ranks"].popitem()
    with pytest.raises(rejected, match="has no number"):
        check(fewer)

    bounced = json.loads(text)
    leaf2 = next(prefix for prefix in bounced["tables"]["spine0"] if prefix.endswith(("/30", "/29")))
    for prefix in list(bounced["tables"]["spine0"]):
        if prefix.endswith(leaf2.partition("/")[2]):
            bounced["tables"]["spine0"][prefix] = list(bounced["tables"]["spine0"][leaf2])
    with pytest.raises(rejected):
        check(bounced)


@settings(max_examples=30, deadline=None)
@given(down=st.lists(st.sampled_from(range(6, len(FABRIC.links))), unique=True, max_size=2))
def test_a_replanned_fabric_has_the_routes_of_a_new_plan(down: list[int]) -> None:
    left = with_links(FABRIC, NETWORK.without(down)[:-1].tolist())
    fresh = make_plan(left, "ecmp")
    again = replanner(FABRIC, make_plan(FABRIC, "ecmp"), None)(left)
    for switch, routes in zip(fresh.switches, again, strict=True):
        assert set(switch.routes) == set(routes)


@settings(max_examples=30, deadline=None)
@given(down=st.sampled_from(range(6, len(FABRIC.links))))
def test_only_pins_that_lost_a_link_move(down: int) -> None:
    demand = collective_demand(FABRIC, "all_reduce", None, Scope("strided"))
    plan = make_plan(FABRIC, "pinned", demand)
    replan = replanner(FABRIC, plan, demand)
    before = {switch.name: switch.routes for switch in plan.switches}
    left = with_links(FABRIC, NETWORK.without([down])[:-1].tolist())
    dead = {str(FABRIC.links[down].a), str(FABRIC.links[down].b)}
    spine = FABRIC.links[down].b.device
    for switch, routes in zip(FABRIC.switches, replan(left), strict=True):
        now = {route.prefix: route for route in routes if route.origin == "pin"}
        for route in before[switch.name]:
            if route.origin == "pin" and now[route.prefix] != route:
                ports = {f"{switch.name}:{hop.port}" for hop in route.next_hops}
                far = {FABRIC.link_by_port[PortRef(*port.split(":"))].b.device for port in ports}
                assert ports & dead or spine in far
        for route in now.values():
            assert not {f"{switch.name}:{hop.port}" for hop in route.next_hops} & dead


@pytest.mark.parametrize("routing", ["ecmp", "pinned"])
def test_the_plan_of_a_whole_fabric_reaches_all_that_is_connected(routing: str) -> None:
    tables, _, _ = planned(routing)
    live = repair(NETWORK, tables, NETWORK.is_up)
    wanted = sources(NETWORK, NETWORK.is_up, EVERY) & connected(NETWORK, NETWORK.is_up, EVERY)
    assert (delivered(NETWORK, live) | ~wanted).all()


def meaning(tables: Tables) -> list[list[list[tuple[int, ...]]]]:
    """By switch and destination, the channels of every prefix that holds it, longest first, each followed by
    those in reserve."""
    groups = [tuple(tables.members[start:end].tolist()) for start, end in pairwise(tables.offsets.tolist())]
    reserve = [groups[group] if group >= 0 else () for group in tables.reserve.tolist()]
    return [
        [
            [each for group in column if group >= 0 for each in (groups[group], reserve[group])]
            for column in by_switch
        ]
        for by_switch in np.moveaxis(tables.choices, 0, 2).tolist()
    ]


@settings(max_examples=60, deadline=None)
@given(arbitrary_tables(), arbitrary_tables())
def test_tables_with_changed_routes_are_those_made_anew(old: Tree, new: Tree) -> None:
    look_up = LookUp(NETWORK, old)
    changes = {}
    for number, name in enumerate(NETWORK.switches):
        before, after = ({entry[:2]: entry[2] for entry in tree[name]} for tree in (old, new))
        changed = {key: after.get(key) for key in before | after if before.get(key) != after.get(key)}
        if changed:
            changes[number] = changed
    assert meaning(look_up.changed(changes)) == meaning(tables_of(NETWORK, new))
    assert meaning(look_up.changed({})) == meaning(look_up.tables()) == meaning(tables_of(NETWORK, old))


@pytest.mark.parametrize("routing", ["ecmp", "pinned"])
def test_judging_only_what_a_failure_touches_finds_the_same(
    routing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand = collective_demand(FABRIC, "all_to_all", None, Scope("random")) if routing == "pinned" else None
    plan = make_plan(FABRIC, routing, demand)
    scope = FailureScope(together=2, most=40, seed=1, congested_groups=8)
    narrow = verify_plan(FABRIC, plan, demand, scope, lambda what, share: None)
    monkeypatch.setattr(
        "raddle.controller.verify.failures.touched_columns",
        lambda network, before, *rest: np.arange(before.group.shape[1]),
    )
    full = verify_plan(FABRIC, plan, demand, scope, lambda what, share: None)
    assert full == narrow
    assert full.proof
    assert narrow.proof
    assert full.proof() == narrow.proof()
    assert any(outcome.alone.lost for outcome in narrow.outcomes)
