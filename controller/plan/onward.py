"""How much traffic can go on from each spine and superspine to each leaf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.graph import Floats, SwitchGraph

Numbers = NDArray[np.int64]

EXACT_PAIRS = 20_000
"""Where superspines have several ways into a pod, flows between up to as many pairs of spine and leaf are
exact; of more, each superspine's is, and their sum may count a spine of the pod twice."""


@dataclass(frozen=True)
class Onward:
    """The largest flow to each leaf from the tiers above it, in bit/s. P spines, Q superspines, L leaves.

    Attributes:
        direct: float32[P, L], over links to the leaf itself.
        between: float32[P, P], from spine to spine over all superspines, an edge switch's part of it.
        spine: float32[P, L], `direct` where there is some, else over superspines.
        superspine: float32[Q, L].
    """

    direct: Floats
    between: Floats
    spine: Floats
    superspine: Floats


def measure(graph: SwitchGraph) -> Onward:
    """The flows to all leaves."""
    leaves, spines, superspines = (len(graph.of_tier(tier)) for tier in (1, 2, 3))
    empty = Onward(
        direct=np.zeros((spines, leaves), np.float32),
        between=np.zeros((spines, spines) if superspines else (0, 0), np.float32),
        spine=np.zeros((spines, leaves), np.float32),
        superspine=np.zeros((superspines, leaves), np.float32),
    )
    return renew(graph, empty, np.arange(spines), np.arange(leaves))


def renew(graph: SwitchGraph, old: Onward, spines: Numbers, leaves: Numbers) -> Onward:
    """The flows anew after links have changed: those above some spines (counted from 0), and those of some
    leaves, among them all leaves below these spines."""
    direct, between, spine, superspine = (
        each.copy() for each in (old.direct, old.between, old.spine, old.superspine)
    )
    direct[:, leaves] = 0
    for slot in range(graph.up.shape[1]):
        row = graph.up[leaves, slot]
        direct[graph.place(graph.upper[row], 2), leaves] += graph.speed[row]
    if not len(superspine):
        return Onward(direct, between, direct, superspine)
    _renew_between(graph, between, spines)
    everyone, every_leaf = np.arange(len(spine)), np.arange(direct.shape[1])
    for some, targets in ((everyone, leaves), (spines, every_leaf)):
        if len(some) and len(targets):
            block = np.ix_(some, targets)
            spine[block] = np.where(direct[block] > 0, direct[block], _over(graph, between, some, targets))
    superspine[:, leaves] = _from_the_top(graph, direct, leaves)
    if not graph.has_single_descents and spine.size <= EXACT_PAIRS:
        spine = _exact(graph, direct, superspine)
    return Onward(direct, between, spine, superspine)


def _renew_between(graph: SwitchGraph, between: Floats, spines: Numbers) -> None:
    """Sum up what goes from these spines, and to them, through each superspine."""
    between[spines] = between[:, spines] = 0
    is_changed = np.zeros(len(between), np.bool_)
    is_changed[spines] = True
    links = graph.up[graph.of_tier(2).start + spines]
    for superspine in np.unique(graph.upper[links[graph.is_first[links]]]).tolist():
        rows = graph.down[superspine]
        rows = rows[graph.is_first[rows]]
        below = graph.place(graph.lower[rows], 2)
        flow = np.minimum.outer(graph.edge_part[rows], graph.edge_part[rows])
        flow *= is_changed[below, None] | is_changed[None, below]
        between[np.ix_(below, below)] += flow


def _over(graph: SwitchGraph, between: Floats, spines: Numbers, leaves: Numbers) -> Floats:
    """float32[spines, leaves], over superspines to each spine above the leaf, and down."""
    total = np.zeros((len(leaves), len(spines)), np.float32)
    sources = between if len(spines) == len(between) else between[:, spines]
    for slot in range(graph.up.shape[1]):
        row = graph.up[leaves, slot]
        flow = np.minimum(sources[graph.place(graph.upper[row], 2)], graph.bundle_speed[row, None])
        flow[~graph.is_first[row]] = 0
        total += flow
    return total.T


def _from_the_top(graph: SwitchGraph, direct: Floats, leaves: Numbers) -> Floats:
    """float32[superspines, leaves], down through each spine."""
    superspines = graph.of_tier(3)
    flows = direct[:, leaves]
    total = np.zeros((len(superspines), len(leaves)), np.float32)
    for slot in range(graph.down.shape[1]):
        row = graph.down[superspines.start :, slot]
        flow = np.minimum(flows[graph.place(graph.lower[row], 2)], graph.edge_part[row, None])
        flow[~graph.is_first[row]] = 0
        total += flow
    return total


def _exact(graph: SwitchGraph, direct: Floats, superspine: Floats) -> Floats:
    """float32[spines, leaves] by a maximum flow for each pair, where one spine of a pod is the way down from
    several superspines that have others too."""
    import networkx as nx  # here, as it takes 0.2 s and most commands do without

    spines = graph.of_tier(2)
    flows = direct.copy()
    for leaf in range(direct.shape[1]):
        net: nx.DiGraph[int] = nx.DiGraph()
        above = [spines.start + int(s) for s in np.flatnonzero(direct[:, leaf])]
        for spine in above:
            net.add_edge(spine, leaf, capacity=int(direct[spine - spines.start, leaf]))
        for top in graph.of_tier(3):
            for row in graph.down[top][graph.is_first[graph.down[top]]].tolist():
                if int(graph.lower[row]) in above:
                    net.add_edge(top, int(graph.lower[row]), capacity=int(graph.edge_part[row]))
        for spine in spines:
            if spine in above or leaf not in net:
                continue
            rows = graph.up[spine][graph.is_first[graph.up[spine]]].tolist()
            links = [(spine, int(graph.upper[row]), int(graph.edge_part[row])) for row in rows]
            onward = [each for each in links if superspine[each[1] - graph.of_tier(3).start, leaf] > 0]
            if not onward:
                continue
            net.add_weighted_edges_from(onward, weight="capacity")
            flows[spine - spines.start, leaf] = nx.maximum_flow_value(net, spine, leaf)
            net.remove_node(spine)
    return flows
