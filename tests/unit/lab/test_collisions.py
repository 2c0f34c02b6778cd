"""Which queue pairs meet on which link, told from the plan alone."""

from dataclasses import replace
from typing import Any

import pytest

from raddle import load
from raddle.cli.options import Routing
from raddle.controller.plan import make_plan
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.collisions import CollisionReport, find_job_collisions
from raddle.lab.workloads.collective import collective_demand, find_job
from raddle.lab.workloads.ranks import Scope
from raddle.topology import find
from raddle.topology.model import Fabric

FABRIC = load(find("leaf-spine-16"))


def collisions(
    fabric: Fabric, routing: Routing, collective: str = "all_reduce", seed: int = 1
) -> CollisionReport:
    demand = collective_demand(fabric, collective, None, Scope("strided", seed=seed))
    plan = make_plan(fabric, routing, demand)
    return find_job_collisions(
        fabric, plan, [find_job(fabric, collective, None, Scope("strided", seed=seed))]
    )


def test_they_are_the_collisions_of_a_run_on_switches_and_cost_what_it_loses() -> None:
    told = collisions(FABRIC, "ecmp")
    hashed, pinned = (
        run_bench(FABRIC, BenchRequest("all_reduce", "ring", (64 << 20,), routing, (Scope("strided"),)))
        for routing in ("ecmp", "pinned")
    )
    seen = {(each.link, each.step, each.flows) for each in hashed.collisions}
    assert {
        (each.link, each.step, tuple(flow.partition(" ")[2] for flow in each.flows))
        for each in told.collisions
    } == seen
    assert told.slowdown == told.worst_share > 1
    times = [run.rows[0].time_ps or 0 for run in (pinned, hashed)]
    assert times[1] >= 0.9 * told.slowdown * times[0]


@pytest.mark.parametrize("pins", ["host-route", "udp-source-port"])
def test_pinned_queue_pairs_do_not_meet(pins: Any) -> None:
    report = collisions(replace(FABRIC, routing=replace(FABRIC.routing, pins=pins)), "pinned")
    assert (report.collisions, report.colliding_steps, report.slowdown) == ((), 0, 1.0)
    assert (report.queue_pairs, report.steps) == (16, 1)


@pytest.mark.parametrize("routing", ["pinned", "ecmp"])
def test_channels_between_the_same_ranks_do_not_meet_each_other(routing: Routing) -> None:
    one = find_job(FABRIC, "all_reduce", "ring", Scope("strided"))
    two = replace(one, shape=replace(one.shape, channels=2))
    plan = make_plan(FABRIC, routing, one.demand())
    alone, both = (find_job_collisions(FABRIC, plan, [job]) for job in (one, two))
    assert both.queue_pairs == 2 * alone.queue_pairs
    assert (both.steps, both.worst_share >= alone.worst_share) == (1, True)
    if routing == "pinned":
        assert (both.collisions, both.slowdown) == ((), 1.0)


def test_steps_of_an_all_to_all_count_apart() -> None:
    report = collisions(FABRIC, "ecmp", "all_to_all")
    assert report.steps == 15
    assert 0 < report.colliding_steps <= 15
    assert {each.step for each in report.collisions} <= set(range(15))
    assert 1 < report.slowdown <= report.worst_share
