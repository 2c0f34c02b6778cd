"""Collectives of more flows than fit: some steps are run, and what the others take is computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle import load
from raddle.cli.main import app
from raddle.errors import InputError
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.ranks import EVERYWHERE
from raddle.topology import find

MIB = 1 << 20


def request_of(collective: str, placement: str = "linear", size_bytes: int = 4 * MIB) -> BenchRequest:
    return BenchRequest(
        collective=collective,
        algorithm=None,
        sizes_bytes=(size_bytes,),
        routing="pinned",
        scopes=(replace(EVERYWHERE, placement=placement),),
        settings=RunSettings(fidelity="fluid"),
    )


@pytest.fixture
def few_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule of 256 flows is too large, and 8 steps stand for all."""
    for module in (
        "raddle.traffic.registry",
        "raddle.lab.workloads.collective",
        "raddle.lab.expect.messages",
    ):
        monkeypatch.setattr(f"{module}.MAX_FLOWS", 200)
    monkeypatch.setattr("raddle.lab.workloads.collective._FEWEST_STEPS", 8)
    monkeypatch.setattr("raddle.lab.workloads.collective._FLOWS_IN_PART", 128)
    monkeypatch.setattr("raddle.lab.expect.messages._MOST_FLOWS", 128)


@pytest.mark.parametrize("collective", ["all_reduce", "all_gather", "reduce_scatter", "all_to_all"])
@pytest.mark.parametrize("size_bytes", [4 * MIB, 64 * MIB])
def test_steps_that_stand_for_all_say_what_all_take(
    collective: str, size_bytes: int, request: pytest.FixtureRequest
) -> None:
    fabric = load(find("leaf-spine-16"))
    whole = run_bench(fabric, request_of(collective, size_bytes=size_bytes))
    request.getfixturevalue("few_fit")
    part = run_bench(fabric, request_of(collective, size_bytes=size_bytes))
    (row,), (of_all,) = part.rows, whole.rows
    assert of_all.in_part is None
    assert row.in_part
    assert row.time_ps
    assert of_all.time_ps
    assert row.in_part.steps == 8
    assert row.in_part.of_steps == (30 if collective == "all_reduce" else 15)
    assert row.wrong is None
    assert row.time_ps == pytest.approx(of_all.time_ps, rel=0.03)
    assert part.links[0].tx_bytes == pytest.approx(whole.links[0].tx_bytes, rel=0.02)
    assert part.links[0].utilisation == pytest.approx(whole.links[0].utilisation, rel=0.05)
    assert any("all but 8 steps, which stand for all" in each for each in part.left_out)


def test_a_ring_waits_for_its_busiest_link_in_the_end(request: pytest.FixtureRequest) -> None:
    fabric = load(find("leaf-spine-16"))
    fabric = replace(fabric, roce=replace(fabric.roce, congestion_control="none"))
    asked = replace(request_of("all_reduce", "strided", 64 * MIB), routing="ecmp")
    (of_all,) = run_bench(fabric, asked).rows
    request.getfixturevalue("few_fit")
    (row,) = run_bench(fabric, asked).rows
    assert row.in_part
    assert row.time_ps
    assert of_all.time_ps
    assert row.time_ps == pytest.approx(of_all.time_ps, rel=0.05)


def test_runs_in_which_something_happens_at_a_time_are_not_run_in_part(few_fit: None) -> None:
    fabric = load(find("leaf-spine-16"))
    asked = request_of("all_reduce")
    with pytest.raises(InputError, match="too-many-flows"):
        run_bench(fabric, replace(asked, settings=replace(asked.settings, until_ps=10**9)))
    with pytest.raises(
        InputError, match="--fidelity fluid of one job alone, without faults and --until, which runs"
    ):
        run_bench(fabric, replace(asked, settings=RunSettings(fidelity="packet")))


def test_an_exchange_too_large_for_its_messages_is_expected_by_some_of_its_rounds(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    words = ["expect", "leaf-spine-16", "--collective", "all_to_all", "-b", "64M", "-e", "64M"]
    whole = CliRunner().invoke(app, words, catch_exceptions=False).stdout
    request.getfixturevalue("few_fit")
    part = CliRunner().invoke(app, words, catch_exceptions=False).stdout
    bandwidth = [
        float(next(line for line in text.splitlines() if line.split()[:1] == ["67108864"]).split()[3])
        for text in (whole, part)
    ]
    assert bandwidth[1] == pytest.approx(bandwidth[0], rel=0.02)
