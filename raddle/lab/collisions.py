"""Which queue pairs of a job meet on which links of a plan, by the switches' modelled hash, and the cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.model import Plan
from raddle.lab.planned_states import planned_state
from raddle.lab.run.drive import Run, set_up
from raddle.lab.run.link_use import Crossings, find_collisions, link_names, trace_flows
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.collective import CollectiveJob
from raddle.lab.workloads.joined import joined
from raddle.report.model import Collision
from raddle.topology.model import Fabric
from raddle.topology.yaml.placing import refused

_ANY_SIZE_BYTES = 1 << 20  # who meets whom does not depend on the size


@dataclass(frozen=True, slots=True)
class CollisionReport:
    """Links that queue pairs of one step share.

    Attributes:
        queue_pairs: of the job; steps: those that differ in their queue pairs.
        colliding_steps: steps in which flows share a link between switches or to a host.
        worst_share: most flows of one step on a link.
        slowdown: how many times as long all steps take together, at least, as if no flow shared a link;
            where a step's busiest link carries more than its speed holds, the step waits for it.
        collisions: the most shared links first.
    """

    job: str
    queue_pairs: int
    steps: int
    colliding_steps: int
    worst_share: int
    slowdown: float
    collisions: tuple[Collision, ...]


def find_job_collisions(fabric: Fabric, plan: Plan, jobs: Sequence[CollectiveJob]) -> CollisionReport:
    """Follow every queue pair of jobs that run at once through the tables and the hash of a plan's switches.

    The first job's seed decides the queue pair numbers, and so their UDP ports.

    Raises:
        InputError: `policies-not-followed` or `paths-are-adaptive`.
    """
    _check_is_hashed(fabric, plan)
    states = {switch.name: planned_state(fabric, plan, switch.name) for switch in plan.switches}
    job = jobs[0]
    work = joined([(each.scope.tenant or "", each.workload(_ANY_SIZE_BYTES)) for each in jobs])
    run = set_up(fabric, states, work, RunSettings(seed=job.scope.seed), plan)
    crossings, named, qp = trace_flows(run), run.sent_name(), run.sent.qp
    shares, slowdowns = _steps(run, crossings)
    return CollisionReport(
        job=f"{job.collective.name} {job.algorithm.name}",
        queue_pairs=int(qp.max()) + 1,
        steps=len(shares),
        colliding_steps=int((shares > 1).sum()),
        worst_share=int(shares.max(initial=0)),
        slowdown=float(slowdowns.mean()) if len(slowdowns) else 1.0,
        collisions=find_collisions(
            crossings, link_names(run.simulation), lambda flow: f"qp{qp[flow]} {named(flow)}"
        ),
    )


def _check_is_hashed(fabric: Fabric, plan: Plan) -> None:
    if fabric.routing.adaptive:
        raise refused(
            fabric,
            "paths-are-adaptive",
            "collisions are those of a hash; here switches choose a flow's way by the load of their ports",
            "set 'adaptive: none' to see those of the hash, or run 'raddle bench', which routes adaptively",
            ("routing", "adaptive"),
        )
    if any(switch.policies for switch in plan.switches):
        raise refused(
            fabric,
            "policies-not-followed",
            "collisions are those of the plain hash; this plan pins by policy routes, which go before it",
            "take --routing ecmp, or run 'raddle bench', which follows them",
            ("routing", "pins"),
        )


def _steps(run: Run, crossings: Crossings) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of each step, the most flows on a link, and the time of its busiest link over that of a flow alone."""
    fabric, simulation = run.fabric, run.simulation
    speed = np.ones(len(simulation.port_names))
    for link in fabric.links:
        speed[[simulation.port_index[link.a], simulation.port_index[link.b]]] = link.speed_bps
    nic = min(fabric.links[endpoint.link].speed_bps for endpoint in fabric.endpoints)
    if not len(crossings.starts):
        return np.zeros(0, np.int64), np.ones(0)
    counts = np.diff(np.append(crossings.starts, len(crossings.step)))
    carried = np.add.reduceat(crossings.share, crossings.starts)
    step, port = crossings.step[crossings.starts], crossings.port[crossings.starts]
    _, row = np.unique(step, return_inverse=True)
    shares = np.zeros(int(row.max(initial=-1)) + 1, np.int64)
    np.maximum.at(shares, row, counts)
    slowdowns = np.ones(len(shares))
    np.maximum.at(slowdowns, row, carried * nic / speed[port])
    return shares, slowdowns
