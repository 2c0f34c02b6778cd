"""How long flows take on an idle fabric, for their slowdown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.sim.nic import nic_columns
from raddle.sim.simulation import Simulation

CUT_BYTES = 72
"""Preamble and the first 64 bytes, after which a frame may be forwarded."""

_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Hops:
    """What a frame meets behind each transmitting port: one entry per port.

    Attributes:
        speed_bps: of the wire; way_ps: propagation, FEC, and the pipeline of the switch at its end.
        is_cut: that switch forwards a frame before it is there whole.
        is_last: the wire ends at a NIC.
    """

    speed_bps: _Ints
    way_ps: _Ints
    is_cut: NDArray[np.bool_]
    is_last: NDArray[np.bool_]


def ideal_fcts_ps(simulation: Simulation, qp: NDArray[np.int32], size_bytes: _Ints) -> _Ints:
    """Start to last byte of flows that have their paths to themselves, int64; 0 where there is no path, or
    switches choose one anew.

    Packets follow one another through the wires of the path: full ones at the pace of the slowest so far, the
    last, shorter one behind them. A switch that cuts through sends a packet on when it has the part that it
    waits for. Exact to the picosecond. Inside a scale-up domain, the message's time on its slowest link and
    the latency of its path (what a switch copies or sums takes more, see `raddle.sim.scale_up`).

    Args:
        qp: queue pair of each flow.
    """
    found = _inside_ps(simulation, qp, size_bytes)
    if simulation.is_adaptive:
        return found
    distinct, row = np.unique(qp, return_inverse=True)
    ports, lengths = simulation.traces(distinct)
    if not lengths.sum():
        return found
    hops = _hops(simulation)
    flows = np.flatnonzero(lengths[row])
    ports, lengths = rows_at(ports, lengths, row[flows])
    ends = np.cumsum(lengths)
    is_complete = hops.is_last[ports[ends - 1]]
    found[flows] = np.where(is_complete, _fcts_ps(simulation, hops, ports, lengths, size_bytes[flows]), 0)
    return found


def rows_at(values: _Ints, lengths: _Ints, rows: _Ints) -> tuple[_Ints, _Ints]:
    """The chosen rows of a table whose rows have so many values each, one behind the other; and theirs."""
    begins, chosen = (np.cumsum(lengths) - lengths)[rows], lengths[rows]
    shift = np.repeat(begins - (np.cumsum(chosen) - chosen), chosen)
    return values[shift + np.arange(chosen.sum())], chosen


def _inside_ps(simulation: Simulation, qp: NDArray[np.int32], size_bytes: _Ints) -> _Ints:
    """Of flows inside scale-up domains; 0 for others."""
    found = np.zeros(len(qp), np.int64)
    if (links := simulation.scale_up) is not None:
        inside = np.flatnonzero(links.path_bps[qp])
        bps = links.path_bps[qp[inside]].astype(np.float64)
        on_link = np.ceil(size_bytes[inside] * 8e12 / bps).astype(np.int64)
        found[inside] = on_link + links.latency_ps[qp[inside]]
    return found


def _fcts_ps(simulation: Simulation, hops: _Hops, ports: _Ints, lengths: _Ints, size_bytes: _Ints) -> _Ints:
    """Of flows over paths of so many `ports` each, one path behind the other."""
    starts = np.cumsum(lengths) - lengths
    full, last, packets = _frames(simulation, size_bytes)
    # When the first packet and the last are at the wire, the time between two full ones on it, and when the
    # last is through.
    first_ps, last_ps, pace_ps, through_ps = (np.zeros(len(lengths), np.int64) for _ in range(4))
    for hop in range(int(lengths.max())):
        flows = np.flatnonzero(lengths > hop)
        at = ports[starts[flows] + hop]
        speed, is_cut, size, tail = hops.speed_bps[at], hops.is_cut[at], full[flows], last[flows]
        full_ps, tail_ps = _wire_ps(size, speed), _wire_ps(tail, speed)
        pace_ps[flows] = np.maximum(pace_ps[flows], full_ps)
        free_ps = first_ps[flows] + (packets[flows] - 2) * pace_ps[flows] + full_ps
        start_ps = np.maximum(last_ps[flows], np.where(packets[flows] > 1, free_ps, 0))
        first_ps[flows] += np.where(is_cut, _wire_ps(np.minimum(size, CUT_BYTES), speed), full_ps)
        last_ps[flows] = start_ps + np.where(is_cut, _wire_ps(np.minimum(tail, CUT_BYTES), speed), tail_ps)
        through_ps[flows] = start_ps + tail_ps
    total: _Ints = through_ps + np.add.reduceat(hops.way_ps[ports], starts)
    return total


def _frames(simulation: Simulation, size_bytes: _Ints) -> tuple[_Ints, _Ints, _Ints]:
    """What a whole packet and the last one of a message take on the wire, and how many there are."""
    nic = nic_columns(simulation.fabric)
    around = nic.header_bytes + nic.gap_bytes
    packets = np.maximum(-(-size_bytes // nic.mtu_bytes), 1)
    last = size_bytes - (packets - 1) * nic.mtu_bytes + around
    return np.where(packets > 1, nic.mtu_bytes + around, last), last, packets


def _hops(simulation: Simulation) -> _Hops:
    fabric, index = simulation.fabric, simulation.port_index
    count = len(simulation.port_names)
    hops = _Hops(
        np.ones(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.bool_),
        np.ones(count, np.bool_),
    )
    fastest: dict[str, int] = {}
    for port, link in fabric.link_by_port.items():
        fastest[port.device] = max(fastest.get(port.device, 0), link.speed_bps)
    for link in fabric.links:
        for here, there in ((link.a, link.b), (link.b, link.a)):
            at, switch = index[here], fabric.switch_by_name.get(there.device)
            hops.speed_bps[at] = link.speed_bps
            hops.way_ps[at] = link.delay_ps + fabric.phy.fec_latency_ps
            if switch:
                hops.is_last[at] = False
                hops.way_ps[at] += switch.model.pipeline_latency_ps
                hops.is_cut[at] = switch.model.is_cut_through and link.speed_bps >= fastest[there.device]
    return hops


def _wire_ps(size_bytes: _Ints, speed_bps: _Ints) -> _Ints:
    return -(-size_bytes * 8 * 10**12 // speed_bps)
