"""How long a run will take, for who would rather not wait for it."""

from __future__ import annotations

import numpy as np

from raddle.sim import Simulation
from raddle.sim.nic import wire_bytes
from raddle.workload import Schedule

_NS_PER_HOP = 250
"""CPU time of a packet's way over one link; docs/models/engine.md has 185 to 280 measured."""

_LONG_S = 60


def long_run(simulation: Simulation, schedule: Schedule) -> str | None:
    """A line on what lies ahead, where that is more than a minute; None where it is less."""
    if not schedule.flows:
        return None
    links = len(simulation.trace(int(schedule.qp[schedule.size_bytes.argmax()])))
    wall_s = simulation.expected_packets * max(links, 1) * _NS_PER_HOP / 1e9
    if wall_s < _LONG_S:
        return None
    return (
        f"about {simulation.expected_packets:.1e} packets over {links} links each: {_span(wall_s)} of "
        f"computing, {_span(_least_simulated_s(simulation, schedule))} of simulated time or more; "
        "--until TIME ends it sooner, Ctrl-C keeps what there is"
    )


def _least_simulated_s(simulation: Simulation, schedule: Schedule) -> float:
    """What the busiest NIC sends, at the rate of its link."""
    fabric = simulation.fabric
    mtu = fabric.roce.mtu_bytes
    sent = np.bincount(schedule.src, schedule.size_bytes, len(fabric.endpoints))
    speeds = np.array([fabric.links[endpoint.link].speed_bps for endpoint in fabric.endpoints])
    return float((sent * 8 / speeds).max()) * wire_bytes(fabric, mtu) / mtu


def _span(seconds: float) -> str:
    """`3 min`, `13.6 h`."""
    for unit, length, digits in (("h", 3600, 1), ("min", 60, 0), ("s", 1, 0)):
        if seconds >= length:
            return f"{seconds / length:.{digits}f} {unit}"
    return f"{seconds * 1000:.3g} ms"
