"""The controller of a scenario's run: with which jobs it plans, and when those of added tenants begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from raddle.lab.run.control import Control, Known, Order
from raddle.lab.scenario.file import Scenario
from raddle.lab.scenario.replan import DemandOf, Replanner
from raddle.lab.scenario.work import ScenarioJob, Work
from raddle.lab.switches.prepared import PreparedSwitches


def demands_of(scenario: Scenario, works: Sequence[Work]) -> DemandOf:
    """What each job asks of the fabric, and the tenant that it is added with."""
    return [
        (job.tenant if _is_added(scenario, job) else "", work.demand())
        for job, work in zip(scenario.jobs, works, strict=True)
    ]


def _is_added(scenario: Scenario, job: ScenarioJob) -> bool:
    """Whether a job is of a tenant that is added meanwhile."""
    return bool(job.tenant) and job.tenant in scenario.added


def controlled(scenario: Scenario, switches: PreparedSwitches, works: Sequence[Work]) -> Control | None:
    """The scenario's controller with the plan of these jobs."""
    control, plan = scenario.settings.control, switches.plan
    if control is None:
        return None
    assert plan
    demands = demands_of(scenario, works) if scenario.routing == "pinned" else ()
    return replace(control, planner=Replanner(scenario.fabric, scenario.routing, demands, plan))


def starts_of(scenario: Scenario, switches: PreparedSwitches, works: Sequence[Work]) -> list[int]:
    """When each job begins: one of a tenant that is added, from when the switches hold its routes.

    That is worked out for a controller that has nothing else to do meanwhile.
    """
    control = controlled(scenario, switches, works)
    ready_ps, tenants = dict[str, int](), frozenset[str]()
    for tenant, time_ps in sorted(scenario.added.items(), key=lambda added: added[1]):
        assert control
        tenants |= {tenant}
        rounds = len(control.planner(Known(tenants=tenants)))
        ready_ps[tenant] = time_ps + control.plan_ps + rounds * control.push_ps
    return [job.start_ps + ready_ps.get(job.tenant, 0) for job in scenario.jobs]


def alone_control(
    scenario: Scenario, switches: PreparedSwitches, job: ScenarioJob, work: Work
) -> Control | None:
    """What gives a job that runs alone its pins, where the first plan has none."""
    if scenario.routing != "pinned" or not _is_added(scenario, job):
        return None
    assert switches.plan
    planner = Replanner(scenario.fabric, scenario.routing, [("", work.demand())], switches.plan)
    return Control(orders=(Order(0, "replan"),), planner=planner)
