"""Choose a slot for every key so that the busiest link of every phase carries as little as can be.

A key is what a switch can tell apart: all flows of a key take the same slot. A slot is a direction to
leave in (a spine, a superspine, one of parallel links). Flows load rows (the uplinks of their leaf, the
downlinks to another); a link is a row and a slot. Only flows of one phase compete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from raddle import _solver
from raddle.controller.plan.colouring import Ints, colour_edges, distinct

MOVES_PER_KEY = 40
LEAST_MOVES = 20_000
MOST_WORK = 50_000_000
"""How long a search goes on for one set of targets: in moves, and in links looked at (about 1 s)."""

TIGHTENED_PHASES = 64
"""At most so many phases are tried one by one for a lower target when a search has raised theirs."""


@dataclass(frozen=True, eq=False)
class SlotProblem:
    """Keys to place and the flows that use them.

    Attributes:
        capacity: int[rows, slots], what a link carries, in any unit; 0 where there is no link.
        key, phase: int[F] of each flow, numbered from 0 without gaps.
        left, right: of each flow, the row that it loads on each side, then the row of a set that this row
            is in, if any: int[F] each. A negative number is no row.
        fixed: int[keys], a slot decided before, else -1.
        hints: named slots to start from, int[keys] each, -1 where they say nothing.
        closed: bool[F, slots], slots that lead a flow nowhere for reasons beyond its rows.
    """

    capacity: Ints
    key: Ints
    phase: Ints
    left: tuple[Ints, ...]
    right: tuple[Ints, ...]
    fixed: Ints
    hints: tuple[tuple[str, Ints], ...] = ()
    closed: NDArray[np.bool_] | None = None

    @property
    def keys(self) -> int:
        return len(self.fixed)

    @property
    def slots(self) -> int:
        return int(self.capacity.shape[1])

    @cached_property
    def phases(self) -> int:
        return int(self.phase.max(initial=-1)) + 1

    @cached_property
    def widest(self) -> int:
        """A capacity that all others divide."""
        return int(np.lcm.reduce(np.unique(self.capacity[self.capacity > 0]), initial=1))

    @cached_property
    def unit(self) -> Ints:
        """int[rows, slots], what a flow costs on a link: `widest` / capacity; 0 where there is no link."""
        return np.where(self.capacity > 0, self.widest // np.maximum(self.capacity, 1), 0)

    @cached_property
    def is_open(self) -> NDArray[np.bool_]:
        """bool[keys, slots]: every row that a key loads has a link there; of a fixed key only its slot."""
        is_open = np.ones((self.keys, self.slots), np.bool_)
        uses = self.uses
        capacity = self.capacity[uses.capacity_row]
        if len(uses.key) and not capacity.all():
            first = np.flatnonzero(np.diff(uses.key, prepend=-1))
            is_open[uses.key[first]] = np.logical_and.reduceat(capacity[uses.row] > 0, first)
        if self.closed is not None:
            np.logical_and.at(is_open, self.key, ~self.closed)
        held = np.flatnonzero(self.fixed >= 0)
        is_open[held] = False
        is_open[held, self.fixed[held]] = True
        return is_open

    @cached_property
    def uses(self) -> Uses:
        """What every key loads."""
        return Uses.of(self)


@dataclass(frozen=True, eq=False)
class Uses:
    """What keys load, summed over flows: one entry for each key and row of a phase, sorted by key.

    Attributes:
        key, row, load: int[U].
        group: int[rows of phases], the phase of each; ascending.
        capacity_row: int[rows of phases], the row of `SlotProblem.capacity` of each.
    """

    key: Ints
    row: Ints
    load: Ints
    group: Ints
    capacity_row: Ints

    @classmethod
    def of(cls, problem: SlotProblem) -> Uses:
        rows = len(problem.capacity)
        keys, cells = [], []
        for column in (*problem.left, *problem.right):
            has_row = column >= 0
            keys.append(problem.key[has_row])
            cells.append(problem.phase[has_row] * rows + column[has_row])
        of_phase, row = distinct(np.concatenate(cells))
        count = max(len(of_phase), 1)
        pairs = np.sort(np.concatenate(keys) * count + row)
        first = np.flatnonzero(np.diff(pairs, prepend=-1))
        load = np.diff(first, append=len(pairs))
        pairs = pairs[first]
        return cls(pairs // count, pairs % count, load, of_phase // rows, of_phase % rows)


def link_loads(problem: SlotProblem, slots: Ints) -> Ints:
    """What flows cost on every link, int[rows of phases, slots]; see `SlotProblem.unit`."""
    uses = problem.uses
    cells = uses.row * problem.slots + slots[uses.key]
    count = len(uses.group) * problem.slots
    loads = np.bincount(cells, uses.load, count).astype(np.int64).reshape(-1, problem.slots)
    costs: Ints = loads * problem.unit[uses.capacity_row]
    return costs


def worst_by_phase(problem: SlotProblem, slots: Ints) -> Ints:
    """int[phases], the cost of the busiest link."""
    worst = np.zeros(problem.phases, np.int64)
    np.maximum.at(worst, problem.uses.group, link_loads(problem, slots).max(axis=1, initial=0))
    return worst


def free_bounds(problem: SlotProblem) -> Ints:
    """int[phases], the least cost of the busiest link if every flow could go its own way."""
    uses = problem.uses
    flows = np.bincount(uses.row, uses.load, len(uses.group)).astype(np.int64)
    unit = problem.unit[uses.capacity_row]
    inverse = np.divide(1.0, unit, where=unit > 0, out=np.zeros(unit.shape))
    # The largest c with sum(floor(c / unit)) < flows is below the fractional answer plus the largest unit.
    cost = np.maximum(np.ceil(flows / np.maximum(inverse.sum(axis=1), 1e-9) - 1e-9), 0).astype(np.int64)
    while True:
        held = np.where(unit > 0, cost[:, None] // np.maximum(unit, 1), 0).sum(axis=1)
        short = held < flows
        if not short.any():
            break
        cost[short] += 1
    bounds = np.zeros(problem.phases, np.int64)
    np.maximum.at(bounds, uses.group, cost)
    return bounds


def key_bounds(problem: SlotProblem) -> Ints:
    """int[phases], a least cost of the busiest link when flows of a key stay together.

    Besides `free_bounds`: a key's flows are on one link; and of n + 1 keys at n links two share one.
    """
    bounds = free_bounds(problem)
    uses = problem.uses
    least_unit = np.where(problem.unit > 0, problem.unit, np.iinfo(np.int64).max).min(axis=1)[
        uses.capacity_row
    ]
    links = (problem.unit > 0).sum(axis=1)[uses.capacity_row]
    order = np.argsort(uses.row * (int(uses.load.max(initial=0)) + 1) - uses.load)
    row, load = uses.row[order], uses.load[order]
    first = np.searchsorted(row, np.arange(len(uses.group)))
    if not len(load):
        return bounds
    np.maximum.at(bounds, uses.group, load[first] * least_unit)
    last = first + links
    crowded = (last < np.append(first[1:], len(load))) & (last >= 1)
    pair = load[np.minimum(last, len(load) - 1)] + load[np.minimum(last, len(load)) - 1]
    np.maximum.at(bounds, uses.group[crowded], (pair * least_unit)[crowded])
    return bounds


def solve(problem: SlotProblem) -> tuple[Ints, str]:
    """A slot for every key (-1: it has no path), and the method that found them.

    Where every key is in one phase and carries one flow, and every row has the same share of its capacity in
    each slot, the colouring is optimal in every phase. Else the best start goes through a search for the
    least sum over phases of the busiest link.
    """
    has_path: NDArray[np.bool_] = np.any(problem.is_open, axis=1)
    if not has_path.all():
        problem = _without(problem, ~has_path)
    if not has_path.any():
        return np.full(problem.keys, -1, np.int64), "edge-colouring"
    bounds = key_bounds(problem)
    best, method, least = None, "", np.iinfo(np.int64).max
    for name, slots in _starts(problem):
        start = _into_open(problem, slots)
        cost = int(worst_by_phase(problem, start).sum())
        if cost < least:
            best, method, least = start, name, cost
        if cost <= int(bounds.sum()):
            break
    assert best is not None
    if least > int(bounds.sum()):
        found = _search(problem, best, bounds)
        if int(worst_by_phase(problem, found).sum()) < least:
            best, method = found, f"{method}+search"
    return np.where(has_path, best, -1), method


def _without(problem: SlotProblem, keys: NDArray[np.bool_]) -> SlotProblem:
    """The problem in which some keys load nothing."""
    flows = keys[problem.key]
    left, right = (
        tuple(np.where(flows, -1, column) for column in columns) for columns in (problem.left, problem.right)
    )
    closed = None if problem.closed is None else problem.closed & ~flows[:, None]
    return replace(problem, left=left, right=right, closed=closed)


def _starts(problem: SlotProblem) -> Iterator[tuple[str, Ints]]:
    yield from problem.hints
    yield "edge-colouring", _colour(problem)


def _colour(problem: SlotProblem) -> Ints:
    """Slots by balanced colouring; a key of several phases counts in the first of them."""
    order = np.argsort(problem.key * problem.phases + problem.phase, kind="stable")
    flow = order[np.searchsorted(problem.key[order], np.arange(problem.keys))]
    uses = problem.uses
    heaviest = np.zeros(problem.keys, np.int64)
    np.maximum.at(heaviest, uses.key, uses.load)
    base = problem.phase[flow] * (len(problem.capacity) + 1) + 1
    sides = []
    for columns in (problem.left, problem.right):
        # Vertices: keys of one weight in one row, apart if they load a set; then the row; then the set.
        rows = base + columns[0][flow] if columns else np.zeros(problem.keys, np.int64)
        sets = base + columns[1][flow] if len(columns) > 1 else base - 1
        set_of_row = np.zeros(int(rows.max()) + 1, np.int64)
        np.maximum.at(set_of_row, rows, sets)
        kind = 2 * heaviest + (sets >= base)
        sides.append([rows * (2 * int(heaviest.max()) + 2) + kind, rows, set_of_row[rows]])
    palette = _palette(problem)
    slots: Ints = palette[colour_edges(sides[0], sides[1], len(palette))]
    return slots


def _palette(problem: SlotProblem) -> Ints:
    """The slot of each colour: a slot has as many as its share, where all rows agree about the shares."""
    used = problem.capacity[np.unique(problem.uses.capacity_row)]
    shares = used // np.maximum(np.gcd.reduce(used, axis=1), 1)[:, None]
    if len(shares) and (shares == shares[0]).all() and 0 < shares[0].sum() <= 4 * problem.slots:
        return np.repeat(np.arange(problem.slots), shares[0])
    return np.arange(problem.slots)


def _into_open(problem: SlotProblem, slots: Ints) -> Ints:
    """The slots, and for keys that cannot take theirs the first that they can (0 where there is none)."""
    every = np.arange(problem.keys)
    is_good = (slots >= 0) & problem.is_open[every, np.maximum(slots, 0)]
    chosen: Ints = np.where(is_good, slots, problem.is_open.argmax(axis=1))
    return chosen


def _search(problem: SlotProblem, start: Ints, bounds: Ints) -> Ints:
    """Search for the bounds; raise the targets of the phases that miss them until all are met, then lower
    them again one by one where that can be met too."""
    uses = problem.uses
    # A move looks at all slots of the keys of one link.
    keys_per_link = 1 + len(uses.key) // (len(uses.group) * problem.slots)
    work = keys_per_link * problem.slots * (1 + len(uses.key) // problem.keys)
    moves = min(max(LEAST_MOVES, MOVES_PER_KEY * problem.keys), 1 + MOST_WORK // work)

    def search(slots: Ints, targets: Ints, moves: int) -> tuple[Ints, NDArray[np.bool_]]:
        found = _solver.search_slots(
            slots=problem.slots,
            use_offsets=np.searchsorted(uses.key, np.arange(problem.keys + 1)).astype(np.uint32),
            use_row=uses.row.astype(np.uint32),
            use_load=uses.load.astype(np.uint32),
            row_group=uses.group.astype(np.uint32),
            row_capacity=uses.capacity_row.astype(np.uint32),
            unit=problem.unit.astype(np.uint32).ravel(),
            is_open=problem.is_open.astype(np.uint8).ravel(),
            start=slots.astype(np.uint32),
            targets=targets,
            moves=moves,
        ).astype(np.int64)
        return found, worst_by_phase(problem, found) > targets

    targets = bounds.copy()
    slots, above = search(start, targets, moves)
    while above.any():
        targets[above] += 1
        slots, above = search(slots, targets, moves)
    raised = np.flatnonzero(targets > bounds)
    for phase in raised[:TIGHTENED_PHASES].tolist():
        targets[phase] -= 1
        found, above = search(slots, targets, moves // len(raised[:TIGHTENED_PHASES]))
        if above.any():
            targets[phase] += 1
        else:
            slots = found
    return slots
