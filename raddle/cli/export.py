"""`raddle export`: a fabric and flows as the files of another simulator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.import_ import KindArg, PeerKind
from raddle.cli.options import load_fabric
from raddle.errors import InputError
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.graph.traces.goal_text import goal_text, lost_in_goal, matrix_csv
from raddle.lab.workloads.flow_file import read_flows
from raddle.peers.exporting import (
    PeerNodes,
    exported_flows,
    fat_tree,
    nodes_csv,
    ns3_settings,
    peer_topology,
    with_nvswitches,
)
from raddle.peers.write import (
    htsim_flows,
    htsim_topology,
    ns3_config,
    ns3_flows,
    ns3_topology,
    simai_topology,
)
from raddle.topology.model import Fabric
from raddle.workload import Workload


def export(
    kind: KindArg,
    fabric: FabricArg,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")],
    flows: Annotated[
        Path | None, typer.Option(help="CSV with columns src,dst,bytes; also id,start_ns,after.")
    ] = None,
    workload: Annotated[
        Path | None, typer.Option(metavar="WORKLOAD.yaml", help="goal, matrix: what its ranks do.")
    ] = None,
) -> None:
    """Write a fabric, and flows with --flows, or a workload, as files that another simulator runs.

    nodes.csv says which node is what. Ends with 2 where the other simulator cannot express something.
    """
    model = load_fabric(fabric)
    if (workload is not None) != (kind in (PeerKind.goal, PeerKind.matrix)) or (workload and flows):
        raise InputError.of("bad-option", "--workload is of goal and matrix, and what they need")
    if workload:
        _write(output, _of_workload(kind, model, workload))
        return
    table = read_flows(model, flows) if flows else None
    _write(output, _htsim(model, table) if kind is PeerKind.htsim else _ns3(kind, model, table))


def _write(output: Path, files: dict[str, str]) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (output / name).write_text(text, "utf-8")
    except OSError as error:
        raise InputError.of("cannot-write", f"{output}: {error.strerror}") from None
    print(f"wrote {', '.join(files)} to {output}", file=sys.stderr)


def _of_workload(kind: PeerKind, fabric: Fabric, path: Path) -> dict[str, str]:
    """The files of a workload; stderr is told what is lost."""
    laid_out = assemble(read_workload(fabric, path))
    if kind is PeerKind.matrix:
        print("not in the matrix: time, order and computing", file=sys.stderr)
        return {"matrix.csv": matrix_csv(laid_out)}
    print(f"not in the GOAL file: {'; '.join(lost_in_goal(laid_out))}", file=sys.stderr)
    return {"workload.goal": goal_text(laid_out)}


def _ns3(kind: PeerKind, fabric: Fabric, table: Workload | None) -> dict[str, str]:
    nodes = PeerNodes.of(fabric)
    topology = peer_topology(fabric, nodes)
    text = (
        simai_topology(with_nvswitches(fabric, nodes, topology))
        if kind is PeerKind.simai
        else ns3_topology(topology)
    )
    files = {"topology.txt": text, "nodes.csv": nodes_csv(nodes.names(fabric))}
    if table:
        files["flows.txt"] = ns3_flows(exported_flows(nodes, table))
    if kind is PeerKind.ns3:
        files["config.txt"] = ns3_config(topology, ns3_settings(fabric), "topology.txt", "flows.txt")
        files["trace.txt"] = "0\n"
    return files


def _htsim(fabric: Fabric, table: Workload | None) -> dict[str, str]:
    nodes = PeerNodes.by_tree(fabric)
    tree = fat_tree(fabric, nodes, peer_topology(fabric, nodes))
    files = {"fabric.topo": htsim_topology(tree), "nodes.csv": nodes_csv(nodes.names(fabric))}
    if table:
        files["flows.cm"] = htsim_flows(exported_flows(nodes, table), tree.hosts)
    return files
