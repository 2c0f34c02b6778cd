"""A campaign of small runs by `raddle sweep`: how busy the cores are, and what a kill in the middle costs.

Usage: python -m benchmarks.campaign [--runs 1000] [--jobs N]

It runs the campaign once from its start to its end, and once more with a kill -9 of all its processes when
a part of the rows is there, and a second start. It fails where a row is lost, doubled or other than without
the kill. Two shares are of the elapsed time of --jobs cores, the start of Python and the report with it: the
CPU time of all processes, which falls where something else runs on the machine, and the time for which a run
was under way, which does not.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import cast

from raddle.lab.sweep.file import read_sweep
from raddle.lab.sweep.model import TIMING
from raddle.lab.sweep.store import opened

_POD = (
    "raddle: 1\nname: pod\nvariables: {spines: 2}\n"
    "fabric: {leaves: {count: 4}, spines: {count: '${spines}'}}\nhosts: {per_leaf: 4}\n"
)
_PER_SEED = 8
_SWEEP = (
    "raddle: 1\nname: small\nfabric: pod.yaml\nvariables: {{spines: [2, 4]}}\nrouting: [ecmp, pinned]\n"
    "collective: [all_reduce, all_to_all]\nsize: 1M\nplacement: strided\nseeds: 1-{seeds}\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="at least so many, a multiple of 8")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pod.yaml").write_text(_POD)
        file = folder / "sweep.yaml"
        file.write_text(_SWEEP.format(seeds=-(-asked.runs // _PER_SEED)))
        numbers = sorted(read_sweep(file).runs)
        whole, killed = folder / "whole.duckdb", folder / "killed.duckdb"
        print(_timed(_command(file, whole, asked.jobs), asked.jobs, whole, set()), flush=True)
        there = _kill(_command(file, killed, asked.jobs), killed)
        began = _rows(killed)
        print(f"killed   {len(began)} rows of {len(numbers)} are there ({there} bytes of log)", flush=True)
        assert 0 < len(began) < len(numbers), "it was killed too early or too late"
        print(
            _timed(_command(file, killed, asked.jobs), asked.jobs, killed, {row["run_id"] for row in began})
        )
        _compare(numbers, _rows(whole), began, _rows(killed))


def _command(file: Path, results: Path, jobs: int) -> list[str]:
    return [sys.executable, "-m", "raddle", "sweep", str(file), "-o", str(results), "--jobs", str(jobs)]


def _timed(command: list[str], jobs: int, results: Path, known: set[object]) -> str:
    began_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    wall_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    runs_s = [cast(float, row["wall_s"]) for row in _rows(results) if row["run_id"] not in known]
    busy, running = spent_s / wall_s / jobs, sum(runs_s) / wall_s / jobs
    return (
        f"sweep    {len(runs_s)} runs, {wall_s:.1f} s on {jobs} cores: {busy:.1%} busy, a run under way for "
        f"{running:.1%}, {spent_s:.1f} CPU s"
    )


def _kill(command: list[str], results: Path) -> int:
    """End all processes of a campaign once a part of its rows is there; the size of DuckDB's log then."""
    log = results.with_suffix(".duckdb.wal")
    started = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while started.poll() is None:
        if log.exists() and log.stat().st_size > 20_000:
            break
        time.sleep(0.05)
    size = log.stat().st_size
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    return size


def _rows(results: Path) -> list[dict[str, object]]:
    """The rows of a file, by number."""
    with opened(results) as store:
        return [asdict(row) for row in store.rows()]


def _compare(
    numbers: list[str], whole: list[dict[str, object]], began: list[dict[str, object]],
    resumed: list[dict[str, object]],
) -> None:  # fmt: skip
    assert [row["run_id"] for row in resumed] == numbers, "rows are lost or doubled"
    by_number = {row["run_id"]: row for row in resumed}
    assert all(by_number[row["run_id"]] == row for row in began), "finished runs ran again"

    def without_times(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        return [{name: value for name, value in row.items() if name not in TIMING} for row in rows]

    assert without_times(resumed) == without_times(whole), "the rows differ from those without a kill"
    print(f"resumed  {len(resumed)} rows: none lost, doubled or run again; as without a kill")


if __name__ == "__main__":
    main()
