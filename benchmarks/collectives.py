"""Simulated bus bandwidth of servers of 8 H100 with a 400G NIC each, beside published figures.

Prints a table for each file that is there: what the formulas say (h100_8x400g_closed_form.csv), what was
measured (real_points.csv), and what depends on size (efficiency_by_size.csv), with each error and
their mean. Nothing is fitted: a server is 8 accelerators of 370.8 GB/s each way, 475 GB/s of bus bandwidth in
the switch, and a NIC of 400G behind a bus of 48.5 GB/s each; servers share a leaf for each rail.

Usage: scripts/validate-collectives FOLDER [SERVERS [LARGEST]]
       (default: 1 and 2 servers, sizes up to 1GiB; closed forms are compared at the largest)
"""

from __future__ import annotations

import csv
import sys
from functools import cache
from pathlib import Path

from raddle import loads
from raddle.errors import InputError
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.topology.model import Fabric
from raddle.units import parse_size_bytes

FABRIC = """\
raddle: 1
name: h100-{servers}
fabric:
  kind: rail-optimized
  leaves: {{count: 8, model: tomahawk4-64x400g, name: "rail{{rail}}"}}
  spines: {{count: 1, model: tomahawk4-64x400g}}
  uplinks: {{per_pair: 8, speed: 400G}}
hosts:
  per_leaf: {servers}
  accelerators:
    kind: gpu
    model: h100
    count: 8
    scale_up: {{kind: nvlink, bandwidth: 2966.4G, in_network: 475GBps}}
  nics: {{per_accelerator: 1, speed: 400G, bus: 48.5GBps}}
roce: {{congestion_control: none}}
"""

MEASURED_ON = {"H100 8x400G", "H800 8x400G", "H100 NVSwitch single node"}
"""Systems of real_points.csv that are what is simulated."""

NAMES = {"all_to_all": {"direct": "pxn"}}
"""What the tables' algorithms are called here."""


def main() -> None:
    words = [*sys.argv[1:], *("", "1,2", "1GiB")[len(sys.argv) - 1 :]]
    folder, largest = Path(words[0]), parse_size_bytes(words[2])
    servers = [int(word) for word in words[1].split(",")]
    if not folder.is_dir():
        sys.exit(__doc__)
    closed = _rows(folder / "h100_8x400g_closed_form.csv")
    forms = {
        (row["collective"], row["algorithm"], int(row["nodes"])): float(row["busbw_gbyte_per_s"])
        for row in closed
    }
    _compare(
        "closed forms",
        [(key, largest, gbs) for key, gbs in forms.items() if key[2] in servers],
    )
    _compare(
        "measured",
        [
            (
                (row["collective"], "auto", int(row["nodes"])),
                int(row["size_bytes"] or largest),
                float(row["busbw_gbyte_per_s"]),
            )
            for row in _rows(folder / "real_points.csv")
            if row["system"] in MEASURED_ON and row["nodes"].isdigit() and int(row["nodes"]) in servers
        ],
    )
    by_size = [
        (
            (row["collective"], row["algorithm"], int(row["nodes"])),
            int(row["size_bytes"]),
            float(row["fraction_of_closed_form"]),
        )
        for row in _rows(folder / "efficiency_by_size.csv")
    ]
    _compare(
        "by size",
        [
            (key, size, share * forms[key])
            for key, size, share in by_size
            if key in forms and key[2] in servers and size <= largest
        ],
    )


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _compare(title: str, rows: list[tuple[tuple[str, str, int], int, float]]) -> None:
    """A table of expected and simulated GB/s of bus bandwidth, as each row is done."""
    print(
        f"{title}\n{'operation':<24}{'servers':>8}{'size':>12}{'expected':>10}{'simulated':>10}{'error':>8}"
    )
    errors = []
    for (collective, algorithm, servers), size_bytes, expected in rows:
        name = NAMES.get(collective, {}).get(algorithm, algorithm)
        # NVLS-tree of one server is NVLS.
        name = "nvls" if (name, servers) == ("nvls_tree", 1) else name
        found = _busbw_gbs(servers, collective, name, size_bytes)
        text, error = "refused", ""
        if found is not None:
            errors.append(found / expected - 1)
            text, error = f"{found:.1f}", f"{errors[-1]:+.1%}"
        print(
            f"{collective + ' ' + name:<24}{servers:>8}{size_bytes:>12}{expected:>10.1f}{text:>10}{error:>8}",
            flush=True,
        )
    if errors:
        mean = sum(map(abs, errors)) / len(errors)
        print(f"mean error {mean:.1%}, largest {max(errors, key=abs):+.1%}, of {len(errors)} rows\n")


@cache
def _fabric(servers: int) -> Fabric:
    return loads(FABRIC.format(servers=servers))


@cache
def _busbw_gbs(servers: int, collective: str, algorithm: str, size_bytes: int) -> float | None:
    request = BenchRequest(collective, algorithm, (size_bytes,), "pinned")
    try:
        [row] = run_bench(_fabric(servers), request).rows
    except InputError:
        return None
    assert row.wrong == 0
    return row.busbw_gbs


if __name__ == "__main__":
    main()
