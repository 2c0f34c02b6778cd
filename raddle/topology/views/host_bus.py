"""What the hosts' buses leave of the NIC ports' rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.topology.model import Fabric
from raddle.topology.views.cut_off import cut_off_endpoints


def endpoint_bus_bps(fabric: Fabric) -> NDArray[np.int64]:
    """int64[endpoints], what the bus carries of each port each way; 0: it sets no limit.

    A NIC shares its limit out to its live ports, and an accelerator to those that it uses, as their links are
    fast, which is how messages are split. Where accelerators share a NIC, their limits add up: one of them
    alone may then send faster than its own bus.
    """
    limit = np.full(len(fabric.endpoints), np.inf)
    of_nic = {host.index: host.nic_model.bus_bps for host in fabric.hosts if host.nic_model.bus_bps}
    of_accelerator = {
        host.index: host.accelerators.bus_bps
        for host in fabric.hosts
        if host.accelerators and host.accelerators.bus_bps
    }
    if not of_nic and not of_accelerator:
        return np.zeros(len(limit), np.int64)
    speed = np.array([fabric.links[endpoint.link].speed_bps for endpoint in fabric.endpoints], np.float64)
    speed[cut_off_endpoints(fabric)] = 0
    whole: dict[tuple[int, int], float] = {}
    for endpoint in fabric.endpoints:
        key = endpoint.host, endpoint.rail
        whole[key] = whole.get(key, 0.0) + speed[endpoint.index]
    for endpoint in fabric.endpoints:
        if endpoint.host in of_nic and (total := whole[endpoint.host, endpoint.rail]):
            limit[endpoint.index] = of_nic[endpoint.host] * speed[endpoint.index] / total
    columns = fabric.accelerators
    together = np.zeros(len(limit))
    ports_of = np.split(columns.endpoints, columns.endpoint_offsets[1:-1])
    for host, ports in zip(columns.host.tolist(), ports_of, strict=True):
        if host in of_accelerator and (total := speed[ports].sum()):
            together[ports] += of_accelerator[host] * speed[ports] / total
    limit[together > 0] = np.minimum(limit, together)[together > 0]
    return np.where(np.isinf(limit), 0, np.rint(np.where(np.isinf(limit), 0, limit))).astype(np.int64)
