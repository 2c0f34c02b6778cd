"""Endpoints that no other leaf reaches, since a link is dead or drained, and switches that links connect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.topology.model import Fabric


def cut_off_endpoints(fabric: Fabric) -> NDArray[np.bool_]:
    """bool[endpoints]: the link is down, or its leaf has no way up while hosts of its plane are elsewhere."""
    arrays, first = fabric.arrays, len(fabric.hosts)
    climbs = np.zeros(len(arrays.device_tier), np.bool_)
    climbs[arrays.a[arrays.carries]] = True
    leaf = np.array([endpoint.leaf for endpoint in fabric.endpoints], np.int64)
    plane = np.array([endpoint.plane for endpoint in fabric.endpoints], np.int64)
    link = np.array([endpoint.link for endpoint in fabric.endpoints], np.int64)
    leaves = np.unique(np.stack((plane, leaf)), axis=1)
    is_alone = np.bincount(leaves[0])[plane] == 1
    result: NDArray[np.bool_] = ~arrays.is_up[link] | ~(climbs[first + leaf] | is_alone)
    return result


@dataclass(frozen=True, slots=True)
class Lost:
    """Who has lost its way to others.

    Attributes:
        endpoints: bool[endpoints], nothing but their own leaf reaches them; of a bond, by neither port.
        leaves: pairs of other leaves, the lower index first, between whose hosts no way leads.
    """

    endpoints: NDArray[np.bool_]
    leaves: tuple[tuple[int, int], ...]

    def __bool__(self) -> bool:
        return bool(self.endpoints.any() or self.leaves)


def lost_ways(before: Fabric, after: Fabric) -> Lost:
    """What has no way any more in the same fabric with other links dead or drained.

    A way leads up and then down, as routes do (`raddle.controller.verify.reach.ways`). Two leaves with bonds
    count as one.
    """
    servers = before.endpoints[: before.server_endpoints]
    leaves = np.array(sorted({each.leaf for each in servers}), np.int64)
    plane = np.array([before.switches[leaf].plane for leaf in leaves.tolist()], np.int64)
    old, new = (_reached_upwards(fabric)[leaves] for fabric in (before, after))
    twins = {(each.leaf, before.endpoints[each.twin].leaf) for each in servers if each.twin is not None}
    for pair in twins:
        both = np.searchsorted(leaves, pair)
        for bits in (old, new):
            bits[both] = np.bitwise_or.reduce(bits[both], axis=0)

    def met(bits: NDArray[np.uint8], one: int) -> NDArray[np.bool_]:
        """bool[leaves], those of its plane that a way leads to, itself not."""
        found: NDArray[np.bool_] = (bits & bits[one]).any(axis=1) & (plane == plane[one])
        found[one] = False
        return found

    pairs = {
        (min(one, other), max(one, other))
        for one in np.flatnonzero((old != new).any(axis=1)).tolist()
        for other in np.flatnonzero(met(old, one) & ~met(new, one)).tolist()
    }
    alone = {one for one in {leaf for pair in pairs for leaf in pair} if not met(new, one).any()}
    climbs = np.isin(leaves, after.arrays.a[after.arrays.carries] - len(after.hosts))
    for number in {int(plane[one]) for one in alone}:
        here = np.flatnonzero(plane == number).tolist()
        if not any(met(new, one).any() for one in here if one not in alone):
            # Of leaves that are all alone, those that climb are cut off as little as the others from them.
            alone -= {one for one in here if climbs[one]}
    gone = np.zeros(len(before.switches), np.bool_)
    gone[leaves[sorted(alone)]] = True
    endpoints = _cut_off_nics(after) & ~_cut_off_nics(before)
    endpoints[: len(servers)] |= gone[[each.leaf for each in servers]]
    apart = sorted((int(leaves[a]), int(leaves[b])) for a, b in pairs if not {a, b} & alone)
    return Lost(endpoints, tuple(apart))


def _cut_off_nics(fabric: Fabric) -> NDArray[np.bool_]:
    """bool[endpoints]: nothing reaches it; of a bond, by neither port."""
    cut = cut_off_endpoints(fabric)
    other = [each.index if each.twin is None else each.twin for each in fabric.endpoints]
    both: NDArray[np.bool_] = cut & cut[np.array(other, np.int64)]
    return both


def _reached_upwards(fabric: Fabric) -> NDArray[np.uint8]:
    """uint8[switches, bytes], a bit for each switch that links lead up to, and for the switch itself."""
    arrays, first = fabric.arrays, len(fabric.hosts)
    bits = np.packbits(np.eye(len(fabric.switches), dtype=np.bool_), axis=1)
    for tier in (2, 1):
        links = np.flatnonzero(arrays.carries & (arrays.tier == tier))
        links = links[np.argsort(arrays.a[links], kind="stable")]
        lower = arrays.a[links] - first
        starts = np.flatnonzero(np.diff(lower, prepend=-1))
        if len(starts):
            bits[lower[starts]] |= np.bitwise_or.reduceat(bits[arrays.b[links] - first], starts, axis=0)
    return bits


def connected_parts(fabric: Fabric) -> NDArray[np.int64]:
    """int64[switches]: the least number of the switches that links which carry traffic connect with each.

    Planes have different ones, as have leaves without a way up.
    """
    arrays, first = fabric.arrays, len(fabric.hosts)
    inner = arrays.carries & (arrays.tier > 0)
    a, b = arrays.a[inner] - first, arrays.b[inner] - first
    part = np.arange(len(fabric.switches))
    while True:
        least = np.minimum(part[a], part[b])
        found = part.copy()
        np.minimum.at(found, a, least)
        np.minimum.at(found, b, least)
        if (found == part).all():
            return part
        part = found
