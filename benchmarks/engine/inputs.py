"""The work that is compared, and the same in the files of ns-3 (HPCC) and csg-htsim."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

PER_LEAF, SPINES, MTU_BYTES = 16, 16, 4096
SHORT_NS = (15, 150)
"""Cables of 3 m in the rack and of 30 m between switches."""


@dataclass(frozen=True, slots=True)
class Flow:
    """`size_bytes` from host to host, once flow number `after` is acknowledged (-1: at once)."""

    src: int
    dst: int
    size_bytes: int
    after: int = -1


@dataclass(frozen=True, slots=True)
class Case:
    """Flows between so many hosts at 400G, 16 to a leaf under 16 spines.

    Attributes:
        cables_ns: propagation of a host's cable, and of one between switches (5 ns a metre).
        with_ns3: whether it is run on ns-3 too, which takes long, and on raddle with DCQCN.
        wanted: how many times as fast as htsim raddle is to be, at least; 0 where nothing is asked.
    """

    name: str
    title: str
    hosts: int
    flows: tuple[Flow, ...]
    with_ns3: bool
    wanted: int
    cables_ns: tuple[int, int] = (1000, 1000)

    @property
    def hops(self) -> int:
        """Link crossings of data packets and of their acknowledgements."""
        crossings = 0
        for flow in self.flows:
            links = 2 if flow.src // PER_LEAF == flow.dst // PER_LEAF else 4
            crossings += -(-flow.size_bytes // MTU_BYTES) * links * 2
        return crossings


def cases() -> list[Case]:
    """All there are."""
    small, large = permutation(128), permutation(1024)
    found = [
        Case(
            "permutation-128",
            "permutation of 128 hosts, 16 MiB each",
            128,
            tuple(Flow(host, to, 16 << 20) for host, to in enumerate(small)),
            with_ns3=True,
            wanted=6,
        ),
        Case(
            "permutation-1024",
            "permutation of 1024 hosts, 4 MiB each",
            1024,
            tuple(Flow(host, to, 4 << 20) for host, to in enumerate(large)),
            with_ns3=False,
            wanted=10,
        ),
        Case(
            "ring-64",
            "ring all-reduce of 64 ranks, 64 MiB, every step after the one before",
            128,
            tuple(ring(64, 64 << 20)),
            with_ns3=False,
            wanted=10,
        ),
    ]
    short = [shortened(case) for case in found if case.name in ("permutation-128", "ring-64")]
    return [*found, *short]


def shortened(case: Case) -> Case:
    """The same on cables as racks have them; those of 200 m let a partition run long on its own."""
    title = f"{case.title}, cables of 3 m and 30 m"
    return replace(case, name=f"{case.name}-short", title=title, cables_ns=SHORT_NS, wanted=0)


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


def ring(ranks: int, size_bytes: int) -> list[Flow]:
    """A ring all-reduce: in 2 (ranks - 1) steps every rank sends on what it got in the step before."""
    part = size_bytes // ranks
    return [
        Flow(rank, (rank + 1) % ranks, part, (step - 1) * ranks + (rank - 1) % ranks if step else -1)
        for step in range(2 * (ranks - 1))
        for rank in range(ranks)
    ]


def write_inputs(folder: Path, case: Case) -> None:
    """The fabric and the flows in ns-3's and in htsim's form."""
    hosts, leaves = case.hosts, case.hosts // PER_LEAF
    switches = range(hosts, hosts + leaves + SPINES)
    down_ns, up_ns = case.cables_ns
    links = [(host, hosts + host // PER_LEAF, down_ns) for host in range(hosts)]
    links += [
        (hosts + leaf, hosts + leaves + spine, up_ns) for leaf in range(leaves) for spine in range(SPINES)
    ]
    lines = [f"{switches.stop} {len(switches)} {len(links)}", " ".join(map(str, switches))]
    lines += [f"{a} {b} 400Gbps {delay_ns}ns 0" for a, b, delay_ns in links]
    (folder / "fabric.topo").write_text("\n".join(lines) + "\n")
    has_order = any(flow.after >= 0 for flow in case.flows)
    lines = [str(len(case.flows))]
    for flow in case.flows:
        last = str(flow.after) if has_order else "0.0"
        lines.append(f"{flow.src} {flow.dst} 3 100 {flow.size_bytes} {last}")
    (folder / "flows.txt").write_text("\n".join(lines) + "\n")
    (folder / "trace.txt").write_text("0\n")
    (folder / "ns3.conf").write_text(NS3_CONFIG.format(folder=folder))
    (folder / "htsim.topo").write_text(
        HTSIM_TOPOLOGY.format(hosts=hosts, leaves=leaves, down_ns=down_ns, up_ns=up_ns)
    )
    (folder / "htsim.cm").write_text(htsim_matrix(case))


def htsim_matrix(case: Case) -> str:
    """The flows as a connection matrix, whose triggers are the order of dependent flows."""
    raising = sorted({flow.after for flow in case.flows if flow.after >= 0})
    lines = [f"Nodes {case.hosts}", f"Connections {len(case.flows)}"]
    lines += [f"Triggers {len(raising)}"] if raising else []
    raises = set(raising)
    for number, flow in enumerate(case.flows):
        begin = f"trigger {flow.after + 1}" if flow.after >= 0 else "start 0"
        end = f" send_done_trigger {number + 1}" if number in raises else ""
        lines.append(f"{flow.src}->{flow.dst} id {number + 1} {begin} size {flow.size_bytes}{end}")
    lines += [f"trigger id {number + 1} oneshot" for number in raising]
    return "\n".join(lines) + "\n"


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
Downlink_Latency_ns {down_ns}
Switch_Latency_ns 0

Tier 1
Downlink_speed_Gbps 400
Radix_Down {leaves}
Downlink_Latency_ns {up_ns}
Switch_Latency_ns 0
"""
