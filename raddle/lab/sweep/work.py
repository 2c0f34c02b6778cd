"""One run of a campaign, in whichever process it is."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any, cast

from raddle.controller.plan.make import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.plan.replan import with_links
from raddle.errors import InputError
from raddle.lab.planned_states import planned_state
from raddle.lab.run.drive import drive
from raddle.lab.run.settings import RunSettings
from raddle.lab.run.size_row import size_rows
from raddle.lab.scenario.file import Scenario
from raddle.lab.scenario.run import run_scenario
from raddle.lab.sweep.model import Row, RunSpec, Subject
from raddle.lab.switches.prepared import PreparedSwitches
from raddle.lab.switches.reported import planned_switch
from raddle.lab.workloads.collective import CollectiveJob, find_job
from raddle.lab.workloads.connections import with_qps
from raddle.lab.workloads.ranks import Scope
from raddle.topology.model import Fabric
from raddle.traffic import USUAL


def run_one(subject: Subject, run_id: str, spec: RunSpec) -> Row:
    """Run it as its variables say, on a fabric whose controller has planned anew for what is down.

    Switches forward as the plan says; it is not pushed to simulated ones and read back.
    """
    began_s, cpu_s = time.perf_counter(), time.process_time()
    measured: dict[str, Any] = dict.fromkeys(
        ("time_ps", "algbw_gbs", "busbw_gbs", "wrong", "drops", "pfc_pauses", "ecn_marks", "not_held")
    )
    measured |= {"ranks": 0, "algorithm": "" if spec.of else spec.algorithm or "usual", "measured": ""}
    error = ""
    try:
        if isinstance(subject, Scenario):
            measured |= _judged(subject, spec)
        else:
            job = _job(_as_it_is(subject, spec), spec)
            measured |= {"ranks": job.ranks, "algorithm": job.chosen(spec.size_bytes)[0]}
            measured |= _measured(job, spec)
    except InputError as problem:
        error = "; ".join(f"{each.code}: {each.message}" for each in problem.diagnostics)
    return Row(
        run_id=run_id,
        fabric=spec.fabric,
        variables=json.dumps(dict(spec.variables), sort_keys=True),
        routing=spec.routing,
        congestion_control=spec.congestion_control,
        collective=spec.collective,
        size_bytes=spec.size_bytes,
        placement=spec.placement,
        qps=spec.qps,
        fidelity=spec.fidelity,
        failure=spec.failure,
        failed_links=len(spec.down),
        seed=spec.seed,
        of=spec.of,
        **measured,
        error=error,
        cpu_s=round(time.process_time() - cpu_s, 4),
        wall_s=round(time.perf_counter() - began_s, 4),
    )


def _as_it_is(fabric: Fabric, spec: RunSpec) -> Fabric:
    """The fabric with its failure, control and queue pairs."""
    if spec.down:
        gone = set(spec.down)
        fabric = with_links(fabric, [link.is_up and link.index not in gone for link in fabric.links])
    control = cast(Any, spec.congestion_control)
    fabric = replace(fabric, roce=replace(fabric.roce, congestion_control=control))
    return with_qps(fabric, spec.qps, spec.qps > 1) if spec.qps else fabric


def _job(fabric: Fabric, spec: RunSpec) -> CollectiveJob:
    scope = Scope(spec.placement, seed=spec.seed)
    return find_job(fabric, spec.collective, spec.algorithm, scope, USUAL, (spec.size_bytes,))


def _measured(job: CollectiveJob, spec: RunSpec) -> dict[str, Any]:
    demand = job.demand() if spec.routing == "pinned" else None
    switches = _prepared(job.fabric, make_plan(job.fabric, cast(Any, spec.routing), demand))
    settings = RunSettings(seed=spec.seed, fidelity=spec.fidelity)
    run = drive(switches, job.workload(spec.size_bytes), settings).run
    (row,) = size_rows([job], spec.size_bytes, run)
    return {
        "time_ps": row.time_ps,
        "algbw_gbs": row.algbw_gbs,
        "busbw_gbs": row.busbw_gbs,
        "wrong": row.wrong,
        "drops": None if row.drops is None else sum(count for _, count in row.drops),
        "pfc_pauses": row.pfc_pauses,
        "ecn_marks": row.ecn_marks,
    }


def _judged(scenario: Scenario, spec: RunSpec) -> dict[str, Any]:
    """What a scenario comes to; commands that look at its result do not run."""
    fabric = _as_it_is(scenario.fabric, spec)
    settings = replace(scenario.settings, seed=spec.seed, fidelity=spec.fidelity)
    result = run_scenario(
        replace(
            scenario, fabric=fabric, routing=cast(Any, spec.routing), seeds=(spec.seed,), settings=settings,
            checks=(),
        ),
        prepare=_prepared,
    )  # fmt: skip
    times = {f"{job.name}.time": job.times_ps[0] for job in result.jobs}
    found = times | {each.measured: each.values[0] for each in result.verdicts}
    return {
        "ranks": sum(job.ranks for job in result.jobs),
        "time_ps": None if None in times.values() else max(cast(list[int], list(times.values()))),
        "measured": json.dumps(found, sort_keys=True),
        "not_held": sum(each.holds is False for each in result.verdicts),
    }


def _prepared(fabric: Fabric, plan: Plan) -> PreparedSwitches:
    states = {switch.name: planned_state(fabric, plan, switch.name) for switch in plan.switches}
    reported = {switch.name: planned_switch(switch) for switch in plan.switches if switch.nos == "sonic"}
    return PreparedSwitches(fabric, reported, states, plan)
