"""The same run in the simulator: what each port must count, and which way each queue pair goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.model import Plan
from raddle.inventory import Inventory
from raddle.lab.emulation.paths import Path
from raddle.lab.switches.programmed import over_p4runtime, program, read_states, switch_farm
from raddle.sim import Simulation
from raddle.topology.model import Fabric, PortRef
from raddle.workload import Schedule


@dataclass(frozen=True, slots=True)
class Reference:
    """Frames that each switch port sent, and the ways of each queue pair's data and acknowledgements."""

    frames: dict[PortRef, int]
    data_paths: tuple[Path, ...]
    ack_paths: tuple[Path, ...]


def simulate_reference(
    fabric: Fabric,
    plan: Plan,
    schedule: Schedule,
    placement: NDArray[np.int32],
    seed: int,
    start_ps: NDArray[np.int64] | None,
    p4info: FilePath | None = None,
) -> Reference:
    """Program the simulated switches over their protocols, and simulate on what they report.

    `p4info` is of switches that run SONiC PINS.
    """
    with switch_farm(fabric, plan) as farm:
        switches = Inventory(fabric.name, dict(farm.addresses), p4info=p4info)
        program(plan, switches)
        states = read_states(switches, over_p4runtime(fabric))
    simulation = Simulation(fabric, endpoint_addresses(fabric), states, schedule, placement, seed, start_ps)
    pairs = range(int(schedule.qp.max()) + 1)
    data = tuple(_switch_ports(simulation, simulation.trace(qp)) for qp in pairs)
    acks = tuple(_switch_ports(simulation, simulation.trace(qp, acks=True)) for qp in pairs)
    simulation.run()
    sent = simulation.ports().tx_frames.sum(axis=1).tolist()
    frames = {
        port: int(count)
        for port, count in zip(simulation.port_names, sent, strict=True)
        if count and port.device in fabric.switch_by_name
    }
    return Reference(frames, data, acks)


def _switch_ports(simulation: Simulation, rows: Sequence[int] | NDArray[np.uint32]) -> Path:
    names = (simulation.port_names[row] for row in rows)
    return tuple(name for name in names if name.device in simulation.fabric.switch_by_name)
