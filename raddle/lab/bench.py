"""A collective benchmark on switches that the controller has programmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from raddle.controller.plan.make import make_plan
from raddle.lab.bench_request import BenchRequest
from raddle.lab.run.bench_result import result_before, with_links
from raddle.lab.run.controller import check_controller
from raddle.lab.run.drive import Outcome, Run, drive
from raddle.lab.run.effort import TimeLeft, Told
from raddle.lab.run.fidelity import check_fidelity
from raddle.lab.run.in_part import may_run_in_part
from raddle.lab.run.size_row import size_rows
from raddle.lab.run.watch import QUIET, Watch
from raddle.lab.switches.prepared import OWN_SWITCHES, PreparedSwitches, SwitchSource, prepare_switches
from raddle.lab.workloads.collective import CollectiveJob, find_job
from raddle.lab.workloads.joined import joined, joined_demand
from raddle.report.model import BenchResult
from raddle.sim.series import Sample
from raddle.topology.model import Fabric
from raddle.units import format_size
from raddle.workload import Demand

Seen = Callable[[tuple[BenchResult, ...], Sequence[Sample]], None]
"""Told of a benchmark before its first size, and again with each row that is done and its run's samples.

There is a result for each job."""

Captures = Callable[[int], Callable[[bytes], object]]
"""What takes the traced frames of the run of a size in bytes."""


def run_bench(
    fabric: Fabric,
    request: BenchRequest,
    source: SwitchSource = OWN_SWITCHES,
    watch: Watch = QUIET,
    seen: Seen = lambda so_far, series: None,
    captures: Captures = lambda size_bytes: lambda piece: None,
) -> BenchResult:
    """The benchmark of one job, as `run_jobs`."""
    (result,) = run_jobs(fabric, request, source, watch, seen, captures)
    return result


def run_jobs(
    fabric: Fabric,
    request: BenchRequest,
    source: SwitchSource = OWN_SWITCHES,
    watch: Watch = QUIET,
    seen: Seen = lambda so_far, series: None,
    captures: Captures = lambda size_bytes: lambda piece: None,
) -> tuple[BenchResult, ...]:
    """Plan, program the switches, read their state back, and simulate a job in each scope on it.

    What links carried is of all jobs. An interrupt ends it and keeps the rows that are done.

    Raises:
        InputError: the request does not fit the fabric, or its fidelity.
        UnreachableError: a switch does not answer or does not take the plan.
    """
    check_fidelity(fabric, request.settings)
    if request.settings.controller:
        check_controller(fabric, source.push, bool(request.plan and request.plan.pins))
    places = [replace(scope, seed=request.settings.seed) for scope in request.scopes]
    jobs = tuple(
        find_job(
            fabric,
            request.collective,
            request.algorithm,
            scope,
            request.terms,
            request.sizes_bytes,
            in_part=len(places) == 1 and may_run_in_part(request.settings),
        )
        for scope in places
    )
    demand = joined_demand([job.demand() for job in jobs]) if request.routing == "pinned" else None
    plan = request.plan or make_plan(fabric, request.routing, demand)
    switches = prepare_switches(fabric, plan, source, watch.tell)
    results, last = (
        tuple(result_before(job, request.routing, switches, request.settings) for job in jobs),
        None,
    )
    seen(results, ())
    try:
        for size_bytes, outcome in _outcomes(jobs, request, switches, demand, watch, captures):
            rows = [replace(row, repairs=outcome.repairs) for row in size_rows(jobs, size_bytes, outcome.run)]
            results = tuple(
                replace(result, rows=(*result.rows, row)) for result, row in zip(results, rows, strict=True)
            )
            last = outcome.run
            seen(results, outcome.series)
    except KeyboardInterrupt:
        results = tuple(replace(result, is_interrupted=True) for result in results)
    return tuple(with_links(result, last) for result in results) if last else results


def _outcomes(
    jobs: tuple[CollectiveJob, ...],
    request: BenchRequest,
    switches: PreparedSwitches,
    demand: Demand | None,
    watch: Watch,
    captures: Captures,
) -> Iterator[tuple[int, Outcome]]:
    """The run of each size, one after the other."""
    time_left = TimeLeft()
    for place, size_bytes in enumerate(request.sizes_bytes):
        later = request.sizes_bytes[place + 1 :]
        what = (
            f"{jobs[0].collective.name} of {format_size(size_bytes)}, {place + 1} of {place + 1 + len(later)}"
        )
        scales = tuple(other / size_bytes for other in later)
        told = Told(watch, time_left, _constant(what), scales, is_first=not place)
        settings = request.settings
        if settings.traced:
            settings = replace(settings, capture=captures(size_bytes))
        work = joined([(job.scope.tenant or "", job.workload(size_bytes)) for job in jobs])
        outcome = drive(switches, work, settings, told, demand=demand)
        if outcome.is_interrupted:
            raise KeyboardInterrupt
        time_left.end()
        yield size_bytes, outcome


def _constant(text: str) -> Callable[[Run], str]:
    return lambda run: text
