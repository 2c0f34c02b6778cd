"""Endpoints that no other leaf reaches, since a link is dead or drained, and switches that links connect."""

from __future__ import annotations

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
