"""The engine's benchmark runs, and compares with nothing that is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "bench_engine.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_without_peers_no_ratio_is_printed() -> None:
    done = run("--runs", "1", "--case", "permutation-128", "--case", "ring-64")
    assert done.returncode == 0, done.stderr
    assert "raddle, PFC and DCQCN" in done.stdout
    assert "ring all-reduce of 64 ranks" in done.stdout
    assert "times as fast" not in done.stdout


def test_a_peer_that_is_not_built_is_an_error(tmp_path: Path) -> None:
    done = run("--runs", "1", "--htsim", str(tmp_path))
    assert done.returncode == 1
    assert "htsim_roce is not there" in done.stderr
