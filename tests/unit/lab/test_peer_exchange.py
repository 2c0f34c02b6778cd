"""Other simulators' files become fabrics and flows and come back the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.errors import InputError
from raddle.lab.workloads.flow_file import read_flows
from raddle.peers.exporting import (
    PeerNodes,
    exported_flows,
    fat_tree,
    ns3_settings,
    peer_topology,
    with_nvswitches,
)
from raddle.peers.files import read_ns3_flows, read_ns3_topology
from raddle.peers.htsim import read_htsim_flows, read_htsim_topology
from raddle.peers.importing import fabric_yaml, flows_csv
from raddle.peers.names import PeerNames
from raddle.peers.ns3_config import Ns3Config, read_ns3_config
from raddle.peers.write import (
    htsim_flows,
    htsim_topology,
    ns3_config,
    ns3_flows,
    ns3_topology,
    simai_topology,
)
from raddle.topology import find, load, loads
from raddle.topology.model import Fabric

LEAF_SPINE = """8 4 8
4 5 6 7
0 4 400Gbps 1000ns 0
1 4 400Gbps 1000ns 0
2 5 400Gbps 1000ns 0
3 5 400Gbps 1000ns 0
4 6 200Gbps 150ns 0
4 7 200Gbps 150ns 0
5 6 200Gbps 150ns 0
5 7 200Gbps 150ns 0
"""
FLOWS = "2\n0 2 3 100 16777216 2.000000000\n3 1 3 100 1 2.000001500\n"
FAT_TREE = """Nodes 16
Tiers 3
Podsize 8

Tier 0
Downlink_speed_Gbps 400
Radix_Down 4
Radix_Up 2
Oversubscribed 2
Downlink_Latency_ns 15
Switch_Latency_ns 800

Tier 1
Downlink_speed_Gbps 400
Radix_Down 2
Radix_Up 4
Oversubscribed 0
Downlink_Latency_ns 150
Switch_Latency_ns 800

Tier 2
Downlink_speed_Gbps 400
Radix_Down 4
Bundle 2
Downlink_Latency_ns 1000
Switch_Latency_ns 900
"""
MATRIX = """Nodes 16
Connections 4
Triggers 1
0->7 id 1 start 0 size 4096000 send_done_trigger 1
7->0 id 2 start 0 size 4096000 send_done_trigger 1
1->6 id 3 start 5000 size 4096000
0->3 id 4 trigger 1 size 40960
trigger id 1 barrier count 2
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def imported_ns3(folder: Path, text: str, config: Ns3Config) -> Fabric:
    topology = read_ns3_topology(write(folder, "in.topo", text))
    names = PeerNames.of(topology)
    return loads(fabric_yaml("imported", "test", topology, names, config), "imported.yaml")


def test_ns3_topology_and_flows_come_back_as_they_were(tmp_path: Path) -> None:
    fabric = imported_ns3(tmp_path, LEAF_SPINE, Ns3Config())
    nodes = PeerNodes.of(fabric)
    assert ns3_topology(peer_topology(fabric, nodes)) == LEAF_SPINE
    topology = read_ns3_topology(tmp_path / "in.topo")
    flows = read_ns3_flows(write(tmp_path, "in.flow", FLOWS))
    table = read_flows(fabric, write(tmp_path, "flows.csv", flows_csv(flows, PeerNames.of(topology))))
    assert ns3_flows(exported_flows(nodes, table)) == FLOWS


def test_simai_servers_become_hosts_with_a_nic_for_each_gpu(tmp_path: Path) -> None:
    text = LEAF_SPINE.replace("8 4 8", "8 2 0 4 8 NONE", 1)
    fabric = imported_ns3(tmp_path, text, Ns3Config())
    assert [endpoint.name for endpoint in fabric.endpoints] == [
        "host0:eth0", "host0:eth1", "host1:eth0", "host1:eth1",
    ]  # fmt: skip
    assert simai_topology(peer_topology(fabric, PeerNodes.of(fabric))) == text


SERVERS = """10 2 2 4 12 H100
8 9 4 5 6 7
0 4 400Gbps 1000ns 0
1 5 400Gbps 1000ns 0
2 4 400Gbps 1000ns 0
3 5 400Gbps 1000ns 0
4 6 400Gbps 150ns 0
4 7 400Gbps 150ns 0
5 6 400Gbps 150ns 0
5 7 400Gbps 150ns 0
0 8 3600Gbps 20ns 0
1 8 3600Gbps 20ns 0
2 9 3600Gbps 20ns 0
3 9 3600Gbps 20ns 0
"""


def test_nvswitches_become_scale_up_domains_and_come_back(tmp_path: Path) -> None:
    fabric = imported_ns3(tmp_path, SERVERS, Ns3Config())
    inside = fabric.hosts[0].accelerators
    assert inside
    assert (inside.model, inside.count, inside.scale_up_bps) == ("h100", 2, 3_600_000_000_000)
    assert inside.scale_up_latency_ps == 20_000
    assert [host.domain for host in fabric.hosts] == [0, 1]
    assert len(fabric.links) == 8
    nodes = PeerNodes.of(fabric)
    assert simai_topology(with_nvswitches(fabric, nodes, peer_topology(fabric, nodes))) == SERVERS


def test_nodes_on_two_switches_become_nics_of_two_ports_on_planes_or_dual_tor(tmp_path: Path) -> None:
    two_planes = """10 6 12
4 5 6 7 8 9
0 4 200Gbps 1000ns 0
0 6 200Gbps 1000ns 0
1 4 200Gbps 1000ns 0
1 6 200Gbps 1000ns 0
2 5 200Gbps 1000ns 0
2 7 200Gbps 1000ns 0
3 5 200Gbps 1000ns 0
3 7 200Gbps 1000ns 0
4 8 400Gbps 150ns 0
5 8 400Gbps 150ns 0
6 9 400Gbps 150ns 0
7 9 400Gbps 150ns 0
"""
    fabric = imported_ns3(tmp_path, two_planes, Ns3Config())
    assert fabric.planes == 2
    assert [host.nics for host in fabric.hosts] == [("eth0p0", "eth0p1")] * 4
    assert [fabric.endpoints[port].plane for port in range(4)] == [0, 1, 0, 1]
    joined = two_planes.replace("10 6 12", "10 6 14") + "4 9 400Gbps 150ns 0\n6 8 400Gbps 150ns 0\n"
    assert imported_ns3(tmp_path, joined, Ns3Config()).planes == 1
    uneven = two_planes.replace("10 6 12", "10 6 11").replace("0 6 200Gbps 1000ns 0\n", "", 1)
    with pytest.raises(InputError, match="nodes have 1 or 2 links"):
        imported_ns3(tmp_path, uneven, Ns3Config())


def test_what_simai_has_no_place_for_is_not_exported() -> None:
    shape = "raddle: 1\nname: t\nfabric: {leaves: {count: 2}, spines: {count: 1}}\nhosts: {per_leaf: 1, "
    for hosts in (
        "nics: {ports: 2}}",
        "accelerators: {count: 2, scale_up: {bandwidth: 1T, topology: ring}}, nics: {per_accelerator: 1}}",
    ):
        fabric = loads(shape + hosts)
        nodes = PeerNodes.of(fabric)
        with pytest.raises(InputError) as refused:
            with_nvswitches(fabric, nodes, peer_topology(fabric, nodes))
        assert refused.value.diagnostics[0].code == "not-exportable"


def test_a_delay_after_other_flows_is_not_exported(tmp_path: Path) -> None:
    fabric = load(find("leaf-spine-16"))
    flows = write(tmp_path, "flows.csv", "id,src,dst,bytes,after,delay_ns\na,0,1,1,,5\nb,1,0,1,a,30\n")
    with pytest.raises(InputError, match="begin a delay after others"):
        exported_flows(PeerNodes.of(fabric), read_flows(fabric, flows))


def test_fat_tree_of_htsim_comes_back_as_it_was(tmp_path: Path) -> None:
    tree = read_htsim_topology(write(tmp_path, "in.topo", FAT_TREE))
    topology = tree.topology()
    # 16 hosts in 2 pods of 2 leaves and 2 spines; each spine has pairs of links to 2 of 4 superspines.
    assert (topology.nodes, len(topology.switches), len(topology.links)) == (16 + 12, 12, 16 + 8 + 16)
    names = PeerNames.of(topology)
    assert [names.pod[node] for node in topology.switches[:8]] == [0, 0, 1, 1, 0, 0, 1, 1]
    fabric = loads(fabric_yaml("tree", "test", topology, names, Ns3Config()), "tree.yaml")
    nodes = PeerNodes.by_tree(fabric)
    assert htsim_topology(fat_tree(fabric, nodes, peer_topology(fabric, nodes))) == FAT_TREE
    flows = read_htsim_flows(write(tmp_path, "in.cm", MATRIX), 16)
    assert flows.dep_ids.tolist() == [0, 1]
    table = read_flows(fabric, write(tmp_path, "flows.csv", flows_csv(flows, names)))
    assert htsim_flows(exported_flows(nodes, table), 16) == MATRIX


def test_settings_of_ns3_survive_the_fabric_file(tmp_path: Path) -> None:
    ecn = "KMIN_MAP 2 400000000000 800 200000000000 400\nKMAX_MAP 2 400000000000 3200 200000000000 1600\n"
    settings = (
        "CC_MODE 1\nHAS_WIN 0\nL2_ACK_INTERVAL 1\nPACKET_PAYLOAD_SIZE 1024\nBUFFER_SIZE 24\nRATE_AI 80Mb/s\n"
        f"EWMA_GAIN 0.00390625\n{ecn}PMAX_MAP 2 400000000000 0.2 200000000000 0.2\nFAST_RECOVERY_TIMES 3\n"
    )
    config = read_ns3_config(write(tmp_path, "config", settings))
    fabric = imported_ns3(tmp_path, LEAF_SPINE, config)
    assert fabric.roce.mtu_bytes == 1024
    assert fabric.switches[0].model.buffer_bytes == 24 << 20
    assert fabric.roce.dcqcn.rate_ai_bps == 80_000_000
    again = write(
        tmp_path,
        "again",
        ns3_config(peer_topology(fabric, PeerNodes.of(fabric)), ns3_settings(fabric), "t", "f"),
    )
    back = read_ns3_config(again)
    assert back.dcqcn is not None
    assert config.dcqcn is not None
    assert config.dcqcn.ecn is not None
    assert (back.payload_bytes, back.buffer_bytes, back.dcqcn.g) == (1024, 24 << 20, 0.00390625)
    assert back.dcqcn.ecn == config.dcqcn.ecn


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CC_MODE 3\nHAS_WIN 0\nL2_ACK_INTERVAL 1\n", ":1:9: error[bad-peer-file]: CC_MODE 3 is not"),
        ("CC_MODE 1\nL2_ACK_INTERVAL 1\n", "HAS_WIN is missing, and its default 1 is not"),
        ("SPEED 1\n", ":1:1: error[bad-peer-file]: unknown key 'SPEED'"),
        ("CC_MODE 1\nHAS_WIN 0\nL2_ACK_INTERVAL 1\nENABLE_IRN 1\n", ":4:12: error[bad-peer-file]: ENABLE_IR"),
        ("CC_MODE 1\nHAS_WIN 0\nL2_ACK_INTERVAL 1\nLB_MODE 9\n", "LB_MODE 9 is not simulated"),
        ("KMAX_MAP 2 1 2\n", "the file ends within KMAX_MAP"),
        ("RP_TIMER soon\nHAS_WIN 0\nL2_ACK_INTERVAL 1\n", ":1:10: error[bad-peer-file]: RP_TIMER 'soon'"),
    ],
)  # fmt: skip
def test_bad_settings_are_named_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_ns3_config(write(tmp_path, "config", text))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Nodes 16", "Nodes 15", "no such fat tree: 15 nodes are no multiple of the pod size 8"),
        ("Radix_Up 4", "Radix_Up 5", "5 links up are no multiple of a bundle of 2"),
        ("Tiers 3", "Tiers 2", ":2:7: error[bad-peer-file]: 2 tiers, but the file describes [0, 1, 2]"),
        ("Podsize 8", "Colour 8", ":3:1: error[bad-peer-file]: unknown name 'Colour'"),
        ("Oversubscribed 2", "Oversubscribed 1", "'1' is not what the radices say, 2"),
        ("Bundle 2", "Bundle 2\nBundle 2", "'Bundle' is there twice"),
    ],
)
def test_bad_fat_tree_is_named_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_htsim_topology(write(tmp_path, "in.topo", FAT_TREE.replace(old, new, 1)))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0->7", "0->77", ":4:1: error[bad-peer-file]: node '77' is not a whole number from 0 to 15"),
        ("id 2", "id 1", ":5:9: error[bad-peer-file]: id 1 is there twice"),
        ("id 3 start 5000", "id 3 begin 5000", ":6:11: error[bad-peer-file]: unknown word 'begin'"),
        ("trigger 1 size", "trigger 9 size", "no connection raises trigger 9"),
        ("0->3", "3->3", "node 3 sends to itself"),
        ("Nodes 16", "Nodes 12", "12 nodes, but the topology has 16"),
        (
            "Connections 4",
            "Connections 3",
            ":7:1: error[bad-peer-file]: the file has 4 connections, but line 2",
        ),
        ("Triggers 1", "Triggers 2", "1 triggers, but line 3 says 2"),
        ("barrier count 2", "oneshot", "trigger 1 goes off at the first of several connections"),
        ("size 40960", "size 0", "size 0 is a flow without an end"),
        ("start 5000", "start 0.5", "start '0.5' is not a whole number"),
        ("id 4", "id 4 msg 1", ":7:11: error[bad-peer-file]: unknown word 'msg'"),
    ],
)
def test_bad_connection_is_named_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_htsim_flows(write(tmp_path, "in.cm", MATRIX.replace(old, new, 1)), 16)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("links", "message"),
    [
        (["0 2 1Gbps 1ns 0", "1 3 1Gbps 1ns 0", "2 3 1Gbps 1ns 0"], "a link joins leaf 2 and leaf 3"),
        (["0 2 1Gbps 1ns 0", "0 3 1Gbps 1ns 0", "1 2 1Gbps 1ns 0"], "nodes have 1 or 2 links each"),
    ],
)  # fmt: skip
def test_network_without_tiers_is_refused(tmp_path: Path, links: list[str], message: str) -> None:
    text = "\n".join([f"4 2 {len(links)}", "2 3", *links])
    with pytest.raises(InputError, match=message):
        PeerNames.of(read_ns3_topology(write(tmp_path, "in.topo", text)))


def test_irregular_fabric_is_no_tree_of_htsim() -> None:
    fabric = load(find("failed-links"))
    nodes = PeerNodes.by_tree(fabric)
    with pytest.raises(InputError, match="csg-htsim reads regular fat trees only"):
        fat_tree(fabric, nodes, peer_topology(fabric, nodes))


@pytest.mark.parametrize(
    ("kind", "rows", "message"),
    [
        ("ns3", "id,src,dst,bytes,after\na,0,1,1,\nb,1,2,1,a\n", "flows that wait for others"),
        ("ns3", "src,dst,bytes\n0,1,0\n", "flow 1 has 0 bytes; ns-3 takes 1 to 4294967295"),
        ("htsim", "src,dst,bytes\n0,1,2147483648\n", "flow 1 has 2147483648 bytes"),
        ("htsim", "src,dst,bytes,qp\n0,1,1,a\n0,1,1,a\n", "flows that share a queue pair"),
    ],
)
def test_what_the_other_simulator_cannot_say_is_an_error(
    tmp_path: Path, kind: str, rows: str, message: str
) -> None:
    flows = write(tmp_path, "flows.csv", rows)
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(
            app,
            ["export", kind, "leaf-spine-16", "--flows", str(flows), "-o", str(tmp_path / "out")],
            catch_exceptions=False,
        )


def test_import_command_writes_fabric_flows_and_pins_that_simulate(tmp_path: Path) -> None:
    topology, flows = write(tmp_path, "in.topo", LEAF_SPINE), write(tmp_path, "in.flow", FLOWS)
    fabric = tmp_path / "out.yaml"
    run = CliRunner().invoke
    arguments = ["import", "ns3", str(topology), "--flows", str(flows), "-o", str(fabric)]
    assert run(app, arguments, catch_exceptions=False).exit_code == 0
    with pytest.raises(InputError, match="exists"):
        run(app, arguments, catch_exceptions=False)
    simulate = [
        "simulate",
        str(fabric),
        "--flows",
        str(tmp_path / "out.flows.csv"),
        "-o",
        str(tmp_path / "run"),
    ]
    pins = ["--pins", str(tmp_path / "out.pins.csv")]
    assert run(app, [*simulate, *pins], catch_exceptions=False).exit_code == 0
    assert (tmp_path / "run/fct.csv").read_text().count(",done,") == 2
