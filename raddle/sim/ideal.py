"""How long a flow takes on an idle fabric, for its slowdown."""

from __future__ import annotations

from raddle.sim.simulation import Simulation, wire_bytes


def ideal_fct_ps(simulation: Simulation, qp: int, size_bytes: int) -> int | None:
    """Start to last byte of a flow that has its path to itself; None where it has no path.

    Store and forward: all packets on the slowest wire, one packet on every other one, and the way. Exact to
    the picosecond where all wires of the path have one speed.
    """
    fabric = simulation.fabric
    pipeline_ps = {switch.name: switch.model.pipeline_latency_ps for switch in fabric.switches}
    links = []
    way_ps = 0
    for port in simulation.trace(qp).tolist():
        here = simulation.port_names[port]
        link = fabric.link_by_port[here]
        there = link.b if link.a == here else link.a
        way_ps += link.delay_ps + pipeline_ps.get(there.device, 0)
        links.append(link.speed_bps)
    if not links or there.device in pipeline_ps:
        return None
    mtu = fabric.roce.mtu_bytes
    packets = max(-(-size_bytes // mtu), 1)
    last = wire_bytes(fabric, size_bytes - (packets - 1) * mtu)
    full = wire_bytes(fabric, mtu) if packets > 1 else last
    slowest = min(links)
    links.remove(slowest)
    on_wires = (packets - 1) * _wire_ps(full, slowest) + _wire_ps(last, slowest)
    return way_ps + on_wires + sum(_wire_ps(full, speed) for speed in links)


def _wire_ps(size_bytes: int, speed_bps: int) -> int:
    return -(-size_bytes * 8 * 10**12 // speed_bps)
