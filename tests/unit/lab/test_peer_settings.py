"""What decides another simulator's result is imported, or it is told; what is wrong, at its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.controller.plan.make import make_plan
from raddle.controller.southbound.sonic.tables import intended
from raddle.errors import InputError
from raddle.peers.files import read_ns3_topology
from raddle.peers.htsim import read_htsim_topology
from raddle.peers.names import PeerNames
from raddle.peers.ns3_config import read_ns3_config
from tests.unit.lab.test_peer_exchange import FAT_TREE, FLOWS, LEAF_SPINE, imported_ns3, write

FOUR_SPEEDS = "KMIN_MAP 2 400000000000 90 200000000000 40\nKMAX_MAP 2 400000000000 360 200000000000 160\n"
DCQCN_ONLY = "CC_MODE 1\nHAS_WIN 0\nL2_ACK_INTERVAL 1\n"


def test_thresholds_of_each_speed_reach_the_ports_of_that_speed(tmp_path: Path) -> None:
    maps = f"{FOUR_SPEEDS}PMAX_MAP 2 400000000000 0.3 200000000000 1\n"
    fabric = imported_ns3(tmp_path, LEAF_SPINE, read_ns3_config(write(tmp_path, "c", DCQCN_ONLY + maps)))
    plan = make_plan(fabric, "ecmp")
    for switch in plan.switches:
        tables = intended(switch)
        for port in (each for each in switch.ports if each.peer):
            profile = tables["WRED_PROFILE"][tables["QUEUE"][f"{port.name}|3"]["wred_profile"]]
            ends = (
                profile["green_min_threshold"],
                profile["green_max_threshold"],
                profile["green_drop_probability"],
            )
            assert ends == (
                ("90000", "360000", "30") if port.speed_bps == 4 * 10**11 else ("40000", "160000", "100")
            )


def test_speeds_without_thresholds_and_settings_that_do_nothing_here_are_told(tmp_path: Path) -> None:
    settings = (
        f"{DCQCN_ONLY}PAUSE_TIME 5\nKMIN_MAP 1 400000000000 90\nKMAX_MAP 1 400000000000 360\n"
        "PMAX_MAP 1 400000000000 1\nSIMULATOR_STOP_TIME 4\nRATE_MON_FILE r.txt\nMON_START 0\n"
    )
    topology, config = write(tmp_path, "in.topo", LEAF_SPINE), write(tmp_path, "c.conf", settings)
    arguments = ["import", "ns3", str(topology), "--config", str(config), "-o", str(tmp_path / "out.yaml")]
    told = CliRunner().invoke(app, arguments, catch_exceptions=False).stderr
    assert "note: left out: PAUSE_TIME 5" in told
    assert "note: left out: SIMULATOR_STOP_TIME 4: 'raddle simulate --until' ends a run" in told
    assert f"{config}:5:1: KMIN_MAP, KMAX_MAP and PMAX_MAP have no thresholds for links of 200G" in told
    assert told.count("note:") == 3


def test_links_that_lose_packets_become_bit_errors(tmp_path: Path) -> None:
    text = LEAF_SPINE.replace("0 4 400Gbps 1000ns 0", "0 4 400Gbps 1000ns 0.01", 1)
    topology, flows = write(tmp_path, "in.topo", text), write(tmp_path, "in.flow", FLOWS)
    config = write(
        tmp_path, "c.conf", f"{DCQCN_ONLY}ENABLE_QCN 0\nPACKET_PAYLOAD_SIZE 4096\nERROR_RATE_PER_LINK 0.002\n"
    )
    fabric = tmp_path / "out.yaml"
    arguments = [
        "import",
        "ns3",
        str(topology),
        "--config",
        str(config),
        "--flows",
        str(flows),
        "-o",
        str(fabric),
    ]
    run = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "out.faults.csv' has links lose as many full frames" in run.stderr
    rows = (tmp_path / "out.faults.csv").read_text().splitlines()[1:]
    assert len(rows) == 8
    lost = {row.split(",")[1]: 1 - (1 - float(row.split(",")[4])) ** (8 * 4158) for row in rows}
    assert lost.pop("host0:eth0") == pytest.approx(0.01, rel=1e-4)
    assert list(lost.values()) == [pytest.approx(0.002, rel=1e-4)] * 7
    simulate = [
        "simulate",
        str(fabric),
        "--flows",
        str(tmp_path / "out.flows.csv"),
        "-o",
        str(tmp_path / "run"),
    ]
    simulate += ["--faults", str(tmp_path / "out.faults.csv")]
    assert CliRunner().invoke(app, simulate, catch_exceptions=False).exit_code == 0


def test_lines_behind_the_counts_of_a_file_are_left_out_as_ns3_does_and_told(tmp_path: Path) -> None:
    topology = write(tmp_path, "in.topo", LEAF_SPINE + "3 7 400Gbps 1000ns 0\n...\n")
    flows = write(tmp_path, "in.flow", FLOWS.replace("2\n", "1\n", 1).replace(" 1 3 100 1 ", " 1 4 100 1 "))
    arguments = ["import", "ns3", str(topology), "--flows", str(flows), "-o", str(tmp_path / "out.yaml")]
    run = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert f"note: {topology}:11:1: 10 lines of links, but line 1 says 8: left out from here on" in run.stderr
    assert f"note: {flows}:3:1: 2 lines of flows, but line 1 says 1: left out from here on" in run.stderr
    assert len((tmp_path / "out.flows.csv").read_text().splitlines()) == 2


def test_a_buffer_that_no_file_gives_holds_the_headroom_of_its_cables(tmp_path: Path) -> None:
    links = [f"{host} {40 + host // 20} 400Gbps 3us 0" for host in range(40)]
    links += [f"{leaf} {spine} 400Gbps 3us 0" for leaf in (40, 41) for spine in range(42, 62)]
    text = f"62 22 {len(links)}\n{' '.join(map(str, range(40, 62)))}\n" + "\n".join(links) + "\n"
    topology, fabric = write(tmp_path, "in.topo", text), tmp_path / "out.yaml"
    run = CliRunner().invoke
    done = run(app, ["import", "ns3", str(topology), "-o", str(fabric)], catch_exceptions=False)
    assert "note: switches have a buffer of 64MiB, which their cables' headroom asks for" in done.stderr
    assert run(app, ["validate", str(fabric)], catch_exceptions=False).exit_code == 0
    config = write(tmp_path, "c.conf", f"{DCQCN_ONLY}ENABLE_QCN 0\nBUFFER_SIZE 16\n")
    arguments = ["import", "ns3", str(topology), "--config", str(config), "-o", str(fabric), "--force"]
    assert "note: 'raddle validate' refuses buffers of 16MiB: leaf40" in run(app, arguments).stderr


def test_queue_sizes_of_htsim_are_told_to_be_left_out(tmp_path: Path) -> None:
    tree = read_htsim_topology(
        write(tmp_path, "in.topo", FAT_TREE.replace("Bundle 2", "Bundle 2\nQueue_down 64"))
    )
    (note,) = tree.topology().notes
    assert note.startswith("left out: sizes of queues in line 25")


@pytest.mark.parametrize("head", ["8 4 4 8", "8 4 4 8 400000000000 200000000000.0"])
def test_relatives_of_the_first_line_are_the_same_network(tmp_path: Path, head: str) -> None:
    plain = read_ns3_topology(write(tmp_path, "a.topo", LEAF_SPINE))
    text = (
        LEAF_SPINE.replace("8 4 8", head, 1)
        .replace("400Gbps", "400000000000.0")
        .replace("200Gbps", "200000000000")
    )
    assert read_ns3_topology(write(tmp_path, "b.topo", text)) == plain


def test_a_network_without_tiers_is_told_at_its_line(tmp_path: Path) -> None:
    lines = LEAF_SPINE.splitlines()
    lines[2] = lines[3]  # node 0 has no link, node 1 has two
    with pytest.raises(InputError) as caught:
        PeerNames.of(read_ns3_topology(write(tmp_path, "in.topo", "\n".join(lines))))
    assert "in.topo:2:1: error[not-in-tiers]: node 0 has 0 links" in str(caught.value)


def test_what_the_fabric_file_refuses_is_told_at_the_line_of_the_topology(tmp_path: Path) -> None:
    topology = write(tmp_path, "in.topo", LEAF_SPINE.replace("0 4 400Gbps", "0 4 500Tbps", 1))
    arguments = ["import", "ns3", str(topology), "-o", str(tmp_path / "out.yaml")]
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "in.topo:3:" in str(caught.value)
    assert "out.yaml:" not in str(caught.value)
