"""The controller of a scenario's run: what it pins when, and when jobs of added tenants begin."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from raddle.controller.plan.held import HeldPlan
from raddle.controller.service.desired import Desired
from raddle.errors import InputError
from raddle.lab.run.control import Control, ControllerDelays, Order
from raddle.lab.run.controller import planned_anew, rounds_between
from raddle.lab.scenario.file import Scenario
from raddle.lab.scenario.work import ScenarioJob, Work
from raddle.lab.switches.prepared import PreparedSwitches
from raddle.lab.workloads.joined import joined_demand
from raddle.workload import Demand


def demand_of(scenario: Scenario, works: Sequence[Work], tenants: Collection[str] = ()) -> Demand | None:
    """The flows that the plan pins once these tenants have been added; None where nothing is pinned.

    Raises:
        InputError: `bad-scenario`, no job is there.
    """
    if scenario.routing != "pinned":
        return None
    present = [
        work.demand()
        for job, work in zip(scenario.jobs, works, strict=True)
        if not _is_added(scenario, job) or job.tenant in tenants
    ]
    if not present:
        raise InputError.of(
            "bad-scenario",
            "every job is of a tenant that is added later, so there is nothing to pin at first",
            "take routing: ecmp, or a job that is there from the start",
        )
    return joined_demand(present)


def _is_added(scenario: Scenario, job: ScenarioJob) -> bool:
    """Whether a job is of a tenant that is added meanwhile."""
    return bool(job.tenant) and job.tenant in scenario.added


def controlled(scenario: Scenario, works: Sequence[Work]) -> Control | None:
    """The scenario's controller, which pins the flows of these jobs as their tenants are added."""
    control = scenario.settings.controller
    if control is None:
        return None
    orders, tenants = list[Order](), list[str]()
    for order in sorted(control.orders, key=lambda order: order.time_ps):
        if order.what == "tenant":
            tenants.append(order.where)
            order = replace(order, demand=demand_of(scenario, works, tenants))
        orders.append(order)
    return replace(control, orders=tuple(orders))


def starts_of(scenario: Scenario, switches: PreparedSwitches, control: Control | None) -> list[int]:
    """When each job begins: one of a tenant that is added, from when the switches hold its routes.

    That is worked out for a controller that has nothing else to do meanwhile.

    Raises:
        InputError: `bad-scenario`, pins are source ports, which queue pairs have from the start.
    """
    ready_ps = dict[str, int]()
    if control and scenario.added:
        assert switches.plan
        pins = switches.plan.pins
        if pins and pins.carrier == "udp-source-port":
            raise InputError.of(
                "bad-scenario",
                "pins of this fabric are UDP source ports, which an added tenant cannot be given any more",
                "set 'routing: {pins: host-route}' in the fabric, or take routing: ecmp",
            )
        held, delays = Desired(scenario.fabric, HeldPlan(switches.plan)), control.delays
        for order in control.orders:
            if order.what == "tenant":
                before, held = held, planned_anew(held, scenario.fabric, (), order.demand)
                rounds = len(rounds_between(before, held))
                spent_ps = delays.computation_ps + rounds * delays.push_ps
                ready_ps[order.where] = order.time_ps + spent_ps + (delays.hardware_ps if rounds else 0)
    return [job.start_ps + ready_ps.get(job.tenant, 0) for job in scenario.jobs]


def alone_control(scenario: Scenario, job: ScenarioJob, work: Work) -> Control | None:
    """What gives a job that runs alone its pins, where the first plan has none."""
    if scenario.routing != "pinned" or not _is_added(scenario, job):
        return None
    return Control(ControllerDelays(0, 0, 0, 0), orders=(Order(0, "tenant", job.tenant, work.demand()),))
