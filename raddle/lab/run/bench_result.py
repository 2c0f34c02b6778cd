"""The result of a benchmark: what is known before its first size, and what the last one's links carried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from raddle.controller.plan.model import Plan
from raddle.lab.run.drive import Run
from raddle.lab.run.fidelity import left_out
from raddle.lab.run.in_part import of_all_steps, steps_left_out
from raddle.lab.run.link_flows import flows_of_links
from raddle.lab.run.link_use import (
    find_collisions,
    link_names,
    links_in_use,
    scale_up_in_use,
    trace_flows,
)
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.collective import CollectiveJob
from raddle.report.model import BenchResult, PinSummary
from raddle.sim import payload_rate_gbs
from raddle.topology.model import Fabric
from raddle.topology.views.cut_off import cut_off_endpoints
from raddle.workload import Seats

if TYPE_CHECKING:
    from raddle.lab.switches.prepared import PreparedSwitches


def result_before(
    job: CollectiveJob, routing: str, switches: PreparedSwitches, settings: RunSettings
) -> BenchResult:
    """What is known of a benchmark before its first size."""
    return BenchResult(
        fabric=job.fabric.name,
        collective=job.collective.name,
        algorithm=job.algorithm.name,
        routing=routing if switches.plan else "as found on the switches",
        placement=job.scope.order,
        ranks=job.ranks,
        tenant=job.scope.tenant or "",
        fidelity=settings.fidelity,
        left_out=(*_left_alone(job), *steps_left_out(job), *left_out(job.fabric, settings)),
        notes=job.notes(),
        seed=job.scope.seed,
        line_rate_gbs=line_rate_gbs(job.fabric, job.seats),
        pins=_pin_summary(switches.plan) if switches.plan else None,
        rows=(),
        links=(),
        collisions=(),
        is_adaptive=any(state.is_adaptive for state in switches.states.values()),
    )


def _left_alone(job: CollectiveJob) -> Iterator[str]:
    """Tenants, where the job is not one of theirs."""
    names = [tenant.name for tenant in job.fabric.tenants]
    if names and job.scope.tenant is None:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"jobs of tenants ({', '.join(names[:3])}{more}): this one is nobody's; --tenant runs theirs"


def line_rate_gbs(fabric: Fabric, seats: Seats) -> float:
    """The payload rate of the slowest rank's live ports together, in GB/s."""
    links = [fabric.links[endpoint.link].speed_bps for endpoint in fabric.endpoints]
    live_bps = np.where(cut_off_endpoints(fabric), 0, links)
    speed = np.add.reduceat(live_bps[seats.endpoints], seats.endpoint_offsets[:-1])
    return payload_rate_gbs(fabric) * float(speed.min()) / min(links)


def with_links(result: BenchResult, run: Run) -> BenchResult:
    """The result with what a run's links carried."""
    crossings, names = trace_flows(run), link_names(run.simulation)
    whole = replace(
        result,
        links=links_in_use(run.simulation, crossings, names, run.simulation.now_ps),
        scale_up=scale_up_in_use(run.simulation),
        collisions=find_collisions(crossings, names, run.sent_name()),
        link_flows=flows_of_links(run),
    )
    return of_all_steps(whole, run)


def _pin_summary(plan: Plan) -> PinSummary | None:
    pins = plan.pins
    if pins is None:
        return None
    return PinSummary(
        flows=pins.flows,
        carrier=pins.carrier,
        pins=pins.pins,
        max_data_load=pins.data.worst,
        data_bound=pins.data.bound,
        max_ack_load=pins.acks.worst,
        ack_bound=pins.acks.bound,
        method=pins.method,
    )
