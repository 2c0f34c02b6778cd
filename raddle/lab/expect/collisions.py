"""How much longer a collective takes where the switches' hash puts its flows on the same links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.model import Plan
from raddle.lab.expect.curve import Point
from raddle.lab.expect.resources import by_queue_pair, summed
from raddle.lab.planned_states import planned_state
from raddle.lab.run.drive import set_up
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.collective import CollectiveJob
from raddle.sim.nic import wire_bytes
from raddle.state import SwitchState
from raddle.topology.model import Fabric
from raddle.workload import NOWHERE, Workload

MAX_TRACES = 200_000
"""Ways of queue pairs that are followed at most, which takes some seconds."""

_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stretch:
    """How many times as long the busiest link needs as the busiest NIC alone, at least 1, for each draw of
    the queue pairs' numbers; in rising order."""

    draws: tuple[float, ...]

    def at(self, share: float) -> float:
        """The least value that a share of the draws does not exceed."""
        return float(np.quantile(self.draws, share, method="inverted_cdf"))

    @property
    def mean(self) -> float:
        return float(np.mean(self.draws))


def states_of(fabric: Fabric, plan: Plan) -> Mapping[str, SwitchState]:
    """What the switches of a plan forward with."""
    return {switch.name: planned_state(fabric, plan, switch.name) for switch in plan.switches}


def stretch_of(
    job: CollectiveJob, point: Point, states: Mapping[str, SwitchState], plan: Plan, seeds: Sequence[int]
) -> Stretch | None:
    """The draws of these seeds, fewer where there are many queue pairs; None where switches route adaptively
    or by policy routes, which go before the hash, or nothing crosses the network.

    Every queue pair is followed through the tables and the hash of the switches. Steps that wait for one
    another wait for the busiest link of each; messages that go on in slices, for the busiest of all.
    """
    fabric, schedule = job.fabric, point.messages.schedule
    if any(state.is_adaptive for state in states.values()) or any(each.policies for each in plan.switches):
        return None
    whole, _ = by_queue_pair(schedule, np.ones(schedule.flows, np.int64))
    row, column, size = _patterns(point)
    speed = _port_speeds(fabric)
    alone_s = point.loads.time_s() if point.messages.slices > 1 else max(
        point.loads.rounds_s, point.loads.time_s()
    )  # fmt: skip
    draws: list[float] = []
    share = wire_bytes(fabric, fabric.roce.mtu_bytes) / fabric.roce.mtu_bytes
    for seed in seeds[: max(1, MAX_TRACES // max(len(whole.src), 1))]:
        run = set_up(fabric, states, Workload(whole, job.seats), RunSettings(seed=seed), plan)
        simulation, pairs = run.simulation, run.queue_pairs
        busy = np.zeros((int(row.max(initial=0)) + 1, len(simulation.port_names)))
        bps = np.array([speed.get(str(port), 1.0) for port in simulation.port_names])
        parts = summed(run.stripes.message, run.sent.size_bytes, len(whole.src))
        for part, qp in enumerate(run.sent.qp.tolist()):
            if pairs.qp_src[qp] == NOWHERE:
                continue
            message = int(run.stripes.message[part])
            of = float(run.sent.size_bytes[part]) / max(parts[message], 1)
            chosen = np.flatnonzero(column == message)
            path = simulation.trace(qp).astype(np.int64)
            busy[row[chosen][:, None], path[None, :]] += (size[chosen] * of)[:, None]
        taken_s = float((8 * share * busy / bps).max(axis=1).sum()) * point.messages.repeats
        draws.append(max(1.0, taken_s / alone_s))
    return Stretch(tuple(sorted(draws)))


def _patterns(point: Point) -> tuple[_Ints, _Ints, NDArray[np.float64]]:
    """(pattern, queue pair, bytes): of each set of queue pairs that are busy in a step; one set of all where
    messages go on in slices."""
    schedule = point.messages.schedule
    _, qp = np.unique(schedule.qp, return_inverse=True)
    if point.messages.slices > 1:
        size = summed(qp, schedule.size_bytes, int(qp.max()) + 1)
        return np.zeros(len(size), np.int64), np.arange(len(size), dtype=np.int64), size
    order = np.lexsort((qp, schedule.step))
    cuts = np.flatnonzero(np.diff(schedule.step[order])) + 1
    numbers: dict[bytes, int] = {}
    row = np.zeros(schedule.flows, np.int64)
    for part in np.split(order, cuts):
        row[part] = numbers.setdefault(np.unique(qp[part]).tobytes(), len(numbers))
    key, inverse = np.unique(row * (int(qp.max()) + 1) + qp, return_inverse=True)
    rows, columns = np.divmod(key.astype(np.int64), int(qp.max()) + 1)
    return rows, columns, summed(inverse, schedule.size_bytes, len(key))


def _port_speeds(fabric: Fabric) -> dict[str, float]:
    return {str(end): float(link.speed_bps) for link in fabric.links for end in (link.a, link.b)}
