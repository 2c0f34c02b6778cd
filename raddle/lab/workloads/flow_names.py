"""What the flows of a workload are called."""

from __future__ import annotations

from collections.abc import Callable

from raddle.topology.model import Fabric
from raddle.workload import Workload


def flow_names(fabric: Fabric, workload: Workload) -> Callable[[int], str]:
    """A function that names a flow of the workload by its number: `rank3 host12 -> rank4 host1`."""
    schedule, first, flows = workload.schedule, workload.seats.first_endpoint, workload.schedule.flows
    if names := workload.names:
        return lambda flow: names[flow % flows]

    def rank(number: int) -> str:
        return f"rank{number} {fabric.endpoints[first[number]].name}"

    def name(flow: int) -> str:
        flow %= flows
        return f"{rank(int(schedule.src[flow]))} -> {rank(int(schedule.dst[flow]))}"

    return name
