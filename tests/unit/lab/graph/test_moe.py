"""Dispatch and combine send what expert parallelism has to, and an even placement evens the load."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from raddle.errors import InputError
from raddle.lab.graph.file import read_workload
from raddle.lab.graph.model import Node
from raddle.lab.graph.moe.messages import copy_bytes, straight, through_nodes
from raddle.lab.graph.moe.placement import enough_copies, evened, in_order
from raddle.lab.graph.moe.routing import drawn_hits, expert_loads, uniform_hits, zipf_weights
from raddle.lab.run.settings import RunSettings
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.topology import loads
from raddle.topology.model import Fabric
from raddle.workload import Schedule
from tests.fabrics import servers_of_four

TABLE = Path(__file__).parents[5] / "shared/reference/collectives/moe_volume.csv"


@pytest.fixture(scope="module")
def pod() -> Fabric:
    """2 servers of 4 accelerators."""
    return loads(servers_of_four(2))


def between_nodes(schedule: Schedule, width: int) -> int:
    far = schedule.src // width != schedule.dst // width
    return int(schedule.size_bytes[far].sum())


@pytest.mark.skipif(not TABLE.is_file(), reason="../shared/reference is not there")
def test_volumes_are_those_of_the_reference_table() -> None:
    """Of a million tokens, so that the rounding of messages to bytes does not show."""
    for row in csv.DictReader(TABLE.read_text().splitlines()):
        experts, top_k, ranks, nodes = (int(row[key]) for key in ("experts", "top_k", "ep_ranks", "nodes"))
        width, hidden, tokens = int(row["gpus_per_node"]), int(row["hidden"]), 10**6
        hits = uniform_hits(experts, top_k, ranks, nodes)
        assert hits.rank.sum() == pytest.approx(float(row["expected_distinct_ranks_per_token"]), abs=1e-9)
        assert hits.node.sum() == pytest.approx(float(row["expected_distinct_nodes"]), abs=1e-9)
        fp8, bf16 = copy_bytes(hidden, "fp8"), copy_bytes(hidden, "bf16")
        assert [fp8, bf16] == [int(row[f"dispatch_bytes_per_copy_{kind}"]) for kind in ("fp8", "bf16")]
        assert bf16 == int(row["combine_bytes_per_copy_bf16"])
        direct = straight(hits, tokens, fp8, combines=False)
        each = direct.size_bytes[direct.src == 0].sum() / tokens
        assert each == pytest.approx(float(row["direct_dispatch_remote_bytes_per_token_fp8"]), abs=1e-3)
        if nodes == 1:
            continue
        for size, combines, key in (
            (fp8, False, "dispatch_internode_bytes_per_token_fp8_no_limit"),
            (bf16, True, "combine_internode_bytes_per_token_no_limit"),
        ):
            schedule = through_nodes(hits, tokens, size, combines=combines)
            found = between_nodes(schedule, width) / tokens / ranks
            assert found == pytest.approx(float(row[key]), abs=1e-3), row


def test_tokens_that_are_drawn_go_where_the_formula_says() -> None:
    """Within five standard errors of 20,000 draws."""
    exact = uniform_hits(64, 4, 16, 2)
    drawn = drawn_hits(np.full(64, 1 / 64), in_order(64, 16), 4, 16, 8, None, 1)
    assert drawn.rank == pytest.approx(exact.rank, abs=5 * 0.5 / 20_000**0.5)
    assert drawn.node == pytest.approx(exact.node, abs=5 * 0.5 / 20_000**0.5)
    assert drawn.load.sum() == pytest.approx(4)


def test_a_token_goes_to_no_more_nodes_than_its_limit() -> None:
    hits = drawn_hits(np.full(256, 1 / 256), in_order(256, 64), 8, 64, 8, 4, 1)
    assert 3.9 < hits.node.sum() <= 4
    assert hits.load.sum() == pytest.approx(8)


def test_an_even_placement_with_copies_evens_the_load() -> None:
    """Zipf 0.8 over 256 experts: in order the first of 32 ranks has many times the mean."""
    weights = zipf_weights(256, 0.8)
    placement = evened(expert_loads(weights, 8, 1), 32, 32)
    assert sorted(np.bincount([rank for held in placement for rank in held], minlength=32)) == [9] * 32
    before, after = (
        drawn_hits(weights, held, 8, 32, 8, None, 2).load for held in (in_order(256, 32), placement)
    )
    assert before.max() / before.mean() > 5
    assert after.max() / after.mean() < 1.1
    assert before.sum() == pytest.approx(after.sum())


def test_there_may_be_more_ranks_than_experts_where_copies_fill_them(pod: Fabric, tmp_path: Path) -> None:
    """As 320 ranks with 256 experts and 64 copies: one to each."""
    many = what(
        pod, tmp_path, "moe: dispatch, tokens: 64, experts: 6, copies: 2, placement: even, top_k: 1, zipf: 1"
    )
    load = float(many.what.split("has ")[1].split()[0])
    # Two copies of the two busiest of 1, 1/2, 1/3, ...: the third one is the busiest rank.
    shares = 1 / np.arange(1, 7)
    assert load == pytest.approx(max(shares[0] / 2, shares[1] / 2, shares[2]) * 8 / shares.sum(), abs=0.1)
    with pytest.raises(InputError, match="6 experts and 0 copies do not divide among 8 ranks"):
        what(pod, tmp_path, "moe: dispatch, tokens: 64, experts: 6, top_k: 1")


def test_copies_that_even_the_load_are_counted(pod: Fabric, tmp_path: Path) -> None:
    """The least number: with one round fewer some rank is more than 5 % above the mean."""
    loads = expert_loads(zipf_weights(32, 1.0), 4, 1)
    found = enough_copies(loads, 8)
    busiest = []
    for copies in (found - 8, found):
        held = evened(loads, 8, copies)
        load = [sum(loads[e] / len(held[e]) for e in range(32) if rank in held[e]) for rank in range(8)]
        busiest.append(max(load) / np.mean(load))
    assert busiest[1] <= 1.05 < busiest[0]
    assert enough_copies(np.ones(32), 8) == 0
    assert enough_copies(np.ones(6), 8) == 2
    skew = "moe: dispatch, tokens: 64, experts: 32, top_k: 4, zipf: 1"
    node = what(pod, tmp_path, f"{skew}, placement: even, copies: auto")
    assert f"; with {found} copies the busiest rank has 1.0" in node.what
    with pytest.raises(InputError, match="copies of experts are for an even placement"):
        what(pod, tmp_path, f"{skew}, copies: auto")
    with pytest.raises(InputError, match=r"error\[bad-number\]"):
        what(pod, tmp_path, f"{skew}, placement: even, copies: some")


def test_what_a_gate_passes_on_waits_for_it(pod: Fabric) -> None:
    hits = uniform_hits(16, 2, 8, 2)
    for combines in (False, True):
        schedule = through_nodes(hits, 10_000, 7392, combines=combines)
        owner = np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets))
        if combines:
            assert (schedule.dst[schedule.dep_ids] == schedule.src[owner]).all()
        far = schedule.src // 4 != schedule.dst // 4
        assert (schedule.src[far] % 4 == schedule.dst[far] % 4).all()  # along the rail
        assert far[owner].all() == combines
        assert (schedule.dst[schedule.dep_ids] == schedule.src[owner]).all()


def test_dispatch_and_combine_take_what_their_nics_take(pod: Fabric, tmp_path: Path) -> None:
    """4096 tokens, 23 of 30 of which go to the other node: 7,392 B each, 4178/4096 on a wire of 100G.

    On top come acknowledgements the other way (86 of 4178), and an eighth of the hop inside.
    """
    path = tmp_path / "w.yaml"
    path.write_text(
        "raddle: 1\nname: w\nnodes:\n"
        "  d: {moe: dispatch, tokens: 4096, experts: 16, top_k: 2}\n"
        "  c: {moe: combine, tokens: 4096, experts: 16, top_k: 2, precision: fp8, after: d}\n"
    )
    settings = RunSettings(fidelity="fluid")
    result = run_workload(pod, WorkloadRequest(read_workload(pod, path), "ecmp", settings))
    node_chance = 1 - (8 * 7) / (16 * 15)
    bound_ps = 4096 * node_chance * 7392 * 8 * (4178 / 4096) / 100e9 * 1e12
    for row in result.nodes:
        assert row.begin_ps is not None
        assert row.end_ps is not None
        assert bound_ps < row.end_ps - row.begin_ps < 1.1 * bound_ps


def what(pod: Fabric, folder: Path, node: str) -> Node:
    path = folder / "w.yaml"
    path.write_text(f"raddle: 1\nname: w\nnodes:\n  n: {{{node}}}\n")
    return read_workload(pod, path).jobs[0].nodes[0]


def test_the_gain_of_a_placement_is_stated(pod: Fabric, tmp_path: Path) -> None:
    skew = "moe: dispatch, tokens: 64, experts: 32, top_k: 4, zipf: 1"
    plain = what(pod, tmp_path, skew).what
    even = what(pod, tmp_path, f"{skew}, placement: even, copies: 8").what
    in_order_load = plain.split("has ")[1]
    assert even.endswith(f"in order {in_order_load}")
    assert float(even.split("has ")[1].split()[0]) < 1.2 < float(in_order_load.split()[0])


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            "moe: dispatch, tokens: 8, experts: 12",
            "4:12: error[groups-do-not-cover]: 12 experts and 0 copies",
        ),
        ("moe: dispatch, tokens: 8, experts: 16, top_k: 17", "a token takes 17 of 16 experts"),
        ("moe: dispatch, tokens: 8, copies: 8", "copies of experts are for an even placement"),
        ("moe: dispatch, tokens: 8, zipf: 1, weights: w.csv", "'zipf' and 'weights' both say"),
        ("moe: dispatch, tokens: 8, weights: none.csv", "error[no-matrix]: cannot read"),
        ("moe: send, tokens: 8", "4:12: error[bad-choice]: 'send' is not a valid 'moe'"),
    ],
)
def test_what_does_not_fit_is_told(pod: Fabric, tmp_path: Path, node: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        what(pod, tmp_path, node)
    assert message in str(refused.value)


def test_an_unknown_expert_is_told_at_its_line(pod: Fabric, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("expert,weight\n0,1\n99,1\n1,x\n")
    with pytest.raises(InputError) as refused:
        what(pod, tmp_path, "moe: dispatch, tokens: 8, experts: 16, top_k: 2, weights: w.csv")
    assert "w.csv:3:1: error[unknown-expert]: there is no expert '99'" in str(refused.value)
    assert "w.csv:4:1: error[bad-weights]: 'x' is no weight" in str(refused.value)


def test_an_expert_has_one_weight(pod: Fabric, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("expert,weight\n0,1\n1,1\n0,9\n")
    with pytest.raises(InputError) as refused:
        what(pod, tmp_path, "moe: dispatch, tokens: 8, experts: 16, top_k: 2, weights: w.csv")
    assert "w.csv:4:1: error[bad-weights]: expert 0 has a row above" in str(refused.value)


def test_each_rank_has_its_own_experts_where_a_matrix_says_so(pod: Fabric, tmp_path: Path) -> None:
    """Tokens of rank 0 take experts 2 and 3, which are rank 1's, those of others 14 and 15, rank 7's."""
    rows = [[0.0] * 16 for _ in range(8)]
    rows[0][2:4] = [1, 1]
    for row in rows[1:]:
        row[14:] = [3, 1]
    (tmp_path / "m.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    skew = "tokens: 10, experts: 16, top_k: 2, weights: m.csv, mode: low_latency"
    node = what(pod, tmp_path, f"moe: dispatch, {skew}")
    assert node.what.endswith("the busiest rank has 7.00 x the mean load")
    back = what(pod, tmp_path, f"moe: combine, precision: fp8, {skew}")
    for each, turned in ((node, False), (back, True)):
        schedule = each.steps[0].parts[0].messages.schedule
        src, dst = (schedule.dst, schedule.src) if turned else (schedule.src, schedule.dst)
        sent = {(s, d): size for s, d, size in zip(src, dst, schedule.size_bytes, strict=True) if size}
        assert sent == {(0, 1): 10 * 7392} | {(rank, 7): 10 * 7392 for rank in range(1, 7)}
    # Through nodes: rank 1 and its neighbours send the other node one copy of each token, rank 0 none.
    normal = what(pod, tmp_path, "moe: dispatch, tokens: 10, experts: 16, top_k: 2, weights: m.csv")
    schedule = normal.steps[0].parts[0].messages.schedule
    far = (schedule.src < 4) & (schedule.dst >= 4)
    by_rank = np.bincount(schedule.src[far], schedule.size_bytes[far], 4)
    assert by_rank.tolist() == [0, 10 * 7392, 10 * 7392, 10 * 7392]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1\n" * 7, "m.csv:7:1: error[bad-weights]: 7 rows for 8 ranks"),
        ("1,1\n" * 8, "m.csv:1:1: error[bad-weights]: 2 cells for 16 experts"),
        (
            "1,1" + ",0" * 14 + "\n" + ("1," * 15 + "-1\n") * 7,
            "m.csv:2:1: error[bad-weights]: '-1' is no weight",
        ),
        (("1" + ",0" * 15 + "\n") * 8, "m.csv:1:1: error[bad-weights]: 1 experts have a weight"),
        ("", "m.csv:1:1: error[bad-weights]: 0 rows for 8 ranks"),
    ],
)
def test_what_is_wrong_with_a_matrix_of_weights_is_told_at_its_line(
    pod: Fabric, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError) as refused:
        what(pod, tmp_path, "moe: dispatch, tokens: 8, experts: 16, top_k: 2, weights: m.csv")
    assert message in str(refused.value)
