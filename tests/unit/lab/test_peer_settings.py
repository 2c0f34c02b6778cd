"""What decides another simulator's result is imported, or it is told; what is wrong, at its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.controller.plan.make import make_plan
from raddle.controller.southbound.sonic.tables import intended
from raddle.errors import InputError
from raddle.peers.files import read_ns3_flows, read_ns3_topology
from raddle.peers.htsim import read_htsim_flows, read_htsim_topology
from raddle.peers.names import PeerNames
from raddle.peers.ns3_config import read_ns3_config
from tests.unit.lab.test_peer_exchange import FAT_TREE, FLOWS, LEAF_SPINE, MATRIX, imported_ns3, write

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
        "PACKET_PAYLOAD_SIZE 1024\n"
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


MAPS = "KMIN_MAP 1 50000000000 30\nKMAX_MAP 1 50000000000 120\nPMAX_MAP 1 50000000000 0.1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ERROR_RATE_PER_LINK 1\n", ":4:21: error[bad-peer-file]: a link that loses every packet"),
        ("EWMA_GAIN 0\n", ":4:11: error[bad-peer-file]: EWMA_GAIN '0' is not a number above 0 and at most 1"),
        ("FAST_RECOVERY_TIMES 0\n", ":4:21: error[bad-peer-file]: FAST_RECOVERY_TIMES '0' is not a whole"),
        ("RP_TIMER 20000000\n", ":4:10: error[bad-peer-file]: RP_TIMER '20000000' is not a number from 1"),
        ("RATE_AI 200Tbps\n", ":4:9: error[bad-peer-file]: RATE_AI '200Tbps' is above 100T"),
        (MAPS.replace(" 30", " 0"), ":4:24: error[bad-peer-file]: KMIN_MAP '0' is not a whole number from 1"),
        (MAPS.replace(" 120", " 0"), ":5:24: error[bad-peer-file]: KMAX_MAP '0' is not a whole number"),
        (MAPS.replace(" 0.1", " 0"), ":6:24: error[bad-peer-file]: PMAX_MAP '0' is not a number above 0"),
        (MAPS.replace(" 30", " 130"), ":4:24: error[bad-peer-file]: KMIN_MAP is above KMAX_MAP at the speed"),
        (MAPS.replace("KMAX_MAP 1 5", "KMAX_MAP 1 6"), ":4:24: error[bad-peer-file]: KMAX_MAP: the speed 50"),
    ],
)  # fmt: skip
def test_settings_that_a_fabric_file_does_not_take_are_told_at_their_word(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_ns3_config(write(tmp_path, "c.conf", DCQCN_ONLY + text))
    assert f"c.conf{message}" in str(caught.value)


def test_small_gains_and_chances_are_written_without_an_exponent(tmp_path: Path) -> None:
    text = f"{DCQCN_ONLY}EWMA_GAIN 0.00000025\n" + MAPS.replace(" 0.1", " 0.0000003").replace("5000", "40000")
    fabric = imported_ns3(tmp_path, LEAF_SPINE, read_ns3_config(write(tmp_path, "c.conf", text)))
    assert fabric.roce.dcqcn.g == 0.00000025
    assert fabric.roce.ecn.pmax == pytest.approx(0.0000003)


def test_flows_between_parts_that_no_link_joins_are_told_at_their_line(tmp_path: Path) -> None:
    apart = "4 2 2\n1 3\n0 1 50Gbps 500ns 0\n2 3 50Gbps 500ns 0\n"
    topology, flows = write(tmp_path, "in.topo", apart), write(tmp_path, "in.flow", "1\n2 0 3 9 7000 2\n")
    for kind in ("ns3", "simai"):
        arguments = [
            "import",
            kind,
            str(topology),
            "--flows",
            str(flows),
            "-o",
            str(tmp_path / f"{kind}.yaml"),
        ]
        with pytest.raises(InputError) as caught:
            CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert "in.flow:2:1: error[bad-peer-file]: flow 1: no path from node 2 to node 0" in str(caught.value)


def test_paths_over_links_side_by_side_are_pinned_in_two_tiers(tmp_path: Path) -> None:
    links = [f"{host} {6 + host // 3} 100Gbps 1us 0" for host in range(6)]
    links += [f"{leaf} {spine} 100Gbps 1us 0" for leaf in (6, 7) for spine in (8, 9) for _ in range(3)]
    topology = write(tmp_path, "in.topo", "\n".join([f"10 4 {len(links)}", "6 7 8 9", *links, ""]))
    rows = [f"{src} {3 + dst} 3 {src} 50000 2" for src in range(3) for dst in range(3)]
    flows = write(tmp_path, "in.flow", "\n".join([f"{len(rows)}", *rows, ""]))
    fabric, run = tmp_path / "out.yaml", CliRunner().invoke
    assert run(app, ["import", "ns3", str(topology), "--flows", str(flows), "-o", str(fabric)]).exit_code == 0
    pins = tmp_path / "out.pins.csv"
    assert ":Ethernet" in pins.read_text().split("spine", 1)[1]
    simulate = ["simulate", str(fabric), "--flows", str(tmp_path / "out.flows.csv"), "--pins", str(pins)]
    done = run(app, [*simulate, "-o", str(tmp_path / "run")], catch_exceptions=False)
    assert "9 of 9 flows done" in done.stdout


@pytest.mark.parametrize(("payload", "told"), [(1400, "fewer"), (5000, "more")])
def test_a_payload_that_is_no_path_mtu_is_told(tmp_path: Path, payload: int, told: str) -> None:
    topology = write(tmp_path, "in.topo", LEAF_SPINE)
    config = write(tmp_path, "c.conf", f"{DCQCN_ONLY}ENABLE_QCN 0\nPACKET_PAYLOAD_SIZE {payload}\n")
    arguments = ["import", "ns3", str(topology), "--config", str(config), "-o", str(tmp_path / "out.yaml")]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert f"where PACKET_PAYLOAD_SIZE is {payload}: flows have {told} packets" in done.stderr


def test_words_behind_the_last_column_are_told(tmp_path: Path) -> None:
    text = LEAF_SPINE.replace("5 7 200Gbps 150ns 0", "5 7 200Gbps 150ns 0 8")
    with pytest.raises(InputError, match=r"in.topo:10:21: .* 6 words; a link has 5 words"):
        read_ns3_topology(write(tmp_path, "in.topo", text))
    with pytest.raises(InputError, match=r"in.flow:3:25: .* 7 words; a flow has 6 words"):
        read_ns3_flows(write(tmp_path, "in.flow", FLOWS[:-1] + " 3\n"))
    with pytest.raises(InputError, match=r"in.flow:1:3: .* the first line is the number of flows"):
        read_ns3_flows(write(tmp_path, "in.flow", FLOWS.replace("2\n", "2 1\n", 1)))
    with pytest.raises(InputError, match=r"in.topo:3:11: .* a line is a name and a number"):
        read_htsim_topology(write(tmp_path, "in.topo", FAT_TREE.replace("Podsize 8", "Podsize 8 4")))


def test_a_byte_order_mark_and_comments_behind_words_are_read_over(tmp_path: Path) -> None:
    plain = read_ns3_topology(write(tmp_path, "a.topo", LEAF_SPINE))
    marked = tmp_path / "b.topo"
    marked.write_bytes(b"\xef\xbb\xbf" + LEAF_SPINE.encode())
    assert read_ns3_topology(marked) == plain
    tree = read_htsim_topology(write(tmp_path, "c.topo", FAT_TREE))
    commented = FAT_TREE.replace("Podsize 8", "Podsize 8 # hosts")
    assert read_htsim_topology(write(tmp_path, "d.topo", commented)) == tree


def test_a_link_between_hosts_is_told_at_its_line(tmp_path: Path) -> None:
    text = LEAF_SPINE.replace("2 5 400Gbps", "2 3 400Gbps", 1)
    with pytest.raises(InputError, match=r"in.topo:5:1: .* node 2 is linked to node 3, which is no switch"):
        PeerNames.of(read_ns3_topology(write(tmp_path, "in.topo", text)))


def test_priorities_are_told_to_be_left_out(tmp_path: Path) -> None:
    flows = read_ns3_flows(write(tmp_path, "a.flow", FLOWS.replace(" 3 100 ", " 5 100 ")))
    assert flows.place.notes == ("left out: priority group 5: all flows are of the lossless class",)
    matrix = write(tmp_path, "a.cm", MATRIX.replace("start 5000", "prio 6 start 5000"))
    (note,) = read_htsim_flows(matrix, 16).place.notes
    assert note == "left out: prio 6: all flows are of the lossless class"
    assert not read_ns3_flows(write(tmp_path, "b.flow", FLOWS)).place.notes
    assert not read_htsim_flows(write(tmp_path, "b.cm", MATRIX), 16).place.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MATRIX.replace("count 2", "count 3"), ":8:28: error[bad-peer-file]: trigger 1 goes off after 3"),
        (MATRIX.replace(" count 2", ""), ":8:14: error[bad-peer-file]: a barrier has a number"),
        ("Nodes 16\nConnections 0\n", ":2:1: error[bad-peer-file]: no connection, which is a line such as"),
    ],
)
def test_barriers_of_another_number_and_files_without_connections_are_told(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_htsim_flows(write(tmp_path, "in.cm", text), 16)
    assert message in str(caught.value)
