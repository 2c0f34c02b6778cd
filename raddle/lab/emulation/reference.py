"""The same run in the simulator: what each port must count, and which way each queue pair goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.model import Plan
from raddle.lab.emulation.paths import Path
from raddle.lab.run.drive import Run, drive
from raddle.lab.run.settings import RunSettings
from raddle.lab.switches.prepared import OWN_SWITCHES, SwitchSource, prepare_switches
from raddle.lab.workloads.source_ports import source_ports
from raddle.topology.model import Fabric, PortRef
from raddle.workload import Sent, Workload


@dataclass(frozen=True, slots=True)
class Reference:
    """The simulated run, and what real packets must do as they do there.

    Attributes:
        sent: what goes over which queue pairs; source_ports: see `Simulation`.
        frames: that each switch port sent.
        data_paths, ack_paths: of each queue pair.
    """

    sent: Sent
    source_ports: NDArray[np.int64] | None
    frames: dict[PortRef, int]
    data_paths: tuple[Path, ...]
    ack_paths: tuple[Path, ...]


def simulate_reference(
    fabric: Fabric, plan: Plan, workload: Workload, seed: int, source: SwitchSource = OWN_SWITCHES
) -> Reference:
    """Program the simulated switches over their protocols, and simulate on what they report."""
    switches = prepare_switches(fabric, plan, source)
    outcome = drive(switches, workload, RunSettings(seed=seed))
    if outcome.is_interrupted:
        raise KeyboardInterrupt
    run = outcome.run
    simulation = run.simulation
    pairs = range(int(run.sent.qp.max()) + 1)
    data = tuple(_switch_ports(run, simulation.trace(qp)) for qp in pairs)
    acks = tuple(_switch_ports(run, simulation.trace(qp, acks=True)) for qp in pairs)
    sent = simulation.ports().tx_frames.sum(axis=1).tolist()
    frames = {
        port: int(count)
        for port, count in zip(simulation.port_names, sent, strict=True)
        if count and port.device in fabric.switch_by_name
    }
    return Reference(run.queue_pairs, source_ports(fabric, plan, run.queue_pairs), frames, data, acks)


def _switch_ports(run: Run, rows: Sequence[int] | NDArray[np.uint32]) -> Path:
    names = (run.simulation.port_names[row] for row in rows)
    return tuple(name for name in names if name.device in run.fabric.switch_by_name)
