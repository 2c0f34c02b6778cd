"""Holds the engine against a build of ns-3's HPCC code on fabrics and flows that no recorded run has.

Usage: scripts/validate-ns3 BUILD/scratch/third

Each case is exported, run by ns-3 and by the engine under ns-3's conventions, and compared; with DCQCN, whose
marking is random, the engine runs ten times and ns-3 four times (RngRun 1 to 4), or 16 and 8 times in some,
and means over the runs are compared. Ends with 1 if a flow did not end or a packet was dropped.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from raddle.lab.workloads.flow_file import read_flows
from raddle.peers.exporting import PeerNodes, exported_flows, ns3_settings, peer_topology
from raddle.peers.files import read_ns3_flows, read_ns3_topology
from raddle.peers.models import NS3_HPCC
from raddle.peers.ns3_config import read_ns3_config
from raddle.peers.run import run_peer
from raddle.peers.write import ns3_config, ns3_flows, ns3_topology
from raddle.sim import NEVER
from raddle.topology import loads

FAT_TREE = """
raddle: 1
name: fat-tree
models: {{switch: {{ports: 64, port_speed: 800G, buffer: {buffer}}}}}
fabric:
  kind: fat-tree
  pods: 4
  leaves: {{per_pod: 2, model: switch}}
  spines: {{per_pod: 4, model: switch}}
  superspines: {{count: 8, model: switch}}
  uplinks: {{per_pair: 1, speed: {uplink}, cable: 200m}}
  spine_uplinks: {{per_pair: 1, speed: {top}, cable: 200m}}
hosts: {{per_leaf: 8, nics: {{speed: {nic}, cable: 200m}}}}
roce:
  congestion_control: {control}
  dcqcn: {{g: 1/256, decrease_timer: 4us, rate_ai: 80M, rate_hai: 800M, min_rate: {least}}}
"""

LEAF_SPINE = """
raddle: 1
name: leaf-spine
models: {{switch: {{ports: 64, port_speed: 400G, buffer: {buffer}}}}}
fabric:
  leaves: {{count: 8, model: switch}}
  spines: {{count: 16, model: switch}}
  uplinks: {{per_pair: 1, cable: 200m}}
hosts: {{per_leaf: 16, nics: {{speed: 400G, cable: 200m}}}}
roce: {{congestion_control: {control}}}
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A fat tree of 64 hosts, or two tiers with 128: `senders` send `size` bytes each to one, or all send.

    With `more_runs` the means are of 16 runs here and 8 there.
    """

    title: str
    is_incast: bool
    control: str
    buffer: str = "64MiB"
    nic: str = "400G"
    uplink: str = "400G"
    top: str = "400G"
    seed: int = 3
    has_two_tiers: bool = False
    senders: int = 20
    size: int = 2 << 20
    least: str = "1G"
    more_runs: bool = False

    @property
    def fabric(self) -> str:
        if self.has_two_tiers:
            return LEAF_SPINE.format(buffer=self.buffer, control=self.control)
        return FAT_TREE.format(
            buffer=self.buffer,
            control=self.control,
            nic=self.nic,
            uplink=self.uplink,
            top=self.top,
            least=self.least,
        )

    @property
    def flows(self) -> str:
        if self.is_incast:
            rows = [(8 * (i % 7) + 8 + i // 7, 0, self.size, 100 * i) for i in range(self.senders)]
        elif self.has_two_tiers:
            rows = [(src, dst, 16 << 20, 0) for src, dst in enumerate(_permutation(128, 16, self.seed))]
        else:
            rows = [(src, dst, 4 << 20, 0) for src, dst in enumerate(_permutation(64, 8, self.seed))]
        return "src,dst,bytes,start_ns\n" + "".join(f"{a},{b},{size},{at}\n" for a, b, size, at in rows)


CASES = (
    *(
        Case(
            f"two tiers, permutation ({seed}), PFC only",
            False,
            "none",
            "32MiB",
            seed=seed,
            has_two_tiers=True,
        )
        for seed in (3, 5, 11)
    ),
    Case("permutation, PFC only, large buffer", False, "none"),
    Case("permutation, PFC only, small buffer", False, "none", buffer="8MiB"),
    *(
        Case(f"another permutation ({seed}), PFC only, {buffer}", False, "none", buffer=buffer, seed=seed)
        for seed in (5, 11)
        for buffer in ("6MiB", "8MiB", "16MiB")
    ),
    Case("permutation, DCQCN", False, "dcqcn"),
    Case("permutation, DCQCN, 200G NICs, 800G on top", False, "dcqcn", nic="200G", top="800G"),
    Case("20 to 1, PFC only, small buffer", True, "none", buffer="8MiB"),
    Case("20 to 1, DCQCN", True, "dcqcn"),
    *(
        Case(f"{senders} to 1, DCQCN", True, "dcqcn", senders=senders, more_runs=True)
        for senders in (2, 8, 32, 56)
    ),
    *(
        Case(f"32 to 1, DCQCN, rates down to {least}", True, "dcqcn", senders=32, least=least, more_runs=True)
        for least in ("100M", "10M")
    ),
    Case("8 to 1, DCQCN, 16 MiB each", True, "dcqcn", senders=8, size=16 << 20, more_runs=True),
)


COLUMNS = (
    *("case", "mean FCT", "first flow", "p99 FCT", "last flow", "its spread there"),
    *("flow: median", "worst", "pauses", "there"),
)


def _permutation(hosts: int, per_leaf: int, seed: int) -> list[int]:
    """A destination for every host, each once, never under the same leaf."""
    numbers = random.Random(seed)
    while True:
        targets = numbers.sample(range(hosts), hosts)
        for host in range(hosts):
            while targets[host] // per_leaf == host // per_leaf:
                other = numbers.randrange(hosts)
                targets[host], targets[other] = targets[other], targets[host]
        if all(target // per_leaf != host // per_leaf for host, target in enumerate(targets)):
            return targets


def compare(case: Case, binary: Path, folder: Path) -> str:
    """Run a case on both sides; a row of the table."""
    fabric = loads(case.fabric, "case.yaml")
    (folder / "flows.csv").write_text(case.flows)
    nodes = PeerNodes.of(fabric)
    topology = peer_topology(fabric, nodes)
    table = read_flows(fabric, folder / "flows.csv")
    (folder / "topology.txt").write_text(ns3_topology(topology))
    (folder / "flows.txt").write_text(ns3_flows(exported_flows(nodes, table)))
    (folder / "config.txt").write_text(
        ns3_config(topology, ns3_settings(fabric), "topology.txt", "flows.txt")
    )
    (folder / "trace.txt").write_text("0\n")
    # Read back what was written: the readers are part of what is held against ns-3.
    flows = read_ns3_flows(folder / "flows.txt")
    config = read_ns3_config(folder / "config.txt")
    here, beside = (16, 8) if case.more_runs else (10, 4)
    seeds = range(1, here + 1 if config.dcqcn else 2)
    network = read_ns3_topology(folder / "topology.txt")
    runs = [run_peer(network, flows, NS3_HPCC, seed=seed, config=config) for seed in seeds]
    pairs = list(zip(flows.src.tolist(), flows.dst.tolist(), strict=True))
    there = [run_ns3(binary, folder, run, pairs) for run in range(1, beside + 1 if config.dcqcn else 2)]
    fct = np.array([run.fct_ps for run in runs])
    if (fct == NEVER).any() or any(run.drops for run in runs):
        raise SystemExit(f"{case.title}: not every flow ended, or a packet was dropped")
    reference = np.array([result.fct_ps for result in there])
    errors = np.abs(fct.mean(axis=0) / reference.mean(axis=0) - 1)
    first = fct.min(axis=1).mean() / reference.min(axis=1).mean() - 1
    lasts = [result.last_ps for result in there]
    return (
        f"| {case.title} | {fct.mean() / reference.mean() - 1:+.2%} | "
        f"{first:+.2%} | {_p99(fct) / _p99(reference) - 1:+.2%} | "
        f"{np.mean([run.now_ps for run in runs]) / np.mean(lasts) - 1:+.2%} | "
        f"{max(lasts) / min(lasts) - 1:.2%} | {np.median(errors):.2%} | {errors.max():.2%} | "
        f"{np.mean([run.pauses for run in runs]):.0f} | {np.mean([result.pauses for result in there]):.0f} |"
    )


def _p99(fct_ps: NDArray[np.int64]) -> float:
    return float(np.quantile(fct_ps, 0.99, axis=1).mean())


@dataclass(frozen=True, slots=True)
class Ns3Result:
    """Of one run: FCTs in the order of the flows, the time from first start to last end, pauses."""

    fct_ps: list[int]
    last_ps: int
    pauses: int


def run_ns3(binary: Path, folder: Path, run: int, pairs: list[tuple[int, int]]) -> Ns3Result:
    """Run `config.txt` of a folder with the random numbers of a run."""
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(binary.parents[1]),
        "NS_GLOBAL_VALUE": f"RngRun={run}",
    }
    subprocess.run([binary, "config.txt"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    fct, ends = {}, []
    for line in (folder / "out.fct").read_text().splitlines():
        src, dst, _, _, _, start, time, _ = line.split()
        fct[int(src, 16) >> 8 & 0xFFFF, int(dst, 16) >> 8 & 0xFFFF] = int(time) * 1000
        ends.append((int(start) + int(time)) * 1000 - 2 * 10**12)
    if len(fct) < len(pairs):
        raise SystemExit("ns-3: not every flow ended")
    pauses = sum(line.split()[4] == "1" for line in (folder / "out.pfc").read_text().splitlines())
    return Ns3Result([fct[pair] for pair in pairs], max(ends), pauses)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="cases whose titles have this in them")
    parser.add_argument("third", type=Path, help="the built program, BUILD/scratch/third")
    arguments = parser.parse_args()
    binary = arguments.third.resolve()
    if not os.access(binary, os.X_OK):
        print(f"no program at {binary}", file=sys.stderr)
        return 2
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for case in (case for case in CASES if arguments.only in case.title):
        with TemporaryDirectory() as folder:
            print(compare(case, binary, Path(folder)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
