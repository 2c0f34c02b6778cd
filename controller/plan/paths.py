"""Shortest paths up and down again from every switch to every leaf, and how traffic divides on them.

A packet climbs while it must and then descends: whoever has a way straight down to the leaf takes it. So no
path loops, and no path turns upwards again, which keeps lossless classes free of deadlock.

Next hops share the traffic by the capacity that is left behind each: the largest flow that reaches the leaf
through the links to that neighbour. Of a link between spine and superspine an edge switch counts its equal
part (the link's speed divided by the leaves that are cabled below the spine), because all of them send
through it at once; without that a spine that has lost a third of its uplinks would look as good as new.
Parallel links to a neighbour share by speed.

Where next hops are more than a group of the switch holds, the leaves take turns: each has as many as fit, and
the next leaf those that follow, from the first again after the last, so that all links are used alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.graph import Floats, Ints, SwitchGraph
from raddle.controller.plan.onward import Numbers, Onward, measure, renew

_CHUNK_CELLS = 1 << 21
"""Cells (switch, slot, leaf) that are worked on at a time, which bounds the memory."""

_PRECISION = 1 << 20
"""Shares are told apart by their ratio to the largest in units of 1 / this."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Slots that share traffic, and their shares of it, which sum to 1."""

    slots: tuple[int, ...]
    shares: tuple[float, ...]


@dataclass
class _Patterns:
    """The patterns found so far by the hash of their slots and shares; grows and never changes."""

    width: int
    found: list[Pattern] = field(default_factory=list)
    by_hash: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Odd 64-bit numbers: two patterns have one hash with a chance of 2**-64.
        numbers = np.random.Generator(np.random.PCG64(self.width)).integers(2**63, size=self.width)
        self.factors = numbers.astype(np.uint64) * np.uint64(2) + np.uint64(1)

    def number(self, weights: Floats, first_slot: int) -> Ints:
        """int32[R, D], the pattern of the weights float32[R, slots, D] of the slots from `first_slot` on, -1
        where all weights are 0."""
        most = weights.max(axis=1, initial=0)
        scale = np.float32(_PRECISION) / np.where(most > 0, most, np.float32(1))
        codes = np.rint(weights * scale[:, None, :]).astype(np.uint32)
        hashes = np.zeros(most.shape, np.uint64)
        for slot in range(weights.shape[1]):
            hashes += codes[:, slot] * self.factors[first_slot + slot]
        distinct, examples, inverse = np.unique(hashes.ravel(), return_index=True, return_inverse=True)
        numbers = np.empty(len(distinct), np.int32)
        rows, columns = np.unravel_index(examples, hashes.shape)
        for i, (value, row, column) in enumerate(
            zip(distinct.tolist(), rows.tolist(), columns.tolist(), strict=True)
        ):
            if value not in self.by_hash:
                self.by_hash[value] = self._add(codes[row, :, column], first_slot)
            numbers[i] = self.by_hash[value]
        numbered: Ints = numbers[inverse].reshape(hashes.shape)
        return numbered

    def renewed(self, number: int, flows: Floats) -> int:
        """The pattern with the slots of another one, and shares as these flows through them are."""
        return self._shared(np.array(self.found[number].slots), flows)

    def part(self, number: int, first: int, size: int) -> int:
        """The pattern of so many slots of another one, from its first-th on and round its end."""
        pattern = self.found[number]
        some = np.sort((first + np.arange(size)) % len(pattern.slots))
        return self._shared(np.array(pattern.slots)[some], np.array(pattern.shares)[some])

    def _shared(self, slots: Numbers, flows: NDArray[np.floating[Any]]) -> int:
        codes = np.rint(flows * (_PRECISION / flows.max())).astype(np.uint32)
        value = int((codes * self.factors[slots]).sum())
        if value not in self.by_hash:
            every = np.zeros(self.width, np.uint32)
            every[slots] = codes
            self.by_hash[value] = self._add(every, 0)
        return self.by_hash[value]

    def _add(self, codes: NDArray[np.uint32], first_slot: int) -> int:
        slots = np.flatnonzero(codes)
        if not len(slots):
            return -1
        parts = codes[slots] / codes.sum()
        self.found.append(Pattern(tuple((first_slot + slots).tolist()), tuple(parts.tolist())))
        return len(self.found) - 1


@dataclass(frozen=True)
class PathTable:
    """The next hops of every switch to every leaf.

    Attributes:
        pattern: int32[S, L], index in `patterns`, -1 where no path leads or the leaf is the switch itself.
    """

    graph: SwitchGraph
    onward: Onward
    pattern: Ints
    registry: _Patterns

    @property
    def patterns(self) -> list[Pattern]:
        return self.registry.found

    def reshared(self, number: int, flows: Floats) -> int:
        """A pattern with the same slots and other shares."""
        return self.registry.renewed(number, flows)

    def links(self, switch: int, pattern: Pattern) -> list[int]:
        """The links (rows of the graph) that a pattern's slots are at a switch."""
        slots = np.concatenate((self.graph.up[switch], self.graph.down[switch]))
        return [int(slots[slot]) for slot in pattern.slots]


def find_paths(graph: SwitchGraph, switches: Sequence[int] | None = None) -> PathTable:
    """All next hops of all switches, or of these, with their shares."""
    onward = measure(graph)
    registry = _Patterns(graph.up.shape[1] + graph.down.shape[1])
    leaves = np.arange(len(graph.of_tier(1)))
    pattern = np.full((len(graph.tier), len(leaves)), -1, np.int32)
    rows = np.arange(len(graph.tier)) if switches is None else np.array(switches, np.int64)
    _fill(pattern, graph, onward, registry, rows, leaves)
    return PathTable(graph, onward, pattern, registry)


def update_paths(table: PathTable, graph: SwitchGraph) -> PathTable:
    """The table for the same fabric with other link speeds: only what the changed links touch is worked out.

    A link between leaf and spine touches all paths from and to its leaf; one between spine and superspine
    those from and to all leaves below its spine.
    """
    changed = np.flatnonzero(graph.speed != table.graph.speed)
    is_leaf = graph.tier[graph.lower[changed]] == 1
    spines = np.unique(graph.lower[changed[~is_leaf]]).astype(np.int64)
    below = graph.down[spines]
    leaves = np.union1d(graph.lower[changed[is_leaf]], graph.lower[below[graph.is_first[below]]])
    leaves = _with_twins(graph, leaves.astype(np.int64))
    onward = renew(graph, table.onward, graph.place(spines, 2), leaves)
    pattern = table.pattern.copy()
    whole = np.union1d(leaves, spines)
    others = np.setdiff1d(np.arange(len(graph.tier)), whole)
    _fill(pattern, graph, onward, table.registry, others, leaves)
    _fill(pattern, graph, onward, table.registry, whole, np.arange(pattern.shape[1]))
    return PathTable(graph, onward, pattern, table.registry)


def _fill(
    pattern: Ints, graph: SwitchGraph, onward: Onward, registry: _Patterns, rows: Numbers, leaves: Numbers
) -> None:
    """Work out the patterns of some switches to some leaves."""
    weigh = {1: _from_leaves, 2: _from_spines, 3: _from_superspines}
    width = max(registry.width * len(leaves), 1)
    above = onward.direct, onward.spine, onward.superspine
    # To tell kinds apart is to read all that goes on from above: more than few switches are worth.
    is_worth_it = len(rows) * registry.width > sum(map(len, above)) and not len(graph.twins)
    kinds = _kinds(above, leaves) if is_worth_it else np.arange(len(leaves))
    for tier, weights in weigh.items():
        of_tier = rows[graph.tier[rows] == tier]
        for start in range(0, len(of_tier), max(1, _CHUNK_CELLS // width)):
            some = of_tier[start : start + max(1, _CHUNK_CELLS // width)]
            first_slot = graph.up.shape[1] if tier == 3 else 0
            examples, kind = _told_apart(graph, kinds, some, leaves)
            flow = weights(graph, onward, some, leaves[examples])
            _join_twins(graph, flow, some, leaves[examples])
            numbers = registry.number(flow, first_slot)[:, kind]
            if registry.found and flow.shape[1] > graph.most[some].min():
                _take_turns(numbers, graph, registry, some, leaves)
            pattern[np.ix_(some, leaves)] = numbers


def _kinds(above: tuple[Floats, ...], leaves: Numbers) -> Numbers:
    """int[leaves], alike for leaves to which as much goes on from every switch above, float32[S, L]."""
    columns = [np.ascontiguousarray(each[:, leaves].T) for each in above]
    known: dict[tuple[bytes, ...], int] = {}
    told = (tuple(each[place].tobytes() for each in columns) for place in range(len(leaves)))
    return np.array([known.setdefault(each, len(known)) for each in told], np.int64)


def _told_apart(
    graph: SwitchGraph, kinds: Numbers, rows: Numbers, leaves: Numbers
) -> tuple[Numbers, Numbers]:
    """One leaf (as a place in `leaves`) of each kind that these switches send to alike, and which is whose.

    A leaf that one of the switches is, or has a link to, is its own kind: it has another port for each.
    """
    tier = graph.tier[rows[0]]
    near = rows if tier == 1 else graph.lower[graph.down[rows]] if tier == 2 else rows[:0]
    kinds = np.where(np.isin(leaves, near), len(kinds) + np.arange(len(leaves)), kinds)
    _, examples, kind = np.unique(kinds, return_index=True, return_inverse=True)
    return examples, kind


def _take_turns(
    numbers: Ints, graph: SwitchGraph, registry: _Patterns, rows: Numbers, leaves: Numbers
) -> None:
    """Give each leaf a part of the pattern where it is larger than a group; twins the same one."""
    turn = np.arange(len(graph.of_tier(1)))
    turn[graph.twins[:, 1]] = graph.twins[:, 0]
    sizes = np.array([len(each.slots) for each in registry.found], np.int64)
    size = np.where(numbers >= 0, sizes[numbers], 0)
    row, column = np.nonzero(size > graph.most[rows, None])
    # All leaves but the switch itself, counted from it on: each slot is in as many parts, give or take one.
    nth = (turn[leaves[column]] - rows[row] - 1) % len(turn)
    most = graph.most[rows[row]]
    wide = np.stack((numbers[row, column], nth * most % size[row, column], most), axis=1)
    kinds, kind = np.unique(wide, axis=0, return_inverse=True)
    found = [registry.part(number, first, of) for number, first, of in kinds.tolist()]
    numbers[row, column] = np.array(found, np.int32)[kind.ravel()]


def _with_twins(graph: SwitchGraph, leaves: Numbers) -> Numbers:
    """These leaves, and those that announce the same blocks."""
    is_met = np.isin(graph.twins, leaves).any(axis=1)
    return np.union1d(leaves, graph.twins[is_met].ravel()).astype(np.int64)


def _join_twins(graph: SwitchGraph, flow: Floats, rows: Numbers, leaves: Numbers) -> None:
    """Let either of two twins stand for both: what flows to the one or the other. Both deliver themselves."""
    twins = graph.twins[np.isin(graph.twins[:, 0], leaves)]
    if not len(twins):
        return
    place = np.full(len(graph.tier), -1)
    place[leaves] = np.arange(len(leaves))
    one, other = place[twins].T
    joined = flow[:, :, one] + flow[:, :, other]
    if graph.tier[rows[0]] < 3:  # the way up is one, whichever of the two it leads to
        up, uplinks = graph.up[rows], graph.up.shape[1]
        most = graph.edge_part[up] * graph.share[up]
        joined[:, :uplinks] = np.minimum(joined[:, :uplinks], most[:, :, None])
    flow[:, :, one] = flow[:, :, other] = joined
    row_of = np.full(len(graph.tier), -1)
    row_of[rows] = np.arange(len(rows))
    for each in twins.T:
        is_here = row_of[each] >= 0
        for at in (one, other):
            flow[row_of[each[is_here]], :, at[is_here]] = 0


def _from_leaves(graph: SwitchGraph, onward: Onward, rows: Numbers, leaves: Numbers) -> Floats:
    """float32[rows, slots, leaves], the flow through each uplink; over spines that reach the leaf directly,
    where there are any."""
    links = graph.up[rows]
    spines = graph.place(graph.upper[links], 2)
    block = np.ix_(spines.ravel(), leaves)
    shape = (*links.shape, len(leaves))
    flow = np.minimum(onward.spine[block].reshape(shape), graph.bundle_speed[links][:, :, None])
    flow *= graph.share[links][:, :, None]
    if len(onward.superspine):
        is_short = (onward.direct[block].reshape(shape) > 0) & (flow > 0)
        flow *= is_short | ~is_short.any(axis=1, keepdims=True)
    flow *= (rows[:, None] != leaves)[:, None, :]
    return flow


def _from_spines(graph: SwitchGraph, onward: Onward, rows: Numbers, leaves: Numbers) -> Floats:
    """float32[rows, slots, leaves]: down to the leaf where it is below, else up."""
    uplinks = graph.up.shape[1]
    here = onward.direct[np.ix_(graph.place(rows, 2), leaves)] > 0
    flow = np.zeros((len(rows), uplinks + graph.down.shape[1], len(leaves)), np.float32)
    if len(onward.superspine):
        links = graph.up[rows]
        tops = graph.place(graph.upper[links], 3)
        over = onward.superspine[np.ix_(tops.ravel(), leaves)].reshape(*links.shape, len(leaves))
        up = np.minimum(over, graph.edge_part[links][:, :, None]) * graph.share[links][:, :, None]
        flow[:, :uplinks] = np.where(here[:, None, :], 0, up)
    links = graph.down[rows]
    column = np.full(len(graph.of_tier(1)), -1)
    column[leaves] = np.arange(len(leaves))
    row, slot = np.nonzero(graph.speed[links] > 0)
    at = column[graph.lower[links[row, slot]]]
    is_wanted = at >= 0
    row, slot, at = row[is_wanted], slot[is_wanted], at[is_wanted]
    flow[row, uplinks + slot, at] = graph.speed[links[row, slot]]
    return flow


def _from_superspines(graph: SwitchGraph, onward: Onward, rows: Numbers, leaves: Numbers) -> Floats:
    """float32[rows, slots, leaves], the flow through each downlink."""
    links = graph.down[rows]
    spines = graph.place(graph.lower[links], 2)
    below = onward.direct[np.ix_(spines.ravel(), leaves)].reshape(*links.shape, len(leaves))
    flow: Floats = np.minimum(below, graph.edge_part[links][:, :, None]) * graph.share[links][:, :, None]
    return flow
