"""Postcards as they come from a switch, and switches that send none."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from finsy.proto import p4r
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, schema_of
from raddle.controller.southbound.p4runtime.postcards import Head, Postcard, Watch, collect, postcards
from raddle.controller.southbound.p4runtime.session import P4Session
from raddle.errors import UnreachableError
from raddle.lab.switches.programmed import program
from tests.fabrics import pod_running
from tests.unit.p4.p4_fabrics import running

SCHEMA = schema_of(fabric_pipeline())
FIELDS = SCHEMA.controller_packet_metadata["packet_in"]
PORTS = {3: "Ethernet16", 5: "Ethernet32"}
MET = {
    "ingress_port": 3, "is_postcard": 1, "egress_port": 5, "queue": 3, "queue_depth": 7, "pad": 0,
    "queue_us": 125, "hop_us": 300, "ingress_us": 10**9,
}  # fmt: skip
BTH = bytes.fromhex("0a40ffff 00000011 00000102")


def read(frame: Packet, **met: int) -> list[Postcard]:
    """What is read of one packet of a switch."""
    packets = [p4r.PacketIn(payload=bytes(frame), metadata=FIELDS.encode(MET | met))]
    waiting = SimpleNamespace(name="leaf0", take_packet=lambda _: packets.pop() if packets else None)
    return list(postcards(cast("P4Session", waiting), SCHEMA, PORTS))


@pytest.mark.parametrize(
    ("frame", "head", "ttl", "is_marked"),
    [
        (
            IP(src="10.0.0.1", dst="10.0.0.5", ttl=63, tos=26 << 2 | 3) / UDP(sport=49152, dport=4791) / BTH,
            Head("10.0.0.1", "10.0.0.5", 17, 49152, 0x11, 0x102),
            63,
            True,
        ),
        (
            IPv6(src="fd00::1", dst="fd00::5", hlim=62, tc=26 << 2 | 2) / UDP(sport=49153, dport=4791) / BTH,
            Head("fd00::1", "fd00::5", 17, 49153, 0x11, 0x102),
            62,
            False,
        ),
        (
            IP(src="10.0.0.1", dst="10.0.0.5", options=b"\x94\x04\0\0")
            / UDP(sport=7, dport=9)
            / Raw(bytes(9)),
            Head("10.0.0.1", "10.0.0.5", 17, 7, 0, 0),
            64,
            False,
        ),
        (IP(src="10.0.0.1", dst="10.0.0.5") / TCP(), Head("10.0.0.1", "10.0.0.5", 6, 0, 0, 0), 64, False),
    ],
    ids=["RoCEv2", "RoCEv2 over IPv6", "UDP behind options", "TCP"],
)
def test_a_postcard_is_the_head_of_a_packet_and_what_it_met(
    frame: Packet, head: Head, ttl: int, is_marked: bool
) -> None:
    """scapy makes the frames."""
    assert read(Ether() / frame) == [
        Postcard("leaf0", head, ttl, "Ethernet16", "Ethernet32", 3, 7, 125, 300, 10**9, is_marked)
    ]


def test_trapped_packets_and_what_is_not_ip_are_no_postcards() -> None:
    assert read(Ether() / IP() / TCP(), is_postcard=0) == []
    assert read(Ether() / ARP()) == []


def test_a_simulated_switch_refuses_to_send_them_and_nothing_is_left() -> None:
    """Its packets are a simulation's. It says UNIMPLEMENTED of the copies, as of all clone sessions."""
    with running(pod_running("p4", "p4")) as (plan, farm, inventory):
        program(plan, inventory)
        with P4Session("leaf0", farm.addresses["leaf0"], 1) as session:
            with pytest.raises(
                UnreachableError, match=r"leaf0 .* sends no postcards: UNIMPLEMENTED"
            ) as caught:
                collect([session], {"leaf0": PORTS}, Watch(), 1, 0.1)
            assert "hint: BMv2 sends them" in str(caught.value)
            table = p4r.TableEntry(table_id=SCHEMA.tables["watch"].id)
            assert list(session.read([p4r.Entity(table_entry=table)])) == []


def test_a_switch_without_the_pipeline_is_not_watched() -> None:
    with (
        running(pod_running("p4", "p4")) as (_, farm, _),
        P4Session("leaf0", farm.addresses["leaf0"], 1) as session,
        pytest.raises(UnreachableError, match=r"does not run this fabric.p4\n  hint: 'raddle apply'"),
    ):
        collect([session], {"leaf0": PORTS}, Watch(), 1, 0.1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--every", "3"], "error[bad-option]: --every 3 is no power of two"),
        (["--src", "host99"], "error[no-such-part]: 'host99' is no endpoint"),
        ([], "error[no-postcards]: the inventory has no switch of 'pod' that runs p4/fabric.p4"),
    ],
)
def test_what_cannot_be_watched_is_refused(tmp_path: Path, words: list[str], said: str) -> None:
    nos = "p4" if words else "sonic"
    (tmp_path / "pod.yaml").write_text(
        f"raddle: 1\nname: pod\nmodels: {{box: {{ports: 8, port_speed: 400G, buffer: 64MB, nos: {nos}}}}}\n"
        "fabric: {leaves: {count: 2, model: box}, spines: {count: 2, model: box}}\nhosts: {per_leaf: 2}\n"
    )
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"fabric": "pod", "switches": {"leaf0": {"address": "127.0.0.1:1"}}}))
    command = ["telemetry", str(tmp_path / "pod.yaml"), "--inventory", str(inventory), *words]
    done = CliRunner().invoke(app, command)
    assert done.exit_code != 0
    assert said in f"{done.stderr}{done.exception}"
