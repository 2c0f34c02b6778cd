"""The engine's speed beside other simulators', one acknowledgement per packet; its memory; its threads.

All simulators run the same flows, each with its own frame sizes, and choose paths on their own. A hop is a
data packet or an acknowledgement that crosses a link. CPU time is the whole run's, set-up included; runs are
interleaved and medians printed. The floor is an event list that does nothing else, one event per hop.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.engine.auto import run_collectives
from benchmarks.engine.inputs import MTU_BYTES, Case, cases, write_inputs
from benchmarks.foreign import ALLOWED_CORES, ForeignLoad, measure_foreign
from raddle.peers.files import PeerFlows, PeerTopology, read_ns3_flows, read_ns3_topology
from raddle.peers.models import PeerModel
from raddle.peers.ns3_config import Ns3Config, PeerDcqcn
from raddle.peers.run import run_peer

BUFFER_BYTES = 32 << 20
RADDLE = PeerModel(
    name="raddle",
    header_bytes=62,
    ack_bytes=66,
    pause_bytes=64,
    gap_bytes=20,
    shares_buffer=True,
    reserved_bytes=4 << 10,
    alpha_shift=3,
    headroom_delays=3,
    headroom_frames=3,
    xon_offset_bytes=3 << 10,
)
"""The engine's own frames (docs/models/engine.md), with the buffers of the other simulators' runs."""

DCQCN = PeerDcqcn(
    alpha_timer_ps=1_000_000,
    decrease_timer_ps=4_000_000,
    rate_timer_ps=300_000_000,
    g=1 / 256,
    fast_recovery_steps=1,
    rate_ai_bps=80_000_000,
    rate_hai_bps=800_000_000,
    min_rate_bps=1_000_000_000,
    ecn={400_000_000_000: (800_000, 3_200_000, 0.2)},
)
NS3_AT_LEAST = 25
LARGE = ("256", "32", "32")
"""Leaves, spines and hosts per leaf of `scale`: 8192 hosts."""
QUEUE_PAIRS = 100_000
BY_HOSTS = {128: ("8", "16", "16"), 1024: ("32", "32", "32"), 8192: LARGE}
"""Leaves, spines and hosts per leaf of `hosts`."""
MOST_BY_HOSTS = {1024: 1.5, 8192: 2.5}
"""How many times as much a hop may cost there as with the fewest hosts."""


def run_raddle(topology: PeerTopology, flows: PeerFlows, dcqcn: PeerDcqcn | None) -> float:
    """CPU seconds of one run."""
    begin = time.process_time()
    settings = Ns3Config(payload_bytes=MTU_BYTES, buffer_bytes=BUFFER_BYTES, dcqcn=dcqcn)
    result = run_peer(topology, flows, RADDLE, config=settings)
    seconds = time.process_time() - begin
    if result.drops or (result.fct_ps > result.now_ps).any():
        raise SystemExit("raddle: not every flow ended, or a packet was dropped")
    return seconds


def run_child(command: list[str], folder: Path, libraries: Path | None = None) -> tuple[float, str]:
    """CPU seconds of a program, user and system, and what it printed."""
    environment = dict(os.environ) | ({"LD_LIBRARY_PATH": str(libraries)} if libraries else {})
    before = os.times()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system,
        done.stdout,
    )


def run_htsim(binary: Path, folder: Path, case: Case) -> float:
    """CPU seconds of one run."""
    options = f"-nodes {case.hosts} -end 100000 -mtu {MTU_BYTES} -strat ecmp_host -paths 16 -linkspeed 400000"
    command = [str(binary), "-topo", "htsim.topo", "-tm", "htsim.cm", *options.split()]
    seconds, output = run_child(command, folder)
    if output.count("finished at") != len(case.flows):
        raise SystemExit("htsim: not every flow ended")
    return seconds


def run_ns3(binary: Path, folder: Path, case: Case) -> float:
    """CPU seconds of one run."""
    seconds, _ = run_child([str(binary), "ns3.conf"], folder, binary.parents[1])
    if len((folder / "out.fct").read_text().splitlines()) != len(case.flows):
        raise SystemExit("ns-3: not every flow ended")
    return seconds


def _ns3_alone(binary: Path, case: Case, folder: Path) -> float:
    """CPU seconds of one run, from its inputs on."""
    write_inputs(folder, case)
    return run_ns3(binary, folder, case)


def run_speed(case: Case, runs: int, htsim: Path | None, ns3: Path | None, floor: Path | None) -> None:
    """Run all simulators in turn and print what they take."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, case)
        topology, flows = read_ns3_topology(folder / "fabric.topo"), read_ns3_flows(folder / "flows.txt")
        turns: dict[str, Callable[[], float]] = {"raddle, PFC": lambda: run_raddle(topology, flows, None)}
        if htsim:
            turns["htsim, PFC"] = lambda: run_htsim(htsim, folder, case)
        if case.with_ns3:
            turns["raddle, PFC and DCQCN"] = lambda: run_raddle(topology, flows, DCQCN)
        if case.with_ns3 and ns3:
            turns["ns-3, PFC and DCQCN"] = lambda: run_ns3(ns3, folder, case)
        if floor:
            turns["floor"] = lambda: float(run_child([str(floor)], folder)[1]) * 1e-9 * case.hops
        seconds: dict[str, list[float]] = {name: [] for name in turns}
        with measure_foreign() as foreign:
            for _ in range(runs):
                for name, turn in turns.items():
                    seconds[name].append(turn())
    print(f"{case.title}: {case.hops / 1e6:.2f} M hops, medians of {runs}")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        rate = case.hops / 1e6 / median
        print(f"{name:22} {median:6.2f} CPU s  {rate:6.2f} M hops/s  {1e3 / rate:5.0f} ns a hop")
    wanted = f", at least {case.wanted} wanted" if case.wanted else ""
    for fast, slow, least in (
        ("raddle, PFC", "htsim, PFC", wanted),
        ("raddle, PFC and DCQCN", "ns-3, PFC and DCQCN", f", at least {NS3_AT_LEAST} wanted"),
        ("floor", "raddle, PFC", ""),
    ):
        if slow in medians and fast in medians:
            print_ratio(
                f"{fast} is {medians[slow] / medians[fast]:.1f} times as fast as {slow}{least}", foreign
            )
    print(f"{foreign}\n", flush=True)


def print_ratio(text: str, foreign: ForeignLoad) -> None:
    """What compares programs, unless others slowed them, which they do unevenly."""
    if foreign.cores <= ALLOWED_CORES:
        print(text)


def run_scale(native: Path, runs: int) -> None:
    """Memory of packets and queue pairs, peak of a large run, and two threads against one."""
    binary = str(native / "bench_scale")
    here = Path.cwd()
    rows: dict[int, list[list[str]]] = {1: [], 2: []}
    with measure_foreign() as foreign:
        for _ in range(runs):
            for threads, row in rows.items():
                row.append(run_child([binary, "run", *LARGE, str(1 << 20), str(threads)], here)[1].split())
    if len({row[5] for some in rows.values() for row in some}) > 1:
        raise SystemExit("raddle: two threads have other results than one")
    cpu, wall = (
        {threads: statistics.median(float(row[column]) for row in some) for threads, some in rows.items()}
        for column in (0, 1)
    )
    _, _, peak, packets, taken, _ = rows[1][0]
    qps = int(run_child([binary, "qps", str(QUEUE_PAIRS)], here)[1])
    print(f"8192 hosts, 1 MiB each, medians of {runs}")
    print(f"memory: {int(peak) / 1e6:.0f} MB at most, 2000 allowed")
    print(f"{int(taken) / int(packets):.0f} bytes a packet of {int(packets)} under way at once, 200 allowed")
    print(f"{qps / QUEUE_PAIRS:.0f} bytes a queue pair with its message, 1024 allowed")
    for threads in rows:
        cores = cpu[threads] / wall[threads]
        print(f"{threads} threads: {wall[threads]:.2f} s, {cpu[threads]:.2f} CPU s, {cores:.2f} cores")
    print_ratio(f"two threads are {wall[1] / wall[2]:.2f} times as fast as one, 1.6 wanted", foreign)
    print(foreign)


def run_hosts(native: Path, runs: int) -> None:
    """CPU time of a hop by the number of hosts, 1 MiB from each to one of another leaf, cables of 30 m."""
    packets = (1 << 20) // MTU_BYTES
    hop_ns: dict[int, list[float]] = {hosts: [] for hosts in BY_HOSTS}
    with measure_foreign() as foreign:
        for _ in range(runs):
            for hosts, shape in BY_HOSTS.items():
                again = max(1, 1024 // hosts)  # short runs say little
                words = [str(native / "bench_scale"), "run", *shape, str(1 << 20), "1"]
                cpu_s = [float(run_child(words, Path.cwd())[1].split()[0]) for _ in range(again)]
                hop_ns[hosts].append(sum(cpu_s) / again / (hosts * packets * 8) * 1e9)
    print(f"a hop by hosts, 1 MiB each, medians of {runs}")
    medians = {hosts: statistics.median(values) for hosts, values in hop_ns.items()}
    least = medians[min(medians)]
    for hosts, median in medians.items():
        print(f"{hosts:5} hosts {median:5.0f} CPU ns a hop")
    for hosts, most in MOST_BY_HOSTS.items():
        ratio = medians[hosts] / least
        print_ratio(
            f"a hop among {hosts} hosts costs {ratio:.2f} times as much, at most {most} wanted", foreign
        )
    print(f"{foreign}\n", flush=True)


def main() -> None:
    """Run what is asked for."""
    known = {case.name: case for case in cases()}
    own = {"hosts": run_hosts, "scale": run_scale}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--htsim", type=Path, help="checkout of csg-htsim with sim/ built")
    parser.add_argument("--ns3", type=Path, help="checkout of HPCC's ns-3 with simulation/ built, optimized")
    names = [*known, "collectives", *own]
    parser.add_argument("--case", action="append", choices=names, help="may be repeated")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--native", type=Path, help="folder of the built bench_floor and bench_scale")
    options = parser.parse_args()
    htsim = options.htsim and options.htsim.resolve() / "sim/datacenter/htsim_roce"
    ns3 = options.ns3 and options.ns3.resolve() / "simulation/build/scratch/third"
    for binary in (htsim, ns3):
        if binary and not binary.exists():
            raise SystemExit(f"{binary} is not there; scripts/bench_engine says how it is built")
    native = options.native and options.native.resolve()
    for name in options.case or names:
        if name == "collectives":
            run_collectives(ns3 and partial(_ns3_alone, ns3), known["permutation-128"])
        elif name in known:
            run_speed(known[name], options.runs, htsim, ns3, native and native / "bench_floor")
        elif native:
            own[name](native, options.runs)


if __name__ == "__main__":
    main()
