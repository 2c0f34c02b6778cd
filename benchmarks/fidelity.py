"""What the fluid engine is off by against packets: the same work on the same programmed switches, both ways.

Usage: scripts/validate-fluid [PAGE]      PAGE: the document whose table is written anew
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from raddle import load
from raddle.controller.plan.make import make_plan
from raddle.lab.run.drive import drive
from raddle.lab.run.settings import Fidelity, RunSettings
from raddle.lab.switches.prepared import OWN_SWITCHES, prepare_switches
from raddle.lab.workloads.arrivals import Arrivals
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.demand import demand_of
from raddle.lab.workloads.flow_file import read_flows
from raddle.lab.workloads.ranks import Scope
from raddle.topology import find
from raddle.topology.model import Fabric
from raddle.traffic import USUAL
from raddle.units import parse_size_bytes
from raddle.workload import Workload

_END = "\n<!-- end of table -->"
_HEAD = """\
| work | routing | cc | size | last flow, packets | last flow | mean FCT | worst flow | CPU s |
|---|---|---|---|---|---|---|---|---|"""
_WORKS = ("permutation", "incast 8:1", "ring", "all-to-all")
_ARRIVALS = "websearch:50%:2000"
_FIDELITIES: tuple[Fidelity, Fidelity] = ("packet", "fluid")
_SIZES = ("64K", "16M")
_OTHERS = (
    ("leaf-spine-16", "permutation", "4M"),
    ("leaf-spine-16", "permutation", "64M"),
    ("leaf-spine-16", "incast 8:1", "4M"),
    ("leaf-spine-16", "incast 8:1", "512M"),
    ("white-box-512", "permutation", "4M"),
    ("white-box-512", "incast 8:1", "64M"),
    ("mixed-speed", "permutation", "16M"),
    ("mixed-speed", "incast 8:1", "16M"),
    ("leaf-spine-16", "incast 12:1", "1M"),
    ("leaf-spine-16", "incast 12:1", "16M"),
    ("leaf-spine-16", "incast 15:1", "1M"),
    ("leaf-spine-16", "incast 15:1", "16M"),
)
"""Other sizes, more hosts, NICs of two speeds, and more senders to one, with DCQCN."""
_STRIDED_SEEDS = (1, 2, 3)
"""Of collectives of neighbours on other leaves, whose every hop is hashed onto the links between these."""
_COLLECTIVES = (("all_reduce", "ring"), ("all_reduce", "halving_doubling"), ("all_to_all", "pairwise"))
"""Of 128 ranks and of strided ones, with DCQCN."""


@dataclass(frozen=True)
class Measured:
    """End of the last flow and FCT of each in ps, and CPU seconds of the engine."""

    last_ps: int
    fct_ps: np.ndarray[tuple[int], np.dtype[np.int64]]
    cpu_s: float


def main() -> None:
    write_table(
        _HEAD,
        itertools.chain(_rows(), _other_rows(), _collective_rows(), _strided_rows()),
        "scripts/validate-fluid",
    )


def write_table(head: str, rows: Iterable[str], script: str) -> None:
    """Print a table row by row as they are measured, and put it into the page that the command line names."""
    lines = [head]
    for line in rows:
        print(line, flush=True)
        lines.append(line)
    if len(sys.argv) > 1:
        page, begin = Path(sys.argv[1]), f"<!-- table: {script} -->\n"
        before, rest = page.read_text(encoding="utf-8").split(begin)
        after = rest.split(_END)[1]
        page.write_text(before + begin + "\n" + "\n".join(lines) + "\n" + _END + after, encoding="utf-8")


def _rows() -> Iterator[str]:
    for name in ("leaf-spine-16", "oversubscribed-3to1"):
        loaded = load(find(name))
        for cc in ("dcqcn", "none"):
            fabric = replace(loaded, roce=replace(loaded.roce, congestion_control=cc))
            for routing, work, size in itertools.product(("pinned", "ecmp"), _WORKS, _SIZES):
                packet, fluid = map(prepared_run(fabric, routing, work, size), _FIDELITIES)
                yield f"| {work} on {name} | {routing} | {cc} | {size} {_errors(packet, fluid)} |"
            yield arrivals_row(name, fabric, cc)


def _other_rows() -> Iterator[str]:
    for (name, work, size), routing in itertools.product(_OTHERS, ("pinned", "ecmp")):
        loaded = load(find(name))
        fabric = replace(loaded, roce=replace(loaded.roce, congestion_control="dcqcn"))
        packet, fluid = map(prepared_run(fabric, routing, work, size), _FIDELITIES)
        yield f"| {work} on {name} | {routing} | dcqcn | {size} {_errors(packet, fluid)} |"


def _collective_rows() -> Iterator[str]:
    fabric, size = load(find("white-box-512")), "64M"
    size_bytes = parse_size_bytes(f"{size}iB")
    for (collective, algorithm), routing in itertools.product(_COLLECTIVES, ("pinned", "ecmp")):
        job = find_job(fabric, collective, algorithm, Scope("linear", ranks=128), USUAL, (size_bytes,))
        workload = job.workload(size_bytes)
        packet, fluid = map(_prepared(fabric, routing, workload), _FIDELITIES)
        what = f"{collective} {algorithm}, 128 of white-box-512"
        yield f"| {what} | {routing} | dcqcn | {size} {_errors(packet, fluid)} |"


def _strided_rows() -> Iterator[str]:
    fabric = load(find("leaf-spine-16"))
    for (collective, algorithm), size, seed in itertools.product(
        _COLLECTIVES, ("16M", "64M"), _STRIDED_SEEDS
    ):
        size_bytes = parse_size_bytes(f"{size}iB")
        job = find_job(fabric, collective, algorithm, Scope("strided"), USUAL, (size_bytes,))
        workload = job.workload(size_bytes)
        packet, fluid = map(_prepared(fabric, "ecmp", workload, seed), _FIDELITIES)
        what = f"strided {collective} {algorithm} on leaf-spine-16, seed {seed}"
        yield f"| {what} | ecmp | dcqcn | {size} {_errors(packet, fluid)} |"


def arrivals_row(name: str, fabric: Fabric, cc: str) -> str:
    """Flows that come and go at random."""
    workload = Arrivals.parse(_ARRIVALS).workload(fabric, 1)
    errors = _errors(*map(_prepared(fabric, "ecmp", workload), _FIDELITIES))
    mean = workload.schedule.size_bytes.mean() / 1e6
    return f"| {_ARRIVALS} on {name} | ecmp | {cc} | {mean:.1f} MB {errors} |"


def _errors(packet: Measured, fluid: Measured) -> str:
    cpu = f"{packet.cpu_s:.2f}, {fluid.cpu_s:.2f}"
    return f"| {packet.last_ps / 1e6:.2f} us {error_cells(packet, fluid)} | {cpu}"


def error_cells(packet: Measured, other: Measured) -> str:
    """Of the last flow's end, of the mean FCT, and of the flow that is off most."""
    error = other.fct_ps / packet.fct_ps - 1
    worst = error[np.abs(error).argmax()]
    mean = other.fct_ps.mean() / packet.fct_ps.mean() - 1
    last = other.last_ps / packet.last_ps - 1
    return f"| {last:+.2%} | {mean:+.2%} | {worst:+.1%}"


def prepared_run(
    fabric: Fabric, routing: str, work: str, size: str, seed: int = 1
) -> Callable[[Fidelity], Measured]:
    """What runs a work on switches that are programmed for it."""
    return _prepared(fabric, routing, _workload(fabric, work, parse_size_bytes(f"{size}iB")), seed)


def rounds_run(name: str, ranks: int, size: str) -> Callable[[Fidelity], Measured]:
    """What runs an all-to-all in rounds among the first ranks of a fabric, pinned."""
    fabric, size_bytes = load(find(name)), parse_size_bytes(f"{size}iB")
    job = find_job(fabric, "all_to_all", "pairwise", Scope("linear", ranks=ranks), USUAL, (size_bytes,))
    return _prepared(fabric, "pinned", job.workload(size_bytes))


def _prepared(
    fabric: Fabric, routing: str, workload: Workload, seed: int = 1
) -> Callable[[Fidelity], Measured]:
    plan = make_plan(fabric, routing, demand_of(fabric, workload.seats, workload.schedule))  # type: ignore[arg-type]
    switches = prepare_switches(fabric, plan, OWN_SWITCHES)

    def measure(fidelity: Fidelity) -> Measured:
        began = time.process_time()
        run = drive(switches, workload, RunSettings(fidelity=fidelity, seed=seed)).run
        cpu_s = time.process_time() - began
        flows = run.messages()
        assert run.simulation.is_done
        return Measured(int(flows.finish_ps.max()), flows.finish_ps - flows.start_ps, cpu_s)

    return measure


def _workload(fabric: Fabric, work: str, size_bytes: int) -> Workload:
    collectives = {"ring": ("all_reduce", "ring"), "all-to-all": ("all_to_all", "pairwise")}
    if work in collectives:
        job = find_job(fabric, *collectives[work], Scope("linear"), USUAL, (size_bytes,))
        return job.workload(size_bytes)
    hosts = len(fabric.endpoints)
    if work == "permutation":
        order = np.random.default_rng(7).permutation(hosts)
        pairs = list(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    else:
        senders = int(work.removeprefix("incast ").removesuffix(":1"))
        pairs = [(host, 0) for host in range(hosts - senders, hosts)]
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("src,dst,bytes\n" + "".join(f"{src},{dst},{size_bytes}\n" for src, dst in pairs))
        file.flush()
        return read_flows(fabric, Path(file.name))


if __name__ == "__main__":
    main()
