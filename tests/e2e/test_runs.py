"""What every command that drives the engine can: faults, threads, samples, an end, running switches."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from raddle import loads
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.inventory import Inventory
from raddle.lab import bench as lab
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.run.drive import drive as drive_engine
from raddle.lab.run.settings import RunSettings
from raddle.lab.run.watch import Watch
from raddle.lab.switches.programmed import switch_farm
from raddle.lab.workloads.ranks import Scope
from raddle.report.table import to_table
from tests.fabrics import leaf_spine

POD = leaf_spine(more="roce: {congestion_control: none}\n")
MIB = 1 << 20


def raddle(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    path = tmp_path / "pod.yaml"
    path.write_text(POD)
    return path


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    path = tmp_path / "flows.csv"
    path.write_text("id,src,dst,bytes\nup,host0,host2,4000000\nside,host0,host1,4000000\n")
    return path


@contextmanager
def running(folder: Path) -> Iterator[Path]:
    """Switches of the pod that are up, without routes."""
    fabric = loads(POD)
    with switch_farm(fabric, make_plan(fabric, "ecmp")) as farm:
        path = folder / "inventory.json"
        Inventory(fabric.name, dict(farm.addresses)).save(path)
        yield path


def test_a_cut_link_costs_a_benchmark_what_was_lost_until_it_was_noticed(pod: Path) -> None:
    ring = ("bench", pod, "-b", "8M", "-e", "8M", "--routing", "pinned", "--json")
    whole, cut = (
        json.loads(raddle(*ring, *options).stdout)["rows"][0]
        for options in ([], ["--fail", "host0@50us..150us", "--detection", "20us"])
    )
    assert whole["drops"] == {}
    assert cut["drops"]
    assert cut["wrong"] == 0
    # Nothing comes over the cable for 100 us, and go-back-N needs a timeout at most for what was lost.
    assert cut["time_ps"] >= whole["time_ps"] + 100 * 10**6


def test_threads_do_not_change_a_benchmark(pod: Path) -> None:
    ring = ("bench", pod, "-b", "1M", "-e", "4M", "--json")
    one, two = (raddle(*ring, "--threads", threads).stdout for threads in (1, 2))
    assert one == two


def test_until_ends_each_size_and_says_what_was_under_way(pod: Path) -> None:
    result = raddle("bench", pod, "-b", "1M", "-e", "64M", "-f", "64", "--until", "300us")
    assert result.exit_code == 1
    rows = [line.split() for line in result.stdout.splitlines() if not line.startswith("#")]
    # 1 MiB takes some 35 us at 400G, 64 MiB more than 2 ms.
    assert [row[5] == "N/A" for row in rows] == [False, True]
    assert "under way" in result.stdout


def test_a_benchmark_writes_samples_and_frames_of_each_size(pod: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--series", "10us", "--trace", "host0", "-o", out)
    assert raddle("bench", pod, "-b", "1M", "-e", "4M", *options).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "bench.json",
        "capture-1048576.pcapng",
        "capture-4194304.pcapng",
        "series-1048576.csv",
        "series-4194304.csv",
    ]
    document = json.loads((out / "bench.json").read_text())
    with (out / "series-4194304.csv").open(newline="") as file:
        last_ps = max(int(row["time_ps"]) for row in csv.DictReader(file))
    took_ps = document["rows"][1]["time_ps"]
    assert took_ps - 20 * 10**6 < last_ps <= took_ps + 10 * 10**6


def test_samples_without_a_folder_are_refused(pod: Path) -> None:
    result = CliRunner().invoke(app, ["bench", str(pod), "--series", "1us"])
    assert "--series needs a folder to write to" in str(result.exception)


def test_flows_run_on_switches_that_are_up_as_they_are_or_programmed_first(
    pod: Path, flows: Path, tmp_path: Path
) -> None:
    with running(tmp_path) as inventory:
        command = ("simulate", pod, "--flows", flows, "-o", tmp_path / "out", "--inventory", inventory)
        as_found = raddle(*command)
        pushed = raddle(*command, "--push")
        again = raddle(*command, "--routing", "ecmp")
    assert as_found.exit_code == 1
    assert "no route" in as_found.stderr
    assert (pushed.exit_code, again.exit_code) == (0, 0)
    assert "note: --routing has no effect without --push" in again.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["routing"] == "as found on the switches"


def test_push_without_an_inventory_is_refused(pod: Path, flows: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["simulate", str(pod), "--flows", str(flows), "-o", str(tmp_path / "out"), "--push"]
    )
    assert "--push needs --inventory" in str(result.exception)


def test_an_interrupt_keeps_the_rows_that_are_done() -> None:
    sizes = (MIB, 4 * MIB, 16 * MIB)
    request = BenchRequest("all_reduce", "ring", sizes, "ecmp", (Scope("linear"),))

    def interrupt(what: str, share: float, left_s: float | None) -> None:
        if what.startswith("all_reduce of 16M") and share > 0:
            raise KeyboardInterrupt

    whole = run_bench(loads(POD), request)
    cut = run_bench(loads(POD), request, watch=Watch(interrupt))
    assert cut.is_interrupted
    assert cut.rows == whole.rows[:2]
    assert "# interrupted: 2 sizes done" in to_table(cut)
    # What the links carried is of the last size that was done.
    assert cut.links == run_bench(loads(POD), replace(request, sizes_bytes=sizes[:2])).links


def test_an_interrupted_command_prints_its_rows_and_ends_with_130(
    pod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = drive_engine

    def drive(switches, workload, *rest, **more):
        if workload.schedule.size_bytes.sum() > 100 * MIB:
            raise KeyboardInterrupt
        return real(switches, workload, *rest, **more)

    monkeypatch.setattr(lab, "drive", drive)
    result = CliRunner().invoke(app, ["bench", str(pod), "-b", "1M", "-e", "64M", "-f", "64"])
    assert result.exit_code == 130 or isinstance(result.exception, KeyboardInterrupt)
    rows = [line.split() for line in result.stdout.splitlines() if not line.startswith("#")]
    assert [row[0] for row in rows] == ["1048576"]


def test_each_row_is_told_when_it_is_done() -> None:
    told: list[int] = []
    request = BenchRequest(
        "all_reduce", "ring", (MIB, 4 * MIB), "ecmp", (Scope("linear"),), RunSettings(seed=3)
    )
    result = run_bench(loads(POD), request, seen=lambda so_far, series: told.append(len(so_far[0].rows)))
    assert told == [0, 1, 2]
    assert result.seed == 3


def test_queue_pairs_of_one_connection_do_not_collide(pod: Path) -> None:
    """The pin summary and the report count connections: what a rank sends is one."""
    options = ("--routing", "pinned", "-b", "4M", "-e", "4M")
    one = raddle("bench", pod, *options).stdout
    two = raddle("bench", pod, *options, "--qps-per-connection", "4", "--split-data").stdout
    for text in (one, two):
        assert "data of 1 (bound 1)" in re.sub(r"\s+#?\s*", " ", text)
        assert "# No link carried two flows of one step." in text
    plan = ("plan", pod, "--routing", "pinned", "--collisions", "--json")
    assert json.loads(raddle(*plan).stdout)["collisions"] == []


def test_a_benchmark_says_what_it_was_made_of(pod: Path, tmp_path: Path) -> None:
    order = tmp_path / "order.txt"
    order.write_text("host1\nhost0\n")
    words = ["bench", str(pod), "--routing", "ecmp", "-b", "1M", "-e", "1M", "--placement", str(order)]
    done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    made = json.loads((tmp_path / "out/bench.json").read_text())
    assert made["raddle_version"] == version("raddle")
    assert made["inputs"] == [
        {"name": path.name, "sha256": sha256(path.read_bytes()).hexdigest()} for path in (pod, order)
    ]
