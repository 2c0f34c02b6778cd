"""What is wrong with a workload file is told once, at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from raddle.errors import InputError
from raddle.lab.graph.file import read_workload
from raddle.topology import find, load
from raddle.topology.model import Fabric

HEAD = "raddle: 1\nname: w\n"
GROUPS = "groups: {a: {ranks: 0-7}, b: {hosts: 'host[8-15]'}, few: {ranks: 0-2}}\n"


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return load(find("leaf-spine-16"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", ":1:1: error[not-a-workload]: the file holds no mapping at its top"),
        (HEAD, ":1:1: error[bad-workload]: the file has neither of 'nodes' and 'jobs'"),
        (HEAD + "nodes: {}\n", ":3:1: error[bad-workload]: there is no node"),
        (HEAD + "nodes: {n: 5}\n", ":3:12: error[wrong-shape]: expected a mapping as 'n'"),
        (HEAD + "nodes:\n  n: {group: all}\n", ":4:3: error[node-kind]: 'n' is of no kind"),
        (HEAD + "nodes:\n  n: {compute: 1us, delay: 2us}\n", ":4:3: error[node-kind]: 'n' is several things"),
        (HEAD + "nodes:\n  n: {compute: 5}\n", ":4:16: error[bad-time]: '5'"),
        (
            HEAD + "nodes:\n  n: {compute: 5us, onn: all}\n",
            ":4:21: error[unknown-key]: unknown key 'onn' in 'n'",
        ),
        (HEAD + "nodes:\n  n: {compute: 5us, group: c}\n", ":4:28: error[unknown-group]: no group 'c'"),
        (
            HEAD + "nodes:\n  n: {compute: 5us, after: m}\n",
            ":4:28: error[unknown-node]: there is no node 'm'",
        ),
        (HEAD + "nodes:\n  n: {compute: 5us, after: n}\n", ":4:28: error[unknown-node]: waits for itself"),
        (
            HEAD + "nodes:\n  n: {collective: all_sum, size: 1MiB}\n",
            ":4:19: error[unknown-collective]: no collective 'all_sum'",
        ),
        (
            HEAD + "nodes:\n  n: {decode: 3, micro_batches: 2, attention: 1us}\n",
            ":4:33: error[bad-workload]: 3 tokens are no 2 equal micro-batches",
        ),
        (
            HEAD + "nodes:\n  n: {decode: 2, layers: 4, simulate: 5, attention: 1us}\n",
            ":4:39: error[bad-workload]: there are 4 layers, not 5",
        ),
        (
            HEAD + "nodes:\n  n: {decode: 2, memory: 1TBps, attention: 1us}\n",
            ":4:26: error[bad-workload]: 'expert_weights' and 'memory' together say how long",
        ),
        (HEAD + "nodes:\n  n: {prefill: 2}\n", ":4:6: error[missing-key]: 'attention' is missing in 'n'"),
        (
            HEAD + "nodes:\n  n: {prefill: 2, attention: 1us, experts: 6}\n",
            ":4:16: error[groups-do-not-cover]: 6 experts and 0 copies do not divide among 16 ranks",
        ),
        (
            HEAD + GROUPS + "nodes:\n  n: {kv_cache: 9, from: a, to: few}\n",
            ":5:33: error[uneven-groups]: rank 0 would send to itself",
        ),
        (
            HEAD + GROUPS + "nodes:\n  n: {send: 1KB, from: a, to: few}\n",
            ":5:31: error[uneven-groups]: 'a' has 8 ranks and 'few' 3",
        ),
        (
            HEAD + GROUPS + "nodes:\n  n: {send: 1KB, from: a, to: a}\n",
            ":5:31: error[uneven-groups]: rank 0 would send to itself",
        ),
        (
            HEAD + "groups:\n  g: {ranks: 0-14, size: 4}\nnodes: {n: {compute: 1us}}\n",
            ":4:26: error[groups-do-not-cover]: groups of 4 do not cover the 15 ranks of 'g'",
        ),
        (
            HEAD + "groups:\n  g: {ranks: 0-15, size: 4, stride: 3}\nnodes: {n: {compute: 1us}}\n",
            ":4:26: error[groups-do-not-cover]: groups of 4, each 3 from the one before, do not cover the 16",
        ),
        (
            HEAD + "groups:\n  g: {ranks: 0-16}\nnodes: {n: {compute: 1us}}\n",
            ":4:14: error[bad-group]: there is no rank 16; ranks are 0..15",
        ),
        (
            HEAD + "groups:\n  g: {ranks: [0-3, 2-5]}\nnodes: {n: {compute: 1us}}\n",
            ":4:3: error[bad-group]: a rank is in 'g' twice",
        ),
        (
            HEAD + "groups:\n  g: {size: 2}\nnodes: {n: {compute: 1us}}\n",
            ":4:3: error[bad-group]: 'g' has neither of 'ranks' and 'hosts'",
        ),
        (
            HEAD + "groups:\n  g: {ranks: 0-3, stride: 2}\nnodes: {n: {compute: 1us}}\n",
            ":4:19: error[bad-group]: a 'stride' without a 'size'",
        ),
        (
            HEAD + "groups:\n  g: {hosts: host99}\nnodes: {n: {compute: 1us}}\n",
            ":4:14: error[unknown-device]: no host 'host99'",
        ),
        (
            HEAD + "ranks: {count: 99}\nnodes: {n: {compute: 1us}}\n",
            ":3:1: error[bad-ranks]: 99 ranks do not fit 16 accelerators",
        ),
        (
            HEAD + GROUPS + "nodes:\n  x: {compute: 1us, group: a}\n  y: {compute: 1us, after: x}\n",
            ":6:3: error[waits-for-others]: rank 8 of 'y' has no part in 'x' and cannot know its end",
        ),
        (
            HEAD + "nodes:\n  x: {compute: 1us, after: z}\n  y: {delay: 1us, after: x}\n"
            "  z: {delay: 1us, after: y}\n",
            ":4:3: error[workload-cycle]: nodes wait for one another: x -> y -> z -> x",
        ),
        (
            HEAD + "nodes:\n  x: {compute: 1us, after: z}\n  y: {compute: 1us, after: x}\n"
            "  z: {compute: 1us, after: y}\n",
            ":4:3: error[workload-cycle]: nodes wait for one another: x -> y -> z -> x",
        ),
        (
            HEAD + "nodes:\n  x: {compute: 1us, after: y}\n  y: {compute: 1us}\n",
            ":4:3: error[workload-cycle]: nodes wait for one another: x (stream compute) -> y -> x",
        ),
        (
            HEAD + "nodes:\n  x: {collective: all_reduce, size: 1MiB, algorithm: rong}\n",
            ":4:54: error[unknown-algorithm]: no all_reduce algorithm 'rong'",
        ),
        (
            HEAD + "nodes:\n  x: {collective: all_reduc, size: 1MiB, algorithm: ring}\n",
            ":4:19: error[unknown-collective]: no collective 'all_reduc'",
        ),
        (
            HEAD + "nodes:\n  x: {matrix: none.csv}\n",
            ":4:15: error[no-matrix]: cannot read",
        ),
    ],
)
def test_each_mistake_is_told_at_its_place(fabric: Fabric, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_workload(fabric, path)
    assert len(refused.value.diagnostics) == 1
    assert f"w.yaml{message}" in str(refused.value)


def test_a_matrix_that_is_no_square_is_told_at_its_own_line(fabric: Fabric, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("0,16\n16,0\n16,16\n")
    path = tmp_path / "w.yaml"
    path.write_text(HEAD + "groups: {two: {ranks: 0-1}}\nnodes:\n  n: {matrix: m.csv, group: two}\n")
    with pytest.raises(
        InputError, match=r"m.csv:3:1: error\[bad-matrix\]: 3 rows of 2 columns are no square"
    ):
        read_workload(fabric, path)


def test_all_mistakes_of_nodes_are_told_at_once(fabric: Fabric, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(HEAD + "nodes:\n  n: {compute: 5}\n  m: {send: 1KB, from: all, to: c}\n")
    with pytest.raises(InputError) as refused:
        read_workload(fabric, path)
    assert [each.code for each in refused.value.diagnostics] == ["bad-time", "unknown-group"]
