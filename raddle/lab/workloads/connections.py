"""Connections of several queue pairs: what is sent over them, and messages' times from their parts'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from raddle import traffic
from raddle.sim import FLOW_STATUS, FlowColumns
from raddle.topology.model import Fabric
from raddle.workload import Schedule

_ACTIVE, _FAILED = FLOW_STATUS.index("active"), FLOW_STATUS.index("failed")


def with_qps(fabric: Fabric, qps: int | None, splits_data: bool | None) -> Fabric:
    """The fabric with other numbers of queue pairs per connection; None leaves what it says."""
    changes: dict[str, int | bool] = {}
    if qps is not None:
        changes["qps_per_connection"] = qps
    if splits_data is not None:
        changes["splits_data"] = splits_data
    if not changes:
        return fabric
    hosts = (replace(host, nic_model=replace(host.nic_model, **changes)) for host in fabric.hosts)  # type: ignore[arg-type]
    return replace(fabric, hosts=tuple(hosts))


def striped(fabric: Fabric, schedule: Schedule) -> traffic.Striped:
    """The schedule over as many queue pairs as the fabric's NICs give a connection."""
    nic = fabric.hosts[0].nic_model
    return traffic.stripe(schedule, nic.qps_per_connection, nic.splits_data)


def of_messages(stripes: traffic.Striped, flows: FlowColumns) -> FlowColumns:
    """Columns of the original messages: a message has arrived when all of its parts have."""
    return FlowColumns(
        start_ps=stripes.first(flows.start_ps),
        finish_ps=stripes.last(flows.finish_ps),
        acked_ps=stripes.last(flows.acked_ps),
        status=_status(flows.status.reshape(-1, stripes.parts)),
    )


def _status(parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Failed if a part has, else what all parts are, else under way."""
    least, most = parts.min(axis=1), parts.max(axis=1)
    whole: NDArray[np.uint8] = np.where((most == _FAILED) | (least == most), most, np.uint8(_ACTIVE))
    return whole
