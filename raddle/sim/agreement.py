"""The table of errors against other simulators' recorded runs (`scripts/validate`)."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raddle.sim.peer_files import PeerFlows, read_ns3_flows, read_ns3_topology, read_spines
from raddle.sim.peer_models import HTSIM, NS3_HPCC, PeerModel
from raddle.sim.peer_run import run_peer

_BEGIN, _END = "<!-- table: scripts/validate -->", "<!-- end of table -->"


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded run. `pins`: the file with the data's uplinks, for a peer whose paths are random."""

    title: str
    model: PeerModel
    flows: str
    results: str
    pins: str = ""


CASES = (
    Case(
        "128 flows inside the leaf",
        NS3_HPCC,
        "caseA0_intra_16MB.hpcc.flow",
        "ns3-hpcc/caseA0_intra_16MB.cc1.fct",
    ),
    Case(
        "permutation, PFC only", NS3_HPCC, "caseA_perm_16MB.hpcc.flow", "ns3-hpcc/caseA_perm_16MB.pfconly.fct"
    ),
    Case(
        "ring of 64, 8064 flows", NS3_HPCC, "caseC_ring64_64MB.dep.flow", "ns3-hpcc/caseC_ring64_64MB.cc1.fct"
    ),
    Case(
        "128 flows inside the leaf",
        HTSIM,
        "caseA0_intra_16MB.hpcc.flow",
        "csg-htsim/caseA0_intra_16MB.ref.csv",
    ),
    Case(
        "permutation, PFC only",
        HTSIM,
        "caseA_perm_16MB.hpcc.flow",
        "csg-htsim/caseA_perm_16MB.ref.csv",
        "caseA_perm_16MB.htsim_spine.csv",
    ),
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a case is from its recorded run, in shares of the recorded value (0.01 is 1 %).

    `errors` is per flow, FCT / recorded FCT - 1; `last` compares the longest time from the first start to a
    flow's end; `pauses` and `peer_pauses` count pauses (peer_pauses None: not recorded).
    """

    case: Case
    errors: NDArray[np.float64]
    last: float
    pauses: int
    peer_pauses: int | None
    drops: int

    @property
    def median(self) -> float:
        return float(np.median(np.abs(self.errors)))

    @property
    def worst(self) -> float:
        return float(np.max(np.abs(self.errors)))


def compare(case: Case, reference: Path) -> Agreement:
    """Run a case and compare it flow by flow; flows of one pair are matched in the order of their starts."""
    inputs = reference / "inputs"
    topology = read_ns3_topology(inputs / "ls128_400g.hpcc.topo")
    flows = read_ns3_flows(inputs / case.flows)
    spines = {(src, dst): spine for src, dst, spine in read_spines(inputs / case.pins)} if case.pins else {}
    result = run_peer(topology, flows, case.model, spines=spines)
    read = _read_ns3_fct if case.model is NS3_HPCC else _read_htsim_fct
    recorded, last_ps = read(reference / case.results)
    errors = result.fct_ps / _matched(flows, recorded) - 1
    trace = (reference / case.results).with_suffix(".pfc")
    peer_pauses = None
    if trace.exists():
        peer_pauses = sum(line.split()[4] == "1" for line in trace.read_text().splitlines())
    return Agreement(case, errors, result.now_ps / last_ps - 1, result.pauses, peer_pauses, result.drops)


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
        "| simulator | case | flows | median error | 99 % within | worst | last flow | pauses | there |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        size = np.abs(row.errors)
        there = "not recorded" if row.peer_pauses is None else str(row.peer_pauses)
        lines.append(
            f"| {row.case.model.name} | {row.case.title} | {len(size)} | {np.median(size):.3%} | "
            f"{np.quantile(size, 0.99):.2%} | {size.max():.2%} | {row.last:+.3%} | {row.pauses} | {there} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Print the table and put it into the page named second, if one is."""
    reference = Path(arguments[0])
    if not reference.is_dir():
        print(f"no recorded runs at {reference}", file=sys.stderr)
        return 2
    text = table([compare(case, reference) for case in CASES])
    print(text, end="")
    if len(arguments) > 1:
        page = Path(arguments[1])
        before, rest = page.read_text("utf-8").split(_BEGIN)
        page.write_text(f"{before}{_BEGIN}\n\n{text}\n{_END}{rest.split(_END)[1]}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
