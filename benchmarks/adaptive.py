"""What adaptive routing does to a ring all-reduce over 32 strided ranks, on simulated, programmed switches.

4 leaves and 8 spines of 400G, 8 hosts a leaf. Bus bandwidth in GB/s; the line's payload rate is 49.02.

Usage: scripts/bench_adaptive [MIB ...]      (default: 32)
"""

import sys
from typing import Literal

from raddle import loads
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.workloads.ranks import Scope

FABRIC = """
raddle: 1
name: adaptive
models:
  box: {hwsku: Box, platform: x86_64-box-r0, ports: 32, port_speed: 400G, lanes_per_port: 8, buffer: 64MB,
        cell: 256B, latency: 600ns, features: [adaptive-routing]}
fabric: {leaves: {count: 4, model: box}, spines: {count: 8, model: box}}
hosts: {per_leaf: 8, nics: NICS}
routing: {adaptive: ADAPTIVE}
"""

CASES: dict[str, tuple[str, Literal["ecmp", "pinned"], str]] = {
    "hash": ("none", "ecmp", "{}"),
    "flowlet, idle 256us": ("{mode: flowlet}", "ecmp", "{}"),
    "flowlet, idle 16us": ("{mode: flowlet, idle: 16us}", "ecmp", "{}"),
    "flowlet, idle 2us": ("{mode: flowlet, idle: 2us}", "ecmp", "{}"),
    "packet, go-back-n": ("{mode: packet}", "ecmp", "{}"),
    "packet, selective repeat": ("{mode: packet}", "ecmp", "{retransmission: selective-repeat}"),
    "packet, the same, reorder 64": (
        "{mode: packet}",
        "ecmp",
        "{retransmission: selective-repeat, reorder: 64}",
    ),
    "pinned": ("none", "pinned", "{}"),
}


def main() -> None:
    sizes = [int(text) << 20 for text in sys.argv[1:]] or [32 << 20]
    print(f"{'routing':<30}" + "".join(f"{size >> 20:>8} MiB" for size in sizes))
    for name, (adaptive, routing, nics) in CASES.items():
        fabric = loads(FABRIC.replace("ADAPTIVE", adaptive).replace("NICS", nics))
        result = run_bench(
            fabric, BenchRequest("all_reduce", "ring", tuple(sizes), routing, (Scope("strided"),))
        )
        rates = (f"{row.busbw_gbs:>12.2f}" if row.busbw_gbs else f"{'not done':>12}" for row in result.rows)
        print(f"{name:<30}" + "".join(rates), flush=True)


if __name__ == "__main__":
    main()
