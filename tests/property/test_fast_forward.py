"""A run of which most is computed is the whole run, to the picosecond and the last counter."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raddle
from raddle.controller.plan.make import make_plan
from raddle.lab.run.drive import Run, drive
from raddle.lab.run.periodic import find_pattern
from raddle.lab.run.settings import RunSettings
from raddle.lab.run.size_row import size_rows
from raddle.lab.switches.prepared import OWN_SWITCHES, prepare_switches
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.ranks import Scope
from raddle.report.congestion import forward_lines
from raddle.sim.forwarded import ForwardedSimulation, Gap
from raddle.topology.model import Fabric
from raddle.traffic import USUAL

FABRIC = """
raddle: 1
name: rings
models: {{switch: {{ports: 64, port_speed: 400G, buffer: 64MB}}}}
fabric: {{leaves: {{count: {leaves}, model: switch}}, spines: {{count: {spines}, model: switch}}}}
hosts: {hosts}
roce: {{congestion_control: {cc}}}
"""
SERVERS = (
    "{{per_leaf: {0}, accelerators: {{kind: gpu, count: {1}, scale_up: {{kind: nvlink, topology: {2},"
    " bandwidth: 3.2T, latency: 1us}}}}, nics: {{per_accelerator: 1, speed: 400G}}}}"
)
SINGLE = "{{per_leaf: {0}, nics: {{ack_interval: {1}}}}}"


def fabric_of(hosts: str, leaves: int = 2, spines: int = 24, cc: str = "dcqcn") -> Fabric:
    return raddle.loads(FABRIC.format(leaves=leaves, spines=spines, hosts=hosts, cc=cc))


def both(
    fabric: Fabric, collective: str, placement: str, size_bytes: int, repeat: int = 1, seed: int = 1
) -> tuple[Run, Run]:
    """The collective's ring on pinned paths: every packet, and with what can be computed."""
    job = find_job(fabric, collective, "ring", Scope(placement), USUAL, (size_bytes,))
    switches = prepare_switches(fabric, make_plan(fabric, "pinned", job.demand()), OWN_SWITCHES)
    work = replace(job.workload(size_bytes), repeat=repeat)
    whole, forwarded = (
        drive(switches, work, RunSettings(seed=seed, fidelity=fidelity)).run
        for fidelity in ("packet", "auto")
    )
    return whole, forwarded


def assert_equal(whole: Run, forwarded: Run) -> None:
    one, other = whole.simulation, forwarded.simulation
    pairs: list[tuple[Any, Any]] = [
        (one.flows(), other.flows()),
        (one.ports(), other.ports()),
        (one.watermarks(), other.watermarks()),
        (one.qps(), other.qps()),
    ]
    for columns, others in pairs:
        for column in fields(columns):
            assert np.array_equal(getattr(columns, column.name), getattr(others, column.name)), column.name
    assert (one.now_ps, one.packets) == (other.now_ps, other.packets)
    moved, computed = one.scale_up_ports(), other.scale_up_ports()
    if moved is not None and computed is not None:
        assert np.array_equal(moved.egress_bytes, computed.egress_bytes)
        assert np.array_equal(moved.ingress_bytes, computed.ingress_bytes)


def gap_of(run: Run) -> Gap | None:
    return run.simulation.gap if isinstance(run.simulation, ForwardedSimulation) else None


@pytest.mark.parametrize(
    ("hosts", "leaves", "placement", "collective", "size_bytes", "repeat"),
    [
        (SINGLE.format(20, 4), 2, "strided", "all_reduce", 40 << 20, 1),
        (SINGLE.format(2, 1), 2, "strided", "all_gather", 4 << 20, 70),
        (SERVERS.format(5, 4, "crossbar"), 2, "linear", "all_reduce", 40 << 24, 1),
    ],
)
def test_steps_that_are_alike_are_computed(
    hosts: str, leaves: int, placement: str, collective: str, size_bytes: int, repeat: int
) -> None:
    whole, forwarded = both(fabric_of(hosts, leaves), collective, placement, size_bytes, repeat)
    gap = gap_of(forwarded)
    assert gap is not None
    assert gap.blocks * gap.block > whole.sent.flows / 4
    assert_equal(whole, forwarded)


@settings(max_examples=5, deadline=None)
@given(
    hosts=st.one_of(
        st.builds(SINGLE.format, st.integers(17, 24), st.sampled_from([1, 4])),
        st.builds(
            SERVERS.format, st.integers(3, 5), st.sampled_from([4, 8]), st.sampled_from(["crossbar", "ring"])
        ),
    ),
    placement=st.sampled_from(["strided", "linear", "random"]),
    collective=st.sampled_from(["all_reduce", "all_gather", "reduce_scatter"]),
    unit_bytes=st.sampled_from([4096, 20_000, 131_072]),
    cc=st.sampled_from(["dcqcn", "none"]),
    seed=st.integers(0, 5),
)
def test_random_rings_come_to_the_same_with_and_without(
    hosts: str, placement: str, collective: str, unit_bytes: int, cc: str, seed: int
) -> None:
    fabric = fabric_of(hosts, cc=cc)
    ranks = len(fabric.endpoints)
    whole, forwarded = both(fabric, collective, placement, unit_bytes * ranks, seed=seed)
    assert_equal(whole, forwarded)


def test_a_schedule_whose_sizes_differ_is_no_pattern() -> None:
    fabric = fabric_of("{per_leaf: 20}")
    job = find_job(fabric, "all_reduce", "ring", Scope("linear"), USUAL, (40 << 10, (40 << 10) + 4))
    even, uneven = (job.workload(size_bytes).schedule for size_bytes in (40 << 10, (40 << 10) + 4))
    found = find_pattern(even, None, None)
    assert found is not None
    assert (found.block, found.blocks) == (40, 78)
    assert find_pattern(uneven, None, None) is None


def test_a_run_with_pauses_and_marks_is_simulated_whole() -> None:
    """Two ring steps on one uplink mark and pause; whatever repeats then is not taken for granted."""
    fabric = fabric_of("{per_leaf: 20}", spines=5)
    job = find_job(fabric, "all_reduce", "ring", Scope("strided"), USUAL, (40 << 20,))
    switches = prepare_switches(fabric, make_plan(fabric, "ecmp"), OWN_SWITCHES)
    run = drive(switches, job.workload(40 << 20), RunSettings()).run
    assert gap_of(run) is None
    assert run.simulation.ports().ecn_marks.sum() > 0
    (row,) = size_rows((job,), 40 << 20, run)
    assert row.not_forwarded
    assert row.not_forwarded.has_steps
    assert row.not_forwarded.why.startswith("marks, pauses, drops")
    assert list(forward_lines([row])) == ["#", f"#   41943040: {row.not_forwarded}"]


def test_a_ring_whose_hops_share_links_says_that_it_does_not_repeat() -> None:
    fabric = fabric_of("{per_leaf: 20}", cc="none")
    job = find_job(fabric, "all_reduce", "ring", Scope("random"), USUAL, (400 << 10,))
    switches = prepare_switches(fabric, make_plan(fabric, "ecmp"), OWN_SWITCHES)
    run = drive(switches, job.workload(400 << 10), RunSettings()).run
    assert gap_of(run) is None
    assert run.not_forwarded
    assert run.not_forwarded.has_steps
    assert "do not repeat to the picosecond" in run.not_forwarded.why
    ended = drive(switches, job.workload(400 << 10), RunSettings(until_ps=10**6)).run.not_forwarded
    assert ended
    assert "an end are asked for" in ended.why
