"""What `raddle expect` says agrees with closed forms, with chance, and with the engine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import raddle
from raddle.cli.main import app
from raddle.controller.plan.make import make_plan
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.expect.collisions import states_of, stretch_of
from raddle.lab.expect.curve import Point, point_of
from raddle.lab.expect.forms import FORMS, form_of
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.ranks import Scope
from raddle.topology import find, load
from raddle.topology.model import Fabric
from tests.fabrics import leaf_spine

MIB = 1 << 20


def servers(count: int, each: int = 8) -> Fabric:
    """Servers of 8 x 400G, as in the published closed forms: 48.5 GB/s a NIC, 370.8 a port inside."""
    return raddle.loads(
        f"raddle: 1\nname: pod\nfabric: {{leaves: {{count: {count}}}, spines: {{count: {each}}}}}\n"
        f"hosts: {{per_leaf: 1, accelerators: {{count: {each}, model: h100, "
        "scale_up: {bandwidth: 370.8GBps, in_network: 475GBps}}, "
        "nics: {per_accelerator: 1, speed: 400G, bus: 48.5GBps}}\n"
        "roce: {congestion_control: none}\n"
    )


def busbw(point: Point, kind: str, factor: float) -> float:
    (bound,) = [each for each in point.bounds if each.kind == kind]
    return point.messages.size_bytes / bound.time_s / 1e9 * factor


@pytest.mark.parametrize(
    ("count", "algorithm", "kind", "gbs"),
    [
        # Of SimAI's calbusbw for 8 x 400G servers, of 48.5 GB/s a NIC and 370.8 GB/s a port.
        (1, "ring", "scale-up", 370.8), (2, "ring", "bus", 388.0), (4, "ring", "bus", 388.0),
        (1, "tree", "scale-up", 324.4), (2, "tree", "scale-up", 397.3), (3, "tree", "scale-up", 406.1),
        (4, "tree", "bus", 375.9), (8, "tree", "bus", 381.9), (1, "nvls", "scale-up", 475.0),
        (4, "nvls_tree", "bus", 375.9),
    ],
)  # fmt: skip
def test_bounds_of_servers_are_the_published_closed_forms(
    count: int, algorithm: str, kind: str, gbs: float
) -> None:
    job = find_job(servers(count), "all_reduce", algorithm)
    point = point_of(job, 1 << 30)
    assert busbw(point, kind, job.collective.bus_factor(job.ranks)) == pytest.approx(gbs, rel=2e-3)


@pytest.mark.parametrize(("collective", "algorithm"), FORMS)
@pytest.mark.parametrize(("count", "each"), [(2, 2), (3, 4), (4, 4)])
def test_what_a_form_says_is_what_the_messages_add_up_to(
    collective: str, algorithm: str, count: int, each: int
) -> None:
    job = find_job(servers(count, each), collective, algorithm)
    share = next(bound.share for bound in point_of(job, 64 * MIB).bounds if bound.kind == "nic")
    is_of_powers_of_two = algorithm == "halving_doubling" and count == 3
    assert bool(form_of(collective, algorithm, job.shape, share)) != is_of_powers_of_two


def test_no_form_is_printed_for_what_it_is_not() -> None:
    job = find_job(servers(4, 4), "all_reduce", "ring")
    assert form_of("all_reduce", "ring", job.shape, 0.4) == ""


@pytest.mark.parametrize(
    ("collective", "algorithm", "size", "most"),
    [
        ("all_reduce", "ring", MIB, 0.01), ("all_reduce", "ring", 16 * MIB, 0.01),
        ("all_reduce", "tree", 4 * MIB, 0.02), ("all_to_all", "pairwise", 4 * MIB, 0.03),
        ("all_reduce", "halving_doubling", 4 * MIB, 0.01), ("all_to_all", "direct", 4 * MIB, 0.05),
    ],
)  # fmt: skip
def test_the_time_is_the_engine_s(collective: str, algorithm: str, size: int, most: float) -> None:
    fabric = raddle.loads(leaf_spine(4, 4, 2, "roce: {congestion_control: none}"))
    job = find_job(fabric, collective, algorithm)
    (row,) = run_bench(fabric, BenchRequest(collective, algorithm, (size,), "pinned")).rows
    assert row.time_ps
    assert point_of(job, size).time_s() == pytest.approx(row.time_ps / 1e12, rel=most)


def test_too_few_uplinks_bind_as_their_ratio_says() -> None:
    """Four ranks of a leaf send to other leaves over one uplink of the NICs' speed."""
    fabric = raddle.loads(leaf_spine(2, 1, 4, "roce: {congestion_control: none}"))
    job = find_job(fabric, "all_reduce", "ring", Scope("strided"))
    point = point_of(job, 64 * MIB)
    assert point.bounds[0].kind == "uplinks"
    by_kind = {bound.kind: bound.time_s for bound in point.bounds}
    assert by_kind["uplinks"] == pytest.approx(4 * by_kind["nic"])


STRIDED = Scope("strided")


def test_collisions_of_a_draw_are_those_of_the_run_with_its_seed() -> None:
    """Without what congestion control gives up, which the closed form leaves out."""
    fabric = load(find("leaf-spine-16"))
    fabric = replace(fabric, roce=replace(fabric.roce, congestion_control="none"))
    job = find_job(fabric, "all_reduce", "ring", STRIDED)
    plan = make_plan(fabric, "ecmp", None)
    states, point = states_of(fabric, plan), point_of(job, 64 * MIB)
    for seed in (1, 2, 3):
        drawn = stretch_of(job, point, states, plan, [seed])
        assert drawn
        settings = RunSettings(seed=seed, fidelity="fluid")
        request = BenchRequest("all_reduce", "ring", (64 * MIB,), "ecmp", (STRIDED,), settings)
        time_ps = run_bench(fabric, request).rows[0].time_ps
        assert time_ps
        assert point.time_s(stretch=drawn.draws[0]) == pytest.approx(time_ps / 1e12, rel=0.03)


def test_draws_are_spread_as_flows_thrown_at_random_spines() -> None:
    """16 flows from each leaf to the next, four spines: the most that share a link up or down."""
    fabric = load(find("leaf-spine-16"))
    job = find_job(fabric, "all_reduce", "ring", STRIDED)
    plan = make_plan(fabric, "ecmp", None)
    drawn = stretch_of(job, point_of(job, 64 * MIB), states_of(fabric, plan), plan, range(1, 301))
    assert drawn
    random = np.random.default_rng(5)
    chosen = random.integers(4, size=(20_000, 4, 4))
    counts = (chosen[..., None] == np.arange(4)).sum(axis=2)
    # The flows of a leaf all go to the next one, so that those up to a spine are those down from it.
    expected = counts.max(axis=(1, 2)).mean()
    assert drawn.mean == pytest.approx(expected * 4178 / 4264, rel=0.05)


def test_pins_without_collisions_stretch_nothing() -> None:
    fabric = load(find("leaf-spine-16"))
    job = find_job(fabric, "all_reduce", "ring", STRIDED)
    plan = make_plan(fabric, "pinned", job.demand())
    drawn = stretch_of(job, point_of(job, 64 * MIB), states_of(fabric, plan), plan, [1])
    assert drawn
    assert drawn.draws == (1.0,)


CLIFF = """\
raddle: 1
name: three
fabric: {leaves: {count: 3}, spines: {count: 2}, uplinks: {per_pair: 1, speed: 200G}}
hosts: {per_leaf: 5, nics: {speed: 100G}}
roce: {mtu: 1024, congestion_control: none}
"""


@pytest.mark.parametrize(("routing", "binds"), [("pinned", "pins"), ("ecmp", "collisions")])
def test_a_link_that_flows_share_binds_where_it_takes_longer_than_the_nics(
    routing: str, binds: str, tmp_path: Path
) -> None:
    """The five flows of a leaf in a step never share its two uplinks evenly."""
    (tmp_path / "three.yaml").write_text(CLIFF)
    words = f"{tmp_path}/three.yaml --collective all_to_all --placement strided --routing {routing}".split()
    text = CliRunner().invoke(app, ["expect", *words, "-b", "64M", "-e", "64M"]).stdout
    assert text.splitlines()[-1].split()[5] == binds
    (marked,) = (line for line in text.splitlines() if line.endswith("<- binds"))
    assert marked.startswith(("# pins: ", "# hash collisions: "))
    name, *rest = words
    document = json.loads(
        CliRunner().invoke(app, ["explain", name, "busbw", *rest, "--size", "64M", "--json"]).stdout
    )
    steps = dict(document["steps"])
    assert steps["time"].endswith(f"what binds: {binds}")
    if routing == "pinned":
        times = float(steps["busiest link of the pins"].split()[1])
        admits = float(steps["nic host0:eth0 sends"].split()[-2])
        assert float(document["value"].split()[0]) == pytest.approx(admits / times, rel=0.02)
    else:
        assert "95 to 5 % of draws" in document["value"]
        assert "times as long" in steps["hash collisions"]


@pytest.mark.parametrize("collective", ["all_reduce", "all_gather", "reduce_scatter"])
def test_a_ring_too_large_for_its_messages_is_what_its_first_steps_say(
    collective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rank sends 2(n-1)/n, or (n-1)/n, of the buffer; a step is as long as any other."""
    fabric = load(find("leaf-spine-16"))
    job = find_job(fabric, collective, "ring", Scope())
    whole = point_of(job, 64 * MIB)
    monkeypatch.setattr("raddle.lab.expect.messages.MAX_FLOWS", 100)
    monkeypatch.setattr("raddle.lab.expect.messages._MOST_FLOWS", 4 * 16)
    part = point_of(job, 64 * MIB)
    assert part.messages.schedule.flows == 4 * 16 < whole.messages.schedule.flows
    assert part.chain.messages == whole.chain.messages
    assert part.time_s() == pytest.approx(whole.time_s(), rel=1e-3)
    for one, other in zip(part.bounds, whole.bounds, strict=True):
        assert (one.kind, one.name) == (other.kind, other.name)
        assert (one.time_s, one.share) == pytest.approx((other.time_s, other.share), rel=1e-6)


def test_the_document_has_what_the_text_has() -> None:
    words = ["expect", "leaf-spine-16", "-b", "1M", "-e", "4M", "--routing", "ecmp", "--draws", "5"]
    text = CliRunner().invoke(app, words, catch_exceptions=False).stdout
    document = json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
    assert len(document["stretch"]) == 5
    assert [row["size_bytes"] for row in document["rows"]] == [MIB, 4 * MIB]
    assert f"{document['rows'][1]['busbw_gbs']:.2f}" in text
    assert document["loads"][0]["form"] == "2(n-1)/n / k"


def test_the_engine_stands_beside_where_it_is_asked_for() -> None:
    words = ["expect", "leaf-spine-16", "-b", "1M", "-e", "1M", "--simulate", "--json"]
    document = json.loads(CliRunner().invoke(app, words, catch_exceptions=False).stdout)
    assert document["rows"][0]["simulated_us"] == pytest.approx(document["rows"][0]["time_us"], rel=0.05)


def test_no_draws_are_said_to_be_left_out() -> None:
    words = ["expect", "leaf-spine-16", "-b", "1M", "-e", "1M", "--draws", "0"]
    text = CliRunner().invoke(app, words, catch_exceptions=False).stdout
    assert "# left out: where flows meet on links between switches (--draws N has it)" in text
    assert "draws the busiest link" not in text
