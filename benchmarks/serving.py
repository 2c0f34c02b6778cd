"""Decoding a mixture of experts with small and with large expert-parallel groups, and what of the gain is
network.

The model is DeepSeek-V3's form (arXiv 2412.19437: 61 layers of 7168, 256 experts of 44 million parameters, 8
for a token, 187 million for attention, 576 values of a token's keys in a layer) with weights of one byte, on
NPUs of 64 GB that read 1.6 TB/s (Ascend 910B). Assumed, and the same for every size: context of 4096 tokens
in BF16, 4 GB kept free, computing is reading (weights once for all requests, the cache of each), experts are
equally popular, all layers have experts. Requests are as many as fit memory, or as the time of a token allows
where it is limited. Nothing is fitted.

Usage: scripts/large-ep [FABRIC [MILLISECONDS]]    (npu-128-910b; longest time of a token, 100)
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from raddle import load
from raddle.lab.graph.file import read_workload
from raddle.lab.run.settings import RunSettings
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.report.workload import ServedRow
from raddle.topology import find
from raddle.topology.model import Fabric

LAYERS, EXPERTS, EXPERT_BYTES, ATTENTION_BYTES = 61, 256, 44_040_192, 187_107_328
CACHE_BYTES, CONTEXT = 1152, 4096
MEMORY_BYTES, FREE_BYTES, BYTES_PER_US = 64 * 10**9, 4 * 10**9, 1_600_000
SIZES = (8, 16, 32, 64, 128, 320)
COPIES = {320: 64}
"""Experts that are held twice, so that every accelerator holds as many."""


def main() -> None:
    fabric = load(find(sys.argv[1] if len(sys.argv) > 1 else "npu-128-910b"))
    limit_us = 1000 * float(sys.argv[2]) if len(sys.argv) > 2 else 100_000.0
    print(
        f"{'EP':>4} {'requests':>8} {'computing':>10} {'token':>9} {'waits':>6} {'tokens/s':>9}   gain  free"
    )
    first = None
    for ranks in SIZES:
        if ranks > len(fabric.accelerators.host):
            continue
        requests = requests_of(ranks, limit_us)
        if requests < 1:
            print(f"{ranks:>4}  its weights do not fit {MEMORY_BYTES // 10**9} GB, or a token takes too long")
            continue
        row = simulated(fabric, ranks, requests)
        computing_us = LAYERS * layer_us(ranks, requests)
        free = requests * 1e6 / computing_us
        first = first or (row.tokens_per_s, free)
        times = f"{computing_us / 1e3:>7.2f} ms {row.step_ps / 1e9:>6.2f} ms {row.waits:>6.1%}"
        gains = f"{row.tokens_per_s / first[0]:>6.2f} {free / first[1]:>5.2f}"
        print(f"{ranks:>4} {requests:>8} {times} {row.tokens_per_s:>9.0f} {gains}", flush=True)
    print("gain: over the first; free: if messages took no time. A bank published 1.6 for large groups.")


def held(ranks: int) -> int:
    """Experts of a layer on an accelerator."""
    return (EXPERTS + COPIES.get(ranks, 0)) // ranks


def layer_us(ranks: int, requests: int) -> float:
    """Computing of a layer."""
    read = ATTENTION_BYTES + held(ranks) * EXPERT_BYTES + requests * CONTEXT * CACHE_BYTES
    return read / BYTES_PER_US


def requests_of(ranks: int, limit_us: float) -> int:
    """As many as fit memory and, computing alone, the longest time of a token."""
    weights = LAYERS * (ATTENTION_BYTES + held(ranks) * EXPERT_BYTES)
    room = MEMORY_BYTES - FREE_BYTES - weights
    fit = room // (LAYERS * CONTEXT * CACHE_BYTES)
    in_time = (limit_us - LAYERS * layer_us(ranks, 0)) / (LAYERS * (layer_us(ranks, 1) - layer_us(ranks, 0)))
    return int(min(fit, in_time))


def simulated(fabric: Fabric, ranks: int, requests: int) -> ServedRow:
    """Two layers of every group that fits the fabric, side by side, as messages that flow."""
    count = len(fabric.accelerators.host) // ranks * ranks
    attention_us = (ATTENTION_BYTES + requests * CONTEXT * CACHE_BYTES) / BYTES_PER_US
    experts_us = layer_us(ranks, requests) - attention_us
    placement = f", placement: even, copies: {COPIES[ranks]}" if ranks in COPIES else ""
    node = (
        f"decode: {requests}, group: pool, layers: {LAYERS}, simulate: 2, attention: {attention_us:.3f}us,"
        f" expert_time: {experts_us:.3f}us{placement}"
    )
    text = f"groups: {{pool: {{ranks: 0-{count - 1}, size: {ranks}}}}}\nnodes: {{token: {{{node}}}}}\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "serving.yaml"
        path.write_text(f"raddle: 1\nname: serving\nranks: {{count: {count}}}\n{text}")
        graph = read_workload(fabric, path)
    request = WorkloadRequest(graph, "ecmp", replace(RunSettings(), fidelity="fluid"))
    served = run_workload(fabric, request).nodes[0].served
    assert served is not None
    return served


if __name__ == "__main__":
    main()
