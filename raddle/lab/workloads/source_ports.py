"""The UDP source ports that a plan gives to queue pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.model import Plan
from raddle.topology.model import Fabric
from raddle.workload import Sent


def source_ports(fabric: Fabric, plan: Plan, sent: Sent) -> NDArray[np.int64] | None:
    """int64[queue pairs, 2], ports of data and of acknowledgements, -1 where the plan leaves them to the NIC;
    None where it says nothing."""
    if not plan.source_ports:
        return None
    chosen = {(each.src, each.dst): (each.data, each.acks) for each in plan.source_ports}
    names = [endpoint.name for endpoint in fabric.endpoints]
    ends = zip(sent.qp_src.tolist(), sent.qp_dst.tolist(), strict=True)
    return np.array([chosen.get((names[src], names[dst]), (-1, -1)) for src, dst in ends], np.int64)
