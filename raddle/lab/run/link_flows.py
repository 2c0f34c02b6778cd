"""Which messages went over which links, for whoever looks at one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from raddle.lab.run.drive import Run
from raddle.lab.run.link_use import link_names
from raddle.lab.workloads.ranks import seat_names
from raddle.report.model import LinkFlow, LinkFlows
from raddle.sim.ideal import rows_at
from raddle.workload import NOWHERE

_Ints = NDArray[np.int64]

MOST_FLOWS = 12
"""Flows of a link that are named, those with most bytes; a report counts the others."""


def flows_of_links(run: Run) -> tuple[LinkFlows, ...]:
    """Of each link, who sent whom over it and how much, by the paths that switches give at the end.

    What one rank sends another is one flow, whatever its queue pairs and messages; flows with names of their
    own stay apart. There are none where a switch routes adaptively, or nobody asks for them.
    """
    simulation = run.simulation
    if simulation.is_adaptive or not run.settings.names_flows_of_links:
        return ()
    qp, flow, size = _sent(run)
    taken, where = np.unique(qp, return_inverse=True)
    port, lengths = rows_at(*simulation.traces(taken), where)
    port, flow, size = _summed(port, np.repeat(flow, lengths), np.repeat(size, lengths))
    order = np.lexsort((flow, -size, port))
    port, flow, size = port[order], flow[order], size[order]
    cuts = np.append(np.flatnonzero(np.diff(port, prepend=-1)), len(port))
    return tuple(_named(run, port, cuts, flow, size))


def _sent(run: Run) -> tuple[_Ints, _Ints, _Ints]:
    """Queue pair, flow (by its first message) and bytes of all that has a path."""
    schedule = run.workload.schedule
    flow = run.stripes.message.astype(np.int64) % schedule.flows
    if not run.workload.names:
        pair = schedule.src.astype(np.int64) * schedule.ranks + schedule.dst
        _, first, of = np.unique(pair, return_index=True, return_inverse=True)
        flow = first[of][flow]
    sent = run.sent
    real = np.flatnonzero((run.queue_pairs.qp_src[sent.qp] != NOWHERE) & (sent.size_bytes > 0))
    return _summed(sent.qp[real].astype(np.int64), flow[real], sent.size_bytes[real].astype(np.int64))


def _summed(first: _Ints, second: _Ints, size: _Ints) -> tuple[_Ints, _Ints, _Ints]:
    """The pairs that there are, sorted, and the sum of each one's sizes."""
    width = int(second.max(initial=0)) + 1
    pairs, of = np.unique(first * width + second, return_inverse=True)
    total = np.zeros(len(pairs), np.int64)
    np.add.at(total, of, size)
    return pairs // width, pairs % width, total


def _named(run: Run, port: _Ints, cuts: _Ints, flow: _Ints, size: _Ints) -> Iterator[LinkFlows]:
    names, name = link_names(run.simulation), _name(run)
    for begin, end in pairwise(cuts.tolist()):
        shown = slice(begin, min(end, begin + MOST_FLOWS))
        rows = zip(flow[shown].tolist(), size[shown].tolist(), strict=True)
        flows = tuple(LinkFlow(name(each), size_bytes) for each, size_bytes in rows)
        yield LinkFlows(names[port[begin]], flows, end - begin)


def _name(run: Run) -> Callable[[int], str]:
    """A function that names a flow with its ends."""
    name, work = run.flow_name(), run.workload
    if not work.names:
        return name
    places, schedule = seat_names(run.fabric, work.seats), work.schedule
    return lambda flow: f"{name(flow)}, {places[schedule.src[flow]]} -> {places[schedule.dst[flow]]}"
