"""Closed forms of `raddle expect` beside figures that others have measured.

Usage: python -m benchmarks.expected_points FOLDER, where real_points.csv has the columns system, collective,
nodes, size_bytes and busbw_gbyte_per_s. What a system is taken for stands in SYSTEMS; rows of others, and of
several numbers of nodes, are listed as left out. Nothing is fitted to any row.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import raddle
from raddle.lab.expect.curve import point_of
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.ranks import Scope

_PEAK_BYTES = 8 << 30
"""Where a row gives no size: one at which latency is nothing."""


@dataclass(frozen=True, slots=True)
class System:
    """Servers of `each` accelerators, their NICs; GB/s of a port inside, and of sums in its switch."""

    model: str
    each: int
    nics: int
    speed: str
    scale_up: float
    in_network: float = 0.0


SYSTEMS = {
    "DGX A100 8x200G IB": System("a100", 8, 8, "200G", 300),
    "A100 8x(2x100G) RoCE": System("a100", 8, 8, "200G", 300),
    "4x200G NIC ring": System("a100", 8, 4, "200G", 300),
    "8x100G RoCE": System("a100", 8, 8, "100G", 300),
    "H100 NVSwitch single node": System("h100", 8, 8, "400G", 370.8, 475),
    "H100 8x400G": System("h100", 8, 8, "400G", 370.8, 475),
    "H800 8x400G": System("h800", 8, 8, "400G", 180),
}


def expected_gbs(system: System, collective: str, nodes: int, size_bytes: int) -> tuple[float, str]:
    """Bus bandwidth by the closed form, of what NCCL's model would take, and what ran."""
    network = f", in_network: {system.in_network}GBps" if system.in_network else ""
    fabric = raddle.loads(
        f"raddle: 1\nname: points\n"
        f"fabric: {{leaves: {{count: {max(2, nodes)}}}, spines: {{count: {system.nics}}}}}\n"
        f"hosts: {{per_leaf: 1, accelerators: {{count: {system.each}, model: {system.model}, "
        f"scale_up: {{bandwidth: {system.scale_up}GBps{network}}}}}, "
        f"nics: {{count: {system.nics}, speed: {system.speed}}}}}\n"
    )
    hosts = f"host[0-{nodes - 1}]" if nodes > 1 else "host0"
    job = find_job(fabric, collective, None, Scope(hosts=hosts), sizes_bytes=(size_bytes,))
    point = point_of(job, size_bytes)
    size = point.messages.size_bytes
    _, busbw = job.collective.bandwidth_gbs(job.ranks, size, round(point.time_s() * 1e12))
    return busbw, f"{point.messages.algorithm} {point.messages.protocol}".strip()


def main() -> None:
    """Print the table."""
    print("| system | operation | nodes | size | measured | closed form | off by | algorithm |")
    print("|---|---|---|---|---|---|---|---|")
    left_out = []
    with (Path(sys.argv[1]) / "real_points.csv").open(newline="") as rows:
        for row in csv.DictReader(rows):
            system = SYSTEMS.get(row["system"])
            if system is None or not row["nodes"].isdigit():
                left_out.append(row["system"])
                continue
            size_bytes = int(row["size_bytes"] or _PEAK_BYTES)
            gbs, ran = expected_gbs(system, row["collective"], int(row["nodes"]), size_bytes)
            measured = float(row["busbw_gbyte_per_s"])
            print(
                f"| {row['system']} | {row['collective']} | {row['nodes']} | {row['size_bytes'] or 'peak'} |"
                f" {measured:g} | {gbs:.1f} | {gbs / measured - 1:+.0%} | {ran} |"
            )
    print(f"left out: {', '.join(left_out)}")


if __name__ == "__main__":
    main()
