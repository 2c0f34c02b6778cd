"""Choose an uplink and a downlink for every pin so that the busiest link carries least."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from controller.plan.colouring import colour_edges

Ints = NDArray[np.int64]

SEARCH_KEYS = 2000
"""More free pins than this are not improved by local search: it would take seconds."""

SEARCH_SWEEPS = 20


@dataclass(frozen=True)
class Problem:
    """Pins to place and the flows that use them.

    A pin is a pair (source leaf, destination endpoint); it leaves its leaf by slot `up` and reaches the
    destination's leaf by slot `down` of the same spine (see `Wiring` for slots).

    Attributes:
        is_alive: bool[leaves, slots], the link is there and up.
        width: slots per spine.
        source, target, destination, place: int[K] of each pin, its leaf, its destination's leaf, its
            destination and the place of that among its leaf's endpoints.
        pin, phase: int[F], the pin and the phase of every flow; only flows of one phase compete.
        phases: number of phases.
        is_wanted: bool[K], the pins to place now.
        fixed_up, fixed_down: int[K], slots decided before, else -1.
    """

    is_alive: NDArray[np.bool_]
    width: int
    source: Ints
    target: Ints
    destination: Ints
    place: Ints
    pin: Ints
    phase: Ints
    phases: int
    is_wanted: NDArray[np.bool_]
    fixed_up: Ints
    fixed_down: Ints

    @cached_property
    def free(self) -> Ints:
        """The wanted pins that have a path at all."""
        by_spine = self.is_alive.reshape(len(self.is_alive), -1, self.width)
        spines: NDArray[np.bool_] = np.any(by_spine, axis=2)
        has_path = (spines[self.source] & spines[self.target]).any(axis=1)
        free: Ints = np.flatnonzero(self.is_wanted & has_path)
        return free

    @cached_property
    def uses(self) -> tuple[tuple[Ints, Ints], ...]:
        """Of each pin, the phases that use it and the number of its flows in each."""
        counts = np.bincount(
            self.pin * self.phases + self.phase, minlength=len(self.source) * self.phases
        ).reshape(-1, self.phases)
        return tuple((used := np.flatnonzero(row), row[used]) for row in counts)

    def bound(self) -> int:
        """The least that any assignment can reach on the busiest link of the worst phase."""
        live = np.maximum(self.is_alive.sum(axis=1), 1)
        worst = 0
        for leaf in (self.source, self.target):
            flows = np.bincount(
                self.phase * len(live) + leaf[self.pin], minlength=self.phases * len(live)
            ).reshape(self.phases, len(live))
            worst = max(worst, int((-(-flows // live)).max(initial=0)))
        return worst


@dataclass(frozen=True)
class Assignment:
    """Slots of every pin (-1: no path), and the method that found them."""

    up: Ints
    down: Ints
    method: str


def loads(problem: Problem, up: Ints, down: Ints) -> tuple[Ints, Ints]:
    """Flows on every link as two int[phases, leaves, slots]: from the leaf, and to the leaf."""
    leaves, slots = problem.is_alive.shape
    placed = up[problem.pin] >= 0
    pin, phase = problem.pin[placed], problem.phase[placed]

    def count(leaf: Ints, slot: Ints) -> Ints:
        cell = (phase * leaves + leaf[pin]) * slots + slot[pin]
        return np.bincount(cell, minlength=problem.phases * leaves * slots).reshape(
            problem.phases, leaves, slots
        )

    return count(problem.source, up), count(problem.target, down)


def cost(problem: Problem, assignment: Assignment) -> tuple[int, int]:
    """(largest load, sum over phases of the phase's largest load); less is better."""
    up, down = loads(problem, assignment.up, assignment.down)
    worst = np.maximum(up.max(axis=(1, 2), initial=0), down.max(axis=(1, 2), initial=0))
    return int(worst.max(initial=0)), int(worst.sum())


def assign(problem: Problem) -> Assignment:
    """Place all free pins; the first method that reaches the bound ends the search, else the best wins.

    Where every leaf has the same live links, each slot is a colour (edge colouring) or a residue
    (destination-modulo); where links are missing, pins are placed one by one on the least loaded path.
    """
    bound = problem.bound()
    tried = []
    for candidate in _candidates(problem):
        tried.append(candidate)
        if cost(problem, candidate)[0] <= bound:
            return candidate
    if problem.width == 1 and len(problem.free) <= SEARCH_KEYS:
        tried += [_local_search(problem, candidate) for candidate in tried]
    return min(tried, key=lambda candidate: cost(problem, candidate))


def _candidates(problem: Problem) -> Iterator[Assignment]:
    if problem.is_alive.all():
        slots = problem.is_alive.shape[1]
        if problem.phases > 1:
            # D-mod-K first: optimal for shifts (Zahavi, "Fat-tree routing and node ordering providing
            # contention free traffic for MPI global collectives", JPDC 72(11), 2012) and the cheapest.
            yield _settle(problem, problem.place[problem.free] % slots, "destination-modulo")
        yield _settle(problem, _colour(problem, problem.free), "edge-colouring")
        if problem.phases > 1:
            yield _phase_by_phase(problem)
    yield _least_loaded(problem)


def _colour(problem: Problem, pins: Ints) -> Ints:
    """Slots from n * ceil(D / n) colours folded to n: at most ceil(D / n) pins on a link, D the degree."""
    slots = problem.is_alive.shape[1]
    source, target = problem.source[pins], problem.target[pins]
    if not len(pins):
        return pins
    degree = int(max(np.bincount(source).max(), np.bincount(target).max()))
    colours = colour_edges(source.tolist(), target.tolist(), slots * -(-degree // slots))
    folded: Ints = np.array(colours, dtype=np.int64) % slots
    return folded


def _settle(problem: Problem, slots: Ints, method: str) -> Assignment:
    """Give the free pins these slots up, and down the same where the spine's host route allows it.

    A spine has one route per destination, so pins to one destination that meet at a spine share its
    downlink: the one of the first of them.
    """
    up, down = problem.fixed_up.copy(), problem.fixed_down.copy()
    up[problem.free] = down[problem.free] = slots
    if problem.width > 1:
        taken = _taken(problem)
        for pin in problem.free.tolist():
            spine = int(up[pin]) // problem.width
            down[pin] = taken.setdefault((spine, int(problem.destination[pin])), int(down[pin]))
    return Assignment(up, down, method)


def _taken(problem: Problem) -> dict[tuple[int, int], int]:
    """Downlink slots that the fixed pins' host routes use, by (spine, destination)."""
    return {
        (int(problem.fixed_down[pin]) // problem.width, int(problem.destination[pin])): int(
            problem.fixed_down[pin]
        )
        for pin in np.flatnonzero(problem.fixed_down >= 0).tolist()
    }


class _Placement:
    """Pins placed so far and what they load; the working state of the methods that go pin by pin."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.up, self.down = problem.fixed_up.copy(), problem.fixed_down.copy()
        self.up_load, self.down_load = loads(problem, self.up, self.down)
        self.taken = _taken(problem)
        self.paths: dict[tuple[int, int], tuple[Ints, Ints]] = {}

    def place(self, pin: int, up: int, down: int) -> None:
        phases, flows = self.problem.uses[pin]
        self.up[pin], self.down[pin] = up, down
        self.up_load[phases, self.problem.source[pin], up] += flows
        self.down_load[phases, self.problem.target[pin], down] += flows
        self.taken[down // self.problem.width, int(self.problem.destination[pin])] = down

    def place_least_loaded(self, pin: int) -> None:
        """Take the path whose busier link is least loaded in the pin's worst phase, then on the whole."""
        source, target = int(self.problem.source[pin]), int(self.problem.target[pin])
        up, down = self._paths(source, target)
        destination = int(self.problem.destination[pin])
        if self.problem.width > 1:
            free = [
                self.taken.get((int(slot) // self.problem.width, destination), slot) == slot for slot in down
            ]
            up, down = up[free], down[free]
        phases, _ = self.problem.uses[pin]
        upward = self.up_load[phases, source][:, up]
        downward = self.down_load[phases, target][:, down]
        worst = np.maximum(upward, downward).max(axis=0, initial=0)
        chosen = int(np.lexsort(((upward + downward).sum(axis=0), worst))[0])
        self.place(pin, int(up[chosen]), int(down[chosen]))

    def _paths(self, source: int, target: int) -> tuple[Ints, Ints]:
        """All pairs of live slots with one spine in common, as two arrays."""
        if (source, target) not in self.paths:
            up = np.flatnonzero(self.problem.is_alive[source])
            down = np.flatnonzero(self.problem.is_alive[target])
            width = self.problem.width
            i, j = np.nonzero(up[:, None] // width == down[None, :] // width)
            self.paths[source, target] = up[i], down[j]
        return self.paths[source, target]


def _least_loaded(problem: Problem) -> Assignment:
    """Pin by pin, those with the most flows first."""
    placement = _Placement(problem)
    flows = np.bincount(problem.pin, minlength=len(problem.source))[problem.free]
    for pin in problem.free[np.argsort(-flows, kind="stable")].tolist():
        placement.place_least_loaded(pin)
    return Assignment(placement.up, placement.down, "least-loaded")


def _phase_by_phase(problem: Problem) -> Assignment:
    """Colour the pins of each phase on their own; where some are placed already, fill up around them.

    Optimal where phases share all their pins or none, as the steps of halving-doubling do.
    """
    placement = _Placement(problem)
    is_free = np.zeros(len(problem.source), dtype=np.bool_)
    is_free[problem.free] = True
    order = np.argsort(problem.phase, kind="stable")
    for flows in np.split(order, np.searchsorted(problem.phase[order], np.arange(1, problem.phases))):
        pins = np.unique(problem.pin[flows])
        fresh = pins[is_free[pins] & (placement.up[pins] < 0)]
        if len(fresh) == len(pins) and problem.width == 1:
            for pin, slot in zip(fresh.tolist(), _colour(problem, fresh).tolist(), strict=True):
                placement.place(pin, slot, slot)
        else:
            for pin in fresh.tolist():
                placement.place_least_loaded(pin)
    return Assignment(placement.up, placement.down, "phase-by-phase")


def _local_search(problem: Problem, start: Assignment) -> Assignment:
    """Move one pin at a time while the sum of the fourth powers of all loads falls; needs width 1.

    The fourth power stands for "the largest load, then how many links have it" and changes with every
    move, which the largest load itself does not.
    """
    up = start.up.copy()
    up_load, down_load = loads(problem, up, up)
    live = problem.is_alive[problem.source] & problem.is_alive[problem.target]
    for _ in range(SEARCH_SWEEPS):
        moved = False
        for pin in problem.free.tolist():
            phases, flows = problem.uses[pin]
            added = flows[:, None]
            upward = up_load[phases, problem.source[pin]]
            downward = down_load[phases, problem.target[pin]]
            now = int(up[pin])
            upward[:, now] -= flows
            downward[:, now] -= flows
            rise = (upward + added) ** 4 - upward**4 + (downward + added) ** 4 - downward**4
            total = np.where(live[pin], rise.sum(axis=0), np.iinfo(np.int64).max)
            best = int(total.argmin())
            if total[best] < total[now]:
                moved = True
                up[pin] = best
                for load, leaf in ((up_load, problem.source[pin]), (down_load, problem.target[pin])):
                    load[phases, leaf, now] -= flows
                    load[phases, leaf, best] += flows
        if not moved:
            break
    return Assignment(up, up, start.method + "+local-search")
