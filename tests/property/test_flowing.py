"""Where `--fidelity auto` lets messages flow, they end within 1 % of packets; elsewhere it says why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import raddle
from raddle.controller.plan.make import make_plan
from raddle.lab.run import drive as driving
from raddle.lab.run.drive import Run, drive
from raddle.lab.run.settings import RunSettings
from raddle.lab.run.size_row import size_rows
from raddle.lab.switches.prepared import OWN_SWITCHES, prepare_switches
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.flow_file import read_flows
from raddle.lab.workloads.ranks import Scope
from raddle.report.congestion import congestion_lines, forward_lines
from raddle.sim import NEVER
from raddle.topology.model import Fabric
from raddle.traffic import USUAL

FABRIC = """
raddle: 1
name: small
models: {{switch: {{ports: 64, port_speed: 400G, buffer: 64MB}}}}
fabric:
  leaves: {{count: {leaves}, model: switch}}
  spines: {{count: {spines}, model: switch}}
  uplinks: {{per_pair: 1, speed: {uplink}, cable: {cable}}}
hosts: {{per_leaf: {per_leaf}, nics: {{speed: {nic}, ack_interval: {ack_interval}, cable: 3m}}}}
roce: {{congestion_control: {cc}, mtu: {mtu}}}
"""
COLLECTIVES = (
    ("all_reduce", "ring"),
    ("all_reduce", "halving_doubling"),
    ("all_gather", "ring"),
    ("reduce_scatter", "ring"),
    ("all_to_all", "pairwise"),
    ("all_to_all", "direct"),
    ("all_reduce", "tree"),
)


@pytest.fixture(autouse=True)
def tries_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "_LONG_S", 0.0)


def fabric_of(
    nic: str = "400G",
    uplink: str = "400G",
    cc: str = "dcqcn",
    per_leaf: int = 4,
    spines: int = 4,
    leaves: int = 2,
    cable: str = "30m",
    ack_interval: int = 1,
    mtu: int = 4096,
) -> Fabric:
    text = FABRIC.format(
        nic=nic, uplink=uplink, cc=cc, per_leaf=per_leaf, spines=spines, leaves=leaves, cable=cable,
        ack_interval=ack_interval, mtu=mtu,
    )  # fmt: skip
    return raddle.loads(text)


def run(
    fabric: Fabric,
    routing: str,
    collective: tuple[str, str],
    placement: str,
    size_bytes: int,
    fidelity: str,
    seed: int = 1,
) -> Run:
    job = find_job(fabric, *collective, Scope(placement, seed=seed), USUAL, (size_bytes,))
    demand = job.demand() if routing == "pinned" else None
    switches = prepare_switches(fabric, make_plan(fabric, routing, demand), OWN_SWITCHES)  # type: ignore[arg-type]
    return drive(switches, job.workload(size_bytes), RunSettings(seed=seed, fidelity=fidelity)).run


def end_ps(of: Run) -> int:
    flows = of.messages()
    assert (flows.finish_ps != NEVER).all()
    return int(flows.finish_ps.max())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(2, 6), st.integers(2, 6), st.integers(2, 3)),
    cable=st.sampled_from(["3m", "30m", "500m"]),
    ack_interval=st.sampled_from([1, 4]),
    mtu=st.sampled_from([4096, 4096, 1024, 512]),
    cc=st.sampled_from(["dcqcn", "none"]),
    routing=st.sampled_from(["pinned", "pinned", "ecmp"]),
    collective=st.sampled_from(COLLECTIVES),
    placement=st.sampled_from(["linear", "strided", "random"]),
    size_mib=st.sampled_from([1, 4, 16, 32]),
    seed=st.integers(0, 9),
)
def test_what_flows_ends_within_one_percent_of_packets(
    shape: tuple[int, int, int],
    cable: str,
    ack_interval: int,
    mtu: int,
    cc: str,
    routing: str,
    collective: tuple[str, str],
    placement: str,
    size_mib: int,
    seed: int,
) -> None:
    per_leaf, spines, leaves = shape
    fabric = fabric_of(
        cc=cc, per_leaf=per_leaf, spines=spines, leaves=leaves, cable=cable, ack_interval=ack_interval,
        mtu=mtu,
    )  # fmt: skip
    what = (fabric, routing, collective, placement, size_mib << 20)
    auto = run(*what, "auto", seed)
    packets = run(*what, "packet", seed)
    if auto.flowed:
        assert end_ps(auto) == pytest.approx(end_ps(packets), rel=0.01)
        assert packets.simulation.ports().ecn_marks.sum() == 0
        assert not auto.simulation.counts_packets
    else:
        assert end_ps(auto) == end_ps(packets)
        assert np.array_equal(auto.messages().finish_ps, packets.messages().finish_ps)


def test_rounds_on_pinned_paths_flow_and_the_row_says_why() -> None:
    fabric = fabric_of()
    collective = ("all_to_all", "pairwise")
    auto = run(fabric, "pinned", collective, "strided", 64 << 20, "auto")
    packets = run(fabric, "pinned", collective, "strided", 64 << 20, "packet")
    assert auto.flowed
    assert end_ps(auto) == pytest.approx(end_ps(packets), rel=0.002)
    job = find_job(fabric, *collective, Scope("strided"), USUAL, (64 << 20,))
    (flowed,), (moved,) = (size_rows((job,), 64 << 20, each) for each in (auto, packets))
    assert flowed.drops is None
    (empty, line) = forward_lines([flowed])
    assert empty == "#"
    assert line.startswith("#   67108864: messages flow, as packets take about")
    assert "end within 1 % of them" in line
    assert list(congestion_lines([flowed])) == []
    assert list(congestion_lines([flowed, moved])) == ["#", "# No PFC pause, no ECN mark, no drop."]


@pytest.mark.parametrize(
    ("fabric", "routing", "why"),
    [
        (fabric_of(spines=1), "ecmp", "they meet: one is late by"),
        (fabric_of(uplink="200G"), "pinned", "some links are slower than NICs"),
    ],
)
def test_what_shares_links_moves_in_packets_and_says_so(fabric: Fabric, routing: str, why: str) -> None:
    auto = run(fabric, routing, ("all_to_all", "pairwise"), "strided", 64 << 20, "auto")
    assert auto.flowed is None
    assert auto.not_forwarded
    assert why in auto.not_forwarded.not_flowed
    assert auto.simulation.counts_packets
    assert f"messages do not flow, as {auto.not_forwarded.not_flowed}" in str(auto.not_forwarded)


def test_short_messages_move_in_packets() -> None:
    auto = run(fabric_of(cable="500m"), "pinned", ("all_to_all", "pairwise"), "strided", 1 << 20, "auto")
    assert auto.not_forwarded
    assert "the ways of first bits are up to" in auto.not_forwarded.not_flowed


def test_a_run_that_is_disturbed_moves_in_packets() -> None:
    fabric = fabric_of()
    job = find_job(fabric, "all_to_all", "pairwise", Scope("linear"), USUAL, (16 << 20,))
    switches = prepare_switches(fabric, make_plan(fabric, "pinned", job.demand()), OWN_SWITCHES)
    done = drive(switches, job.workload(16 << 20), replace(RunSettings(), series_ps=10**7))
    assert done.run.flowed is None
    assert done.run.simulation.counts_packets


def flows_of(fabric: Fabric, rows: str, fidelity: str, tmp_path: Path) -> Run:
    (tmp_path / "flows.csv").write_text(f"src,dst,bytes,start_ns\n{rows}")
    workload = read_flows(fabric, tmp_path / "flows.csv")
    switches = prepare_switches(fabric, make_plan(fabric, "ecmp", None), OWN_SWITCHES)
    return drive(switches, workload, RunSettings(fidelity=fidelity)).run


@pytest.mark.parametrize("mtu", [512, 1024, 4096])
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param("host0,host2,100000000,0\nhost1,host2,100000000,{late}\n", id="two to one, briefly"),
        pytest.param("host0,host1,100000000,0\nhost1,host2,100000000,0\n", id="one that gets and sends"),
        pytest.param(
            "host0,host2,100000000,0\nhost2,host0,100000000,0\nhost1,host2,100000000,{late}\n", id="both ways"
        ),
    ],
)
def test_messages_that_meet_move_in_packets_however_briefly(mtu: int, rows: str, tmp_path: Path) -> None:
    """Their meeting is no longer than what acknowledgements of as much data would take of the wire."""
    fabric = fabric_of(leaves=1, spines=1, mtu=mtu)
    on_wire_ns = 100_000_000 / mtu * (mtu + 82) * 8 / 400
    auto = flows_of(fabric, rows.format(late=int(0.99 * on_wire_ns)), "auto", tmp_path)
    assert auto.flowed is None
    assert auto.not_forwarded
    assert "they meet" in auto.not_forwarded.not_flowed


@pytest.mark.parametrize("mtu", [512, 4096])
def test_pairs_that_send_both_ways_flow(mtu: int, tmp_path: Path) -> None:
    fabric = fabric_of(leaves=1, spines=1, mtu=mtu)
    rows = "".join(f"host{i},host{i ^ 1},{20_000_000},0\n" for i in range(4))
    auto, packets = (flows_of(fabric, rows, fidelity, tmp_path) for fidelity in ("auto", "packet"))
    assert auto.flowed
    assert end_ps(auto) == pytest.approx(end_ps(packets), rel=0.01)
