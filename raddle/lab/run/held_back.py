"""What congestion control lets through of a fair share, measured in packets, for runs in which messages flow.

A rate control that slows senders down after marks raises their rates again by little at a time, and long
messages that share a link leave some of it idle meanwhile. The fixed point of DCQCN's equations (Zhu et al.,
CoNEXT 2016, 3) has the link full, so it says nothing of that: it is the way there, which takes longer than
most messages. So the same is measured as long as it takes: so many hosts of the fabric send a message
each to one, as its switches are programmed, in packets and as fluid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.lab.run.settings import RunSettings
from raddle.lab.run.work import Work
from raddle.lab.workloads.connections import of_messages
from raddle.lab.workloads.flow_file import workload_of
from raddle.lab.workloads.plain_flows import FlowFileColumns
from raddle.sim import FLOW_STATUS, Simulation
from raddle.sim.fluid import FluidSimulation, KeptShares
from raddle.topology.views.cut_off import connected_parts
from raddle.workload import NOWHERE

_DONE = FLOW_STATUS.index("done")

_CROWDS = (2, 4, 8, 12, 16)
"""Senders to one, and as many as there are in place of the first that is more than these."""

_SHORTEST_PS = 20_000_000
"""What a NIC sends in this time has left it before it hears of marks: a share of it is all of it."""

_SPANS = 7
"""Times that messages take alone, each twice the one before; the last is 1.3 ms."""

_APART = 6
"""Times what a crowd takes at full rate, until the next one begins, which finds the network idle."""

_Ints = NDArray[np.int64]


def hold_back(simulation: FluidSimulation, work: Work) -> None:
    """Let messages that share links take as long as congestion control has them, where it does anything."""
    if work.fabric.roce.congestion_control == "none" or not len(work.sent.schedule.size_bytes):
        return
    spans_ps = _SHORTEST_PS << np.arange(_SPANS)
    sent_bytes = np.bincount(work.sent.schedule.qp, work.sent.schedule.size_bytes)
    longest_ps = float(sent_bytes.max()) * 8e12 / work.fabric.arrays.speed_bps.min()
    if longest_ps > _SHORTEST_PS:
        spans_ps = spans_ps[: 1 + np.searchsorted(spans_ps, longest_ps)]
        simulation.hold_back(lambda: _measured(work, spans_ps))


def _measured(work: Work, spans_ps: _Ints) -> KeptShares | None:
    """By how many send and how long; None where there are too few hosts, or messages do not end."""
    src, dst, speed_bps = _ends(work)
    if len(src) < _CROWDS[0]:
        return None
    crowds = sorted({min(crowd, len(src)) for crowd in _CROWDS})
    sizes = (spans_ps * (speed_bps / 8e12)).astype(np.int64)
    crowd, size = (each.reshape(-1) for each in np.meshgrid(crowds, sizes, indexing="ij"))
    took_ps = (crowd * size * (8e12 / speed_bps * _APART)).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(crowd)])
    sender = np.arange(first[-1]) - np.repeat(first[:-1], crowd)
    workload = workload_of(
        work.fabric,
        FlowFileColumns(
            names=tuple(map(str, range(1, len(sender) + 1))),
            src=src[sender].astype(np.int32),
            dst=np.full(len(sender), dst, np.int32),
            size_bytes=np.repeat(size, crowd),
            start_ps=np.repeat(np.cumsum(took_ps) - took_ps, crowd),
            delay_ps=np.zeros(len(sender), np.int64),
            qp=np.arange(len(sender), dtype=np.int32),
            dep_offsets=np.zeros(len(sender) + 1, np.int64),
            dep_ids=np.zeros(0, np.int32),
        ),
    )
    alike = Work.of(work.fabric, work.states, workload, RunSettings(seed=work.settings.seed), None, None)
    means = []
    for kind in (FluidSimulation, Simulation):
        simulation = alike.simulation(kind)
        simulation.run()
        flows = of_messages(alike.stripes, simulation.flows())
        if (flows.status != _DONE).any():
            return None
        means.append(np.add.reduceat(flows.finish_ps - flows.start_ps, first[:-1]) / crowd)
    share = np.minimum(means[0] / means[1], 1).reshape(len(crowds), -1)
    return KeptShares(np.array(crowds, np.float64), spans_ps.astype(np.float64), share)


def _ends(work: Work) -> tuple[_Ints, int, int]:
    """Hosts that can send to one, nearest first, that one, and the rate of all: of most NICs that send."""
    fabric, ends = work.fabric, work.fabric.endpoints
    arrays, parts = fabric.arrays, connected_parts(fabric)
    links = np.array([end.link for end in ends])
    src = work.sent.qp_src[work.sent.qp_src != NOWHERE]
    speeds, counts = np.unique(arrays.speed_bps[links[src]], return_counts=True)
    speed_bps = int(speeds[counts.argmax()])
    alike = (arrays.speed_bps[links] == speed_bps) & arrays.is_up[links]
    dst = int(src[alike[src]][0]) if alike[src].any() else int(src[0])
    at = ends[dst]
    others = (ends[number] for number in np.flatnonzero(alike).tolist())
    found = [end for end in others if end.host != at.host and parts[end.leaf] == parts[at.leaf]]
    found.sort(key=lambda end: (end.leaf != at.leaf, end.index))
    return np.array([end.index for end in found[: _CROWDS[-1]]], np.int64), dst, speed_bps
