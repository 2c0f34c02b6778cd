"""Graphs of computing and messages take the times that their parts take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator

from raddle.cli.documents import schema_of
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.graph.free import free_finish_ps
from raddle.lab.graph.shares import Span, time_shares
from raddle.lab.run.settings import Fidelity, RunSettings
from raddle.lab.run.watch import Watch
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.report.workload import WorkloadResult, workload_json
from raddle.topology import find, load
from raddle.topology.model import Fabric

US = 1_000_000


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    fabric = load(find("leaf-spine-16"))
    return replace(fabric, roce=replace(fabric.roce, congestion_control="none"))


def run(
    fabric: Fabric, folder: Path, nodes: str, groups: str = "", fidelity: Fidelity = "packet"
) -> WorkloadResult:
    path = folder / "w.yaml"
    path.write_text(f"raddle: 1\nname: w\ngroups: {{{groups}}}\nnodes:\n{nodes}")
    settings = RunSettings(fidelity=fidelity)
    return run_workload(fabric, WorkloadRequest(read_workload(fabric, path), "ecmp", settings))


def took(result: WorkloadResult) -> dict[str, tuple[int, int]]:
    assert result.is_done
    return {n.name: (n.begin_ps, n.end_ps) for n in result.nodes}  # type: ignore[misc]


@pytest.mark.parametrize("fidelity", ["packet", "fluid"])
def test_computing_and_sending_in_turn_add_up(fabric: Fabric, tmp_path: Path, fidelity: Fidelity) -> None:
    """50 us, 4 MB, 30 us, 4 MB back: 977 frames of 4,178 bytes at 400G, the last of 2,386, over 4 links."""
    result = run(
        fabric,
        tmp_path,
        "  f: {compute: 50us, group: a}\n  s: {send: 4MB, from: a, to: b, after: f}\n"
        "  b: {compute: 30us, group: b, after: s}\n  r: {send: 4MB, from: b, to: a, after: b}\n",
        "a: {hosts: host0}, b: {hosts: host8}",
        fidelity,
    )
    (job,), nodes = result.jobs, took(result)
    message_ps = nodes["s"][1] - nodes["s"][0]
    assert message_ps == pytest.approx(84.58 * US, rel=1e-3)
    assert nodes["r"] == (nodes["s"][1] + 30 * US, nodes["s"][1] + 30 * US + message_ps)
    assert job.time_ps == 80 * US + 2 * message_ps
    assert job.free_ps == 80 * US
    assert sum(job.shares_ps.values()) == pytest.approx(job.time_ps, abs=4)
    assert job.shares_ps["compute"] == 40 * US  # 50 on one rank and 30 on the other


def test_a_collective_takes_what_it_takes_alone(fabric: Fabric, tmp_path: Path) -> None:
    result = run(
        fabric, tmp_path, "  c: {compute: 7us}\n  r: {collective: all_reduce, size: 1MiB, after: c}\n"
    )
    (row,) = run_bench(fabric, BenchRequest("all_reduce", None, (1 << 20,), "ecmp")).rows
    begin_ps, end_ps = took(result)["r"]
    # Queue pairs have other numbers, so other paths by the hash.
    assert (begin_ps, end_ps - begin_ps) == (7 * US, pytest.approx(row.time_ps, rel=1e-3))


def test_an_accelerator_computes_one_thing_at_a_time(fabric: Fabric, tmp_path: Path) -> None:
    result = run(
        fabric, tmp_path, "  a: {compute: 5us}\n  b: {compute: 6us}\n  c: {delay: 4us}\n  d: {delay: 3us}\n"
    )
    found = took(result)
    assert found == {"a": (0, 5 * US), "b": (5 * US, 11 * US), "c": (0, 4 * US), "d": (0, 3 * US)}


def test_operations_of_one_group_go_one_by_one_and_others_beside_them(fabric: Fabric, tmp_path: Path) -> None:
    size = "collective: all_gather, size: 512KiB"
    nodes = f"  one: {{{size}, group: low}}\n  two: {{{size}, group: low}}\n  else: {{{size}, group: high}}\n"
    found = took(run(fabric, tmp_path, nodes, "low: {ranks: 0-3}, high: {ranks: 4-7}"))
    assert found["one"][0] == found["else"][0] == 0
    assert found["two"][0] >= found["one"][1] - US  # the first rank that is through begins the next one
    assert found["two"][1] == pytest.approx(2 * found["one"][1], rel=0.1)


def test_a_rank_waits_for_its_own_part_alone(fabric: Fabric, tmp_path: Path) -> None:
    """Two pairs: what the second computes does not wait for the first pair's larger messages."""
    nodes = (
        "  s: {send: 4MB, from: a, to: b}\n  t: {send: 4KB, from: c, to: d}\n"
        "  x: {collective: all_reduce, size: 4KiB, group: g, after: t}\n"
    )
    groups = "a: {ranks: 0}, b: {ranks: 4}, c: {ranks: 8}, d: {ranks: 12}, g: {ranks: [8, 12]}"
    found = took(run(fabric, tmp_path, nodes, groups))
    assert found["x"][1] < 20 * US < found["s"][1]


def test_a_step_moves_the_bytes_of_its_parts(fabric: Fabric, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(
        "raddle: 1\nname: w\ngroups: {tp: {ranks: 0-15, size: 4}, dp: {ranks: 0-15, size: 4, stride: 4}}\n"
        "nodes:\n  a: {collective: all_reduce, size: 1MiB, group: tp}\n"
        "  b: {collective: reduce_scatter, size: 2MiB, group: dp, after: a}\n"
    )
    laid_out = assemble(read_workload(fabric, path))
    schedule, node = laid_out.workload.schedule, laid_out.node_of_flow
    sent = [np.bincount(schedule.src, schedule.size_bytes * (node == n), 16) for n in (0, 1)]
    assert (sent[0] == 2 * 3 * (1 << 20) // 4).all()
    assert (sent[1] == 3 * (2 << 20) // 4).all()
    groups = {
        frozenset(pair)
        for pair in zip(schedule.src[node == 1].tolist(), schedule.dst[node == 1].tolist(), strict=True)
    }
    assert all(len({rank % 4 for rank in pair}) == 1 for pair in groups)


def test_file_and_result_are_as_their_schemas_say(fabric: Fabric, tmp_path: Path) -> None:
    nodes = "  a: {compute: 5us, group: g}\n  b: {send: 1KB, from: g, to: h, after: [a]}\n"
    result = run(fabric, tmp_path, nodes, "g: {ranks: 0-3}, h: {ranks: [4-5, 6-7]}")
    Draft202012Validator(schema_of("workload-result")).validate(json.loads(workload_json(result)))
    validator = Draft202012Validator(schema_of("workload"))
    written = yaml.load((tmp_path / "w.yaml").read_text(), yaml.CSafeLoader)
    validator.validate(written)
    written["nodes"]["a"]["compute"] = "5"
    assert not validator.is_valid(written)


def test_free_time_is_the_longest_chain_of_computing(fabric: Fabric, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(
        "raddle: 1\nname: w\ngroups: {a: {ranks: 0}, b: {ranks: 1}}\nnodes:\n  f: {compute: 5us, group: a}\n"
        "  s: {send: 1GB, from: a, to: b, after: f}\n  g: {compute: 4us, group: b, after: s}\n"
        "  h: {compute: 3us, group: a, after: f}\n"
    )
    laid_out = assemble(read_workload(fabric, path))
    assert free_finish_ps(laid_out.workload).max() == 9 * US


def test_a_ranks_time_is_shared_out_without_a_rest() -> None:
    spans = [Span(10, 40, "compute"), Span(0, 30, "tp"), Span(20, 60, "dp"), Span(50, 80, "pp")]
    assert time_shares(spans, 0, 100) == {"tp": 10, "compute": 30, "dp": 10, "pp": 30, "idle": 20}
    assert time_shares(spans, 0, 55) == {"tp": 10, "compute": 30, "dp": 10, "pp": 5}


@pytest.mark.parametrize("size", ["4MiB", "4M", "4194304", "4194304B"])
def test_sizes_of_messages_are_those_of_bench_too(fabric: Fabric, tmp_path: Path, size: str) -> None:
    """K, M and G are powers of 1024, as nccl-tests has them; 4MB would be 4,000,000."""
    nodes = f"  a: {{collective: all_reduce, size: {size}}}\n"
    path = tmp_path / "w.yaml"
    path.write_text(f"raddle: 1\nname: w\nnodes:\n{nodes}")
    (job,) = read_workload(fabric, path).jobs
    assert job.nodes[0].what.endswith(" 4MiB")


def test_long_workloads_flow_by_themselves_and_short_ones_do_not(fabric: Fabric, tmp_path: Path) -> None:
    """A minute is 6e7 packets over 4 links, of 4,096 bytes: 246 GB."""
    groups, notices = "a: {hosts: host0}, b: {hosts: host8}", []
    path = tmp_path / "w.yaml"
    watch = Watch(notice=notices.append)
    for size, fidelity in (("200GB", "auto"), ("260GB", "fluid")):
        path.write_text(
            f"raddle: 1\nname: w\ngroups: {{{groups}}}\nnodes:\n  s: {{send: {size}, from: a, to: b}}\n"
        )
        settings = RunSettings(fidelity="auto", until_ps=10 * US)
        request = WorkloadRequest(read_workload(fabric, path), "ecmp", settings)
        result = run_workload(fabric, request, watch=watch)
        assert result.fidelity == fidelity
        assert bool(result.left_out) == (fidelity == "fluid")
        assert bool(result.not_forwarded) == (fidelity == "auto")
    (flows,) = [line for line in notices if "flow" in line]
    assert flows.startswith(
        "about 6.3e+07 packets over up to 4 links each: 1 min of computing; messages flow"
    )
    broken = replace(fabric, phy=replace(fabric.phy, bit_error_ratio=1e-15))
    result = run_workload(broken, request, watch=watch)
    assert result.fidelity == "auto"  # bit errors drop packets
