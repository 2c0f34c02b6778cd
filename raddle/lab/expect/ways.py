"""Over which links between switches a flow may go, and how likely over each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from raddle.controller.plan.graph import graph_of
from raddle.controller.plan.paths import find_paths
from raddle.topology.model import Fabric

Ways = Mapping[int, float]
"""Links between switches, by their index in `Fabric.links`, and the share of flows of each."""


class LinkWays:
    """The ways between leaves, as routes and weights of next hops have them."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric, self._graph = fabric, graph_of(fabric)
        self._table = find_paths(self._graph)
        self._known: dict[tuple[int, int], Ways] = {}

    def between(self, src: int, dst: int) -> Ways:
        """Those from one endpoint to another."""
        return self._of_leaves(self._fabric.endpoints[src].leaf, self._fabric.endpoints[dst].leaf)

    def of(self, pairs: Iterable[tuple[int, int]]) -> frozenset[int]:
        """The links that flows between any of these pairs of endpoints may take."""
        leaf = [each.leaf for each in self._fabric.endpoints]
        leaves = {(leaf[src], leaf[dst]) for src, dst in pairs}
        return frozenset(link for ends in leaves for link in self._of_leaves(*ends))

    def _of_leaves(self, src: int, dst: int) -> Ways:
        if (src, dst) not in self._known:
            self._known[src, dst] = self._follow(src, dst)
        return self._known[src, dst]

    def _follow(self, src: int, dst: int) -> Ways:
        graph, table, found = self._graph, self._table, defaultdict[int, float](float)
        place = int(graph.place(np.array([dst]), 1)[0])
        frontier = {src: 1.0}
        while frontier:
            onward = defaultdict[int, float](float)
            for switch, share in frontier.items():
                number = int(table.pattern[switch, place])
                if switch == dst or number < 0:
                    continue
                pattern = table.patterns[number]
                for row, part in zip(table.links(switch, pattern), pattern.shares, strict=True):
                    found[int(graph.link[row])] += share * part
                    far = graph.upper[row] if graph.lower[row] == switch else graph.lower[row]
                    onward[int(far)] += share * part
            frontier = onward
        return dict(found)
