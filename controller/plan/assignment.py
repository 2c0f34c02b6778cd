"""Choose the path of every flow, tier by tier.

First the spine (the group of spines) of every flow between leaves, by colouring the graph of leaves; then
the superspine of flows between pods, by colouring the graph of pods for each group; then one of parallel
links for each hop. A choice is made for a key: what the carrier of the pins can tell apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.colouring import Ints, distinct
from raddle.controller.plan.slots import SlotProblem, solve
from raddle.controller.plan.tiers import Bundles, Tiers

HOPS = 4
"""Leaf to spine, spine to superspine, superspine to spine, spine to leaf."""


@dataclass(frozen=True, eq=False)
class Flows:
    """Flows between endpoints of different leaves, int[F] each; only flows of one phase compete."""

    src: Ints
    dst: Ints
    phase: Ints

    def __len__(self) -> int:
        return len(self.src)

    def reversed(self) -> Flows:
        """The flows' acknowledgements."""
        return Flows(self.dst, self.src, self.phase)


KeyOf = Callable[[Ints, Ints, Ints], Ints]
"""(switch, source, destination) of every flow -> its key at that switch."""


@dataclass
class Decisions:
    """What has been decided: the slot of every key, by the kind of choice ("spine", "superspine", ...)."""

    slots: dict[str, tuple[Ints, Ints]] = field(default_factory=dict)

    def add(self, choice: str, key: Ints, slot: Ints) -> None:
        """Remember the slots (-1: none) that flows with these keys took."""
        keys, first = np.unique(key[slot >= 0], return_index=True)
        slots = slot[slot >= 0][first]
        if choice in self.slots:
            keys, first = np.unique(np.concatenate((self.slots[choice][0], keys)), return_index=True)
            slots = np.concatenate((self.slots[choice][1], slots))[first]
        self.slots[choice] = keys, slots

    def find(self, choice: str, key: Ints) -> Ints:
        """The slot of each key, -1 where nothing has been decided."""
        keys, slots = self.slots.get(choice, (key[:0], key[:0]))
        if not len(keys):
            return np.full(len(key), -1, np.int64)
        at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        found: Ints = np.where(keys[at] == key, slots[at], -1)
        return found


@dataclass(frozen=True, eq=False)
class Paths:
    """The path of every flow.

    Attributes:
        spine, superspine: int[F], the slots taken (see `Tiers`); -1 where there is none.
        link: int[4, F], the link of every hop, -1 where the path has no such hop.
        method: how the first tier was chosen.
    """

    spine: Ints
    superspine: Ints
    link: Ints
    method: str


@dataclass(frozen=True, eq=False)
class Hop:
    """One hop of all flows: from switch `switch` over one of the links of a bundle, where `is_used`.

    A bundle is that of the lower switch `low` and its `slot`; `name` says which tier the switch is of and
    where the hop leads.
    """

    name: str
    bundles: Bundles
    low: Ints
    slot: Ints
    switch: Ints
    is_used: NDArray[np.bool_]

    @property
    def links(self) -> Ints:
        """int[flows that use the hop, width], the links to choose from."""
        row = self.low[self.is_used] * self.bundles.link.shape[1] + self.slot[self.is_used]
        links: Ints = self.bundles.link.reshape(-1, self.bundles.width)[row]
        return links


def hops_of(tiers: Tiers, flows: Flows, spine: Ints, superspine: Ints) -> tuple[Hop, ...]:
    """The hops of flows that take these slots; switches count from 0 among leaves, spines, superspines."""
    source, target = tiers.leaf[flows.src], tiers.leaf[flows.dst]
    up = tiers.spine_at[tiers.pod[source], spine]
    down = tiers.spine_at[tiers.pod[target], spine]
    is_placed, is_far = spine >= 0, superspine >= 0
    top = tiers.upper.upper[up, superspine] if is_far.any() else superspine
    return (
        Hop("leaf-link", tiers.lower, source, spine, source, is_placed),
        Hop("spine-up-link", tiers.upper, up, superspine, up, is_far),
        Hop("superspine-link", tiers.upper, down, superspine, top, is_far),
        Hop("spine-link", tiers.lower, target, spine, down, is_placed),
    )


def choose_paths(
    tiers: Tiers, flows: Flows, key_of: KeyOf, decided: Decisions, hints: Paths | None = None
) -> Paths:
    """The path of every flow; new decisions are added to `decided`.

    Args:
        hints: paths of the flows in the other direction, to start from.
    """
    source, target = tiers.leaf[flows.src], tiers.leaf[flows.dst]
    chooser = _Chooser(flows, key_of, decided)
    spine, method = chooser.spines(tiers, source, target, None if hints is None else hints.spine)
    is_far = (spine >= 0) & (tiers.pod[source] != tiers.pod[target])
    up, down = (tiers.spine_at[tiers.pod[leaf], spine] for leaf in (source, target))
    superspine = chooser.superspines(tiers, up, down, is_far, None if hints is None else hints.superspine)
    spine = np.where(is_far & (superspine < 0), -1, spine)
    link = np.full((HOPS, len(flows)), -1, np.int64)
    for i, hop in enumerate(hops_of(tiers, flows, spine, superspine)):
        link[i] = chooser.parallel(hop, None if hints is None else hints.link[HOPS - 1 - i])
    return Paths(spine, superspine, link, method)


def keep_paths(
    tiers: Tiers, flows: Flows, paths: Paths, key_of: KeyOf, decided: Decisions, kept: NDArray[np.bool_]
) -> None:
    """Add to `decided` what was decided for the flows that are `kept`."""
    spine, superspine = np.where(kept, paths.spine, -1), np.where(kept, paths.superspine, -1)
    source = tiers.leaf[flows.src]
    decided.add("spine", key_of(source, flows.src, flows.dst), spine)
    up = tiers.leaves + tiers.spine_at[tiers.pod[source], spine]
    decided.add("superspine", key_of(up, flows.src, flows.dst), superspine)
    for hop, link in zip(hops_of(tiers, flows, spine, superspine), paths.link, strict=True):
        key = key_of(hop.switch, flows.src, flows.dst)[hop.is_used]
        decided.add(hop.name, key, (hop.links == link[hop.is_used, None]).argmax(axis=1))


Rows = tuple[Ints, ...]


def spine_rows(tiers: Tiers, source: Ints, target: Ints) -> tuple[Ints, Rows, Rows, NDArray[np.bool_] | None]:
    """Capacity, left and right rows and closed slots (see `SlotProblem`) of flows that choose a spine.

    Rows are the leaves' ways up, then down, then what the spines of each pod carry up, then down, by group.
    """
    leaves, pods = tiers.leaves, len(tiers.spine_at)
    lower = tiers.lower.total
    # What the spines of a pod carry to superspines, by group.
    upper = np.zeros((pods, lower.shape[1]), np.int64)
    upper[tiers.spine_pod, tiers.spine_group] = tiers.upper.total.sum(axis=1)
    is_far = tiers.pod[source] != tiers.pod[target]
    far_up = np.where(is_far, 2 * leaves + tiers.pod[source], -1)
    far_down = np.where(is_far, 2 * leaves + pods + tiers.pod[target], -1)
    left: tuple[Ints, ...] = (source,)
    right: tuple[Ints, ...] = (leaves + target,)
    if is_far.any():
        left, right = (*left, far_up), (*right, far_down)
    closed = None
    if is_far.any() and not tiers.upper.total.all():
        # No superspine may be left that leads from one pod's spine to the other's.
        is_up = tiers.upper.total > 0
        from_pod, to_pod = tiers.spine_at[tiers.pod[source]], tiers.spine_at[tiers.pod[target]]
        closed = is_far[:, None] & ~(is_up[from_pod] & is_up[to_pod]).any(axis=2)
    return np.concatenate((lower, lower, upper, upper)), left, right, closed


@dataclass(frozen=True, eq=False)
class _Chooser:
    flows: Flows
    key_of: KeyOf
    decided: Decisions

    def spines(self, tiers: Tiers, source: Ints, target: Ints, hint: Ints | None) -> tuple[Ints, str]:
        """The slot at its leaf for every flow, -1 where no spine connects the leaves."""
        capacity, left, right, closed = spine_rows(tiers, source, target)
        hints = {} if hint is None else {"reverse-path": hint}
        if hint is None and len(self.flows) and self.flows.phase.max() > 0:
            # Zahavi, "Fat-tree routing and node ordering providing contention free traffic for MPI global
            # collectives", JPDC 72(11), 2012: optimal for shifts.
            hints["destination-modulo"] = tiers.place[self.flows.dst] % capacity.shape[1]
        key = self.key_of(source, self.flows.src, self.flows.dst)
        return self.choose("spine", capacity, key, left, right, hints, closed)

    def superspines(
        self, tiers: Tiers, up: Ints, down: Ints, is_far: NDArray[np.bool_], hint: Ints | None
    ) -> Ints:
        """The slot at its spine for every flow between pods, -1 for others."""
        slot = np.full(len(self.flows), -1, np.int64)
        if is_far.any():
            capacity = np.concatenate((tiers.upper.total, tiers.upper.total))
            some = _Chooser(_only(self.flows, is_far), self.key_of, self.decided)
            key = self.key_of(tiers.leaves + up[is_far], some.flows.src, some.flows.dst)
            hints = {} if hint is None else {"reverse-path": hint[is_far]}
            slot[is_far], _ = some.choose(
                "superspine", capacity, key, (up[is_far],), (tiers.spines + down[is_far],), hints
            )
        return slot

    def parallel(self, hop: Hop, reverse: Ints | None) -> Ints:
        """The link of every flow that uses the hop: one of those between its switch and the next."""
        link = np.full(len(self.flows), -1, np.int64)
        links = hop.links
        place = np.zeros(len(links), np.int64)
        if hop.bundles.width > 1:
            some = _Chooser(_only(self.flows, hop.is_used), self.key_of, self.decided)
            key = self.key_of(hop.switch[hop.is_used], some.flows.src, some.flows.dst)
            hints = {}
            if reverse is not None:
                same = links == reverse[hop.is_used][:, None]
                hints["reverse-path"] = np.where(same.any(axis=1), same.argmax(axis=1), -1)
            capacity = hop.bundles.capacity.reshape(-1, hop.bundles.width)
            row = hop.low[hop.is_used] * hop.bundles.link.shape[1] + hop.slot[hop.is_used]
            place, _ = some.choose(hop.name, capacity, key, (row,), (), hints)
        link[hop.is_used] = links[np.arange(len(links)), place]
        return link

    def choose(
        self,
        name: str,
        capacity: Ints,
        key: Ints,
        left: tuple[Ints, ...],
        right: tuple[Ints, ...],
        hints: dict[str, Ints],
        closed: NDArray[np.bool_] | None = None,
    ) -> tuple[Ints, str]:
        """The slot of every flow and the method that chose it."""
        # Numbered as they first occur, so that carriers that tell the same flows apart choose alike.
        values, first, number = np.unique(key, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        problem = SlotProblem(
            capacity=capacity,
            key=rank[number],
            phase=distinct(self.flows.phase)[1],
            left=left,
            right=right,
            fixed=self.decided.find(name, values[order]),
            hints=tuple((hint, slots[first[order]]) for hint, slots in hints.items()),
            closed=closed,
        )
        slots, method = solve(problem)
        self.decided.add(name, values[order], slots)
        return slots[problem.key], method


def _only(flows: Flows, chosen: NDArray[np.bool_]) -> Flows:
    return Flows(flows.src[chosen], flows.dst[chosen], flows.phase[chosen])
