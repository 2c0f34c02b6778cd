"""What a job asks of a fabric: which endpoints talk to which at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.lab.workloads.connections import LaneFinder
from raddle.topology.model import Fabric
from raddle.workload import NOWHERE, Demand, Schedule, Seats

_Ints = NDArray[np.integer[Any]]


def demand_between(fabric: Fabric, seats: Seats, steps: Iterable[tuple[_Ints, _Ints]]) -> Demand:
    """The flows between ports of the ranks that send and receive in each step, over all ports of their NICs.

    Pairs inside a scale-up domain ask nothing of the fabric.

    Raises:
        InputError: `no-way-between`.
    """
    finder = LaneFinder(fabric, seats)

    def over_ports() -> Iterator[tuple[_Ints, _Ints]]:
        for src, dst in steps:
            lanes = finder.between(src, dst)
            over_nics = lanes.src != NOWHERE
            yield lanes.src[over_nics], lanes.dst[over_nics]

    return traffic.demand_of_pairs(over_ports(), np.arange(len(fabric.endpoints), dtype=np.int32))


def demand_of(fabric: Fabric, seats: Seats, schedule: Schedule) -> Demand:
    """The same of a schedule, step by step."""
    return demand_between(fabric, seats, traffic.steps_of(schedule))
