"""One leaf as an Open vSwitch with real interfaces, in a network namespace of this process's own.

Bootstraps it with what `raddle render` prints, programs it with `apply_plan`, sends packets between its two
hosts, and prints what came out: DSCPs by UDP port, and packets by queue.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from collections import Counter
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.neighbours import neighbour_macs

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.conformance.ovs_leaf import program, run, start_switch

FABRIC = raddle.loads(
    """
raddle: 1
name: pod
fabric: {leaves: {count: 1}, spines: {count: 1}}
hosts: {per_leaf: 2, nics: {speed: 10G}}
addressing: {families: dual}
"""
)
PLAN = make_plan(FABRIC, "ecmp")
LEAF = PLAN.switches[0]
MARKED, PLAIN = 26, 0
# What is sent: UDP port, DSCP, and how many.
SENT = ((4791, MARKED, 30), (4791, PLAIN, 20), (5000, PLAIN, 10), (5001, 48, 7))


def send() -> dict[str, int]:
    """Send from the first host to the second; counts of `port/dscp` that arrive, of both families."""
    mac = neighbour_macs(PLAN)
    first, second = (name for name, _ in PLAN.endpoints)
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as receiver,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender,
    ):
        receiver.bind(("h1", 3))
        receiver.settimeout(3)
        sender.bind(("h0", 0))
        total = 0
        for ip, key, source, target in (
            (IP, "tos", PLAN.endpoints[0][1], PLAN.endpoints[1][1]),
            (IPv6, "tc", far(LEAF.ports[0].name), far(LEAF.ports[1].name)),
        ):
            for port, dscp, count in SENT:
                marks: Any = {key: dscp << 2}
                header = ip(src=source, dst=target, **marks)
                frame = Ether(src=mac[first], dst=LEAF.mac) / header / UDP(sport=1000, dport=port)
                for _ in range(count):
                    sender.send(bytes(frame / Raw(bytes(64))))
                total += count
        seen: Counter[str] = Counter()
        while seen.total() < total:
            packet = Ether(receiver.recv(2048))
            if UDP in packet and packet[UDP].sport == 1000 and packet.dst == mac[second]:
                dscp = (packet[IP].tos if IP in packet else packet[IPv6].tc) >> 2
                seen[f"{packet[UDP].dport}/{dscp}"] += 1
    return dict(sorted(seen.items()))


def far(port: str) -> str:
    """The host's IPv6 address at a port: the other end of the leaf's /127."""
    prefixes = [ip_interface(each.prefix) for each in LEAF.interfaces if each.name == port]
    own = next(prefix for prefix in prefixes if prefix.version == 6)
    return str(next(address for address in own.network if address != own.ip))


def queue_packets() -> dict[str, int]:
    """Packets by Open vSwitch's queue of the second host's port; class 1:n is of queue n - 1."""
    shown = run(f"tc -s class show dev {LEAF.ports[1].name}")
    found = re.findall(r"class htb 1:(\w+) parent 1:fffe.*?Sent \d+ bytes (\d+) pkt", shown, re.DOTALL)
    return {str(int(minor, 16) - 1): int(packets) for minor, packets in sorted(found)}


def main() -> None:
    daemons = start_switch(LEAF, Path(sys.argv[1]))
    try:
        seen = {}
        for name, marks_roce in (("trusted", False), ("marked", True)):
            applied = program(PLAN, LEAF, marks_roce)
            before = queue_packets()
            arrived = send()
            after = queue_packets()
            counted = {queue: after[queue] - before[queue] for queue in after}
            seen[name] = {"applied": applied, "arrived": arrived, "queues": counted}
        print(json.dumps(seen))
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.wait()


main()
