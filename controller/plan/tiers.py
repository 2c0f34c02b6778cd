"""A fabric's tiers as arrays for choosing paths: which slot of which switch leads where.

A pod is what leaves reach over their spines alone; spines that share superspines are of one group. A slot
of a leaf is a group (in two tiers: a spine), a slot of a spine is one of its group's superspines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.colouring import Ints
from raddle.errors import InputError
from raddle.topology.model import Fabric


@dataclass(frozen=True, eq=False)
class Bundles:
    """Links between two tiers by the lower switch and its slot.

    Attributes:
        upper: int[lower switches, slots], the switch at the upper end, -1 where there is none.
        link: int[lower switches, slots, width], index in `Fabric.links`, -1 where there is none.
        capacity: the same shape, speed over the greatest speed that divides all of them; 0 where down.
    """

    upper: Ints
    link: Ints
    capacity: Ints

    @property
    def total(self) -> Ints:
        """int[lower switches, slots], the capacity of all parallel links together."""
        total: Ints = self.capacity.sum(axis=2)
        return total

    @property
    def width(self) -> int:
        return int(self.link.shape[2])


@dataclass(frozen=True, eq=False)
class Tiers:
    """Leaves, spines and superspines count from 0 among their kind.

    Attributes:
        pod: int[leaves]; spine_pod, spine_group: int[spines].
        spine_at: int[pods, groups], the spine, -1 where there is none.
        lower: leaves to spines; upper: spines to superspines.
        leaf, place: int[endpoints], the leaf, and the place among its endpoints.
        slowest: capacity of the slowest links between switches; what a flow costs is counted against it.
    """

    pod: Ints
    spine_pod: Ints
    spine_group: Ints
    spine_at: Ints
    lower: Bundles
    upper: Bundles
    leaf: Ints
    place: Ints
    slowest: int

    @property
    def leaves(self) -> int:
        return len(self.pod)

    @property
    def spines(self) -> int:
        return len(self.spine_pod)


def tiers_of(fabric: Fabric) -> Tiers:
    """The tiers of a fabric.

    Raises:
        InputError: `form-not-planned` where a pod has two spines that share superspines.
    """
    roles = np.array([{"leaf": 1, "spine": 2, "superspine": 3}[s.role] for s in fabric.switches], np.int64)
    number = np.zeros(len(roles), np.int64)
    for role in (1, 2, 3):
        number[roles == role] = np.arange(int((roles == role).sum()))
    leaves, spines, supers = (int((roles == role).sum()) for role in (1, 2, 3))
    arrays, hosts = fabric.arrays, len(fabric.hosts)
    speeds = arrays.speed_bps[arrays.tier > 0]
    divisor = int(np.gcd.reduce(speeds)) if len(speeds) else 1
    ends = []
    for tier in (1, 2):
        link = np.flatnonzero(arrays.tier == tier)
        low, high = number[arrays.a[link] - hosts], number[arrays.b[link] - hosts]
        ends.append((link, low, high, np.where(arrays.is_up[link], arrays.speed_bps[link] // divisor, 0)))
    (link1, leaf1, spine1, speed1), (link2, spine2, super2, speed2) = ends
    pods = _components(leaves, spines, leaf1, spine1)
    pod, spine_pod = pods[:leaves], pods[leaves:]
    if supers:
        spine_group = _components(spines, supers, spine2, super2)[:spines]
    else:
        spine_group = _rank(spine_pod, np.arange(spines))
    pod_count, groups = int(pods.max(initial=-1)) + 1, int(spine_group.max(initial=0)) + 1
    spine_at = np.full((pod_count, groups), -1, np.int64)
    spine_at[spine_pod, spine_group] = np.arange(spines)
    if (spine_at >= 0).sum() < spines:
        raise InputError.of(
            "form-not-planned",
            "flows cannot be pinned where two spines of one pod share superspines",
            "take --routing ecmp, or give the n-th spines of all pods their own superspines ('mesh: column')",
            ("fabric", "spine_uplinks", "mesh"),
        )
    # Superspines by their place among those of their group.
    rank = np.zeros(supers, np.int64)
    if supers:
        of_super = np.full(supers, -1, np.int64)
        of_super[super2] = spine_group[spine2]
        rank = _rank(of_super, np.arange(supers))
    leaf = number[np.array([endpoint.leaf for endpoint in fabric.endpoints], np.int64)]
    return Tiers(
        pod=pod,
        spine_pod=spine_pod,
        spine_group=spine_group,
        spine_at=spine_at,
        lower=_bundles(leaves, groups, link1, leaf1, spine_group[spine1], spine1, speed1),
        upper=_bundles(spines, int(rank.max(initial=0)) + 1, link2, spine2, rank[super2], super2, speed2),
        leaf=leaf,
        place=_rank(leaf, np.arange(len(leaf))),
        slowest=int(speeds.min(initial=divisor)) // divisor,
    )


def _bundles(
    switches: int, slots: int, link: Ints, low: Ints, slot: Ints, high: Ints, capacity: Ints
) -> Bundles:
    place = _rank(low * slots + slot, link)
    shape = (switches, slots, int(place.max(initial=0)) + 1)
    links, capacities = np.full(shape, -1, np.int64), np.zeros(shape, np.int64)
    links[low, slot, place], capacities[low, slot, place] = link, capacity
    upper = np.full(shape[:2], -1, np.int64)
    upper[low, slot] = high
    return Bundles(upper, links, capacities)


def _rank(group: Ints, order: Ints) -> Ints:
    """The place of each element among those of its group."""
    by_group = np.lexsort((order, group))
    first = np.searchsorted(group[by_group], group[by_group])
    rank = np.empty(len(group), np.int64)
    rank[by_group] = np.arange(len(group)) - first
    return rank


def _components(lower: int, upper: int, low: Ints, high: Ints) -> Ints:
    """The connected component of every lower, then every upper switch, numbered by their first member."""
    label: NDArray[np.int64] = np.arange(lower + upper)
    while True:
        least = np.minimum(label[low], label[lower + high])
        new = label.copy()
        np.minimum.at(new, low, least)
        np.minimum.at(new, lower + high, least)
        if (new == label).all():
            return np.unique(label, return_inverse=True)[1].astype(np.int64)
        label = new
