"""The engine's speed on a random permutation between leaves, one acknowledgement per packet.

All simulators run the same flows, each with its own frame sizes, and choose paths on their own. A hop is a
data packet or an acknowledgement that crosses a link. CPU time is the whole run's, set-up included; runs are
interleaved and medians printed. The floor is an event list that does nothing else, one event per hop.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from raddle.sim.peer_files import PeerFlows, PeerTopology, read_ns3_flows, read_ns3_topology
from raddle.sim.peer_models import PeerModel
from raddle.sim.peer_ns3_config import Ns3Config, PeerDcqcn
from raddle.sim.peer_run import run_peer

PER_LEAF, SPINES, MTU_BYTES, BUFFER_BYTES = 16, 16, 4096, 32 << 20
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
NS3_CONFIG = """ENABLE_QCN 1
USE_DYNAMIC_PFC_THRESHOLD 1
PACKET_PAYLOAD_SIZE 4096
TOPOLOGY_FILE {folder}/fabric.topo
FLOW_FILE {folder}/flows.txt
TRACE_FILE {folder}/trace.txt
TRACE_OUTPUT_FILE {folder}/out.tr
FCT_OUTPUT_FILE {folder}/out.fct
PFC_OUTPUT_FILE {folder}/out.pfc
SIMULATOR_STOP_TIME 4.0
CC_MODE 1
ALPHA_RESUME_INTERVAL 1
RATE_DECREASE_INTERVAL 4
CLAMP_TARGET_RATE 0
RP_TIMER 300
EWMA_GAIN 0.00390625
FAST_RECOVERY_TIMES 1
RATE_AI 80Mb/s
RATE_HAI 800Mb/s
MIN_RATE 1000Mb/s
ERROR_RATE_PER_LINK 0.0000
L2_CHUNK_SIZE 4000
L2_ACK_INTERVAL 1
L2_BACK_TO_ZERO 0
HAS_WIN 0
GLOBAL_T 1
RATE_BOUND 1
ACK_HIGH_PRIO 1
LINK_DOWN 0 0 0
ENABLE_TRACE 0
KMAX_MAP 1 400000000000 3200
KMIN_MAP 1 400000000000 800
PMAX_MAP 1 400000000000 0.2
BUFFER_SIZE 32
QLEN_MON_FILE {folder}/out.qlen
QLEN_MON_START 0
QLEN_MON_END 0
"""
HTSIM_TOPOLOGY = """Nodes {hosts}
Tiers 2
Podsize {hosts}

Tier 0
Downlink_speed_Gbps 400
Radix_Down 16
Radix_Up 16
Downlink_Latency_ns 1000
Switch_Latency_ns 0

Tier 1
Downlink_speed_Gbps 400
Radix_Down {leaves}
Downlink_Latency_ns 1000
Switch_Latency_ns 0
"""


def permutation(hosts: int) -> list[int]:
    """A destination for every host, each once, never under the same leaf."""
    numbers = random.Random(1)
    while True:
        targets = numbers.sample(range(hosts), hosts)
        for host in range(hosts):
            for _ in range(1000):
                other = numbers.randrange(hosts)
                is_inside = targets[host] // PER_LEAF == host // PER_LEAF
                breaks_other = targets[host] // PER_LEAF == other // PER_LEAF
                if not is_inside:
                    break
                if not breaks_other and targets[other] // PER_LEAF != host // PER_LEAF:
                    targets[host], targets[other] = targets[other], targets[host]
        if all(target // PER_LEAF != host // PER_LEAF for host, target in enumerate(targets)):
            return targets


def write_inputs(folder: Path, hosts: int, size_bytes: int) -> None:
    """The same fabric and flows in ns-3's and in htsim's form."""
    leaves = hosts // PER_LEAF
    switches = range(hosts, hosts + leaves + SPINES)
    links = [(host, hosts + host // PER_LEAF) for host in range(hosts)]
    links += [(hosts + leaf, hosts + leaves + spine) for leaf in range(leaves) for spine in range(SPINES)]
    lines = [f"{switches.stop} {len(switches)} {len(links)}", " ".join(map(str, switches))]
    lines += [f"{a} {b} 400Gbps 1000ns 0" for a, b in links]
    (folder / "fabric.topo").write_text("\n".join(lines) + "\n")
    targets = permutation(hosts)
    lines = [str(hosts), *(f"{host} {to} 3 100 {size_bytes} 0.0" for host, to in enumerate(targets))]
    (folder / "flows.txt").write_text("\n".join(lines) + "\n")
    (folder / "trace.txt").write_text("0\n")
    (folder / "ns3.conf").write_text(NS3_CONFIG.format(folder=folder))
    (folder / "htsim.topo").write_text(HTSIM_TOPOLOGY.format(hosts=hosts, leaves=leaves))
    lines = [f"Nodes {hosts}", f"Connections {hosts}"]
    lines += [f"{host}->{to} id {host + 1} start 0 size {size_bytes}" for host, to in enumerate(targets)]
    (folder / "htsim.cm").write_text("\n".join(lines) + "\n")


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


def run_htsim(checkout: Path, folder: Path, hosts: int) -> float:
    """CPU seconds of one run."""
    options = f"-nodes {hosts} -end 100000 -mtu {MTU_BYTES} -strat ecmp_host -paths 16 -linkspeed 400000"
    binary = checkout.resolve() / "sim/datacenter/htsim_roce"
    command = [str(binary), "-topo", "htsim.topo", "-tm", "htsim.cm", *options.split()]
    seconds, output = run_child(command, folder)
    if output.count("finished at") != hosts:
        raise SystemExit("htsim: not every flow ended")
    return seconds


def run_ns3(checkout: Path, folder: Path, hosts: int) -> float:
    """CPU seconds of one run."""
    build = checkout.resolve() / "simulation/build"
    seconds, _ = run_child([str(build / "scratch/third"), "ns3.conf"], folder, build)
    if len((folder / "out.fct").read_text().splitlines()) != hosts:
        raise SystemExit("ns-3: not every flow ended")
    return seconds


def main() -> None:
    """Run all in turn and print what they take."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--htsim", type=Path, help="checkout of csg-htsim with sim/ built")
    parser.add_argument("--ns3", type=Path, help="checkout of HPCC's ns-3 with simulation/ built, optimized")
    parser.add_argument("--hosts", type=int, choices=(128, 1024), default=128)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--floor", type=Path, help="the built bench_floor")
    options = parser.parse_args()
    size_bytes = (16 << 20) if options.hosts == 128 else (4 << 20)
    hops = options.hosts * (size_bytes // MTU_BYTES) * 4 * 2  # data and acknowledgement over four links
    seconds: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        seconds.setdefault(name, []).append(value)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, options.hosts, size_bytes)
        topology, flows = read_ns3_topology(folder / "fabric.topo"), read_ns3_flows(folder / "flows.txt")
        for _ in range(options.runs):
            note("raddle, PFC", run_raddle(topology, flows, None))
            if options.htsim:
                note("htsim, PFC", run_htsim(options.htsim, folder, options.hosts))
            note("raddle, PFC and DCQCN", run_raddle(topology, flows, DCQCN))
            if options.ns3:
                note("ns-3, PFC and DCQCN", run_ns3(options.ns3, folder, options.hosts))
            if options.floor:
                _, ns_per_event = run_child([str(options.floor.resolve())], folder)
                note("floor", float(ns_per_event) * 1e-9 * hops)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"permutation of {options.hosts} hosts, {hops / 1e6:.2f} M hops, medians of {options.runs}")
    for name, median in medians.items():
        print(
            f"{name:22} {median:6.2f} CPU s  {hops / 1e6 / median:6.2f} M hops/s"
            f"  {median / hops * 1e9:5.0f} ns a hop"
        )
    for fast, slow in (
        ("raddle, PFC", "htsim, PFC"),
        ("raddle, PFC and DCQCN", "ns-3, PFC and DCQCN"),
        ("floor", "raddle, PFC"),
    ):
        if slow in medians and fast in medians:
            print(f"{fast} is {medians[slow] / medians[fast]:.1f} times as fast as {slow}")


if __name__ == "__main__":
    main()
