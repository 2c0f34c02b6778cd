"""Fuzzing: whatever a file holds, a reader reads it or names what is wrong, and never fails otherwise.

`scripts/fuzz N` runs each target N times.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raddle.errors import InputError
from raddle.lab.workloads.flow_file import read_flows
from raddle.lab.workloads.pin_file import read_pins
from raddle.peers.files import read_ns3_flows, read_ns3_topology
from raddle.peers.htsim import read_htsim_flows, read_htsim_topology
from raddle.peers.importing import fabric_yaml, flows_csv
from raddle.peers.names import PeerNames
from raddle.peers.ns3_config import Ns3Config, read_ns3_config
from raddle.topology import find, load, loads

EXAMPLES = int(os.environ.get("RADDLE_FUZZ_EXAMPLES", "60"))

TOPOLOGY = "4 2 3\n2 3\n0 2 400Gbps 1000ns 0\n1 2 400Gbps 0.001ms 0\n2 3 100Gbps 1us 0.0\n"
FLOWS = "2\n0 1 3 100 4096 2.000000000\n1 0 3 100 1 2.5\n"
CONFIG = (
    "ENABLE_QCN 1\nCC_MODE 1\nHAS_WIN 0\nL2_ACK_INTERVAL 1\nRATE_AI 80Mb/s\nEWMA_GAIN 0.0625\nRP_TIMER 300\n"
    "KMAX_MAP 1 400 3200\nKMIN_MAP 1 400 800\nPMAX_MAP 1 400 0.2\nLINK_DOWN 0 0 0\nBUFFER_SIZE 32\n"
)
TREE = (
    "Nodes 4\nTiers 2\nPodsize 4\nTier 0\nDownlink_speed_Gbps 400\nRadix_Down 2\nRadix_Up 2\n"
    "Downlink_Latency_ns 5\nTier 1\nDownlink_speed_Gbps 400\nRadix_Down 2\nDownlink_Latency_ns 5\n"
)
MATRIX = (
    "Nodes 4\n0->1 id 1 start 0 size 9 send_done_trigger 1\n"
    "1->2 id 2 trigger 1 size 9\ntrigger id 1 oneshot\n"
)
CSV_FLOWS = "id,src,dst,bytes,start_ns,qp,after\na,host0,1,10,0,x,\nb,1,2,3,4,,a\n"
PINS = "flow,path\n1,leaf0 spine1 leaf2\n2,leaf0\n"

FABRIC = load(find("leaf-spine-16"))


def _import_network(path: Path) -> None:
    """The whole way: what is read becomes a fabric file that loads, or an error says why not."""
    topology = read_ns3_topology(path)
    if topology.nodes > 1000:
        return
    names = PeerNames.of(topology)
    loads(fabric_yaml("fuzz", "a test", topology, names, Ns3Config()), "fuzz.yaml")


def _import_tree(path: Path) -> None:
    tree = read_htsim_topology(path)
    if tree.hosts < 1000 and tree.tiers[0].radix_up < 1000 and tree.tiers[-1].bundle < 1000:
        PeerNames.of(tree.topology())


def _import_flows(path: Path) -> None:
    names = PeerNames({0: "host0", 1: "host1"}, {2: "leaf2"}, {2: "leaf"}, {2: 0}, {2: 0}, ports=1)
    flows_csv(read_ns3_flows(path, 3), names)


def _read_pins(path: Path) -> None:
    flows = path.with_name("table.csv")
    flows.write_text("src,dst,bytes\n0,9,1\n0,1,1\n")
    read_pins(FABRIC, read_flows(FABRIC, flows), path)


TARGETS: dict[str, tuple[Callable[[Path], object], str]] = {
    "ns3 topology": (_import_network, TOPOLOGY),
    "ns3 flows": (_import_flows, FLOWS),
    "ns3 settings": (read_ns3_config, CONFIG),
    "htsim topology": (_import_tree, TREE),
    "htsim flows": (lambda path: read_htsim_flows(path, 4), MATRIX),
    "flows": (lambda path: read_flows(FABRIC, path), CSV_FLOWS),
    "pins": (_read_pins, PINS),
}

_ODD = [
    "",
    "-1",
    "0",
    "1e9",
    "99999999999999999999",
    "0x10",
    "\x00",
    "\ud7ff",
    "٣",
    "nan",
    '"',
    ",",
    "->",
    ".",
    "1.",
    "-",
    "9" * 400,
]


def mutations(text: str, seed: int) -> Iterator[str]:
    """The text with words put elsewhere, dropped, doubled or replaced by odd ones."""
    numbers = random.Random(seed)
    parts = [part for line in text.split("\n") for part in (*line.replace(",", " , ").split(" "), "\n")]
    for _ in range(numbers.randint(1, 4)):
        at = numbers.randrange(len(parts))
        choice = numbers.randrange(4)
        if choice == 0:
            parts[at] = numbers.choice(_ODD)
        elif choice == 1:
            parts[at] = numbers.choice(parts)
        elif choice == 2:
            parts.insert(at, numbers.choice(parts))
        else:
            del parts[at]
            parts = parts or [""]
    yield " ".join(parts).replace(" , ", ",").replace("\n ", "\n").replace(" \n", "\n")


def hold(read: Callable[[Path], object], path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        read(path)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_changed_files_are_read_or_refused(target: str, seed: int, tmp_path: Path) -> None:
    read, text = TARGETS[target]
    for changed in mutations(text, seed):
        hold(read, tmp_path / "input", changed.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=80) | st.text(alphabet="0123456789 -.,\n>Gbpsnid", max_size=80).map(str.encode)
)
def test_any_bytes_are_read_or_refused(target: str, data: bytes, tmp_path: Path) -> None:
    hold(TARGETS[target][0], tmp_path / "input", data)


@pytest.mark.parametrize("target", TARGETS)
def test_unchanged_file_is_read(target: str, tmp_path: Path) -> None:
    read, text = TARGETS[target]
    path = tmp_path / "input"
    path.write_text(text)
    read(path)
