"""Collectives by `--fidelity auto`, and pinned ones in trains, beside ns-3 and raddle's own packets.

ns-3 would take hours: what a hop costs there is measured on the permutation of 128 hosts, and taken times the
hops of the collective, which flatters ns-3, as a hop costs more among more hosts. The error is against
raddle's packets, on what these finish in minutes; the rest says that it was not measured.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine.inputs import Case
from benchmarks.foreign import ALLOWED_CORES, ForeignLoad, measure_foreign
from raddle import loads
from raddle.controller.plan.make import make_plan
from raddle.lab.run.drive import Run, drive
from raddle.lab.run.settings import Fidelity, RunSettings
from raddle.lab.switches.prepared import OWN_SWITCHES, PreparedSwitches, prepare_switches
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.ranks import Scope
from raddle.topology.model import Fabric
from raddle.traffic import USUAL
from raddle.units import parse_size_bytes
from raddle.workload import Workload

FABRIC = """
raddle: 1
name: auto
models: {{switch: {{ports: 128, port_speed: 400G, buffer: 64MB}}}}
fabric:
  leaves: {{count: {leaves}, model: switch}}
  spines: {{count: 16, model: switch}}
  uplinks: {{per_pair: 1, cable: 30m}}
hosts: {{per_leaf: 16, nics: {{speed: 400G, cable: 3m}}}}
"""
PER_LEAF = 16


@dataclass(frozen=True, slots=True)
class Collective:
    """A collective of so many ranks, and how many times as fast as ns-3 it is to be.

    With `compares`, packets are run, too. Messages of an all-to-all meet nowhere where ranks are strided, as
    all of a round have paths of one length; placed leaf by leaf they do, and auto moves packets.
    """

    ranks: int
    name: str
    algorithm: str
    size: str
    fidelity: Fidelity
    wanted: int
    compares: bool
    placement: str = "linear"

    @property
    def title(self) -> str:
        who = f"{self.ranks} {self.placement} ranks"
        return f"{self.name} {self.algorithm} of {self.size}iB on {who}, {self.fidelity}"


COLLECTIVES = (
    Collective(128, "all_to_all", "pairwise", "256M", "train:8", 100, True),
    Collective(128, "all_reduce", "ring", "256M", "train:8", 100, True),
    Collective(128, "all_reduce", "ring", "1G", "auto", 500, True),
    Collective(128, "all_to_all", "pairwise", "1G", "auto", 500, True),
    Collective(128, "all_to_all", "pairwise", "1G", "auto", 500, True, "strided"),
    Collective(128, "all_to_all", "pairwise", "8G", "auto", 500, False, "strided"),
    Collective(1024, "all_reduce", "ring", "1G", "auto", 500, False),
    Collective(1024, "all_to_all", "pairwise", "8G", "auto", 500, False, "strided"),
)


def run_collectives(ns3_seconds: Callable[[Case, Path], float] | None, case: Case) -> None:
    """Run each, and print what it takes beside ns-3.

    Args:
        ns3_seconds: CPU seconds of `case` there; None: it is not there.
    """
    with measure_foreign() as foreign:
        hop_s = None
        if ns3_seconds:
            with tempfile.TemporaryDirectory() as folder:
                hop_s = ns3_seconds(case, Path(folder)) / case.hops
            print(f"ns-3: {hop_s * 1e9:.0f} CPU ns a hop on the {case.title}; below it is that times hops")
        rows = [_measured(each) for each in COLLECTIVES]
    for row in rows:
        row.tell(hop_s, foreign)
    print(f"{foreign}\n", flush=True)


@dataclass(frozen=True, slots=True)
class _Row:
    """What a collective took, in CPU seconds: all of it, and the run alone."""

    of: Collective
    hops: int
    whole_s: float
    run_s: float
    how: str
    error: float | None

    def tell(self, hop_s: float | None, foreign: ForeignLoad) -> None:
        print(f"{self.of.title}: {self.hops / 1e6:.0f} M hops, {self.how}")
        error = "not measured" if self.error is None else f"{self.error:+.3%} of packets' end"
        print(
            f"  {self.whole_s:.2f} CPU s with planning and programming, {self.run_s:.2f} of the run; error"
            f" {error}"
        )
        if hop_s and foreign.cores <= ALLOWED_CORES:
            there_s = self.hops * hop_s
            print(
                f"  ns-3 would take {there_s:.0f} s: {there_s / self.run_s:.0f} times as long as the run,"
                f" {there_s / self.whole_s:.0f} as all of it; {self.of.wanted} wanted"
            )


def _measured(of: Collective) -> _Row:
    began_s = time.process_time()
    fabric = loads(FABRIC.format(leaves=of.ranks // PER_LEAF), "auto.yaml")
    size_bytes = parse_size_bytes(f"{of.size}iB")
    job = find_job(fabric, of.name, of.algorithm, Scope(of.placement), USUAL, (size_bytes,))
    workload = job.workload(size_bytes)
    switches = prepare_switches(fabric, make_plan(fabric, "pinned", job.demand()), OWN_SWITCHES)
    run_s, run = _run(switches, workload, of.fidelity)
    whole_s = time.process_time() - began_s
    error = None
    if of.compares:
        error = _end_ps(run) / _end_ps(_run(switches, workload, "packet")[1]) - 1
    return _Row(of, _hops(fabric, workload), whole_s, run_s, _how(run), error)


def _run(switches: PreparedSwitches, workload: Workload, fidelity: Fidelity) -> tuple[float, Run]:
    began_s = time.process_time()
    run = drive(switches, workload, RunSettings(fidelity=fidelity)).run
    return time.process_time() - began_s, run


def _end_ps(run: Run) -> int:
    assert run.simulation.is_done
    return int(run.messages().finish_ps.max())


def _how(run: Run) -> str:
    if run.flowed:
        return "messages flow"
    if run.settings.fidelity != "auto":
        return run.settings.fidelity
    return "all packets" if run.not_forwarded else "equal steps computed"


def _hops(fabric: Fabric, workload: Workload) -> int:
    """Link crossings of data packets and of their acknowledgements; a rank is a host."""
    schedule, mtu = workload.schedule, fabric.roce.mtu_bytes
    leaf = workload.seats.first_endpoint // PER_LEAF
    is_near = leaf[schedule.src] == leaf[schedule.dst]
    packets = -(-schedule.size_bytes // mtu)
    return int(packets[is_near].sum()) * 4 + int(packets[~is_near].sum()) * 8
