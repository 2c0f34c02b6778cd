"""`raddle import`: another simulator's files, or SONiC switches as they stand, as a fabric file."""

from __future__ import annotations

import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from raddle.cli.import_sonic import import_sonic, write_new
from raddle.cli.options import JsonOption
from raddle.errors import InputError
from raddle.peers.files import PeerFlows, PeerTopology, read_ns3_flows, read_ns3_topology
from raddle.peers.htsim import read_htsim_flows, read_htsim_topology
from raddle.peers.importing import check_joined, faults_csv, fitting_fabric, flows_csv, payload_note
from raddle.peers.names import PeerNames
from raddle.peers.ns3_config import Ns3Config, read_ns3_config
from raddle.peers.pins import ns3_pins_csv


class PeerKind(StrEnum):
    ns3 = "ns3"
    simai = "simai"
    htsim = "htsim"
    sonic = "sonic"
    goal = "goal"
    chakra = "chakra"
    matrix = "matrix"


OF_WORKLOADS = (PeerKind.goal, PeerKind.chakra, PeerKind.matrix)
"""Files that say what ranks do, and not of which network."""

KindArg = Annotated[
    PeerKind, typer.Argument(help="Another simulator; sonic; goal, chakra, matrix: of a workload.")
]


def import_(
    kind: KindArg,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FABRIC.yaml", help="Fabric file to write.")
    ],
    topology: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...",
            help="Its topology file; sonic: a config_db.json or minigraph for each switch, or their folder.",
        ),
    ] = None,
    flows: Annotated[Path | None, typer.Option(help="Its flow file (htsim: connection matrix).")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Its settings (ns3, simai): buffers, DCQCN, ECN.")
    ] = None,
    inventory: Annotated[
        Path | None, typer.Option(metavar="FILE", help="sonic: read the running switches, over gNMI.")
    ] = None,
    cables: Annotated[
        Path | None,
        typer.Option(metavar="CABLES.csv", help="sonic: cables, which count before what switches say."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read another simulator's files, or SONiC switches, and write a fabric file.

    With --flows, FABRIC.flows.csv has the flows; for ns3, FABRIC.pins.csv the paths that its hash gives to
    their data. sonic: FABRIC.record.json has what the switches hold, so that a first apply changes nothing;
    what could not be adopted is listed.
    """
    _refuse_mixed(kind, topology, flows or config, inventory or cables or as_json)
    if kind is PeerKind.sonic:
        import_sonic(topology or (), output, inventory, cables, force, as_json)
        return
    assert topology
    files, told = _simulator_files(kind, topology[0], output, flows, config)
    write_new(files, force)
    for each in told:
        print(f"note: {each}", file=sys.stderr)


def _refuse_mixed(kind: PeerKind, files: list[Path] | None, of_peers: object, of_sonic: object) -> None:
    """See that options and files are of the kind that is imported."""
    if kind in OF_WORKLOADS:
        raise InputError.of(
            "bad-option",
            f"a {kind.value} has no fabric",
            f"name the file in a workload: {{{kind.value}: FILE}}",
        )
    if kind is PeerKind.sonic:
        if of_peers:
            raise InputError.of("bad-option", "--flows and --config are of other simulators, not of sonic")
        return
    if of_sonic:
        raise InputError.of(
            "bad-option", f"--inventory, --cables and --json are of sonic, not of {kind.value}"
        )
    if not files or len(files) > 1:
        raise InputError.of("bad-option", f"{kind.value} has one topology file, {len(files or ())} are given")


def _simulator_files(
    kind: PeerKind, topology: Path, output: Path, flows: Path | None, config: Path | None
) -> tuple[dict[Path, str], list[str]]:
    """The files to write, and what is to be told of them."""
    network = _topology(kind, topology)
    settings = _settings(kind, config)
    names = PeerNames.of(network)
    source = f"{kind.value} file {topology.name}"
    text, notes = fitting_fabric(output, source, network, names, settings)
    files = {output: text}
    told = [*network.notes, *(f"left out: {each}" for each in settings.left_out), *notes]
    if payload := payload_note(settings):
        told.append(payload)
    if lacking := settings.without_thresholds(Counter(link.speed_bps for link in network.network)):
        told.append(lacking)
    if faults := faults_csv(network, names, settings):
        files[output.with_suffix(".faults.csv")] = faults
        name = output.with_suffix(".faults.csv").name
        told.append(
            f"'simulate --faults {name}' has links lose as many full frames as there, and fewer short ones"
        )
    if flows:
        table = _flows(kind, flows, network)
        told += table.place.notes
        files[output.with_suffix(".flows.csv")] = flows_csv(
            table, names, network.gpus_per_server if network.nvswitches else 0
        )
        check_joined(network, table)
        if kind is PeerKind.ns3:
            files[output.with_suffix(".pins.csv")] = ns3_pins_csv(network, table, names)
    return files, told


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
