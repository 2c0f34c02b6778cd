"""How long a flow takes on an idle fabric, for its slowdown."""

from __future__ import annotations

from raddle.sim.nic import wire_bytes
from raddle.sim.simulation import Simulation
from raddle.topology.model import Fabric

CUT_BYTES = 72
"""Preamble and the first 64 bytes, after which a frame may be forwarded."""


def ideal_fct_ps(simulation: Simulation, qp: int, size_bytes: int) -> int | None:
    """Start to last byte of a flow that has its path to itself; None where it has no path.

    All packets on the slowest wire, one packet on every other one (before a switch that cuts through, the
    part that it waits for), and the way. Exact to the picosecond where all wires of the path have one speed.
    """
    fabric = simulation.fabric
    pipeline_ps = {switch.name: switch.model.pipeline_latency_ps for switch in fabric.switches}
    links: list[tuple[int, bool]] = []
    way_ps = 0
    for port in simulation.trace(qp).tolist():
        here = simulation.port_names[port]
        link = fabric.link_by_port[here]
        there = link.b if link.a == here else link.a
        way_ps += link.delay_ps + fabric.phy.fec_latency_ps + pipeline_ps.get(there.device, 0)
        links.append((link.speed_bps, cuts_through(fabric, there.device, link.speed_bps)))
    if not links or there.device in pipeline_ps:
        return None
    mtu = fabric.roce.mtu_bytes
    packets = max(-(-size_bytes // mtu), 1)
    last = wire_bytes(fabric, size_bytes - (packets - 1) * mtu)
    full = wire_bytes(fabric, mtu) if packets > 1 else last
    slowest = min(speed for speed, _ in links)
    # The last of the slowest wires: none of those behind it is as slow, so no switch cuts through to them.
    place = max(i for i, (speed, _) in enumerate(links) if speed == slowest)
    on_wires = (packets - 1) * _wire_ps(full, slowest) + _wire_ps(last, slowest)
    del links[place]
    return (
        way_ps
        + on_wires
        + sum(_wire_ps(min(full, CUT_BYTES) if is_cut else full, speed) for speed, is_cut in links)
    )


def cuts_through(fabric: Fabric, device: str, speed_bps: int) -> bool:
    """Whether a device forwards what comes in at this speed before it is there whole."""
    switch = fabric.switch_by_name.get(device)
    if switch is None or not switch.model.is_cut_through:
        return False
    cabled = (
        link.speed_bps for port, link in fabric.link_by_port.items() if port.device == device
    )  # fmt: skip
    return speed_bps >= max(cabled)


def _wire_ps(size_bytes: int, speed_bps: int) -> int:
    return -(-size_bytes * 8 * 10**12 // speed_bps)
