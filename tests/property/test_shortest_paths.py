"""Array paths against brute force on small random fabrics: tiers, planes, parallel links."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raddle
from raddle.controller.plan.graph import SwitchGraph, graph_of
from raddle.controller.plan.paths import PathTable, find_paths, update_paths

SPEEDS = (0, 100_000_000_000, 200_000_000_000, 400_000_000_000)

FORMS = {
    "two tiers": "kind: leaf-spine, leaves: {count: 4}, spines: {count: 3}, uplinks: {per_pair: 2}",
    "planes": "kind: leaf-spine, planes: 2, leaves: {count: 3}, spines: {count: 2}",
    "fat tree": "kind: fat-tree, pods: 3, leaves: {per_pod: 2}, spines: {per_pod: 2}, "
    "superspines: {count: 4}",
    "thick fat tree": "kind: fat-tree, pods: 2, leaves: {per_pod: 2}, spines: {per_pod: 2}, "
    "superspines: {count: 2}, uplinks: {per_pair: 2}, spine_uplinks: {per_pair: 2}",
    "full mesh": "kind: fat-tree, pods: 3, leaves: {per_pod: [2, 1, 2]}, spines: {per_pod: 2}, "
    "superspines: {count: 3}, spine_uplinks: {mesh: full}",
    "spines of a rail": "kind: fat-tree, pods: 2, rails: 2, leaves: {per_pod: 4}, spines: {per_pod: 4}, "
    "superspines: {count: 4}, uplinks: {mesh: rail}",
}
CROSSED = """
raddle: 1
name: crossed
devices:
  {hosts}
  l0: {role: leaf}
  l1: {role: leaf}
  l2: {role: leaf, pod: 1}
  s0: {role: spine}
  s1: {role: spine}
  s2: {role: spine, pod: 1}
  s3: {role: spine, pod: 1}
  c0: {role: superspine}
  c1: {role: superspine}
links:
"""


def crossed() -> str:
    """An explicit fabric whose superspines reach every spine, so that ways down meet."""
    text = CROSSED.replace("{hosts}", "\n  ".join(f"h{i}: {{role: host}}" for i in range(3)))
    pairs = [("l0", "s0"), ("l0", "s1"), ("l1", "s0"), ("l1", "s1"), ("l2", "s2"), ("l2", "s3")]
    pairs += list(product(("s0", "s1", "s2", "s3"), ("c0", "c1")))
    used: dict[str, int] = {}
    lines = [f"  - {{ends: [h{i}:eth0, l{i}:Ethernet240]}}" for i in range(3)]
    for pair in pairs:
        ports = [f"{name}:Ethernet{8 * used.setdefault(name, 0)}" for name in pair]
        for name in pair:
            used[name] += 1
        lines.append(f"  - {{ends: [{', '.join(ports)}]}}")
    return text + "\n".join(lines) + "\n"


def form(name: str) -> SwitchGraph:
    if name == "crossed":
        return graph_of(raddle.loads(crossed()))
    nics = ", nics: {count: 2}" if name in ("planes", "spines of a rail") else ""
    text = f"raddle: 1\nname: small\nfabric: {{{FORMS[name]}}}\nhosts: {{per_leaf: 1{nics}}}\n"
    return graph_of(raddle.loads(text))


GRAPHS = {name: form(name) for name in (*FORMS, "crossed")}


@st.composite
def damaged(draw: st.DrawFn, name: str) -> SwitchGraph:
    """A graph some of whose links are down or slower."""
    graph = GRAPHS[name]
    links = graph.link[:-1].astype(np.int64)
    chosen = draw(st.lists(st.sampled_from(links.tolist()), unique=True, min_size=1, max_size=6))
    speeds = [draw(st.sampled_from(SPEEDS)) for _ in chosen]
    return graph.with_speeds(np.array(chosen), np.array(speeds))


def ways(graph: SwitchGraph, leaf: int) -> nx.DiGraph:
    """Every way that shortest paths up and down take to a leaf: nodes are (switch, is it going down)."""
    walk: nx.DiGraph = nx.DiGraph()
    for row in np.flatnonzero(graph.speed[:-1] > 0).tolist():
        low, high = int(graph.lower[row]), int(graph.upper[row])
        walk.add_edge((low, False), (high, False))
        walk.add_edge((high, False), (low, True))
        walk.add_edge((high, True), (low, True))
    walk.add_node((leaf, True))
    return walk


def brute_force(graph: SwitchGraph, leaf: int) -> dict[int, dict[int, float]]:
    """By switch, the largest flow to a leaf through each neighbour that starts a shortest path."""
    walk = ways(graph, leaf)
    distance = nx.single_source_shortest_path_length(walk.reverse(), (leaf, True))
    flows: dict[int, dict[int, float]] = {}
    for switch in range(len(graph.tier)):
        start = (switch, False)
        if switch == leaf or start not in distance:
            continue
        net: nx.DiGraph = nx.DiGraph()
        for here in nx.descendants(walk, start) | {start}:
            for there in walk.successors(here) if here in distance else ():
                if distance.get(there, 99) == distance[here] - 1:
                    net.add_edge(here, there, capacity=capacity(graph, here[0], there[0]))
        flows[switch] = {}
        for first in list(net.successors(start)):
            only = net.copy()
            only.remove_edges_from([(start, other) for other in net.successors(start) if other != first])
            flows[switch][first[0]] = nx.maximum_flow_value(only, start, (leaf, True))
    return flows


def capacity(graph: SwitchGraph, a: int, b: int) -> int:
    """All links of a pair; between spine and superspine, one leaf's part of them."""
    low, high = min(a, b), max(a, b)
    both = (graph.lower[:-1] == low) & (graph.upper[:-1] == high)
    total = int(graph.speed[:-1][both].sum())
    return total // int(graph.edges[low]) if graph.tier[high] == 3 else total


def next_hops(table: PathTable, switch: int, leaf: int) -> dict[int, float]:
    """The shares of a table by neighbour."""
    number = int(table.pattern[switch, leaf])
    if number < 0:
        return {}
    pattern = table.patterns[number]
    shares: dict[int, float] = {}
    for row, share in zip(table.links(switch, pattern), pattern.shares, strict=True):
        assert table.graph.speed[row] > 0, "a dead link carries nothing"
        ends = {int(table.graph.lower[row]), int(table.graph.upper[row])}
        (peer,) = ends - {switch}
        shares[peer] = shares.get(peer, 0) + share
    return shares


@pytest.mark.parametrize("name", GRAPHS)
@given(st.data())
@settings(max_examples=8, deadline=None)
def test_next_hops_are_all_shortest_and_shares_follow_the_flow_behind_them(
    name: str, data: st.DataObject
) -> None:
    graph = data.draw(damaged(name))
    table = find_paths(graph)
    for leaf in graph.of_tier(1):
        expected = brute_force(graph, leaf)
        for switch in range(len(graph.tier)):
            shares = next_hops(table, switch, leaf)
            flows = expected.get(switch, {})
            total = sum(flows.values())
            assert shares == pytest.approx({peer: flow / total for peer, flow in flows.items()}, rel=1e-4)


@pytest.mark.parametrize("name", GRAPHS)
@given(st.data())
@settings(max_examples=8, deadline=None)
def test_updated_paths_are_those_worked_out_anew(name: str, data: st.DataObject) -> None:
    before, after = data.draw(damaged(name)), data.draw(damaged(name))
    updated, anew = update_paths(find_paths(before), after), find_paths(after)
    for switch in range(len(before.tier)):
        for leaf in before.of_tier(1):
            assert next_hops(updated, switch, leaf) == next_hops(anew, switch, leaf)


@pytest.mark.parametrize("name", GRAPHS)
@given(st.data(), st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_leaves_take_turns_where_next_hops_are_more_than_a_group_holds(
    name: str, data: st.DataObject, most: int
) -> None:
    before, after = data.draw(damaged(name)), data.draw(damaged(name))
    small = np.full(len(before.tier), most)
    before, narrow = replace(before, most=small), replace(after, most=small)
    table, updated, wide = find_paths(narrow), update_paths(find_paths(before), narrow), find_paths(after)
    for switch in range(len(after.tier)):
        for leaf in after.of_tier(1):
            numbers = [int(each.pattern[switch, leaf]) for each in (table, updated, wide)]
            if numbers[2] < 0:
                assert numbers == [-1, -1, -1]
                continue
            part, again, whole = (
                each.patterns[number].slots
                for each, number in zip((table, updated, wide), numbers, strict=True)
            )
            assert part == again
            assert len(part) <= most
            assert set(part) <= set(whole)
