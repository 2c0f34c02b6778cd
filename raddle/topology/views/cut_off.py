"""Endpoints that no other leaf reaches, since a link is dead or drained."""

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
