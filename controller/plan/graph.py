"""The switches of a fabric and the links between them as arrays, for computing paths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from raddle.topology.model import Fabric

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class SwitchGraph:
    """S switches in order of `Fabric.switches`, E links between neighbouring tiers, lower end first.

    A slot is the place of a link among a switch's uplinks, or U + its place among the downlinks, in link
    order. Row E stands for a link that is not there. Parallel links make a bundle.

    Attributes:
        tier: int8[S], 1 leaf, 2 spine, 3 superspine.
        lower, upper: int32[E + 1], the switches at the ends.
        link: int32[E + 1], index in `Fabric.links`, ascending.
        speed: float32[E + 1], bit/s, 0 where the link is down.
        bundle: int32[E + 1].
        up: int32[S, U], down: int32[S, V], the links of each switch, row E where it has fewer.
        edges: int32[S], of a spine: the leaves cabled to it, whether their links are up or not.
        is_first: bool[E + 1], the link is the first of its bundle.
        most: int64[S], the most members of a switch's next-hop group.
        twins: int64[B, 2], two leaves that announce one block, for the bonds of their hosts.
        has_single_descents: from every superspine one spine at most leads down to a leaf.
    """

    tier: NDArray[np.int8]
    lower: Ints
    upper: Ints
    link: Ints
    speed: Floats
    bundle: Ints
    up: Ints
    down: Ints
    edges: Ints
    is_first: Bools
    has_single_descents: bool
    most: NDArray[np.int64]
    twins: NDArray[np.int64]

    @cached_property
    def bundle_speed(self) -> Floats:
        """float32[E + 1], the speed of each link's whole bundle."""
        total = np.bincount(self.bundle, self.speed).astype(np.float32)
        speeds: Floats = total[self.bundle]
        return speeds

    @cached_property
    def share(self) -> Floats:
        """float32[E + 1], each link's part of its bundle's speed; 0 where it is down."""
        return (self.speed / np.maximum(self.bundle_speed, 1)).astype(np.float32)

    @cached_property
    def edge_part(self) -> Floats:
        """float32[E + 1], a leaf's equal part of the bundle of a link between spine and superspine."""
        return (self.bundle_speed / np.maximum(self.edges[self.lower], 1)).astype(np.float32)

    def of_tier(self, tier: int) -> range:
        """The switches of a tier, which are numbered one after another."""
        first, end = np.searchsorted(self.tier, (tier, tier + 1))
        return range(int(first), int(end))

    def place(self, switches: NDArray[np.integer], tier: int) -> NDArray[np.int64]:
        """Where switches stand in their tier; 0 for the ends of a link that is not there."""
        return np.maximum(switches.astype(np.int64) - self.of_tier(tier).start, 0)

    def with_speeds(self, fabric_links: NDArray[np.int64], speeds_bps: NDArray[np.int64]) -> SwitchGraph:
        """The graph with other speeds (0: down) of some links, given by their index in `Fabric.links`."""
        speed = self.speed.copy()
        speed[np.searchsorted(self.link[:-1], fabric_links)] = speeds_bps
        return replace(self, speed=speed)


def graph_of(fabric: Fabric) -> SwitchGraph:
    """The links between the switches of a fabric."""
    arrays = fabric.arrays
    hosts = len(fabric.hosts)
    index = np.flatnonzero(arrays.tier > 0)
    lower, upper = (arrays.a[index] - hosts).astype(np.int64), (arrays.b[index] - hosts).astype(np.int64)
    switches = len(fabric.switches)
    pairs, bundle = np.unique(lower * switches + upper, return_inverse=True)
    tier = arrays.device_tier[hosts:]
    edges = np.bincount(pairs % max(switches, 1), minlength=switches)
    is_first = np.zeros(len(index) + 1, np.bool_)
    is_first[np.unique(bundle, return_index=True)[1]] = True
    down = _slots(upper, switches)
    return SwitchGraph(
        tier=tier,
        lower=np.append(lower, 0).astype(np.int32),
        upper=np.append(upper, 0).astype(np.int32),
        link=np.append(index, -1).astype(np.int32),
        speed=np.append(np.where(arrays.is_up[index], arrays.speed_bps[index], 0), 0).astype(np.float32),
        bundle=np.append(bundle, len(pairs)).astype(np.int32),
        up=_slots(lower, switches),
        down=down,
        edges=np.where(tier == 2, edges, 0).astype(np.int32),
        is_first=is_first,
        has_single_descents=_has_single_descents(tier, lower, down, is_first),
        most=np.array([switch.model.tables.most_of_group for switch in fabric.switches], np.int64),
        twins=np.array(sorted(fabric.follower_leaves.items()), np.int64).reshape(-1, 2),
    )


def _slots(end: NDArray[np.int64], switches: int) -> Ints:
    """int32[switches, most links of one], the links that have this end, in order."""
    order = np.argsort(end, kind="stable")
    row = end[order]
    slot = np.arange(len(row)) - np.searchsorted(row, row)
    slots = np.full((switches, int(slot.max(initial=-1)) + 1), len(end), np.int32)
    slots[row, slot] = order
    return slots


def _has_single_descents(
    tier: NDArray[np.int8], lower: NDArray[np.int64], down: Ints, is_first: Bools
) -> bool:
    for superspine in np.flatnonzero(tier == 3):
        rows = down[superspine]
        below = down[lower[rows[is_first[rows]]]]
        leaves = lower[below[is_first[below]]]
        if len(np.unique(leaves)) < len(leaves):
            return False
    return True
