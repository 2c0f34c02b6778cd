"""A training step sends what the formulas say, in the order of its pipeline."""

from __future__ import annotations

import csv
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from raddle.errors import InputError
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.graph.free import free_finish_ps
from raddle.lab.graph.model import Step
from raddle.lab.graph.training.messages import sent_bytes
from raddle.lab.graph.training.pipeline import passes
from raddle.lab.graph.training.plan import Sharding, TrainingPlan
from raddle.lab.graph.training.step import training_steps
from raddle.lab.run.settings import Fidelity, RunSettings
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.report.workload import JobRow
from raddle.topology import find, load, loads
from raddle.topology.model import Fabric
from tests.fabrics import servers_of_four

TABLE = Path(__file__).parents[5] / "shared/reference/collectives/training_volume.csv"
MS = 10**9

PLAN = TrainingPlan(
    tp=1, cp=1, dp=1, pp=1, ep=1, chunks=1, layers=4, micro_batches=1, activation_bytes=4096, kv_bytes=0,
    params=64, expert_params=0, grad_bytes=4, param_bytes=2, sharding="ddp", over_cp=False, forward_ps=MS,
    backward_ps=2 * MS, bucket_bytes=1 << 40, overlaps=True, sequence_parallel=False, token_bytes=0,
    combine_bytes=0,
)  # fmt: skip


def sent(steps: tuple[Step, ...], label: str, ranks: int, rank: int) -> int:
    """What a rank sends in all steps of a label."""
    known: dict[int, int] = {}
    total = 0
    for step in steps:
        if step.label != label:
            continue
        for part in step.parts:
            if rank not in part.ranks:
                continue
            key = id(part.messages) * ranks + int(np.flatnonzero(part.ranks == rank)[0])
            if key not in known:
                known[key] = int(sent_bytes([part], ranks)[rank])
            total += known[key]
    return total


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(TABLE.read_text().splitlines()))


def plan_of(row: dict[str, str], sharding: Sharding = "ddp") -> TrainingPlan:
    number = {key: int(value) for key, value in row.items() if value.isdigit()}
    tokens = number["micro_batch"] * number["seq"] // number["cp"]
    return replace(
        PLAN,
        tp=number["tp"], cp=number["cp"], dp=number["dp"], pp=number["pp"], chunks=number["vpp"],
        layers=number["layers"], micro_batches=number["num_micro"],
        activation_bytes=tokens * number["hidden"] * number["bytes_act"],
        kv_bytes=2 * tokens * number["kv_hidden"] * number["bytes_act"],
        params=number["params_local"], grad_bytes=number["bytes_grad"], param_bytes=number["bytes_act"],
        sharding=sharding,
    )  # fmt: skip


@pytest.mark.skipif(not TABLE.is_file(), reason="../shared/reference is not there")
def test_volumes_are_those_of_the_reference_table() -> None:
    """A rank of an inner stage; the number of stages, data-parallel ranks and micro-batches is cut where the
    table is in proportion to them, as the whole is a million steps."""
    assert len(rows()) >= 5
    for row in rows():
        plan, want = plan_of(row), {key: int(value) for key, value in row.items() if value.isdigit()}
        cut = replace(plan, layers=plan.layers // plan.pp * min(plan.pp, 3), pp=min(plan.pp, 3))
        cut = replace(cut, micro_batches=cut.pp, dp=1) if plan.pp > 1 else replace(cut, dp=1)
        steps = training_steps(cut)
        inner = cut.ranks // 2
        rest = Fraction(plan.micro_batches, cut.micro_batches)
        assert sent(steps, "tp", cut.ranks, inner) * rest == want["tp_ring_bytes_sent_per_rank_per_step"], row
        together = training_steps(replace(cut, sequence_parallel=True))
        key = "tp_sp_allgather_plus_reducescatter_bytes_sent_excluding_regather"
        assert sent(together, "tp", cut.ranks, inner) * rest == want[key], row
        if plan.pp > 1:
            assert sent(steps, "pp", cut.ranks, inner) * rest == want["pp_mid_stage_bytes_sent_per_step"], row
        passed = Fraction(sent(steps, "cp", cut.ranks, inner), cut.micro_batches * (plan.layers // plan.pp))
        forward = want["cp_ring_forward_bytes_sent_per_layer_per_micro"]
        assert passed == forward + want["cp_ring_backward_bytes_sent_per_layer_per_micro"], row


@pytest.mark.skipif(not TABLE.is_file(), reason="../shared/reference is not there")
@pytest.mark.parametrize(
    ("sharding", "key"),
    [("ddp", "dp_allreduce_ring_bytes_sent"), ("zero1", "zero1_bytes_sent"), ("zero2", "zero1_bytes_sent"),
     ("zero3", "zero3_bytes_sent_one_microbatch")],
)  # fmt: skip
def test_gradients_and_parameters_are_those_of_the_reference_table(sharding: Sharding, key: str) -> None:
    """Within 16 bytes for each layer and operation: shares of a ring are whole elements of 4 bytes."""
    for row in rows():
        plan = replace(plan_of(row, sharding), tp=1, cp=1, pp=1, micro_batches=1, chunks=1)
        plan = replace(plan, layers=plan.layers // int(row["pp"]))
        for bucket in (1, 1 << 40):
            found = sent(training_steps(replace(plan, bucket_bytes=bucket)), "dp", plan.ranks, 1)
            assert found == pytest.approx(int(row[key]), abs=16 * 3 * plan.layers), (row["name"], bucket)


@pytest.mark.parametrize(("chunks", "bubble"), [(1, Fraction(7, 32)), (4, Fraction(7, 128))])
def test_bubble_of_eight_stages_and_32_micro_batches_is_that_of_the_table(
    tmp_path: Path, chunks: int, bubble: Fraction
) -> None:
    """(p - 1) / (v m) of the time that a stage computes, where messages take none (arXiv 2104.04473, 2.2)."""
    text = (
        "raddle: 1\nname: w\nranks: {count: 8}\nnodes:\n  s: {training: own, pp: 8, micro_batches: 32, "
        f"chunks: {chunks}, layers: 32, hidden: 8, sequence: 8, layer_params: 8, forward: 2ms}}\n"
    )
    path = tmp_path / "w.yaml"
    path.write_text(text)
    laid_out = assemble(read_workload(load(find("leaf-spine-16")), path))
    computed_ps = 4 * 32 * 6 * MS
    assert int(free_finish_ps(laid_out.workload).max()) == computed_ps + bubble * computed_ps


def test_order_of_1f1b_is_that_of_the_paper() -> None:
    """Figure 4 of arXiv 2104.04473: 4 stages, 8 micro-batches."""
    first, last = (
        "".join(("F" if each.is_forward else "B") + str(each.micro_batch) for each in passes(stage, 4, 1, 8))
        for stage in (0, 3)
    )
    assert first == "F0F1F2F3B0F4B1F5B2F6B3F7B4B5B6B7"
    assert last == "F0B0F1B1F2B2F3B3F4B4F5B5F6B6F7B7"


def test_interleaved_stages_hold_no_more_micro_batches_than_they_may() -> None:
    for stage in range(4):
        alive, most, done = 0, 0, []
        for each in passes(stage, 4, 2, 8):
            alive += 1 if each.is_forward else -1
            most = max(most, alive)
            done.append((each.is_forward, each.chunk, each.micro_batch))
        assert len(set(done)) == 2 * 2 * 8
        assert most == min((4 - stage - 1) * 2 + 4 + 1, 16)


def test_experts_send_each_token_to_as_many_ranks_as_it_meets_experts() -> None:
    """4 (e-1)/e of tokens x k x hidden x bytes, in FP8 on the way out forward (arXiv 2006.16668)."""
    plan = replace(PLAN, dp=8, ep=4, token_bytes=8 * 1024, combine_bytes=16 * 1024, expert_params=4000)
    steps = training_steps(plan)
    assert sent(steps, "ep", 8, 3) == 4 * (8 + 3 * 16) * 1024 * 3 // 4
    # Two ranks hold the same experts, eight the same of everything else.
    assert sent(steps, "dp", 8, 3) == 2 * 64 * 4 * 7 // 8 + 4000 * 4


@pytest.fixture(scope="module")
def pod() -> Fabric:
    """4 servers of 4 accelerators."""
    return loads(servers_of_four(4))


def run(pod: Fabric, folder: Path, step: str, fidelity: Fidelity = "fluid") -> JobRow:
    path = folder / "w.yaml"
    path.write_text(f"raddle: 1\nname: w\nnodes:\n  s: {{training: own, {step}}}\n")
    settings = RunSettings(fidelity=fidelity)
    return run_workload(pod, WorkloadRequest(read_workload(pod, path), "ecmp", settings)).jobs[0]


SMALL = "layers: 4, hidden: 512, sequence: 256, layer_params: 1000000, micro_batches: 4, forward: 1ms"


def test_where_messages_are_small_the_step_takes_what_it_computes(pod: Fabric, tmp_path: Path) -> None:
    tiny = "layers: 4, hidden: 4, sequence: 4, layer_params: 64, micro_batches: 4, forward: 100ms"
    job = run(pod, tmp_path, f"{tiny}, tp: 4, pp: 2")
    assert job.free_ps == 2 * 4 * 300 * MS + 1 * 2 * 300 * MS
    assert job.time_ps == pytest.approx(job.free_ps, rel=2e-3)
    assert job.bubble_ps == 600 * MS


def test_parts_of_a_step_add_up_and_overlap_hides_gradients(pod: Fabric, tmp_path: Path) -> None:
    hidden = run(pod, tmp_path, f"{SMALL}, tp: 4, bucket: 1MB")
    late = run(pod, tmp_path, f"{SMALL}, tp: 4, bucket: 1MB, overlap: false")
    for job in (hidden, late):
        assert sum(job.shares_ps.values()) == pytest.approx(job.time_ps, abs=8)
        assert job.shares_ps["compute"] == 4 * 4 * 3 * MS
    assert hidden.sent_bytes == late.sent_bytes
    assert 0 < hidden.shares_ps["dp"] < late.shares_ps["dp"]
    assert (hidden.time_ps or 0) < (late.time_ps or 0)


def test_all_kinds_of_parallelism_run_together_as_packets_and_as_fluid(pod: Fabric, tmp_path: Path) -> None:
    step = (
        f"{SMALL}, tp: 2, cp: 2, pp: 2, ep: 2, expert_params: 100000, experts_per_token: 2, sharding: zero3, "
        "sequence_parallel: true, chunks: 2"
    )
    packets, fluid = run(pod, tmp_path, step, "packet"), run(pod, tmp_path, step)
    assert set(packets.shares_ps) >= {"compute", "tp", "pp", "dp"}
    assert packets.sent_bytes == fluid.sent_bytes
    assert fluid.time_ps == pytest.approx(packets.time_ps, rel=0.05)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("training: gpt-31b", "4:17: error[unknown-model]: no model 'gpt-31b'"),
        ("training: own, layers: 4", "4:17: error[missing-key]: 'hidden' is missing in 's'"),
        (
            "training: gpt-13b, tp: 3",
            "error[groups-do-not-cover]: TP 3 x CP 1 x PP 4 = 12 ranks do not cover",
        ),
        ("training: gpt-13b, tp: 1, pp: 1, ep: 3", "error[groups-do-not-cover]: expert-parallel groups of 3"),
        ("training: gpt-13b, tp: 1, pp: 16", "error[bad-workload]: 40 layers do not divide into 16 stages"),
        (
            "training: gpt-13b, tp: 1, chunks: 2, micro_batches: 6",
            "error[bad-workload]: 6 micro-batches are no multiple of 4 stages",
        ),
    ],
)
def test_what_does_not_fit_is_told(pod: Fabric, tmp_path: Path, step: str, message: str) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(f"raddle: 1\nname: w\nnodes:\n  s: {{{step}}}\n")
    with pytest.raises(InputError) as refused:
        read_workload(pod, path)
    assert message in str(refused.value)


def test_two_steps_slow_one_another_where_paths_are_hashed_and_not_where_they_are_pinned(
    tmp_path: Path,
) -> None:
    """A server of each job at every leaf, so that gradients of both cross the spines."""
    hall = loads(
        "raddle: 1\nname: hall\n"
        "fabric: {leaves: {count: 4}, spines: {count: 4}, uplinks: {per_pair: 2, speed: 100G}}\n"
        "hosts: {per_leaf: 2, accelerators: {count: 4, scale_up: {bandwidth: 1T}}, "
        "nics: {per_accelerator: 1, speed: 100G}}\n"
    )
    step = f"training: own, {SMALL}, tp: 4, pp: 1, layer_params: 40000000"
    step = step.replace("layer_params: 1000000, ", "")
    path = tmp_path / "w.yaml"
    path.write_text(
        "raddle: 1\nname: w\n"
        'groups: {even: {hosts: "host0,host2,host4,host6"}, odd: {hosts: "host1,host3,host5,host7"}}\n'
        f"jobs:\n  a: {{nodes: {{s: {{{step}, group: even}}}}}}\n"
        f"  b: {{nodes: {{s: {{{step}, group: odd}}}}}}\n"
    )
    workload = read_workload(hall, path)
    hashed, pinned = (
        run_workload(hall, WorkloadRequest(workload, routing, RunSettings(fidelity="fluid"))).jobs
        for routing in ("ecmp", "pinned")
    )
    for meeting, apart in zip(hashed, pinned, strict=True):
        assert meeting.slowdown is not None
        assert meeting.slowdown > 1.1
        assert (apart.time_ps, apart.slowdown) == (apart.alone_ps, 1)
        assert (apart.time_ps or 0) < 0.6 * (meeting.time_ps or 0)
        assert apart.free_ps == meeting.free_ps == 48 * MS
