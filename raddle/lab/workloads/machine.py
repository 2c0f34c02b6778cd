"""What a library's model of time takes a job's part of a fabric for."""

from __future__ import annotations

from raddle.topology.model import Fabric
from raddle.traffic import Shape
from raddle.traffic.tuning import Machine
from raddle.workload import NOWHERE, Seats

_GENERATIONS = (
    ("volta", ("v100",)),
    ("ampere", ("a100", "a800", "a30")),
    ("hopper", ("h100", "h200", "h800", "h20", "gh200")),
    ("blackwell", ("b100", "b200", "b300", "gb200", "gb300")),
)

GBS = 8e9


def machine_of(fabric: Fabric, seats: Seats, shape: Shape) -> Machine:
    """Of ranks on these seats, as the first of them is; what is not NVIDIA's counts as Hopper."""
    host = fabric.hosts[fabric.endpoints[seats.endpoints[0]].host]
    accelerators = host.accelerators
    model = accelerators.model.lower() if accelerators else ""
    known = (name for name, models in _GENERATIONS if model in models)
    has_domain = accelerators is not None and bool((shape.domain != NOWHERE).any())
    ports = seats.endpoints[: max(1, int(seats.endpoint_offsets[1]))]
    speeds = fabric.arrays.speed_bps[[fabric.endpoints[port].link for port in ports.tolist()]]
    return Machine(
        generation=next(known, "hopper"),
        servers=len(shape.servers),
        ranks=shape.ranks,
        nics=shape.channels,
        nic_gbs=float(speeds.sum()) / GBS,
        scale_up_gbs=accelerators.scale_up_bps / GBS if accelerators and has_domain else 0.0,
        has_in_network=shape.has_in_network,
    )
