"""One leaf as an Open vSwitch with real interfaces, in a network namespace of this process's own.

Sends packets of many UDP source ports between two addresses, programmed over OpenFlow 1.3, then over 1.5, and
prints by which uplinks they left.

Usage: unshare -n python tests/conformance/openflow_hash_session.py FOLDER
"""

from __future__ import annotations

import json
import select
import socket
import sys
from collections import Counter
from pathlib import Path

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.lab.emulation.layout import Layout

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.conformance.ovs_leaf import program, run, start_switch

FABRIC = raddle.loads(
    """
raddle: 1
name: pod
fabric: {leaves: {count: 2}, spines: {count: 4}}
hosts: {per_leaf: 2, nics: {speed: 10G}}
addressing: {families: dual}
"""
)
PLAN = make_plan(FABRIC, "ecmp")
LAYOUT = Layout(FABRIC, PLAN)
LEAF = PLAN.switches[0]
FLOWS, FIRST_PORT, ROCE = 64, 0xC000, 4791
PATIENCE_S = 5.0


def spread(family: int) -> dict[str, int]:
    """Packets by the far end of an uplink, of flows from the first host to one of the other leaf."""
    source, target = (LAYOUT.nics[host].addresses[family].address for host in (0, 2))
    header = (IPv6 if family else IP)(src=source, dst=target)
    mac = neighbour_macs(PLAN)["host0"]
    names = [f"h{place}" for place, port in enumerate(p for p in LEAF.ports if p.peer)
             if port.peer.startswith("spine")]  # fmt: skip
    wires = {}
    for name in names:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        wire.bind((name, 3))
        wires[wire] = name
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("h0", 0))
        for number in range(FLOWS):
            udp = UDP(sport=FIRST_PORT + number, dport=ROCE)
            sender.send(bytes(Ether(src=mac, dst=LEAF.mac) / header / udp / Raw(bytes(40))))
    seen: Counter[str] = Counter()
    while seen.total() < FLOWS:
        ready = select.select(list(wires), [], [], PATIENCE_S)[0]
        if not ready:
            break
        for wire in ready:
            packet = Ether(wire.recv(2048))
            if UDP in packet and packet[UDP].dport == ROCE:
                seen[wires[wire]] += 1
    for wire in wires:
        wire.close()
    return dict(sorted(seen.items()))


def main() -> None:
    daemons = start_switch(LEAF, Path(sys.argv[1]))
    try:
        said = {}
        for protocols in ("OpenFlow13", "OpenFlow13,OpenFlow15"):
            run(f"ovs-vsctl set bridge {LEAF.name} protocols={protocols}")
            applied = program(PLAN, LEAF)
            groups = run(f"ovs-ofctl -O {protocols.rpartition(',')[2]} dump-groups {LEAF.name}")
            said[protocols.rpartition(",")[2]] = {
                "applied": applied,
                "groups": groups,
                "IPv4": spread(0),
                "IPv6": spread(1),
            }
        print(json.dumps(said))
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.wait()


main()
