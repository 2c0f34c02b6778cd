"""`raddle export`: a fabric and flows as the files of another simulator."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.cli.import_ import OF_WORKLOADS, KindArg, PeerKind
from raddle.cli.options import load_fabric
from raddle.errors import InputError
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.graph.traces.chakra_files import chakra_files, lost_in_chakra
from raddle.lab.graph.traces.goal_text import goal_text, lost_in_goal, matrix_csv
from raddle.lab.graph.traces.simai_text import lost_in_simai, plan_of, simai_text
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

_NAMED = 8
"""Files that are named one by one."""


def export(
    kind: KindArg,
    fabric: FabricArg,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")],
    flows: Annotated[
        Path | None, typer.Option(help="CSV with columns src,dst,bytes; also id,start_ns,after.")
    ] = None,
    workload: Annotated[
        Path | None,
        typer.Option(metavar="WORKLOAD.yaml", help="goal, chakra, matrix, simai: what its ranks do."),
    ] = None,
) -> None:
    """Write a fabric, and flows with --flows, or a workload, as files that another simulator runs.

    nodes.csv says which node is what. Ends with 2 where the other simulator cannot express something.
    """
    model = load_fabric(fabric)
    if workload is None and kind in OF_WORKLOADS:
        raise InputError.of("bad-option", f"{kind.value} needs --workload WORKLOAD.yaml")
    if workload and (flows or kind not in (*OF_WORKLOADS, PeerKind.simai)):
        raise InputError.of("bad-option", "--workload is of goal, chakra, matrix and simai, without --flows")
    if workload:
        _write(output, _of_workload(kind, model, workload))
        return
    table = read_flows(model, flows) if flows else None
    _write(output, _htsim(model, table) if kind is PeerKind.htsim else _ns3(kind, model, table))


def _write(output: Path, files: Mapping[str, str | bytes]) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (output / name).write_bytes(text.encode() if isinstance(text, str) else text)
    except OSError as error:
        raise InputError.of("cannot-write", f"{output}: {error.strerror}") from None
    names = list(files)
    said = ", ".join(names if len(names) <= _NAMED else [names[0], "...", names[-1]])
    print(f"wrote {said} to {output}", file=sys.stderr)


def _of_workload(kind: PeerKind, fabric: Fabric, path: Path) -> Mapping[str, str | bytes]:
    """The files of a workload; stderr is told what is lost."""
    graph = read_workload(fabric, path)
    if kind is PeerKind.simai:
        plan = plan_of(graph)
        _tell("workload file of SimAI", lost_in_simai(plan))
        return {"workload.txt": simai_text(plan)}
    laid_out = assemble(graph)
    if kind is PeerKind.matrix:
        _tell("matrix", ["time, order and computing"])
        return {"matrix.csv": matrix_csv(laid_out)}
    if kind is PeerKind.chakra:
        _tell("Chakra traces", lost_in_chakra(laid_out))
        return chakra_files(laid_out, "workload")
    _tell("GOAL file", lost_in_goal(laid_out))
    return {"workload.goal": goal_text(laid_out)}


def _tell(what: str, lost: Iterable[str]) -> None:
    print(f"not in the {what}: {'; '.join(lost)}", file=sys.stderr)


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
