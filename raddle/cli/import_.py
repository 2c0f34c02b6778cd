"""`raddle import`: another simulator's network and flows as a fabric file and a flow file."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from raddle.errors import InputError
from raddle.peers.files import PeerFlows, PeerTopology, read_ns3_flows, read_ns3_topology
from raddle.peers.htsim import read_htsim_flows, read_htsim_topology
from raddle.peers.importing import PeerNames, fabric_yaml, flows_csv
from raddle.peers.ns3_config import Ns3Config, read_ns3_config
from raddle.peers.pins import ns3_pins_csv
from raddle.topology import loads


class PeerKind(StrEnum):
    ns3 = "ns3"
    simai = "simai"
    htsim = "htsim"


KindArg = Annotated[PeerKind, typer.Argument(help="The other simulator.")]


def import_(
    kind: KindArg,
    topology: Annotated[Path, typer.Argument(metavar="TOPOLOGY", help="Its topology file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FABRIC.yaml", help="Fabric file to write.")
    ],
    flows: Annotated[Path | None, typer.Option(help="Its flow file (htsim: connection matrix).")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Its settings (ns3, simai): buffers, DCQCN, ECN.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
) -> None:
    """Read another simulator's files and write a fabric file; with --flows, a flow file beside it.

    FABRIC.flows.csv has the flows; for ns3, FABRIC.pins.csv has the paths that its hash gives to their data.
    """
    network = _topology(kind, topology)
    settings = _settings(kind, config)
    names = PeerNames.of(network)
    files = {output: fabric_yaml(output.stem, f"{kind.value} file {topology.name}", network, names, settings)}
    if flows:
        table = _flows(kind, flows, network)
        files[output.with_suffix(".flows.csv")] = flows_csv(table, names)
        if kind is PeerKind.ns3:
            files[output.with_suffix(".pins.csv")] = ns3_pins_csv(network, table, names)
    loads(files[output], str(output))
    for path in files:
        if path.exists() and not force:
            raise InputError.of("file-exists", f"'{path}' exists", "choose another name, or add --force")
    for path, text in files.items():
        try:
            path.write_text(text, "utf-8")
        except OSError as error:
            raise InputError.of("cannot-write", f"cannot write '{path}': {error.strerror}") from None
        print(f"wrote {path}", file=sys.stderr)


def _topology(kind: PeerKind, path: Path) -> PeerTopology:
    return read_htsim_topology(path).topology() if kind is PeerKind.htsim else read_ns3_topology(path)


def _flows(kind: PeerKind, path: Path, network: PeerTopology) -> PeerFlows:
    if kind is PeerKind.htsim:
        return read_htsim_flows(path, network.nodes - len(network.switches))
    return read_ns3_flows(path, network.nodes)


def _settings(kind: PeerKind, config: Path | None) -> Ns3Config:
    """Without a settings file: 4096 bytes of payload, 32 MiB of buffer and no congestion control."""
    if config is None:
        return Ns3Config(payload_bytes=4096, buffer_bytes=32 << 20)
    if kind is PeerKind.htsim:
        raise InputError.of(
            "bad-option", "--config is for ns3 and simai; htsim's settings are options of its program"
        )
    return read_ns3_config(config)
