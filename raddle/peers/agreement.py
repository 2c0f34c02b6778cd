"""The table of errors against other simulators' recorded runs (`scripts/validate`)."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raddle.peers.files import PeerFlows, read_ns3_flows, read_ns3_topology
from raddle.peers.models import HTSIM, NS3_HPCC, PeerModel
from raddle.peers.ns3_config import read_ns3_config
from raddle.peers.run import run_peer

_BEGIN, _END = "<!-- table: scripts/validate -->", "<!-- end of table -->"


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded run.

    Attributes:
        flows, results: files of the recorded runs.
        config: the settings file of a run with congestion control.
        clock_s: what the clock said, for a peer that seeds its paths from it.
        seeds: how many runs of raddle to take together, where marking is random.
    """

    title: str
    model: PeerModel
    flows: str
    results: str
    config: str = ""
    clock_s: int | None = None
    seeds: int = 1


_NS3, _HTSIM = "ns3-hpcc/", "csg-htsim/"
CASES = (
    Case(
        "128 flows inside the leaf",
        NS3_HPCC,
        "caseA0_intra_16MB.hpcc.flow",
        _NS3 + "caseA0_intra_16MB.cc1.fct",
    ),
    Case(
        "permutation, PFC only", NS3_HPCC, "caseA_perm_16MB.hpcc.flow", _NS3 + "caseA_perm_16MB.pfconly.fct"
    ),
    Case(
        "permutation, DCQCN",
        NS3_HPCC,
        "caseA_perm_16MB.hpcc.flow",
        _NS3 + "caseA_perm_16MB.cc1.fct",
        config=_NS3 + "caseA_perm_16MB.cc1.conf",
        seeds=10,
    ),
    Case(
        "ring of 64, 8064 flows, DCQCN",
        NS3_HPCC,
        "caseC_ring64_64MB.dep.flow",
        _NS3 + "caseC_ring64_64MB.cc1.fct",
        config=_NS3 + "caseC_ring64_64MB.cc1.conf",
    ),
    Case(
        "128 flows inside the leaf",
        HTSIM,
        "caseA0_intra_16MB.hpcc.flow",
        _HTSIM + "caseA0_intra_16MB.ref.csv",
    ),
    Case(
        "permutation, PFC only",
        HTSIM,
        "caseA_perm_16MB.hpcc.flow",
        _HTSIM + "caseA_perm_16MB.ref.csv",
        clock_s=1_795_291_480,
    ),
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a case is from its recorded run, in shares of the recorded value (0.01 is 1 %).

    `errors` is FCT / recorded FCT - 1, a row per seed and a column per flow. `mean` and `p99` compare
    those of all flows' FCTs, `last` the time from the first start to the last flow's end, each as a mean
    over the seeds.
    `pauses` and `marks` are counts per run; peer_pauses None: not recorded.
    """

    case: Case
    errors: NDArray[np.float64]
    mean: float
    p99: float
    last: float
    pauses: float
    peer_pauses: int | None
    marks: float
    drops: int

    @property
    def median(self) -> float:
        return float(np.median(np.abs(self.errors)))

    @property
    def worst(self) -> float:
        return float(np.max(np.abs(self.errors)))


def compare(case: Case, reference: Path, train: int = 1) -> Agreement:
    """Run a case, in trains of so many frames at most, and compare it flow by flow; flows of one pair are
    matched in the order of their starts."""
    inputs = reference / "inputs"
    topology = read_ns3_topology(inputs / "ls128_400g.hpcc.topo")
    flows = read_ns3_flows(inputs / case.flows)
    config = read_ns3_config(reference / case.config) if case.config else None
    runs = [
        run_peer(topology, flows, case.model, seed=seed, config=config, clock_s=case.clock_s, train=train)
        for seed in range(1, case.seeds + 1)
    ]
    read = _read_ns3_fct if case.model is NS3_HPCC else _read_htsim_fct
    recorded, last_ps = read(reference / case.results)
    theirs = _matched(flows, recorded)
    fct = np.array([run.fct_ps for run in runs])
    trace = (reference / case.results).with_suffix(".pfc")
    peer_pauses = None
    if trace.exists():
        peer_pauses = sum(line.split()[4] == "1" for line in trace.read_text().splitlines())
    return Agreement(
        case=case,
        errors=fct / theirs - 1,
        mean=float(fct.mean() / theirs.mean() - 1),
        p99=float(np.quantile(fct, 0.99, axis=1).mean() / np.quantile(theirs, 0.99) - 1),
        last=float(np.mean([run.now_ps for run in runs]) / last_ps - 1),
        pauses=float(np.mean([run.pauses for run in runs])),
        peer_pauses=peer_pauses,
        marks=float(np.mean([run.marks for run in runs])),
        drops=sum(run.drops for run in runs),
    )


_Recorded = dict[tuple[int, int], list[float]]


def _read_ns3_fct(path: Path) -> tuple[_Recorded, float]:
    """FCTs in ps by (src, dst) in the order of their starts, and the time from first start to last end.

    Source of the columns: qp_finish in scratch/third.cc of ns3-hpcc.
    """
    rows = []
    for line in path.read_text().splitlines():
        src, dst, _, _, _, start_ns, fct_ns, _ = line.split()
        rows.append((int(start_ns), int(src, 16) >> 8 & 0xFFFF, int(dst, 16) >> 8 & 0xFFFF, int(fct_ns)))
    recorded: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for _, a, b, fct in sorted(rows):
        recorded[a, b].append(fct * 1e3)
    last = max(row[0] + row[3] for row in rows) - min(row[0] for row in rows)
    return recorded, last * 1e3


def _read_htsim_fct(path: Path) -> tuple[_Recorded, float]:
    with path.open(newline="") as file:
        rows = [(int(src), int(dst), float(fct_us) * 1e6) for src, dst, fct_us in csv.reader(file)]
    return {(src, dst): [fct] for src, dst, fct in rows}, max(row[2] for row in rows)


def _matched(flows: PeerFlows, recorded: _Recorded) -> NDArray[np.float64]:
    seen: defaultdict[tuple[int, int], int] = defaultdict(int)
    values = []
    for pair in zip(flows.src.tolist(), flows.dst.tolist(), strict=True):
        values.append(recorded[pair][seen[pair]])
        seen[pair] += 1
    return np.array(values)


def table(rows: list[Agreement]) -> str:
    """The errors as a Markdown table."""
    lines = [
        "| simulator | case | flows | runs | mean FCT | p99 FCT | last flow | per flow: median | 99 % within "
        "| worst | pauses | there | marks |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        size = np.abs(row.errors)
        there = "not recorded" if row.peer_pauses is None else str(row.peer_pauses)
        lines.append(
            f"| {row.case.model.name} | {row.case.title} | {size.shape[1]} | {size.shape[0]} | "
            f"{row.mean:+.3%} | {row.p99:+.3%} | {row.last:+.3%} | {row.median:.3%} | "
            f"{np.quantile(size, 0.99):.2%} | {row.worst:.2%} | "
            f"{row.pauses:.0f} | {there} | {row.marks:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Print the table and put it into the page named second, if one is."""
    parser = argparse.ArgumentParser(prog="scripts/validate")
    parser.add_argument("reference", type=Path, help="recorded inputs and results")
    parser.add_argument("page", type=Path, nargs="?", help="document whose table is written anew")
    parser.add_argument("--train", type=int, default=1, metavar="N", help="frames that move as one, at most")
    given = parser.parse_args(arguments)
    if not given.reference.is_dir():
        print(f"no recorded runs at {given.reference}", file=sys.stderr)
        return 2
    text = table([compare(case, given.reference, given.train) for case in CASES])
    print(text, end="")
    if (page := given.page) is not None and given.train == 1:
        before, rest = page.read_text("utf-8").split(_BEGIN)
        page.write_text(f"{before}{_BEGIN}\n\n{text}\n{_END}{rest.split(_END)[1]}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
