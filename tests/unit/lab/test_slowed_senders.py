"""A time that DCQCN has made longer says so, with the timer that gives the rate back."""

from __future__ import annotations

from pathlib import Path

import pytest

from raddle.lab.graph.file import read_workload
from raddle.lab.run.settings import Fidelity, RunSettings
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.report.workload import WorkloadResult, workload_text
from raddle.topology import loads
from tests.fabrics import leaf_spine

INTO_ONE = """\
raddle: 1
name: w
groups: {a: {ranks: 0}, b: {ranks: 1}, z: {ranks: 2}}
nodes:
  r: {send: 8MB, from: a, to: z}
  q: {send: 8MB, from: b, to: z}
"""
ALONE = INTO_ONE.replace("  q: {send: 8MB, from: b, to: z}\n", "")


def run(folder: Path, more: str, workload: str = INTO_ONE, fidelity: Fidelity = "packet") -> WorkloadResult:
    fabric = loads(leaf_spine(spines=1) + more)
    (folder / "w.yaml").write_text(workload)
    graph = read_workload(fabric, folder / "w.yaml")
    return run_workload(fabric, WorkloadRequest(graph, "ecmp", RunSettings(fidelity=fidelity)))


@pytest.mark.parametrize(
    ("more", "how"),
    [
        ("roce: {congestion_control: dcqcn}\n", "once in 300us or 2.1 MB sent (rate_timer, byte_counter)"),
        ("roce: {dcqcn: {rate_timer: 55us, byte_counter: 0}}\n", "once in 55us (rate_timer)"),
    ],
)
def test_what_slowed_senders_is_said_with_the_timer_of_the_fabric(
    tmp_path: Path, more: str, how: str
) -> None:
    result = run(tmp_path, more)
    assert result.is_done
    assert result.ecn_marks
    assert [how in line for line in result.diagnosis] == [True]
    assert "DCQCN slowed senders" in workload_text(result)


@pytest.mark.parametrize(
    ("more", "workload", "fidelity"),
    [
        ("roce: {congestion_control: none}\n", INTO_ONE, "packet"),
        ("", INTO_ONE, "fluid"),
        ("", ALONE, "packet"),
    ],
    ids=["no-control", "messages-that-flow", "nothing-shared"],
)
def test_nothing_is_said_where_nothing_was_slowed(
    tmp_path: Path, more: str, workload: str, fidelity: Fidelity
) -> None:
    assert run(tmp_path, more, workload, fidelity).diagnosis == ()
