"""Simulated dispatch and combine of experts beside DeepEP's published bandwidths.

Prints a table of moe_deepep.csv: what was measured, what is simulated, the error. Nothing is fitted: a server
is 8 H800 of 200 GB/s each way, and a NIC of 400G behind a bus of 48.5 GB/s each; servers share a leaf for
each rail, and four spines join these without blocking. Bandwidths are DeepEP's: in mode normal the bytes of a
token's distinct nodes (one server: ranks), its own counted, over the time; in low latency those of all top 8
copies. 4096 tokens of 7168 values in mode normal, with experts on at most 4 nodes; 128 in low latency.

Usage: scripts/validate-moe FOLDER [LARGEST]    (LARGEST: of the expert-parallel groups; default 256, all)
"""

from __future__ import annotations

import csv
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from raddle import loads
from raddle.lab.graph.file import read_workload
from raddle.lab.graph.moe.messages import copy_bytes
from raddle.lab.graph.moe.placement import in_order
from raddle.lab.graph.moe.routing import drawn_hits, uniform_hits, zipf_weights
from raddle.lab.run.settings import RunSettings
from raddle.lab.workload import WorkloadRequest, run_workload

FABRIC = """\
raddle: 1
name: h800-{servers}
fabric:
  kind: rail-optimized
  leaves: {{count: 8, model: tomahawk4-64x400g, name: "rail{{rail}}"}}
  spines: {{count: 4, model: tomahawk4-64x400g}}
  uplinks: {{per_pair: 8, speed: 400G}}
hosts:
  per_leaf: {servers}
  accelerators: {{kind: gpu, model: h800, count: 8, scale_up: {{kind: nvlink, bandwidth: 200GBps}}}}
  nics: {{per_accelerator: 1, speed: 400G, bus: 48.5GBps}}
roce: {{congestion_control: none}}
"""

EXPERTS, TOP_K, HIDDEN, NODE_LIMIT = 256, 8, 7168, 4
TOKENS = {"normal": 4096, "low_latency": 128}


def main() -> None:
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(__doc__)
    largest = int(sys.argv[2]) if len(sys.argv) > 2 else 256
    path = Path(sys.argv[1]) / "moe_deepep.csv"
    errors = []
    print(f"{'mode':<12} {'phase':<9} {'EP':>4} {'us':>9} {'GB/s':>7} {'published':>9}  error")
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        mode, phase, ranks = row["mode"], row["phase"], int(row["expert_parallel"])
        if ranks > largest:
            continue
        time_us = simulated_us(mode, phase, ranks)
        rate = logical_bytes(mode, phase, ranks) / time_us / 1e3
        error = rate / float(row["gbyte_per_s"]) - 1
        errors.append(abs(error))
        print(
            f"{mode:<12} {phase:<9} {ranks:>4} {time_us:>9.1f} {rate:>7.1f} "
            f"{row['gbyte_per_s']:>9}  {error:+.0%}"
        )
    print(f"mean error {sum(errors) / len(errors):.0%} of {len(errors)} rows")


def simulated_us(mode: str, phase: str, ranks: int) -> float:
    """Microseconds that a dispatch or combine takes among so many ranks, as messages that flow."""
    fabric = loads(FABRIC.format(servers=max(ranks // 8, 2)))
    limit = f", node_limit: {NODE_LIMIT}" if mode == "normal" else ""
    node = f"moe: {phase}, mode: {mode}, tokens: {TOKENS[mode]}{limit}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moe.yaml"
        path.write_text(f"raddle: 1\nname: moe\nranks: {{count: {ranks}}}\nnodes:\n  n: {{{node}}}\n")
        graph = read_workload(fabric, path)
    request = WorkloadRequest(graph, "ecmp", replace(RunSettings(), fidelity="fluid"))
    return (run_workload(fabric, request).jobs[0].time_ps or 0) / 1e6


def logical_bytes(mode: str, phase: str, ranks: int) -> float:
    """What DeepEP divides by the time."""
    each = TOKENS[mode] * copy_bytes(HIDDEN, "fp8" if phase == "dispatch" else "bf16")
    nodes = ranks // 8
    if mode == "low_latency":
        return each * TOP_K
    if nodes <= NODE_LIMIT:
        hits = uniform_hits(EXPERTS, TOP_K, ranks, nodes)
    else:
        hits = drawn_hits(zipf_weights(EXPERTS, 0), in_order(EXPERTS, ranks), TOP_K, ranks, 8, NODE_LIMIT, 1)
    return each * float((hits.rank if nodes == 1 else hits.node).sum())


if __name__ == "__main__":
    main()
