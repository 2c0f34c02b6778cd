"""The engine's benchmark runs, compares with nothing that is not there, and tells of what disturbed it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.engine.compare import print_ratio
from benchmarks.engine.inputs import cases, write_inputs
from benchmarks.foreign import ForeignLoad, foreign_cores, measure_foreign

ROOT = Path(__file__).parents[2]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.engine.compare", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_without_peers_no_ratio_is_printed() -> None:
    done = run("--runs", "1", "--case", "permutation-128", "--case", "ring-64-short")
    assert done.returncode == 0, done.stderr
    assert "raddle, PFC and DCQCN" in done.stdout
    assert "ring all-reduce of 64 ranks" in done.stdout
    assert "times as fast" not in done.stdout
    assert len(re.findall(r"^other processes used \d+\.\d\d of a core", done.stdout, re.MULTILINE)) == 2


def test_a_peer_that_is_not_built_is_an_error(tmp_path: Path) -> None:
    done = run("--runs", "1", "--htsim", str(tmp_path))
    assert done.returncode == 1
    assert "htsim_roce is not there" in done.stderr


def test_cpu_of_others_is_all_busy_time_less_our_own() -> None:
    assert foreign_cores(busy_s=11.0, own_s=10.0, wall_s=20.0) == 0.05
    assert foreign_cores(busy_s=9.99, own_s=10.0, wall_s=20.0) == 0.0


def test_a_process_that_is_not_ours_is_counted() -> None:
    burn = "import time; end = time.process_time() + 1.0\nwhile time.process_time() < end: pass"
    with measure_foreign() as foreign:
        # Of a child's child whose parent does not wait for it, nobody adds the time to ours.
        subprocess.run(
            ["sh", "-c", f"{sys.executable} -c '{burn}' & echo"], check=True, stdout=subprocess.PIPE
        )
    assert foreign.cores > ALMOST_ALL


ALMOST_ALL = 0.05
"""A second of work, on a machine where it takes up to 20 s to get one."""


@pytest.mark.parametrize(("cores", "is_printed"), [(0.0, True), (0.05, True), (0.06, False), (1.8, False)])
def test_ratio_is_printed_only_if_others_used_5_percent_of_a_core_or_less(
    cores: float, is_printed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    load = ForeignLoad(cores)
    print_ratio("raddle is 7.4 times as fast", load)
    assert ("7.4 times" in capsys.readouterr().out) is is_printed
    assert ("no ratio is printed" in str(load)) is not is_printed


def test_short_cables_stand_in_every_simulators_files(tmp_path: Path) -> None:
    case = next(case for case in cases() if case.name == "permutation-128-short")
    write_inputs(tmp_path, case)
    links = (tmp_path / "fabric.topo").read_text().splitlines()[2:]
    assert [link.split()[3] for link in links] == ["15ns"] * 128 + ["150ns"] * 8 * 16
    delays = re.findall(r"Downlink_Latency_ns (\d+)", (tmp_path / "htsim.topo").read_text())
    assert delays == ["15", "150"]
