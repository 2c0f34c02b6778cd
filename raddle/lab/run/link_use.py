"""Which flows crossed which links, and what the links carried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.lab.run.drive import Run
from raddle.lab.workloads.ranks import accelerator_names
from raddle.report.model import Collision, LinkUse, ScaleUpUse
from raddle.sim import Simulation
from raddle.workload import NOWHERE, Schedule

MAX_COLLISIONS = 1000
"""How many shared links a report holds, the most shared first."""

_GAP_BYTES = 20  # preamble and inter-packet gap, on the wire but not in the counters


@dataclass(frozen=True, slots=True)
class Crossings:
    """Every crossing of what a rank sends another in a step over a transmitting port, sorted by (step, port).

    `flow` is the first of its parts that crosses there, `share` what crosses of what one port sends of it.
    `starts` cuts the entries into runs of one step and port.
    """

    step: NDArray[np.int64]
    port: NDArray[np.int64]
    flow: NDArray[np.int64]
    share: NDArray[np.float64]
    starts: NDArray[np.int64]


def trace_flows(run: Run) -> Crossings:
    """The paths that the present switch state gives to the data of a run's messages.

    What one rank sends another does not compete with itself: its queue pairs and channels, and the slices of
    its messages, count as one flow, as they do in the plan's pins.

    There are none where a switch routes adaptively: flows have no path of their own. Steps that repeat the
    queue pairs of an earlier step (all steps of a ring do) are left out.
    """
    simulation, schedule, stripes = run.simulation, run.sent, run.stripes
    if simulation.is_adaptive:
        none = np.empty(0, np.int64)
        return Crossings(none, none, none, np.empty(0), none)
    over_nics = np.flatnonzero(run.queue_pairs.qp_src != NOWHERE)
    ports, taken = simulation.traces(over_nics)
    lengths = np.zeros(len(run.queue_pairs.qp_src), np.int64)
    lengths[over_nics] = taken
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    flows = _first_flows(schedule)
    qp = schedule.qp[flows]
    repeats = lengths[qp]
    entry = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    port = ports[np.repeat(offsets[qp], repeats) + entry]
    flow = np.repeat(flows, repeats)
    step = schedule.step[flow].astype(np.int64)
    # Who sends whom in a step, numbered, and how many parts of that one port sends.
    pair = schedule.src[flows].astype(np.int64) * schedule.ranks + schedule.dst[flows]
    _, sent = np.unique(np.stack([schedule.step[flows].astype(np.int64), pair]), axis=1, return_inverse=True)
    message = stripes.message[flows]
    parts = np.bincount(stripes.message)[message]
    per_lane = np.bincount(sent, stripes.per_lane[message] / parts)
    sent = np.repeat(sent, repeats)
    order = np.lexsort((flow, sent, port, step))
    step, port, flow, sent = step[order], port[order], flow[order], sent[order]
    is_first = np.ones(len(step), np.bool_)
    is_first[1:] = (np.diff(step) != 0) | (np.diff(port) != 0) | (np.diff(sent) != 0)
    first = np.flatnonzero(is_first)
    share = np.diff(np.append(first, len(step))) / per_lane[sent[first]]
    step, port, flow = step[first], port[first], flow[first]
    order = np.lexsort((flow, port, step))
    step, port, flow, share = step[order], port[order], flow[order], share[order]
    is_start = np.ones(len(step), np.bool_)
    is_start[1:] = (np.diff(step) != 0) | (np.diff(port) != 0)
    return Crossings(step, port, flow, share, np.flatnonzero(is_start))


def _first_flows(schedule: Schedule) -> NDArray[np.int64]:
    """The flows of the steps whose queue pairs no earlier step used in the same combination."""
    order = np.lexsort((schedule.qp, schedule.step))
    cuts = np.flatnonzero(np.diff(schedule.step[order])) + 1
    steps = {np.sort(schedule.qp[part]).tobytes(): part for part in reversed(np.split(order, cuts))}
    return np.sort(np.concatenate(list(steps.values())))


def link_names(simulation: Simulation) -> list[str]:
    """`leaf0:Ethernet32 -> spine1:Ethernet0` for every transmitting port; its own name without a cable."""
    names = [str(port) for port in simulation.port_names]
    for link in simulation.fabric.links:
        for here, there in ((link.a, link.b), (link.b, link.a)):
            names[simulation.port_index[here]] = f"{here} -> {there}"
    return names


def find_collisions(
    crossings: Crossings, names: list[str], flow_name: Callable[[int], str]
) -> tuple[Collision, ...]:
    """Links that flows of one step shared, most shared first, then by name."""
    ends = np.append(crossings.starts[1:], len(crossings.step))
    counts = ends - crossings.starts
    shared = np.flatnonzero(counts > 1)
    shared = shared[np.argsort(-counts[shared], kind="stable")][:MAX_COLLISIONS]
    return tuple(
        Collision(
            link=names[crossings.port[crossings.starts[run]]],
            step=int(crossings.step[crossings.starts[run]]),
            flows=tuple(flow_name(int(flow)) for flow in crossings.flow[crossings.starts[run] : ends[run]]),
        )
        for run in shared
    )


def links_in_use(
    simulation: Simulation, crossings: Crossings | None, names: list[str], duration_ps: int
) -> tuple[LinkUse, ...]:
    """What every link that carried anything carried, the busiest first, then hosts, leaves, spines.

    Without `crossings` no flow has a path of its own. Frames count whole from their first bit on,
    also the last one of a link, whose end may lie behind that of the run: no link is in use for longer.
    """
    ports = simulation.ports()
    most = np.zeros(len(names), np.int64)
    if crossings is not None:
        counts = np.diff(np.append(crossings.starts, len(crossings.step)))
        np.maximum.at(most, crossings.port[crossings.starts], counts)
    sent = ports.tx_bytes.sum(axis=1)
    wire_bytes = sent + _GAP_BYTES * ports.tx_frames.sum(axis=1).astype(np.int64)
    speed_bps = {
        simulation.port_index[end]: link.speed_bps
        for link in simulation.fabric.links
        for end in (link.a, link.b)
    }
    used = [port for port in speed_bps if sent[port]]
    used.sort(key=lambda port: (-int(sent[port]), port))
    return tuple(
        LinkUse(
            name=names[port],
            tx_bytes=int(sent[port]),
            utilisation=min(1.0, int(wire_bytes[port]) * 8e12 / speed_bps[port] / max(duration_ps, 1)),
            max_flows=int(most[port]),
            pause_ps=simulation.of_packets(ports.pause_ps[port].sum()),
            ecn_marks=simulation.of_packets(ports.ecn_marks[port].sum()),
            max_queue_bytes=simulation.of_packets(ports.max_queue_bytes[port].max()),
        )
        for port in used
    )


def scale_up_in_use(simulation: Simulation) -> tuple[ScaleUpUse, ...]:
    """What every scale-up port that carried anything carried, the busiest first, then by accelerator."""
    ports = simulation.scale_up_ports()
    if ports is None:
        return ()
    fabric = simulation.fabric
    names = accelerator_names(fabric, ports.accelerator)
    found = []
    for at, (name, accelerator) in enumerate(zip(names, ports.accelerator.tolist(), strict=True)):
        spec = fabric.hosts[fabric.accelerators.host[accelerator]].accelerators
        network = (spec.scale_up if spec else "") or "scale-up"
        full_bytes = int(ports.bps[at]) * max(simulation.now_ps, 1) / 8e12
        for text, sent_bytes in (
            (f"{name} -> {network}", int(ports.egress_bytes[at])),
            (f"{network} -> {name}", int(ports.ingress_bytes[at])),
        ):
            found.append(ScaleUpUse(text, sent_bytes, min(1.0, sent_bytes / full_bytes)))
    found.sort(key=lambda each: -each.utilisation)
    return tuple(each for each in found if each.sent_bytes)
