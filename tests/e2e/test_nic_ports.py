"""All ports and planes of a NIC carry what its rank sends; tenants' jobs run side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle import loads
from raddle.cli.main import app
from raddle.lab.bench import run_bench, run_jobs
from raddle.lab.bench_request import BenchRequest
from raddle.lab.workloads.ranks import Scope

MIB = 1 << 20
LINE_GBS = 50 * 4096 / 4178
"""Payload of one port of 400G, 4096 bytes with 82 around them."""

BONDED = """
raddle: 1
name: bonded
fabric: {tors: 2, leaves: {count: 4}, spines: {count: 4}, uplinks: {cable: 30m}}
hosts: {per_leaf: 2, accelerators: {count: 1}, nics: {ports: 2}}
"""
PLANES = """
raddle: 1
name: planes
fabric: {planes: 2, leaves: {count: 2}, spines: {count: 2}, uplinks: {cable: 30m}}
hosts: {per_leaf: 2, accelerators: {count: 1}, nics: {ports: 2}}
"""
DOWN = "overrides: {links: [{ends: ['host0:eth0p1', LEAF], state: down}]}\n"


def busbw_gbs(text: str, size_bytes: int = 32 * MIB) -> float:
    result = run_bench(loads(text), BenchRequest("all_reduce", "ring", (size_bytes,), "pinned"))
    [row] = result.rows
    assert row.wrong == 0
    assert row.busbw_gbs
    # The printed line rate is of ports that are alive.
    assert 0.93 * result.line_rate_gbs < row.busbw_gbs <= result.line_rate_gbs
    return row.busbw_gbs


@pytest.mark.parametrize("text", [BONDED, PLANES], ids=["bonded", "planes"])
def test_a_ring_over_two_ports_comes_within_7_percent_of_both(text: str) -> None:
    assert 0.93 * 2 * LINE_GBS < busbw_gbs(text) <= 2 * LINE_GBS


@pytest.mark.parametrize(
    ("text", "leaf"), [(BONDED, "leaf1"), (PLANES, "p1-leaf0")], ids=["bonded", "planes"]
)
def test_a_dead_port_halves_what_a_ring_through_it_carries(text: str, leaf: str) -> None:
    """A ring is as fast as its slowest rank."""
    assert 0.93 * LINE_GBS < busbw_gbs(text + DOWN.replace("LEAF", leaf)) <= LINE_GBS


def test_tenants_side_by_side_have_a_table_each() -> None:
    tenants = "tenants: [{name: a, hosts: 'host[0-1]'}, {name: b, hosts: 'host[2-3]'}]\n"
    scopes = (Scope(tenant="a"), Scope(tenant="b"))
    request = BenchRequest("all_reduce", "ring", (MIB,), "pinned", scopes)
    results = run_jobs(loads(BONDED + tenants), request)
    assert [result.tenant for result in results] == ["a", "b"]
    # They share no link: each has the time that it has alone.
    alone = run_bench(
        loads(BONDED + tenants), BenchRequest("all_reduce", "ring", (MIB,), "pinned", scopes[:1])
    )
    assert [result.rows[0].time_ps for result in results] == [alone.rows[0].time_ps] * 2
    assert [result.rows[0].wrong for result in results] == [0, 0]


def test_the_command_prints_a_document_for_each_tenant(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(BONDED + "tenants: [{name: a, hosts: 'host[0-1]'}, {name: b, hosts: 'host[2-3]'}]\n")
    sizes = ["-b", "64K", "-e", "64K"]
    result = CliRunner().invoke(app, ["bench", str(file), "--tenant", "a", "--tenant", "b", *sizes, "--json"])
    assert [job["tenant"] for job in json.loads(result.stdout)["jobs"]] == ["a", "b"]
    text = CliRunner().invoke(app, ["bench", str(file), "--tenant", "a", "--tenant", "b", *sizes]).stdout
    assert text.count("# all_reduce ring on bonded, 2 ranks of tenant") == 2
