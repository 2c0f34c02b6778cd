"""Campaigns: what a file expands to, what is refused, and that a killed one goes on where it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal, cast

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.errors import InputError
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.run.settings import RunSettings
from raddle.lab.scenario.file import read_scenario
from raddle.lab.scenario.run import run_scenario
from raddle.lab.sweep.campaign import run_sweep
from raddle.lab.sweep.file import read_sweep
from raddle.lab.sweep.model import TIMING, RunSpec
from raddle.lab.sweep.store import opened
from raddle.lab.sweep.summary import summary_of
from raddle.lab.sweep.work import run_one
from raddle.lab.sweep.workers import local_rows
from raddle.lab.workloads.ranks import Scope
from raddle.topology.model import Fabric

POD = (
    "raddle: 1\nname: pod\nvariables: {spines: 2}\n"
    "fabric: {leaves: {count: 2}, spines: {count: '${spines}'}}\nhosts: {per_leaf: 2}\n"
)


def write_campaign(folder: Path, seeds: str = "1", more: str = "") -> Path:
    (folder / "pod.yaml").write_text(POD)
    file = folder / "sweep.yaml"
    file.write_text(
        "raddle: 1\nname: spines\nfabric: pod.yaml\nvariables: {spines: [2, 3]}\nrouting: [ecmp, pinned]\n"
        f"collective: all_reduce\nsize: 64K\nplacement: strided\nseeds: {seeds}\nfidelity: fluid\n{more}"
    )
    return file


def told(folder: Path, more: str) -> str:
    with pytest.raises(InputError) as caught:
        read_sweep(write_campaign(folder, more=more))
    return str(caught.value).replace(f"{folder}/", "")


def test_runs_are_all_combinations_and_each_has_a_number_of_its_own(tmp_path: Path) -> None:
    sweep = read_sweep(write_campaign(tmp_path, "1-3", "failures: [none, links, switches, 2 pairs]\n"))
    failures = sum(1 + 2 * spines + spines + 2 for spines in (2, 3))
    assert len(sweep.runs) == failures * 2 * 3
    assert {spec.failure for spec in sweep.runs.values() if len(spec.down) == 2} >= {"spine0", "spine1"}
    assert read_sweep(tmp_path / "sweep.yaml").digest == sweep.digest


def test_a_sample_is_drawn_from_all_and_is_the_same_again(tmp_path: Path) -> None:
    whole = read_sweep(write_campaign(tmp_path, "1-20")).runs
    sample = read_sweep(write_campaign(tmp_path, "1-20", "sample: 15\n")).runs
    assert len(sample) == 15
    assert set(sample) < set(whole)
    assert list(read_sweep(tmp_path / "sweep.yaml").runs) == list(sample)


def test_a_change_of_the_fabric_file_makes_other_runs(tmp_path: Path) -> None:
    before = read_sweep(write_campaign(tmp_path)).runs
    (tmp_path / "pod.yaml").write_text(POD.replace("per_leaf: 2", "per_leaf: 3"))
    assert not set(before) & set(read_sweep(tmp_path / "sweep.yaml").runs)


def test_a_run_is_the_benchmark_of_its_settings(tmp_path: Path) -> None:
    sweep = read_sweep(write_campaign(tmp_path))
    for number, spec in sweep.runs.items():
        fabric = sweep.subjects[spec.variables][0]
        assert isinstance(fabric, Fabric)
        settings = RunSettings(seed=1, fidelity="fluid")
        routing: Literal["ecmp", "pinned"] = "pinned" if spec.routing == "pinned" else "ecmp"
        request = BenchRequest("all_reduce", None, (65536,), routing, (Scope("strided"),), settings)
        assert run_one(fabric, number, spec).time_ps == run_bench(fabric, request).rows[0].time_ps


def test_what_cannot_run_is_a_row_with_the_reason(tmp_path: Path) -> None:
    sweep = read_sweep(write_campaign(tmp_path))
    (number, spec), *_ = sweep.runs.items()
    alone = RunSpec(**{**asdict(spec), "collective": "all_gather", "algorithm": "nvls"})
    row = run_one(sweep.subjects[spec.variables][0], number, alone)
    assert row.time_ps is None
    assert row.error.startswith("bad-algorithm: all_gather nvls is not for these ranks")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("failures: [hosts]\n", "sweep.yaml:12:12: error[bad-sweep]: 'hosts' is no failure"),
        ("algorithm: rings\n", "sweep.yaml:12:12: error[unknown-algorithm]: no algorithm 'rings'"),
        ("retries: 3\n", "error[unknown-key]: unknown key 'retries'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, more: str, says: str) -> None:
    assert says in told(tmp_path, more).replace(":11:", ":12:")


def test_a_file_of_other_runs_is_refused(tmp_path: Path) -> None:
    results = tmp_path / "spines.duckdb"
    run_sweep(read_sweep(write_campaign(tmp_path)), results, 1, None, lambda done, total: None)
    other = read_sweep(write_campaign(tmp_path, "5"))
    with pytest.raises(InputError, match=r"other-sweep.*has results of 'spines' with 4 other runs"):
        run_sweep(other, results, 1, None, lambda done, total: None)
    with pytest.raises(InputError, match=r"no-results.*there is no file"), opened(tmp_path / "nowhere"):
        pass


def _has_rows(results: Path, wal: Path) -> bool:
    """Some rows are in the second file, or have been moved over."""
    return wal.exists() and (wal.stat().st_size > 8_000 or results.stat().st_size > 100_000)


def test_rows_are_in_the_one_file_a_second_after_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = read_sweep(write_campaign(tmp_path, "1-3"))
    with opened(tmp_path / "done.duckdb", sweep) as store:
        run_sweep(sweep, tmp_path / "all.duckdb", 1, None, lambda done, total: None)
        with opened(tmp_path / "all.duckdb") as other:
            first, second, *_ = other.rows()
        store.add([first])
        monkeypatch.setattr("time.monotonic", lambda: float("inf"))
        store.add([second])
        shutil.copy(tmp_path / "done.duckdb", tmp_path / "copy.duckdb")
    with opened(tmp_path / "copy.duckdb") as copy:
        assert copy.finished() == {first.run_id, second.run_id}


def test_a_campaign_that_is_killed_goes_on_without_loss_or_repeat(tmp_path: Path) -> None:
    file, results = write_campaign(tmp_path, "1-30"), tmp_path / "killed.duckdb"
    words = [sys.executable, "-m", "raddle", "sweep", str(file), "-o", str(results), "--jobs", "2"]
    started = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wal = results.with_suffix(".duckdb.wal")
    deadline = time.monotonic() + 120
    while not _has_rows(results, wal) and time.monotonic() < deadline:
        assert started.poll() is None
        time.sleep(0.02)
    workers = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    assert len(workers) >= 2
    started.kill()
    started.wait()
    while any(Path("/proc", each).exists() for each in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [each for each in workers if Path("/proc", each).exists()]
    sweep = read_sweep(file)
    with opened(results, sweep) as store:
        before = {row.run_id: row for row in store.rows()}
    assert 0 < len(before) < len(sweep.runs) == 120
    assert run_sweep(sweep, results, 2, None, lambda done, total: None) == 120 - len(before)
    with opened(results) as store:
        after = {row.run_id: row for row in store.rows()}
    assert set(after) == set(sweep.runs)
    assert {number: after[number] for number in before} == before  # cpu_s too: they did not run again
    assert TIMING[0] in asdict(next(iter(before.values())))


SCENARIO = (
    "raddle: 1\nname: ring\nvariables: {size: 64K}\nfabric: pod.yaml\nrouting: ecmp\nfidelity: fluid\n"
    "jobs: {train: {collective: all_reduce, size: '${size}', placement: strided}}\n"
    "expect: [train.time <= 35us]\n"
)
STEP = "raddle: 1\nname: step\nnodes: {sum: {collective: all_reduce, size: 64K}}\n"


def test_scenarios_run_with_their_variables_failures_and_seeds(tmp_path: Path) -> None:
    write_campaign(tmp_path)
    (tmp_path / "ring.yaml").write_text(SCENARIO)
    file = tmp_path / "rings.yaml"
    file.write_text(
        "raddle: 1\nname: rings\nscenario: ring.yaml\nvariables: {size: [64K, 1M]}\n"
        "failures: [none, switches]\nseeds: 1-2\n"
    )
    sweep = read_sweep(file)
    assert len(sweep.runs) == 12
    run_sweep(sweep, tmp_path / "rings.duckdb", 2, None, lambda done, total: None)
    with opened(tmp_path / "rings.duckdb") as store:
        rows = store.rows()
        report = summary_of(store.about(), rows)
    assert {row.of for row in rows} == {"ring"}
    whole = [row for row in rows if row.failure == "none" and row.seed == 2]
    for row in whole:
        variables = json.loads(row.variables)
        alone = run_scenario(replace(read_scenario(tmp_path / "ring.yaml", variables), seeds=(2,)))
        assert json.loads(row.measured)["train.time"] == row.time_ps == alone.jobs[0].times_ps[0]
        assert row.not_held == (variables["size"] == "1M")  # 64K takes 22 us, 1M 50
    assert report.measure == "time (ms)"
    assert [(each.value, each.failed) for each in report.groups if each.column == "variables.size"] == [
        ("1M", 6), ("64K", 0),
    ]  # fmt: skip
    assert {each.failure for each in report.failures} == {"spine0", "spine1"}


def test_a_workload_runs_on_every_fabric_and_costs_more_with_a_dead_spine(tmp_path: Path) -> None:
    write_campaign(tmp_path)
    (tmp_path / "step.yaml").write_text(STEP)
    file = tmp_path / "steps.yaml"
    file.write_text(
        "raddle: 1\nname: steps\nworkload: step.yaml\nfabric: pod.yaml\nvariables: {spines: [2, 3]}\n"
        "routing: [ecmp, pinned]\nfidelity: fluid\n"
    )
    sweep = read_sweep(file)
    assert len(sweep.runs) == 4
    for number, spec in sweep.runs.items():
        row = run_one(sweep.subjects[spec.variables][0], number, spec)
        assert (row.of, row.error, row.ranks) == ("step", "", 4)
        assert row.time_ps


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("scenario: ring.yaml\nsize: 4M\n", "'size' says nothing of a scenario file"),
        ("scenario: ring.yaml\nvariables: {sizes: 4M}\n", "no variable 'sizes'"),
        ("scenario: nowhere.yaml\n", "nowhere.yaml"),
        ("workload: step.yaml\n", "'fabric' is missing"),
        (
            "workload: step.yaml\ncollective: all_reduce\nfabric: pod.yaml\n",
            "one of 'collective'",
        ),
        ("fabric: pod.yaml\ncollective: all_reduce\n", "'size' is missing"),
    ],
)
def test_what_does_not_fit_a_scenario_or_workload_is_told(tmp_path: Path, text: str, says: str) -> None:
    write_campaign(tmp_path)
    (tmp_path / "ring.yaml").write_text(SCENARIO)
    (tmp_path / "step.yaml").write_text(STEP)
    file = tmp_path / "wrong.yaml"
    file.write_text(f"raddle: 1\nname: wrong\n{text}")
    with pytest.raises(InputError) as raised:
        read_sweep(file)
    assert says in str(raised.value)


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (1,)


def test_a_run_that_ends_its_process_each_time_is_told(tmp_path: Path) -> None:
    sweep = read_sweep(write_campaign(tmp_path))
    with pytest.raises(InputError, match=r"worker-died.*has ended its process 4 times"):
        list(local_rows({(): cast(Fabric, Deadly())}, dict([next(iter(sweep.runs.items()))]), 1))


def test_a_report_ranks_failures_by_what_they_cost(tmp_path: Path) -> None:
    file = write_campaign(tmp_path, more="failures: [none, switches]\n")
    words = ["sweep", str(file), "-o", str(tmp_path / "out.duckdb"), "--jobs", "1"]
    text = CliRunner().invoke(app, words, catch_exceptions=False).stdout
    assert "# spines: 14 of 14 runs, 0 without an end" in text
    words = ["sweep", "report", str(tmp_path / "out.duckdb"), "--json"]
    report = json.loads(CliRunner().invoke(app, words, catch_exceptions=False).stdout)
    costs = [cost["mean"] for cost in report["failures"]]
    assert costs == sorted(costs, reverse=True)
    assert {cost["failure"] for cost in report["failures"]} == {"spine0", "spine1", "spine2"}
    (two, three) = [group for group in report["groups"] if group["column"] == "variables.spines"]
    assert (two["value"], two["runs"], three["runs"]) == ("2", 6, 8)
