"""Times beyond the engine's clock, stragglers of nothing, and sizes that are cut, in a workload file."""

from __future__ import annotations

from pathlib import Path

import pytest

from raddle.errors import Diagnostic, InputError
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.graph.free import check_length
from raddle.lab.graph.model import Graph
from raddle.topology import loads
from raddle.topology.model import Fabric
from tests.fabrics import SMALL_POD


@pytest.fixture(scope="module")
def pod() -> Fabric:
    return loads(SMALL_POD)


def read(fabric: Fabric, folder: Path, text: str) -> Graph:
    (folder / "w.yaml").write_text(f"raddle: 1\nname: w\n{text}")
    return read_workload(fabric, folder / "w.yaml")


def refused(fabric: Fabric, folder: Path, text: str) -> Diagnostic:
    with pytest.raises(InputError) as error:
        read(fabric, folder, text)
    (found,) = error.value.diagnostics
    return found


JOB = """\
groups: {g: {ranks: 0-1}}
jobs: {a: {stragglers: {%s}, nodes: {c: {compute: 900000s, group: g}}}}
"""


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("nodes:\n  a: {compute: 2000001s}\n", "bad-time", 4),
        ("jobs:\n  a: {start: 2000001s, nodes: {c: {compute: 1us}}}\n", "bad-time", 4),
        (JOB % "3: 2", "bad-group", 4),
        (JOB % "1: 3", "bad-group", 4),
        (
            "ranks: {count: 2}\nnodes:\n  s: {training: own, layers: 2, hidden: 8, sequence: 9999999999999,"
            " layer_params: 9999999999999, micro_batches: 1, tflops: 1}\n",
            "bad-workload",
            5,
        ),
    ],
    ids=["computing", "start", "straggler-of-nothing", "straggler-too-long", "computing-by-flops"],
)
def test_what_the_clock_cannot_hold_is_told_at_its_line(
    pod: Fabric, tmp_path: Path, text: str, code: str, line: int
) -> None:
    found = refused(pod, tmp_path, text)
    assert found.code == code
    assert found.span is not None
    assert found.span.line == line


@pytest.mark.parametrize("words", ["calc 2000000000000001", "send 1125899906842625b to 1"])
def test_a_trace_beyond_the_clock_is_told_at_its_line(pod: Fabric, tmp_path: Path, words: str) -> None:
    other = "recv 1125899906842625b from 0" if words.startswith("send") else "calc 1"
    (tmp_path / "t.goal").write_text(f"num_ranks 2\nrank 0 {{\n{words}\n}}\nrank 1 {{\n{other}\n}}\n")
    found = refused(pod, tmp_path, "ranks: {count: 2}\nnodes: {t: {goal: t.goal}}\n")
    assert found.code == "bad-trace"
    assert found.span is not None
    assert (found.span.file.endswith("t.goal"), found.span.line) == (True, 3)


def test_a_trace_that_is_missing_is_told_at_its_name(pod: Fabric, tmp_path: Path) -> None:
    found = refused(pod, tmp_path, "ranks: {count: 2}\nnodes:\n  t: {chakra: none}\n")
    assert found.code == "no-trace"
    assert found.span is not None
    assert found.span.line == 5


def test_times_one_after_the_other_are_added_and_those_beside_one_another_not(
    pod: Fabric, tmp_path: Path
) -> None:
    long = "nodes: {a: {delay: 1500000s}, b: {delay: 1500000s%s}}\n"
    check_length(assemble(read(pod, tmp_path, long % "")).workload)
    with pytest.raises(InputError, match="3000000s"):
        check_length(assemble(read(pod, tmp_path, long % ", after: a")).workload)


def test_a_buffer_that_is_cut_says_to_what(pod: Fabric, tmp_path: Path) -> None:
    text = "nodes: {a: {collective: broadcast, size: 777B}, b: {collective: broadcast, size: 776B}}\n"
    nodes = read(pod, tmp_path, text).jobs[0].nodes
    assert [node.what.endswith("777B, cut to 776 B") for node in nodes] == [True, False]
