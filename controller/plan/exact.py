"""Paths of least load chosen over all tiers at once, by a program in whole numbers.

Tier after tier can miss the best: how much fits into a bundle of unequal parallel links depends on how they
are shared, which is chosen last, and which superspines are left to a flow on its spine. Small problems that
miss their bound are solved whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product

import numpy as np

from raddle.controller.plan.assignment import HOPS, Decisions, Flows, KeyOf, Paths
from raddle.controller.plan.colouring import Ints, distinct
from raddle.controller.plan.linear import Program, minimise
from raddle.controller.plan.tiers import Bundles, Tiers

MOST_COLUMNS = 1_500
"""Larger programs are not solved."""

NODES = 50
"""Nodes of the search for whole numbers: a count, so that plans do not depend on the machine's speed."""

_INFINITE = float("inf")

Way = tuple[int, int, int]
"""A link of a hop: the lower switch, its slot, and the place among the parallel links."""

Path = tuple[tuple[int, int, Way], ...]
"""Hops: number (0 to 3), the switch that sends, counted as in `hops_of`, and the link."""


def exact_paths(tiers: Tiers, flows: Flows, key_of: KeyOf, decided: Decisions) -> Paths | None:
    """The paths of the least sum over phases of the busiest link; None where that is too large to find.

    What is decided already stays. Flows of one key at their leaf, a unit, go one way together.
    """
    source = tiers.leaf[flows.src]
    _, first, unit = np.unique(key_of(source, flows.src, flows.dst), return_index=True, return_inverse=True)
    if len(first) * tiers.spine_at.shape[1] * tiers.lower.width**2 > MOST_COLUMNS:
        return None
    phase = distinct(flows.phase)[1]
    program = _Builder(tiers, key_of, decided, int(phase.max(initial=0)) + 1)
    for number, flow in enumerate(first.tolist()):
        program.add(number, int(flows.src[flow]), int(flows.dst[flow]), np.bincount(phase[unit == number]))
        if program.columns > MOST_COLUMNS:
            return None
    taken = program.solve()
    if taken is None:
        return None
    spine, superspine = np.full(len(first), -1, np.int64), np.full(len(first), -1, np.int64)
    link = np.full((HOPS, len(first)), -1, np.int64)
    for number, path in taken.items():
        for hop, _, (low, slot, place) in path:
            link[hop, number] = program.bundles[hop].link[low, slot, place]
            (spine if hop in (0, HOPS - 1) else superspine)[number] = slot
    return Paths(spine[unit], superspine[unit], link[:, unit], "whole-numbers")


_HOP_NAMES = ("leaf-link", "spine-up-link", "superspine-link", "spine-link")
"""Names of decisions about parallel links, as in `raddle.controller.plan.assignment.hops_of`."""


class _Builder:
    """Columns: the busiest link of each phase; whether a unit takes a path; whether a key takes a link."""

    def __init__(self, tiers: Tiers, key_of: KeyOf, decided: Decisions, phases: int) -> None:
        self.bundles: tuple[Bundles, ...] = (tiers.lower, tiers.upper, tiers.upper, tiers.lower)
        self.columns = phases
        self._tiers, self._key_of, self._decided, self._phases = tiers, key_of, decided, phases
        self._paths: dict[int, tuple[int, Path]] = {}
        self._links_of: dict[tuple[int, int], dict[Way, int]] = defaultdict(dict)
        self._loads: dict[tuple[int, int, Way], dict[int, float]] = defaultdict(dict)
        self._rows: list[tuple[dict[int, float], float, float]] = []

    def add(self, unit: int, src: int, dst: int, counts: Ints) -> None:
        """A unit with its number of flows in every phase; one that has no path is left out."""
        uses: dict[tuple[int, int, Way], dict[int, float]] = defaultdict(dict)
        paths = list(self._open_paths(src, dst))
        for path in paths:
            self._paths[self.columns] = unit, path
            for hop, switch, way in path:
                uses[hop, self._key(switch, src, dst), way][self.columns] = 1.0
                cost = self._tiers.slowest / int(self.bundles[hop].capacity[way])
                for phase in np.flatnonzero(counts).tolist():
                    self._loads[phase, hop, way][self.columns] = cost * int(counts[phase])
            self.columns += 1
        if paths:
            own = range(self.columns - len(paths), self.columns)
            self._rows.append((dict.fromkeys(own, 1.0), 1.0, 1.0))
        for (hop, key, way), columns in uses.items():
            links = self._links_of[hop, key]
            if way not in links:
                links[way] = self.columns
                self.columns += 1
            self._rows.append(({**columns, links[way]: -1.0}, -_INFINITE, 0.0))

    def solve(self) -> dict[int, Path] | None:
        """The path of every unit that has one."""
        rows = [
            *self._rows,
            *((dict.fromkeys(links.values(), 1.0), 0.0, 1.0) for links in self._links_of.values()),
        ]
        rows += [({**columns, phase: -1.0}, -_INFINITE, 0.0) for (phase, *_), columns in self._loads.items()]
        entries = [
            (row, column, value) for row, (own, *_) in enumerate(rows) for column, value in own.items()
        ]
        row, column, value = (np.array(each) for each in zip(*entries, strict=True))
        cost = np.zeros(self.columns)
        cost[: self._phases] = 1.0
        lower, upper = (np.array([each[side] for each in rows], float) for side in (1, 2))
        whole = np.arange(self._phases, self.columns)
        found = minimise(Program(cost, row, column, value.astype(float), lower, upper, whole, NODES))
        if found is None:
            return None
        return {unit: path for at, (unit, path) in self._paths.items() if found[at] > 0.5}

    def _key(self, switch: int, src: int, dst: int) -> int:
        return int(self._key_of(np.array([switch]), np.array([src]), np.array([dst]))[0])

    def _open_paths(self, src: int, dst: int) -> Iterator[Path]:
        """The paths from endpoint to endpoint over links that are up, and as has been decided."""
        tiers = self._tiers
        source, target = int(tiers.leaf[src]), int(tiers.leaf[dst])
        pods = int(tiers.pod[source]), int(tiers.pod[target])
        ends = (src, dst)
        for group in self._slots("spine", source, ends, tiers.spine_at.shape[1]):
            up, down = (int(tiers.spine_at[pod, group]) for pod in pods)
            if min(up, down) < 0:
                continue
            first = self._links(0, source, (source, group), ends)
            last = self._links(3, down, (target, group), ends)
            for begin, end in product(first, last):
                if pods[0] == pods[1]:
                    yield (begin, end)
                else:
                    yield from ((begin, *over, end) for over in self._over(up, down, ends))

    def _over(self, up: int, down: int, ends: tuple[int, int]) -> Iterator[Path]:
        """The ways from a spine over superspines to its like in another pod."""
        upper = self._tiers.upper.upper
        for slot in self._slots("superspine", self._tiers.leaves + up, ends, upper.shape[1]):
            top = int(upper[up, slot])
            if top >= 0:
                yield from product(
                    self._links(1, up, (up, slot), ends), self._links(2, top, (down, slot), ends)
                )

    def _slots(self, name: str, switch: int, ends: tuple[int, int], count: int) -> range:
        """The slots that may be taken: all, or the one that has been decided."""
        decided = int(self._decided.find(name, np.array([self._key(switch, *ends)]))[0])
        return range(count) if decided < 0 else range(decided, decided + 1)

    def _links(self, hop: int, switch: int, bundle: tuple[int, int], ends: tuple[int, int]) -> Path:
        """The links of a bundle that are up and may be taken."""
        capacity = self.bundles[hop].capacity[bundle]
        places = self._slots(_HOP_NAMES[hop], switch, ends, len(capacity))
        return tuple((hop, switch, (*bundle, place)) for place in places if capacity[place] > 0)
