"""What the flows of a workload are called."""

from __future__ import annotations

from collections.abc import Callable

from raddle.lab.workloads.ranks import seat_names
from raddle.topology.model import Fabric
from raddle.workload import Workload


def flow_names(fabric: Fabric, workload: Workload) -> Callable[[int], str]:
    """A function that names a flow of the workload by its number: `rank3 host12 -> rank4 host1`."""
    schedule, flows = workload.schedule, workload.schedule.flows
    if names := workload.names:
        return lambda flow: names[flow % flows]

    places = seat_names(fabric, workload.seats)

    def rank(number: int) -> str:
        called = workload.rank_names[number] if workload.rank_names else f"rank{number}"
        return f"{called} {places[number]}"

    def name(flow: int) -> str:
        flow %= flows
        src, dst = int(schedule.src[flow]), int(schedule.dst[flow])
        return f"{rank(src)} -> {rank(dst)}" if src != dst else f"{rank(src)}, its own computing or waiting"

    return name
