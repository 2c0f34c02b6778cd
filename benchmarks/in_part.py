"""What collectives are off by whose steps are run in part: the same work as fluid, all of it and some steps.

Usage: scripts/validate-in-part [PAGE]      PAGE: the document whose table is written anew
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from benchmarks.fidelity import write_table
from raddle import load, loads
from raddle.controller.plan.make import make_plan
from raddle.lab.run.drive import drive
from raddle.lab.run.in_part import paced
from raddle.lab.run.settings import RunSettings
from raddle.lab.switches.prepared import OWN_SWITCHES, prepare_switches
from raddle.lab.workloads.collective import CollectiveJob, find_job
from raddle.lab.workloads.ranks import Scope
from raddle.report.model import InPart
from raddle.topology import find
from raddle.topology.model import Fabric
from raddle.topology.rate_control import CongestionControl
from raddle.traffic import USUAL
from raddle.units import parse_size_bytes

_HEAD = """\
| work | ranks | routing | cc | size | steps | all steps | in part | differs | CPU s |
|---|---|---|---|---|---|---|---|---|---|"""
Routing = Literal["ecmp", "pinned"]

_WAYS: tuple[tuple[Routing, CongestionControl], ...] = (
    ("pinned", "dcqcn"),
    ("ecmp", "none"),
    ("ecmp", "dcqcn"),
)
_RING, _PAIRWISE = ("all_reduce", "ring"), ("all_to_all", "pairwise")
_FABRIC = """\
raddle: 1
name: "{name}"
models: {{switch: {{ports: 64, port_speed: 400G, buffer: 64MB}}}}
fabric:
  leaves: {{count: 8, model: switch}}
  spines: {{count: {spines}, model: switch}}
  uplinks: {{per_pair: 1, speed: 400G, cable: 30m}}
hosts: {{per_leaf: 8, nics: {{speed: 400G, cable: 3m}}}}
overrides: {{links: [{more}]}}
"""
_HALF, _SLOW_HOST, _SLOW_LINK = "8 x 8, 2:1", "8 x 8, one host at 100G", "8 x 8, one uplink at 100G"
_SMALL = {
    _HALF: (4, ""),
    _SLOW_HOST: (8, "{ends: [leaf2, host17], speed: 100G}"),
    _SLOW_LINK: (8, "{ends: [leaf2, spine3], speed: 100G}"),
}
"""Spines and overrides of fabrics of 64 hosts, in which rounds differ more than in even ones."""
_CASES = (
    ("white-box-512", _PAIRWISE, "linear", 256, "64M", 32),
    ("white-box-512", _PAIRWISE, "linear", 512, "64M", 64),
    ("white-box-512", _PAIRWISE, "linear", 512, "4M", 64),
    ("oversubscribed-3to1", _PAIRWISE, "linear", None, "16M", 16),
    ("rail-256-h100", _PAIRWISE, "linear", None, "64M", 64),
    *(
        (name, _PAIRWISE, placement, None, size, 16)
        for name, size in ((_HALF, "64M"), (_SLOW_HOST, "16M"), (_SLOW_LINK, "16M"))
        for placement in ("linear", "strided", "random")
    ),
    ("white-box-512", _RING, "linear", 512, "64M", 16),
    ("white-box-512", _RING, "strided", 512, "64M", 16),
    ("white-box-512", _RING, "strided", 512, "1M", 16),
    ("oversubscribed-3to1", _RING, "strided", None, "64M", 16),
)
"""Fabric, collective and algorithm, placement, ranks, size of buffers, steps that stand for all."""


def main() -> None:
    write_table(_HEAD, _rows(), "scripts/validate-in-part")


def _rows() -> Iterator[str]:
    for name, (collective, algorithm), placement, ranks, size, steps in _CASES:
        for routing, cc in _WAYS:
            fabric = _fabric(name)
            fabric = replace(fabric, roce=replace(fabric.roce, congestion_control=cc))
            size_bytes = parse_size_bytes(f"{size}iB")
            scope = Scope(placement, ranks=ranks)
            job = find_job(fabric, collective, algorithm, scope, USUAL, (size_bytes,))
            whole_ps, whole_s, _ = _time(job, size_bytes, routing)
            part_ps, part_s, found = _time(replace(job, steps=steps), size_bytes, routing)
            assert found
            what = f"{placement} {collective} {algorithm} on {name} | {job.ranks} | {routing} | {cc} | {size}"
            yield (
                f"| {what} | {steps} of {found.of_steps} | {whole_ps / 1e6:.2f} us"
                f" | {part_ps / whole_ps - 1:+.2%} | {found.differs:.1%} | {whole_s:.2f}, {part_s:.2f} |"
            )


def _fabric(name: str) -> Fabric:
    if name not in _SMALL:
        return load(find(name))
    spines, more = _SMALL[name]
    return loads(_FABRIC.format(name="small", spines=spines, more=more))


def _time(job: CollectiveJob, size_bytes: int, routing: Routing) -> tuple[int, float, InPart | None]:
    """The end in ps, CPU seconds of the run, and what it says of steps that were not run."""
    plan = make_plan(job.fabric, routing, job.demand())
    switches = prepare_switches(job.fabric, plan, OWN_SWITCHES)
    began = time.process_time()
    run = drive(switches, job.workload(size_bytes), RunSettings(fidelity="fluid")).run
    cpu_s = time.process_time() - began
    assert run.simulation.is_done
    last_ps = int(run.messages().finish_ps.max())
    if not job.steps:
        return last_ps, cpu_s, None
    found = paced(job, size_bytes, run)
    return last_ps + found.step_ps * (found.of_steps - found.steps), cpu_s, found


if __name__ == "__main__":
    main()
