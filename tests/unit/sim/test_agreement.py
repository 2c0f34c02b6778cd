"""The engine against recorded runs of other simulators."""

from __future__ import annotations

from pathlib import Path

import pytest

from raddle.peers.agreement import CASES, Case, compare
from raddle.peers.models import HTSIM, NS3_HPCC
from raddle.peers.paths import HtsimPaths, ns3_hash

REFERENCE = Path(__file__).parents[3].parent / "shared/reference/simulators"

needs_recorded_runs = pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"no recorded runs at {REFERENCE}")


def find_case(model: object, title: str) -> Case:
    return next(case for case in CASES if case.model is model and case.title.startswith(title))


@needs_recorded_runs
@pytest.mark.parametrize("model", [NS3_HPCC, HTSIM], ids=["ns3-hpcc", "htsim"])
def test_flows_inside_a_leaf_agree_within_half_a_percent(model: object) -> None:
    assert compare(find_case(model, "128 flows"), REFERENCE).worst < 0.005


@needs_recorded_runs
def test_permutation_with_pfc_agrees_with_ns3_per_flow() -> None:
    result = compare(find_case(NS3_HPCC, "permutation"), REFERENCE)
    assert result.median < 0.005
    assert result.worst < 0.03
    assert result.drops == 0
    assert result.peer_pauses is not None
    assert 0.8 < result.pauses / result.peer_pauses < 1.25


@needs_recorded_runs
def test_permutation_with_pfc_agrees_with_htsim_per_flow() -> None:
    result = compare(find_case(HTSIM, "permutation"), REFERENCE)
    assert result.median < 0.005
    assert result.worst < 0.03
    assert abs(result.last) < 0.01
    assert result.drops == 0


@needs_recorded_runs
def test_permutation_with_dcqcn_agrees_with_ns3_in_distribution() -> None:
    result = compare(find_case(NS3_HPCC, "permutation, DCQCN"), REFERENCE)
    assert len(result.errors) == 10
    assert abs(result.mean) < 0.03
    assert abs(result.p99) < 0.05
    assert abs(result.last) < 0.05
    assert result.peer_pauses is not None
    assert 0.5 < result.pauses / result.peer_pauses < 2
    assert result.drops == 0


@needs_recorded_runs
def test_ring_with_dcqcn_agrees_with_ns3_per_flow() -> None:
    result = compare(find_case(NS3_HPCC, "ring"), REFERENCE)
    assert abs(result.last) < 0.01
    assert result.median < 0.0005
    assert result.worst < 0.01


@needs_recorded_runs
def test_modelled_hash_takes_the_recorded_uplinks() -> None:
    rows = (REFERENCE / "inputs/caseA_perm_16MB.hpcc_spine.csv").read_text().split()[1:]
    for row in rows:
        src, dst, spine = map(int, row.split(","))
        leaf = 128 + src // 16
        assert 15 - ns3_hash(leaf, src, dst, 10_000, 100) % 16 == spine
    assert len(rows) == 128


@needs_recorded_runs
def test_modelled_random_numbers_take_the_uplinks_of_htsims_run() -> None:
    clock_s = find_case(HTSIM, "permutation").clock_s
    assert clock_s is not None
    paths = HtsimPaths(clock_s, range(8), 16)
    rows = (REFERENCE / "inputs/caseA_perm_16MB.htsim_spine.csv").read_text().split()[1:]
    for flow_id, row in enumerate(rows, 1):
        src, _, spine = map(int, row.split(","))
        assert paths.uplink(src // 16, flow_id) == spine
    assert len(rows) == 128
