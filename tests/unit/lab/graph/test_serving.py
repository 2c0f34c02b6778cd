"""Pools that serve a mixture of experts take what their parts take one by one, and their caches go round."""

from __future__ import annotations

from pathlib import Path

import pytest

from raddle.lab.graph.file import read_workload
from raddle.lab.run.settings import RunSettings
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.report.workload import WorkloadResult, workload_text
from raddle.topology import loads
from raddle.topology.model import Fabric
from raddle.units import parse_time_ps
from tests.fabrics import servers_of_four

EXPERTS = "hidden: 1024, experts: 32, top_k: 4"
US = 10**6


@pytest.fixture(scope="module")
def pod() -> Fabric:
    """4 servers of 4 accelerators."""
    return loads(servers_of_four(4) + "roce: {congestion_control: none}\n")


def run(fabric: Fabric, folder: Path, nodes: str, groups: str = "") -> WorkloadResult:
    file = folder / "w.yaml"
    file.write_text(f"raddle: 1\nname: w\ngroups: {{{groups}}}\nnodes:\n{nodes}")
    settings = RunSettings(fidelity="fluid")
    return run_workload(fabric, WorkloadRequest(read_workload(fabric, file), "ecmp", settings))


@pytest.mark.parametrize("mode", ["low_latency", "normal"])
def test_a_decoding_step_takes_what_its_computing_and_messages_take(
    pod: Fabric, tmp_path: Path, mode: str
) -> None:
    served = run(
        pod, tmp_path,
        f"  token: {{decode: 64, {EXPERTS}, mode: {mode}, attention: 30us, expert_time: 20us, layers: 2}}\n",
    )  # fmt: skip
    one_by_one, before = "", "[]"
    for layer in range(2):
        for name, node in (
            ("a", "compute: 30us"),
            ("d", f"moe: dispatch, tokens: 64, mode: {mode}, {EXPERTS}"),
            ("e", "compute: 20us"),
            ("c", f"moe: combine, tokens: 64, mode: {mode}, {EXPERTS}"),
        ):
            one_by_one += f"  {name}{layer}: {{{node}, after: {before}}}\n"
            before = f"{name}{layer}"
    plain = run(pod, tmp_path, one_by_one)
    time_ps = plain.jobs[0].time_ps
    assert served.jobs[0].time_ps == time_ps
    row = served.nodes[0].served
    assert row is not None
    assert time_ps is not None
    assert row.step_ps == time_ps
    assert row.tokens_per_s == pytest.approx(64 * 1e12 / time_ps)
    assert row.waits == pytest.approx(1 - 100 * US / time_ps)
    assert served.jobs[0].free_ps == 100 * US


def test_a_few_layers_stand_for_all(pod: Fabric, tmp_path: Path) -> None:
    node = f"decode: 64, {EXPERTS}, attention: 30us, expert_time: 20us, layers: 12"
    every = run(pod, tmp_path, f"  token: {{{node}}}\n").nodes[0].served
    few = run(pod, tmp_path, f"  token: {{{node}, simulate: 2}}\n")
    some = few.nodes[0].served
    assert every is not None
    assert some is not None
    assert some.step_ps == pytest.approx(every.step_ps, rel=0.001)
    assert ", 2 of its 12 layers simulated; " in workload_text(few)
    assert some.tokens_per_s == pytest.approx(every.tokens_per_s, rel=0.01)


def test_micro_batches_hide_each_others_messages(pod: Fabric, tmp_path: Path) -> None:
    node = f"decode: 64, {EXPERTS}, attention: 300us, expert_time: 300us, layers: 4"
    alone = run(pod, tmp_path, f"  token: {{{node}}}\n").nodes[0].served
    halves = run(pod, tmp_path, f"  token: {{{node}, micro_batches: 2}}\n").nodes[0].served
    assert alone is not None
    assert halves is not None
    messages_ps = alone.step_ps - 4 * 600 * US
    # Twice the computing; only the last combine has nothing beside it.
    assert 8 * 600 * US < halves.step_ps < 8 * 600 * US + messages_ps / 4
    assert halves.waits < alone.waits / 2


def test_reading_a_ranks_experts_takes_as_long_as_memory_lets_it(pod: Fabric, tmp_path: Path) -> None:
    """32 experts and 16 copies on 16 ranks: 3 of 1 MB each at 1 TB/s are 3 us, and half a layer more is
    attention."""
    read = "expert_weights: 1MB, memory: 1TBps, placement: even, copies: 16"
    result = run(pod, tmp_path, f"  token: {{decode: 8, {EXPERTS}, attention: 3us, {read}, layers: 5}}\n")
    assert result.jobs[0].free_ps == 5 * 6 * US
    slow = run(
        pod, tmp_path, f"  t: {{decode: 8, {EXPERTS}, attention: 3us, expert_time: 9us, {read}, layers: 5}}\n"
    )
    assert slow.jobs[0].free_ps == 5 * 12 * US


def test_a_cache_goes_from_pool_to_pool_round_its_ranks(pod: Fabric, tmp_path: Path) -> None:
    """12 requests of 1000 tokens x 10 layers x 1152 bytes from 4 ranks: one for each of the others, over a
    NIC of 100G each."""
    groups = "prompts: {ranks: 0-3}, answers: {ranks: 4-15}"
    nodes = (
        f"  prompt: {{prefill: 4096, group: prompts, {EXPERTS}, attention: 1ms, layers: 10, simulate: 1}}\n"
        "  cache: {kv_cache: 1000, requests: 3, layers: 10, from: prompts, to: answers, after: prompt}\n"
        "  token: {decode: 4, group: answers, hidden: 1024, experts: 36, top_k: 4, attention: 9us, layers: 2,"
        " after: cache}\n"
    )
    result = run(pod, tmp_path, nodes, groups)
    prompt, cache, token = result.nodes
    assert result.jobs[0].shares_ps["kv"] > 0
    assert prompt.end_ps is not None
    assert cache.begin_ps is not None
    assert prompt.end_ps <= cache.begin_ps < prompt.end_ps + 5 * US  # the last combine is acknowledged
    assert cache.end_ps is not None
    size = 1000 * 10 * 1152
    # 3 requests over one NIC: frames of 4096 bytes are 4178 on the wire.
    wire_ps = 3 * size * 4178 / 4096 * 8 * 10
    assert cache.end_ps - cache.begin_ps == pytest.approx(wire_ps, rel=0.01)
    assert token.begin_ps is not None
    assert cache.begin_ps < token.begin_ps <= cache.end_ps  # ranks go on when they have theirs
    assert prompt.served is not None
    assert prompt.served.step_ps == pytest.approx(10 * prompt.end_ps, rel=0.01)


def test_time_of_a_token_is_printed_with_what_it_waits_for(pod: Fabric, tmp_path: Path) -> None:
    result = run(pod, tmp_path, f"  token: {{decode: 64, {EXPERTS}, attention: 1ms, layers: 1}}\n")
    found = result.nodes[0].served
    assert found is not None
    (line,) = [line for line in workload_text(result).splitlines() if line.startswith("# token: ")]
    assert line.startswith("# token: 64 tokens of each accelerator in 1.0")
    assert parse_time_ps(line.split(" in ")[1].split(",")[0]) == pytest.approx(found.step_ps, rel=1e-3)
    assert line.endswith(f"{found.waits:.1%} of it waits for messages")
