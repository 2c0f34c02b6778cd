"""What a collective asks of a fabric: where its ranks are, and which endpoints talk to which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.topology.model import Fabric
from raddle.topology.views.cut_off import cut_off_endpoints
from raddle.workload import Demand


def place_ranks(fabric: Fabric, placement: str, seed: int, plane: int = 0) -> NDArray[np.int32]:
    """The endpoint of each rank; every endpoint of a plane has one that is not cut off by dead links.

    Planes share no switch. A collective's ranks are those of one plane and each plane runs one of its own, so
    what is simulated of the first is true of all.
    """
    by_leaf: dict[int, list[int]] = {leaf.index: [] for leaf in fabric.leaves if leaf.plane == plane}
    is_cut_off = cut_off_endpoints(fabric).tolist()
    for endpoint in fabric.endpoints:
        if endpoint.plane == plane and not is_cut_off[endpoint.index]:
            by_leaf[endpoint.leaf].append(endpoint.index)
    return traffic.place(placement, list(by_leaf.values()), None, seed)


def collective_demand(
    fabric: Fabric,
    collective: str,
    algorithm: str | None,
    placement: str,
    seed: int,
    terms: traffic.Terms = traffic.USUAL,
) -> Demand:
    """The flows of a collective between endpoints, phase by phase, in every plane.

    Raises:
        InputError: no such collective, algorithm or placement, or one rank is too few.
    """
    parts = [
        _demand(place_ranks(fabric, placement, seed, plane), collective, algorithm, terms)
        for plane in range(fabric.planes)
    ]
    if len(parts) == 1:
        return parts[0]
    columns = [(part.src, part.dst, part.phase) for part in parts]
    return Demand(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _demand(ranks: NDArray[np.int32], collective: str, algorithm: str | None, terms: traffic.Terms) -> Demand:
    """The flows of a collective among ranks, given by their endpoints."""
    found = terms.of(traffic.find_collective(collective))
    way = traffic.find_algorithm(found, algorithm)
    shape = traffic.Shape.flat(len(ranks))
    traffic.check_ranks(found, way, shape)
    return traffic.demand_of_pairs(way.pairs(shape), ranks)
