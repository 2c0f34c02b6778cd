"""The engine's speed on a random permutation between leaves, PFC only, one acknowledgement per packet.

Both simulators run the same flows with htsim's conventions (raddle/sim/peer_models.py) and choose paths on
their own. CPU time is the whole run's, set-up included; runs are interleaved and medians printed.
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
from raddle.sim.peer_models import HTSIM
from raddle.sim.peer_run import run_peer

PER_LEAF, SPINES, MTU_BYTES = 16, 16, 4096
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
    (folder / "htsim.topo").write_text(HTSIM_TOPOLOGY.format(hosts=hosts, leaves=leaves))
    lines = [f"Nodes {hosts}", f"Connections {hosts}"]
    lines += [f"{host}->{to} id {host + 1} start 0 size {size_bytes}" for host, to in enumerate(targets)]
    (folder / "htsim.cm").write_text("\n".join(lines) + "\n")


def run_raddle(topology: PeerTopology, flows: PeerFlows) -> float:
    """CPU seconds of one run."""
    begin = time.process_time()
    result = run_peer(topology, flows, HTSIM, MTU_BYTES)
    seconds = time.process_time() - begin
    if result.drops or (result.fct_ps > result.now_ps).any():
        raise SystemExit("raddle: not every flow ended, or a packet was dropped")
    return seconds


def run_htsim(binary: Path, folder: Path, hosts: int) -> float:
    """CPU seconds of one run, user and system."""
    options = f"-nodes {hosts} -end 100000 -mtu {MTU_BYTES} -strat ecmp_host -paths 16 -linkspeed 400000"
    command = [str(binary), "-topo", "htsim.topo", "-tm", "htsim.cm", *options.split()]
    before = os.times()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    after = os.times()
    if done.stdout.count("finished at") != hosts:
        raise SystemExit("htsim: not every flow ended")
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Run both in turn and print what they take."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--htsim", type=Path, help="checkout of csg-htsim with sim/ built")
    parser.add_argument("--hosts", type=int, choices=(128, 1024), default=128)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    size_bytes = (16 << 20) if options.hosts == 128 else (4 << 20)
    hops = options.hosts * (size_bytes // MTU_BYTES) * 4 * 2  # data and acknowledgement over four links
    raddle_s, htsim_s = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, options.hosts, size_bytes)
        topology, flows = read_ns3_topology(folder / "fabric.topo"), read_ns3_flows(folder / "flows.txt")
        for _ in range(options.runs):
            raddle_s.append(run_raddle(topology, flows))
            if options.htsim:
                binary = options.htsim.resolve() / "sim/datacenter/htsim_roce"
                htsim_s.append(run_htsim(binary, folder, options.hosts))
    print(f"permutation of {options.hosts} hosts, {hops / 1e6:.2f} M hops, medians of {options.runs}")
    for name, seconds in (("raddle", raddle_s), ("htsim", htsim_s)):
        if seconds:
            median = statistics.median(seconds)
            print(f"{name:7} {median:6.2f} CPU s  {hops / 1e6 / median:5.2f} M hops/s")
    if htsim_s:
        print(f"raddle is {statistics.median(htsim_s) / statistics.median(raddle_s):.1f} times as fast")


if __name__ == "__main__":
    main()
