"""What a schedule takes over each NIC and each port of scale-up domains, without a simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.shape import Shape
from raddle.workload import Schedule

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PortBytes:
    """Bytes of each of R ranks, float64[R]. A flow's share counts where a switch copies it or sums it up.

    Attributes:
        nic_sent, nic_received: over the network.
        port_sent, port_received: inside of its domain, by plain flows.
        switch_sent, switch_received: the same by flows that the domain's switch sums or copies.
    """

    nic_sent: Floats
    nic_received: Floats
    port_sent: Floats
    port_received: Floats
    switch_sent: Floats
    switch_received: Floats


def port_bytes(schedule: Schedule, shape: Shape) -> PortBytes:
    """Sums over all flows of a schedule among the ranks of a shape."""
    inside = shape.is_inside(schedule)
    in_switch = schedule.fan != 0
    sent = schedule.size_bytes / np.maximum(schedule.fan, 1)
    received = schedule.size_bytes / np.maximum(-schedule.fan, 1)
    columns: list[Floats] = []
    for chosen in (~inside, inside & ~in_switch, inside & in_switch):
        for rank, size in ((schedule.src, sent), (schedule.dst, received)):
            columns.append(np.bincount(rank[chosen], size[chosen], minlength=shape.ranks).astype(np.float64))
    return PortBytes(*columns)
