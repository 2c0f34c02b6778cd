"""Shares that load the busiest link least when all endpoints send to all others alike.

Shares by the capacity behind each next hop (`raddle.controller.plan.paths`) look at one leaf at a time, and
links that leaves have in common can be busier than they need be. Where that costs more than 1 %, a linear
program over the same next hops finds the least load of the busiest link, and of all shares that reach it
those nearest to the former.

Source: D. Applegate, E. Cohen, "Making intra-domain routing robust to changing and uncertain traffic
demands", SIGCOMM 2003, section 3: the multicommodity flow of minimal congestion, one commodity a destination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.graph import SwitchGraph
from raddle.controller.plan.linear import Program, minimise
from raddle.controller.plan.model import Balance
from raddle.controller.plan.paths import PathTable
from raddle.controller.plan.routes import groups_of
from raddle.controller.plan.weights import equal_weights
from raddle.topology.model import Fabric

MOST_PARTS = 1500
"""Parts (switch, leaf, link) of a fabric whose shares are balanced: with more, doing so after each failure
takes too long."""

MOST_TOLD = 6000
"""Parts of a fabric whose plan tells how near the best its shares are, which takes one program."""

WORTH_IT = 1.01
"""Shares that load the busiest link less than so much more than the least are left as they are."""

_SLACK = 1 + 1e-6
_UNIT_BPS = 1e9
"""Programs are in Gb/s, so that their numbers are of one size."""

Loads = NDArray[np.float64]
Split = Callable[[int, int], list[tuple[int, float]]]
"""(switch, pattern) -> (way out, part of the traffic) of its members. A way out is 2 * row of the graph,
and 1 more where it leads down."""


def is_weighed(graph: SwitchGraph) -> bool:
    """Whether a fabric may be small enough for its shares to be compared with the best."""
    return len(graph.tier) * len(graph.of_tier(1)) <= MOST_TOLD


def balanced(fabric: Fabric, table: PathTable) -> PathTable:
    """The table with shares that load the busiest link least, as near to the table's as can be.

    Shares that are better as such may be worse once rounded to what switches hold: of both tables the one
    that is better as it is held is taken. A table that is near the best, or too large, is returned as it is.
    Endpoints count also where their own link is down, so that a host that fails changes no route.
    """
    problem = _problem(fabric, table, MOST_PARTS, counts_dead=True)
    if problem is None:
        return table
    before = problem.flows(table, _shares_of(table))
    load = problem.busiest(before)
    if load <= problem.cut_bound() * WORTH_IT or load <= (best := problem.least()) * WORTH_IT:
        return table
    other = problem.with_flows(problem.nearest(before, best))
    return min(table, other, key=lambda each: round(problem.held(fabric, each), 6))


def balance_of(fabric: Fabric, table: PathTable) -> Balance | None:
    """How near a table's shares are to the best; None where the fabric is too large."""
    problem = _problem(fabric, table, MOST_TOLD, counts_dead=False)
    if problem is None:
        return None
    shares = problem.busiest(problem.flows(table, _shares_of(table)))
    return Balance(shares=shares, held=problem.held(fabric, table), best=problem.least())


def _problem(fabric: Fabric, table: PathTable, most: int, counts_dead: bool) -> _Problem | None:
    if table.pattern.size > most or len(
        table.graph.twins
    ):  # a bond's block is at two leaves, which is not weighed
        return None
    numbers, uses = np.unique(table.pattern[table.pattern >= 0], return_counts=True)
    sizes = [len(table.patterns[number].slots) for number in numbers.tolist()]
    return _Problem(fabric, table, counts_dead) if 0 < int(uses @ np.array(sizes, np.int64)) <= most else None


def _members(table: PathTable, switch: int, number: int) -> list[int]:
    """The ways out of a pattern's slots."""
    rows = table.links(switch, table.patterns[number])
    return [2 * row + (int(table.graph.upper[row]) == switch) for row in rows]


def _shares_of(table: PathTable) -> Split:
    def split(switch: int, number: int) -> list[tuple[int, float]]:
        return list(zip(_members(table, switch, number), table.patterns[number].shares, strict=True))

    return split


def _held_by(fabric: Fabric, table: PathTable) -> Split:
    """The parts that switches give with the whole weights that they hold."""
    groups = [
        groups_of(table, [n for n in np.unique(row).tolist() if n >= 0], switch.model.tables)
        for switch, row in zip(fabric.switches, table.pattern, strict=True)
    ]

    def split(switch: int, number: int) -> list[tuple[int, float]]:
        weights = groups[switch][number].weights
        if fabric.switches[switch].model.nos == "sonic":
            weights = equal_weights(weights)
        total = sum(weights)
        members = _members(table, switch, number)
        return [(way, weight / total) for way, weight in zip(members, weights, strict=True)]

    return split


class _Problem:
    """Uniform all-to-all over the next hops of a table. Flows are per part: (leaf, switch, member)."""

    def __init__(self, fabric: Fabric, table: PathTable, counts_dead: bool) -> None:
        self.table, self.graph = table, table.graph
        self.leaves = list(self.graph.of_tier(1))
        self.demand = _demand(fabric, table, counts_dead)
        self.capacity = np.repeat(self.graph.speed[:-1].astype(np.float64) / _UNIT_BPS, 2)
        self.parts = [
            (leaf, switch, way)
            for leaf in range(len(self.leaves))
            for switch in self._order(leaf)
            for way in _members(table, switch, int(table.pattern[switch, leaf]))
        ]

    def _order(self, leaf: int) -> Iterator[int]:
        """Switches with a way to a leaf, each after all that send to it."""
        numbers = self.table.pattern[:, leaf]
        climbing: list[int] = []
        descending: list[int] = []
        for switch in np.flatnonzero(numbers >= 0).tolist():
            down = _members(self.table, switch, int(numbers[switch]))[0] % 2
            (descending if down else climbing).append(switch)
        yield from sorted(climbing, key=lambda switch: int(self.graph.tier[switch]))
        yield from sorted(descending, key=lambda switch: -int(self.graph.tier[switch]))

    def _far(self, way: int) -> int:
        row, is_down = divmod(way, 2)
        return int(self.graph.lower[row] if is_down else self.graph.upper[row])

    def flows(self, table: PathTable, split: Split) -> Loads:
        """What each part carries where every switch splits as `split` says."""
        flow: dict[tuple[int, int, int], float] = {}
        for leaf in range(len(self.leaves)):
            amount = np.append(self.demand[:, leaf], np.zeros(len(self.graph.tier) - len(self.leaves)))
            for switch in self._order(leaf):
                for way, part in split(switch, int(table.pattern[switch, leaf])):
                    flow[leaf, switch, way] = amount[switch] * part
                    amount[self._far(way)] += amount[switch] * part
        return np.array([flow.get(part, 0.0) for part in self.parts])

    def busiest(self, flows: Loads) -> float:
        """The load of the busiest link."""
        used = np.bincount([way for _, _, way in self.parts], flows, minlength=len(self.capacity))
        is_up = self.capacity > 0
        return float((used[is_up] / self.capacity[is_up]).max(initial=0.0))

    def held(self, fabric: Fabric, table: PathTable) -> float:
        """The load of the busiest link with the groups that the switches hold."""
        return self.busiest(self.flows(table, _held_by(fabric, table)))

    def cut_bound(self) -> float:
        """What no shares get below: what leaves or enters a leaf or pod over the links that it has."""
        graph = self.graph
        speed, lower = self.capacity[::2], graph.lower[:-1]
        pod, leaves = _pods(graph), np.array(self.leaves)
        cuts = [(leaves == leaf, lower == leaf) for leaf in self.leaves]
        from_spine = graph.tier[lower] == 2
        cuts += [(pod[leaves] == each, from_spine & (pod[lower] == each)) for each in np.unique(pod[leaves])]
        most = 0.0
        for inside, crossing in cuts:
            capacity = float(speed[crossing].sum())
            if capacity > 0:
                out, into = self.demand[inside][:, ~inside].sum(), self.demand[~inside][:, inside].sum()
                most = max(most, float(out) / capacity, float(into) / capacity)
        return most

    @cached_property
    def _least(self) -> Loads:
        solution = minimise(self._program)
        assert solution is not None, "shares that the table has are a solution"
        return solution

    def least(self) -> float:
        """The least load of the busiest link."""
        return float(self._least[-1])

    def nearest(self, near: Loads, load: float) -> Loads:
        """The flows nearest to `near` that load no link more than `load`, by the sum of distances."""
        columns, program = len(self.parts), self._program
        index, rows = np.arange(columns), len(program.lower)
        distance = columns + 1 + index  # columns: parts, load, distances
        above, below, ones = rows + 1 + index, rows + 1 + columns + index, np.ones(columns)
        found = minimise(
            Program(
                cost=np.concatenate((np.zeros(columns + 1), ones)),
                row=np.concatenate((program.row, [rows], above, above, below, below)),
                column=np.concatenate((program.column, [columns], index, distance, index, distance)),
                value=np.concatenate((program.value, [1.0], ones, -ones, ones, ones)),
                lower=np.concatenate((program.lower, [0.0], ones * -np.inf, near)),
                upper=np.concatenate((program.upper, [load * _SLACK], near, ones * np.inf)),
            )
        )
        return self._least[:columns] if found is None else found[:columns]

    @cached_property
    def _program(self) -> Program:
        """What leaves a switch for a leaf came in or began there; no link carries more than the load, which
        is the last column."""
        places = {
            key: number for number, key in enumerate(dict.fromkeys((leaf, at) for leaf, at, _ in self.parts))
        }
        entries: list[tuple[int, int, float]] = []
        for column, (leaf, switch, way) in enumerate(self.parts):
            entries.append((places[leaf, switch], column, 1.0))
            if (far := places.get((leaf, self._far(way)))) is not None:
                entries.append((far, column, -1.0))
        begun = np.array([self.demand[at, leaf] if at < len(self.leaves) else 0.0 for leaf, at in places])
        ways = {way: len(places) + n for n, way in enumerate(sorted({way for _, _, way in self.parts}))}
        entries += [(ways[way], column, 1.0) for column, (_, _, way) in enumerate(self.parts)]
        entries += [(row, len(self.parts), -float(self.capacity[way])) for way, row in ways.items()]
        row, columns, value = (np.array(each) for each in zip(*entries, strict=True))
        no_flow = np.zeros(len(ways))
        return Program(
            cost=np.append(np.zeros(len(self.parts)), 1.0),
            row=row,
            column=columns,
            value=value,
            lower=np.concatenate((begun, no_flow - np.inf)),
            upper=np.concatenate((begun, no_flow)),
        )

    def with_flows(self, flows: Loads) -> PathTable:
        """The table with the shares that these flows have; where nothing flows, they stay."""
        pattern = self.table.pattern.copy()
        by_place: dict[tuple[int, int], list[float]] = {}
        for (leaf, switch, _), flow in zip(self.parts, flows.tolist(), strict=True):
            by_place.setdefault((leaf, switch), []).append(max(flow, 0.0))
        for (leaf, switch), own in by_place.items():
            if sum(own) > 0:
                pattern[switch, leaf] = self.table.reshared(int(pattern[switch, leaf]), np.array(own))
        return replace(self.table, pattern=pattern)


def _demand(fabric: Fabric, table: PathTable, counts_dead: bool) -> Loads:
    """float[leaves, leaves], Gb/s from leaf to leaf when every endpoint sends at its speed to all others that
    it has a way to alike; those whose own link is down only with `counts_dead`."""
    leaves = list(table.graph.of_tier(1))
    speed, count = np.zeros(len(leaves)), np.zeros(len(leaves))
    place = {fabric.switches[leaf].name: number for number, leaf in enumerate(leaves)}
    for endpoint in fabric.endpoints:
        link = fabric.links[endpoint.link]
        if link.is_up or counts_dead:
            speed[place[link.b.device]] += link.speed_bps / _UNIT_BPS
            count[place[link.b.device]] += 1
    reached = (table.pattern[leaves] >= 0) | np.eye(len(leaves), dtype=np.bool_)
    others = np.maximum((reached * count).sum(axis=1) - 1, 1)
    demand: Loads = speed[:, None] * count[None, :] / others[:, None] * reached
    np.fill_diagonal(demand, 0.0)
    return demand


def _pods(graph: SwitchGraph) -> NDArray[np.int64]:
    """int[switches], the least leaf that links of leaves and spines connect a switch to."""
    pod = np.arange(len(graph.tier))
    inner = np.flatnonzero((graph.speed[:-1] > 0) & (graph.tier[graph.lower[:-1]] == 1))
    low, high = graph.lower[inner], graph.upper[inner]
    while True:
        before = pod.copy()
        np.minimum.at(pod, high, pod[low])
        np.minimum.at(pod, low, pod[high])
        if (pod == before).all():
            return pod
