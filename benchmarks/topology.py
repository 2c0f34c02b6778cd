"""Times loading of large fabrics: wall and processor seconds, largest memory. Each runs in its own process.

Usage: scripts/bench_topology [--json] [NAME...]
    NAME: an example fabric, or explicit-20000 (default: clos-8192, fat-tree-65536, explicit-20000)
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path

import raddle
from raddle.topology import find

DEFAULT = ("clos-8192", "fat-tree-65536", "explicit-20000")
Figures = dict[str, str | int | float]


def explicit_file(leaves: int = 160, spines: int = 64, hosts_per_leaf: int = 61) -> str:
    """An explicit file that lists every device and every link: 20 000 links by default."""
    devices = [f"  leaf{i}: {{role: leaf, model: wide}}" for i in range(leaves)]
    devices += [f"  spine{i}: {{role: spine, model: wide}}" for i in range(spines)]
    devices += [f"  host{i}: {{role: host}}" for i in range(leaves * hosts_per_leaf)]
    links = []
    for leaf in range(leaves):
        for port in range(hosts_per_leaf):
            host = leaf * hosts_per_leaf + port
            links.append(f'  - {{ends: ["host{host}:eth0", "leaf{leaf}:Ethernet{port}"], cable: 3m}}')
        for spine in range(spines):
            ends = f'["leaf{leaf}:Ethernet{hosts_per_leaf + spine}", "spine{spine}:Ethernet{leaf}"]'
            links.append(f"  - {{ends: {ends}, speed: 400G, cable: 30m}}")
    model = "  wide: {ports: 256, port_speed: 400G, lanes_per_port: 1, buffer: 165MB}"
    return "\n".join(
        ["raddle: 1", "name: explicit", "models:", model, "devices:", *devices, "links:", *links]
    )


def measure(name: str, path: str) -> Figures:
    """Load one fabric in this process."""
    wall_s, busy_s = time.perf_counter(), time.process_time()
    fabric = raddle.load(path)
    return {
        "name": name,
        "switches": len(fabric.switches),
        "endpoints": len(fabric.endpoints),
        "links": len(fabric.links),
        "wall_s": round(time.perf_counter() - wall_s, 2),
        "cpu_s": round(time.process_time() - busy_s, 2),
        "peak_mb": peak_kib() * 1024 // 10**6,
    }


def peak_kib() -> int:
    """Largest memory of this process. (getrusage's counts that of the process that started it, too.)"""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the loading of large fabrics.")
    parser.add_argument("names", nargs="*", default=DEFAULT)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        explicit = Path(folder) / "explicit.yaml"
        explicit.write_text(explicit_file(), encoding="utf-8")
        for name in options.names:
            path = explicit if name == "explicit-20000" else find(name)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                figures = pool.apply(measure, (name, str(path)))
            if options.json:
                print(json.dumps(figures, sort_keys=True))
            else:
                print("  ".join(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
