"""A scenario's runs, one for each seed, and what is measured of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from raddle.controller.plan.make import make_plan
from raddle.controller.plan.model import Plan
from raddle.lab.run.bench_result import line_rate_gbs
from raddle.lab.run.drive import Outcome, drive
from raddle.lab.run.effort import TimeLeft, Told
from raddle.lab.run.fidelity import check_fidelity, computed, left_out
from raddle.lab.run.link_flows import flows_of_links
from raddle.lab.run.link_use import link_names, links_in_use
from raddle.lab.run.settings import RunSettings
from raddle.lab.run.size_row import unfinished_flows
from raddle.lab.run.watch import QUIET, Watch
from raddle.lab.scenario.baseline import NO_BASELINE, Baselines
from raddle.lab.scenario.checks import run_checks
from raddle.lab.scenario.controlled import alone_control, controlled, demand_of, starts_of
from raddle.lab.scenario.file import Scenario
from raddle.lab.scenario.judge import Measured, verdict_of
from raddle.lab.scenario.metrics import JCT_RATIO, View
from raddle.lab.scenario.work import ScenarioJob, Work
from raddle.lab.switches.prepared import OWN_SWITCHES, PreparedSwitches, prepare_switches
from raddle.lab.workloads.joined import joined
from raddle.report.scenario import JobTimes, ScenarioResult
from raddle.sim import NEVER
from raddle.topology.model import Fabric
from raddle.workload import Demand, Workload

Prepare = Callable[[Fabric, Plan], PreparedSwitches]


def run_scenario(
    scenario: Scenario,
    baselines: Baselines = NO_BASELINE,
    threads: int = 1,
    watch: Watch = QUIET,
    series_ps: int = 0,
    prepare: Prepare | None = None,
) -> ScenarioResult:
    """Plan, program switches, run with each seed, and judge.

    Args:
        baselines: what relative expectations compare with.
        series_ps: how often the first seed's run is sampled; 0: not at all.
        prepare: has switches for a plan; None: starts and programs them, and reads them back.

    Raises:
        InputError: jobs do not fit the fabric, or `no-baseline`.
        UnreachableError: a switch does not take the plan.
    """
    check_fidelity(scenario.fabric, replace(scenario.settings, series_ps=series_ps))
    began_s = time.monotonic()
    measured: list[Measured] = []
    first: Outcome | None = None
    for switches, works, seed in _prepared(scenario, watch, prepare):
        control = controlled(scenario, works)
        settings = replace(
            scenario.settings,
            seed=seed,
            threads=threads,
            controller=control,
            series_ps=0 if first else series_ps,
            needs_packets=any(each.metric.is_of_packets for each in scenario.expectations),
        )
        starts_ps = starts_of(scenario, switches, control)
        outcome = _run_jobs(scenario, switches, works, starts_ps, settings, watch)
        measured.append(_measure(scenario, switches, works, starts_ps, outcome, watch))
        first = first or outcome
    assert first
    simulation = first.run.simulation
    result = ScenarioResult(
        name=scenario.name,
        file=scenario.file,
        fabric=scenario.fabric.name,
        routing=scenario.routing,
        congestion_control=scenario.fabric.roce.congestion_control,
        fidelity=scenario.settings.fidelity,
        left_out=left_out(scenario.fabric, scenario.settings),
        seeds=scenario.seeds,
        jobs=tuple(
            JobTimes(job.name, works[place].what, works[place].workload.seats.ranks,
                     tuple(each.times_ps[place] for each in measured))
            for place, job in enumerate(scenario.jobs)
        ),
        verdicts=tuple(
            verdict_of(each, measured, scenario.seeds, scenario.name, baselines)
            for each in scenario.expectations
        ),
        seconds=round(time.monotonic() - began_s, 3),
        links=links_in_use(simulation, None, link_names(simulation), simulation.now_ps),
        link_flows=flows_of_links(first.run),
        fast_forward=computed(simulation),
        not_forwarded=first.run.not_forwarded,
        flowed=first.run.flowed,
        repairs=first.repairs,
        series=first.series,
        ends_ps=(simulation.now_ps,),
    )  # fmt: skip
    return replace(result, checks=run_checks(scenario.checks, scenario.file, result))


def _prepared(
    scenario: Scenario, watch: Watch, prepare: Prepare | None
) -> Iterator[tuple[PreparedSwitches, tuple[Work, ...], int]]:
    """The jobs of each seed, on switches that are programmed for them."""
    plan, switches = None, None
    for seed in scenario.seeds:
        works = tuple(job.make(scenario.fabric, seed) for job in scenario.jobs)
        new = make_plan(scenario.fabric, scenario.routing, demand_of(scenario, works))
        if switches is None or new != plan:
            plan = new
            switches = (
                prepare(scenario.fabric, new)
                if prepare
                else prepare_switches(scenario.fabric, new, OWN_SWITCHES, watch.tell)
            )
        yield switches, works, seed


def _run_jobs(
    scenario: Scenario,
    switches: PreparedSwitches,
    works: Sequence[Work],
    starts_ps: Sequence[int],
    settings: RunSettings,
    watch: Watch,
) -> Outcome:
    parts = [
        (job.name if len(works) > 1 else "", _begun(work.workload, start_ps))
        for job, work, start_ps in zip(scenario.jobs, works, starts_ps, strict=True)
    ]
    what = f"{scenario.name}, seed {settings.seed}"
    return _driven(switches, joined(parts), settings, watch, what, demand_of(scenario, works))


def _measure(
    scenario: Scenario,
    switches: PreparedSwitches,
    works: Sequence[Work],
    starts_ps: Sequence[int],
    outcome: Outcome,
    watch: Watch,
) -> Measured:
    run, still_ps, rates = outcome.run, outcome.still_ps, outcome.rates
    views = {"": View(run, slice(0, run.workload.schedule.flows), still_ps=still_ps, rates=rates)}
    first = 0
    for job, work, start_ps in zip(scenario.jobs, works, starts_ps, strict=True):
        own = slice(first, first + work.workload.schedule.flows)
        first = own.stop
        views[job.name] = View(
            run, own, start_ps, work.collective, work.workload.schedule, work.size_bytes,
            line_gbs=line_rate_gbs(scenario.fabric, work.workload.seats),
            alone_ps=_alone_ps(scenario, switches, job, work, run.settings, watch), still_ps=still_ps,
            rates=rates,
        )  # fmt: skip
    return Measured(
        values={each.measured: each.metric.measure(views[each.job]) for each in scenario.expectations},
        line_gbs={job.name: views[job.name].line_gbs for job in scenario.jobs},
        times_ps=tuple(views[job.name].time_ps for job in scenario.jobs),
        unfinished={name: _why(view) for name, view in views.items()},
    )


def _alone_ps(
    scenario: Scenario,
    switches: PreparedSwitches,
    job: ScenarioJob,
    work: Work,
    settings: RunSettings,
    watch: Watch,
) -> int | None:
    """How long a job takes alone and undisturbed, where something is expected of that."""
    if not any(each.job == job.name and each.metric.name == JCT_RATIO for each in scenario.expectations):
        return None
    control = alone_control(scenario, job, work)
    undisturbed = replace(
        settings,
        faults=(),
        until_ps=NEVER,
        series_ps=0,
        controller=control,
        watches_progress=False,
        watches_rates=False,
    )
    run = _driven(switches, work.workload, undisturbed, watch, f"{job.name} alone", None).run
    return View(run, slice(0, work.workload.schedule.flows)).time_ps


def _driven(
    switches: PreparedSwitches,
    work: Workload,
    settings: RunSettings,
    watch: Watch,
    what: str,
    demand: Demand | None,
) -> Outcome:
    outcome = drive(switches, work, settings, Told(watch, TimeLeft(), lambda run: what), demand=demand)
    if outcome.is_interrupted:
        raise KeyboardInterrupt
    return outcome


def _begun(work: Workload, start_ps: int) -> Workload:
    """The workload from a time on."""
    return replace(work, start_ps=work.starts_ps + start_ps) if start_ps else work


def _why(view: View) -> str:
    """What kept the first message that did not end."""
    if view.done_share == 1:
        return ""
    flows = unfinished_flows(view.run, view.messages)
    return f"{flows[0].name}: {flows[0].reason}" if flows else ""
