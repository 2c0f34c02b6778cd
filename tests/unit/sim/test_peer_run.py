"""Other simulators' inputs on a tiny network, against closed forms; and what is wrong with bad files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raddle.errors import InputError
from raddle.peers.files import PeerFlows, PeerTopology, peer_flows, read_ns3_flows, read_ns3_topology
from raddle.peers.models import HTSIM, NS3_HPCC
from raddle.peers.run import run_peer

TWO_HOSTS_ONE_SWITCH = "3 1 2\n2\n0 2 400Gbps 1000ns 0\n1 2 400Gbps 0.001ms 0\n"


@pytest.fixture
def two_hosts_one_switch(tmp_path: Path) -> PeerTopology:
    path = tmp_path / "two.topo"
    path.write_text(TWO_HOSTS_ONE_SWITCH)
    return read_ns3_topology(path)


def one_flow(size_bytes: int) -> PeerFlows:
    return flows_of([(0, 1, size_bytes)], [[]])


def flows_of(ends: list[tuple[int, int, int]], deps: list[list[int]]) -> PeerFlows:
    ports = np.tile(np.array([10_000, 100]), (len(ends), 1))
    return peer_flows(np.array(ends), np.zeros(len(ends), np.int64), deps, ports)


def test_lone_packet_takes_ns3s_whole_nanoseconds(two_hosts_one_switch: PeerTopology) -> None:
    # 4144 bytes in 82 ns and 60 in 1 ns, twice each, and four crossings of 1 us.
    result = run_peer(two_hosts_one_switch, one_flow(4096), NS3_HPCC)
    assert result.fct_ps.tolist() == [(2 * 82 + 2 * 1 + 4 * 1000) * 1000]


def test_lone_packet_takes_htsims_picoseconds(two_hosts_one_switch: PeerTopology) -> None:
    result = run_peer(two_hosts_one_switch, one_flow(4096), HTSIM)
    assert result.fct_ps.tolist() == [2 * 83_200 + 2 * 1_280 + 4_000_000]


def test_flow_waits_for_the_acknowledgement_of_the_one_before(two_hosts_one_switch: PeerTopology) -> None:
    flows = flows_of([(0, 1, 4096), (1, 0, 4096)], [[], [0]])
    result = run_peer(two_hosts_one_switch, flows, NS3_HPCC)
    assert result.now_ps == 2 * result.fct_ps[0] == 2 * result.fct_ps[1]


def test_simai_topology_is_the_same_network(tmp_path: Path, two_hosts_one_switch: PeerTopology) -> None:
    path = tmp_path / "simai.topo"
    path.write_text(TWO_HOSTS_ONE_SWITCH.replace("3 1 2", "3 2 0 1 2 NONE", 1))
    assert read_ns3_topology(path) == dataclasses.replace(two_hosts_one_switch, gpus_per_server=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1:1: error[bad-peer-file]: the file is empty"),
        ("3 1 2\n", "ends before the list of switches"),
        ("3 1\n2\n", ":1:1: error[bad-peer-file]: 2 words"),
        ("3 1 2\n2\n0 2 400Gbps 1000ns 0\n", "1 links, but line 1 says 2"),
        (
            "3 1 1\n9\n0 2 400Gbps 1000ns 0\n",
            ":2:1: error[bad-peer-file]: node '9' is not a whole number from 0 to 2",
        ),
        (
            "3 1 1\n2\n0 2 400Gbps soon 0\n",
            ":3:13: error[bad-peer-file]: 'soon' is not a time such as 1000ns",
        ),
        ("3 1 1\n2\n0 2 fast 1ns 0\n", ":3:5: error[bad-peer-file]: 'fast' is not a speed"),
        ("3 1 1\n2\n0 0 1Gbps 1ns 0\n", ":3:3: error[bad-peer-file]: node 0 is cabled to itself"),
        ("3 1 1\n2\n0 2 1Gbps 1ns 1\n", ":3:15: error[bad-peer-file]: a link that loses every packet"),
        ("3 1 1\n2\n0 2 1.5 1ns 0\n", "speed '1.5' is not a whole number of bit/s above 0"),
        (
            "3 8 1 1 1 H100\n2\n0 2 1Gbps 1ns 0\n",
            "1 switches, but the first line says 1 and 1",
        ),
    ],
)
def test_bad_topology_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.topo"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_ns3_topology(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_hosts_cabled_to_each_other_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "pair.topo"
    path.write_text("3 1 1\n2\n0 1 400Gbps 1000ns 0\n")
    with pytest.raises(InputError, match="a host has one, to a switch"):
        run_peer(read_ns3_topology(path), one_flow(1), NS3_HPCC)


def test_cables_whose_headroom_takes_the_whole_buffer_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "far.topo"
    path.write_text(TWO_HOSTS_ONE_SWITCH.replace("0.001ms", "500us"))
    told = r"error\[no-shared-buffer\]: node 2: headroom takes the whole buffer of ns3-hpcc"
    with pytest.raises(InputError, match=told):
        run_peer(read_ns3_topology(path), one_flow(1), NS3_HPCC)


def test_flow_to_a_switch_is_an_error(two_hosts_one_switch: PeerTopology) -> None:
    flows = one_flow(1)
    flows.dst[0] = 2
    with pytest.raises(InputError, match="from one host to another"):
        run_peer(two_hosts_one_switch, flows, NS3_HPCC)


@given(st.text(alphabet="0123456789 -.\nGbpsnx", max_size=60))
def test_no_text_makes_a_reader_fail_in_another_way(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "input"
    path.write_text(text)
    for read in (read_ns3_topology, read_ns3_flows):
        try:
            read(path)
        except InputError:
            continue
