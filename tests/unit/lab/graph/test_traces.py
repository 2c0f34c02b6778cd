"""GOAL files run as they say, go out and come back with equal times, and what is cut off is told once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.errors import InputError
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.graph.traces.goal_text import goal_text, lost_in_goal, matrix_csv
from raddle.lab.graph.traces.simai import read_simai
from raddle.lab.graph.traces.simai_text import lost_in_simai, plan_of, simai_text
from raddle.lab.graph.training.messages import sent_bytes
from raddle.lab.run.settings import RunSettings
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.report.workload import WorkloadResult
from raddle.topology import loads
from raddle.topology.model import Fabric
from tests.fabrics import servers_of_four

PING = """\
num_ranks 2

rank 0 {  // asks
l1: calc 50000
l2: send 4000000b to 1 tag 7
l2 requires l1
l3: recv 4000000b from 1 tag 8
}

rank 1 {
l1: recv 4000000b from 0 tag 7
l2: calc 30000
l2 requires l1
l3: send 4000000b to 0 tag 8
l3 requires l2
}
"""
US = 10**6


@pytest.fixture(scope="module")
def pod() -> Fabric:
    """2 servers of 4 accelerators, each with a NIC of 100G."""
    return loads(servers_of_four(2) + "roce: {congestion_control: none}\n")


def run(fabric: Fabric, folder: Path, nodes: str, ranks: str) -> WorkloadResult:
    graph = read_workload(fabric, written(folder, nodes, ranks))
    return run_workload(fabric, WorkloadRequest(graph, "ecmp", RunSettings(fidelity="fluid")))


def written(folder: Path, nodes: str, ranks: str = "{count: 8}") -> Path:
    (folder / "w.yaml").write_text(f"raddle: 1\nname: w\nranks: {ranks}\nnodes: {{{nodes}}}\n")
    return folder / "w.yaml"


def test_computing_and_messages_of_a_goal_file_follow_one_another(pod: Fabric, tmp_path: Path) -> None:
    (tmp_path / "ping.goal").write_text(PING)
    job = run(
        pod, tmp_path, "t: {goal: ping.goal}", '{hosts: "host[0,1]", placement: strided, count: 2}'
    ).jobs[0]
    assert job.free_ps == 80 * US
    assert job.time_ps is not None
    # 4 MB on 100G, with headers of 82 for each 4096 bytes, twice; and two ways through 3 switches.
    wire_us = 4e6 * 4178 / 4096 * 8 / 100e3
    assert job.time_ps / US == pytest.approx(80 + 2 * wire_us, abs=15)
    assert job.time_ps / US > 80 + 2 * wire_us


def test_who_waits_for_a_receipt_waits_for_what_that_is_after(pod: Fabric, tmp_path: Path) -> None:
    (tmp_path / "w.goal").write_text(
        "num_ranks 2\nrank 0 {\nsend 8b to 1\n}\n"
        "rank 1 {\na: calc 70000\nb: recv 8b from 0\nb requires a\nc: calc 1000\nc requires b\n}\n"
    )
    assert run(pod, tmp_path, "t: {goal: w.goal}", "{count: 2}").jobs[0].time_ps == 71 * US


def test_calcs_on_two_cpus_go_on_at_once(pod: Fabric, tmp_path: Path) -> None:
    for cpu, time_us in ((0, 50), (1, 30)):
        (tmp_path / "w.goal").write_text(f"num_ranks 1\nrank 0 {{\ncalc 30000\ncalc 20000 cpu {cpu}\n}}\n")
        assert run(pod, tmp_path, "t: {goal: w.goal}", "{count: 1}").jobs[0].time_ps == time_us * US


@pytest.mark.parametrize(
    "nodes",
    [
        "a: {compute: 5us}, c: {collective: all_reduce, algorithm: halving_doubling, size: 4MB, after: a}",
        "c: {collective: all_to_all, algorithm: direct, size: 4MB}, b: {compute: 7us, after: c}",
        "t: {training: own, layers: 2, hidden: 512, sequence: 64, layer_params: 9000, micro_batches: 2}",
    ],
)
def test_a_workload_comes_back_from_goal_with_its_times(pod: Fabric, tmp_path: Path, nodes: str) -> None:
    laid_out = assemble(read_workload(pod, written(tmp_path, nodes)))
    assert not any("library" in lost for lost in lost_in_goal(laid_out))
    (tmp_path / "back.goal").write_text(goal_text(laid_out))
    there = run(pod, tmp_path, nodes, "{count: 8}").jobs[0]
    back = run(pod, tmp_path, "t: {goal: back.goal}", "{count: 8}").jobs[0]
    assert back.sent_bytes == there.sent_bytes
    assert back.free_ps == pytest.approx(there.free_ps, abs=100_000)  # whole nanoseconds
    assert back.time_ps == pytest.approx(there.time_ps, rel=0.02)


def test_a_matrix_goes_out_and_comes_back(pod: Fabric, tmp_path: Path) -> None:
    file = written(tmp_path, "c: {collective: all_to_all, algorithm: direct, size: 8MB}")
    (tmp_path / "out.csv").write_text(matrix_csv(assemble(read_workload(pod, file))))
    again = assemble(read_workload(pod, written(tmp_path, "m: {matrix: out.csv, algorithm: direct}")))
    assert matrix_csv(again) == (tmp_path / "out.csv").read_text()


def cut(before: str) -> str:
    """The file up to some words."""
    return PING[: PING.index(before)]


NO_RECV = PING.replace("l3: recv 4000000b from 1 tag 8\n", "")
OTHER_TAG = PING.replace("tag 8\n}\n\nrank 1", "tag 9\n}\n\nrank 1")
CIRCLE = PING.replace("l2 requires l1\nl3: recv", "l1 requires l2\nl2 requires l1\nl3: recv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1:1: error[bad-trace]: there is no 'num_ranks'"),
        ("ranks 2\n", ":1:1: error[bad-trace]: 'ranks 2' is not 'num_ranks N'"),
        (cut("uires l1\nl3: recv"), ":6:1: error[bad-trace]: 'l2 req' is no operation"),
        (cut("b from 1"), ":7:1: error[bad-trace]: 'l3: recv 4000000' is no operation"),
        (cut("}"), ":7:1: error[bad-trace]: the file ends within rank 0"),
        (cut("rank 1 {"), ":9:1: error[bad-trace]: rank 1 of 2 is missing"),
        (PING.replace("recv 4000000b from 1", "recv 4b from 1"), ":7:1: error[bad-trace]: 4 B are received"),
        (OTHER_TAG, ":7:1: error[bad-trace]: rank 1 sends rank 0 no message of tag 9"),
        (NO_RECV, ":13:1: error[bad-trace]: rank 0 does not receive this message of tag 8"),
        (CIRCLE, ":4:1: error[bad-trace]: operations wait for one another"),
        (PING.replace("to 1 tag 7", "to 0 tag 7"), ":5:1: error[bad-trace]: a message of rank 0 and itself"),
        (PING.replace("l3 requires l2", "l3 requires l9"), ":15:1: error[bad-trace]: there is no 'l9'"),
    ],
)
def test_a_file_that_is_cut_off_or_wrong_is_told_at_one_line(
    pod: Fabric, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "w.goal").write_text(text)
    with pytest.raises(InputError) as refused:
        read_workload(pod, written(tmp_path, "t: {goal: w.goal}", "{count: 2}"))
    assert len(refused.value.diagnostics) == 1
    assert message in str(refused.value)


def test_a_trace_is_of_as_many_ranks_as_its_group(pod: Fabric, tmp_path: Path) -> None:
    (tmp_path / "ping.goal").write_text(PING)
    with pytest.raises(InputError, match=r"error\[uneven-groups\]: 'ping.goal' has 2 ranks, 'all' 8"):
        read_workload(pod, written(tmp_path, "t: {goal: ping.goal}"))
    with pytest.raises(
        InputError, match=r"error\[no-trace\]: cannot read '.*none.goal': there is no such file"
    ):
        read_workload(pod, written(tmp_path, "t: {goal: none.goal}"))


def test_export_says_what_is_lost_and_import_where_traces_belong(tmp_path: Path) -> None:
    (tmp_path / "ping.goal").write_text(PING.replace("l2 requires l1\nl3: r", "l2 irequires l1\nl3: r"))
    file = str(written(tmp_path, "t: {goal: ping.goal}", "{count: 2}"))
    run_ = CliRunner().invoke(
        app, ["export", "goal", "leaf-spine-16", "--workload", file, "-o", str(tmp_path / "out")]
    )
    assert "not in the GOAL file: names of jobs and nodes, and where ranks are" in run_.stderr
    assert (tmp_path / "out/workload.goal").read_text().startswith("num_ranks 2\n")
    for words in (["export", "goal", "leaf-spine-16"], ["import", "goal", file]):
        refused = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "x")])
        assert isinstance(refused.exception, InputError)
        assert refused.exception.diagnostics[0].code == "bad-option"


SIMAI = """\
HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 4 ep: 1 pp: 1 vpp: 2 ga: 1 all_gpus: 8 pp_comm: 0
2
embedding -1 10000 ALLGATHER 4194304 30000 REDUCESCATTER 4194304 20000 ALLREDUCE 8388608 100
mlp -1 50000 NONE 0 40000 NONE 0 60000 ALLTOALL_EP 1024 100
"""


def test_rows_of_simai_go_forward_and_backward_with_their_bytes(pod: Fabric, tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text(SIMAI)
    graph = read_workload(pod, written(tmp_path, "t: {simai: s.txt}"))
    labels = [step.label for step in graph.jobs[0].nodes[0].steps]
    # Backward from the last row; EP 1 sends nothing.
    assert labels == ["compute", "tp", "compute", "compute", "compute", "compute", "dp", "compute", "tp"]
    job = run(pod, tmp_path, "t: {simai: s.txt}", "{count: 8}").jobs[0]
    assert job.free_ps == (10 + 50 + 60 + 40 + 20 + 30) * US
    # TP stays inside a server; DP, pairs of a rank of each, sends 2 (n - 1) / n of 8 MiB for n = 2.
    assert job.sent_bytes == 8 * (8 << 20)
    assert job.shares_ps["tp"] > 0


STEP = (
    "training: own, layers: 4, hidden: 512, sequence: 64, layer_params: 90000, micro_batches: 2, "
    "forward: 40us, backward: 80us"
)


@pytest.mark.parametrize(
    "more",
    [
        "tp: 2",
        "tp: 4, sequence_parallel: true, sharding: zero1",
        "ep: 4, expert_params: 800000, experts_per_token: 2, sharding: zero2",
    ],
)
def test_a_training_step_goes_to_simai_and_comes_back_with_its_bytes(
    pod: Fabric, tmp_path: Path, more: str
) -> None:
    """What each rank sends in rings of the file's collectives, in all-to-alls less its own part."""
    graph = read_workload(pod, written(tmp_path, f"t: {{{STEP}, {more}}}"))
    plan = plan_of(graph)
    (tmp_path / "back.txt").write_text(simai_text(plan))
    file = read_simai(tmp_path / "back.txt")
    assert (file.tp, file.ep, file.ranks) == (plan.tp, plan.ep, 8)
    ranks = {"": plan.dp, "_EP": plan.ep, "_DP_EP": plan.dp // plan.ep}
    said: Counter[str] = Counter()
    for row in file.rows:
        for each, label in ((row.forward, "tp"), (row.input, "tp"), (row.weight, "dp")):
            if each is not None:
                n = plan.tp if label == "tp" and not each.suffix else ranks[each.suffix]
                turns = 2 if each.operation == "all_reduce" else 1
                said["ep" if each.suffix == "_EP" else label] += turns * each.size_bytes * (n - 1) // n
    steps = graph.jobs[0].nodes[0].steps
    labels = {step.label for step in steps} - {"compute"}
    assert labels == set(said)
    for label in labels:
        sent = sum(sent_bytes(step.parts, 8) for step in steps if step.label == label)
        # Rings share out whole elements of 4 bytes, in each step of each layer.
        assert np.abs(sent - said[label]).max() <= 4 * 2 * 8 * plan.layers
    free_ps = [
        run(pod, tmp_path, nodes, "{count: 8}").jobs[0].free_ps
        for nodes in (f"t: {{{STEP}, {more}}}", "t: {simai: back.txt}")
    ]
    assert free_ps[0] == free_ps[1] == 2 * 4 * 120 * US
    assert any("goes back before the next one comes" in lost for lost in lost_in_simai(plan))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (f"t: {{{STEP}, pp: 2}}", "rows of SimAI cannot say 2 pipeline stages"),
        (f"t: {{{STEP}, cp: 2}}", "rows of SimAI cannot say context-parallel groups of 2"),
        (f"t: {{{STEP}, sharding: zero3}}", "rows of SimAI cannot say parameters that are sharded out"),
        (f"t: {{{STEP}}}, c: {{compute: 1us}}", "a file of SimAI is one 'training' node and nothing else"),
        ("c: {compute: 1us}", "a file of SimAI is one 'training' node and nothing else"),
    ],
)
def test_what_simai_cannot_say_is_not_exported(pod: Fabric, tmp_path: Path, nodes: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_of(read_workload(pod, written(tmp_path, nodes)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1:1: error[bad-trace]: the first line does not begin with HYBRID_TRANSFORMER_FWD_IN_BCKWD"),
        (SIMAI[: SIMAI.index("mlp")], ":3:1: error[bad-trace]: there are 1 rows, the second line says 2"),
        (SIMAI[: SIMAI.index("ALLTOALL")], ":4:1: error[bad-trace]: a row of 9 words, not 12"),
        (SIMAI.replace("pp: 1", "pp: 2"), ":1:1: error[bad-trace]: 2 pipeline stages"),
        (SIMAI.replace("all_gpus: 8", "all_gpus: 6"), ":1:1: error[bad-trace]: TP 4 x EP 1 do not divide 6"),
        (
            SIMAI.replace("ALLTOALL_EP", "GOSSIP"),
            ":4:1: error[bad-trace]: there is no communication 'GOSSIP'",
        ),
        (SIMAI.replace(" 50000", " x"), ":4:1: error[bad-trace]: 'x' is no whole number"),
        (SIMAI.replace("all_gpus: 8", ""), ":1:1: error[bad-trace]: 'all_gpus:' is missing or 0"),
    ],
)
def test_what_is_wrong_with_a_file_of_simai_is_told_at_one_line(
    pod: Fabric, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "s.txt").write_text(text)
    with pytest.raises(InputError) as refused:
        read_workload(pod, written(tmp_path, "t: {simai: s.txt}"))
    assert len(refused.value.diagnostics) == 1
    assert f"s.txt{message}" in str(refused.value)
