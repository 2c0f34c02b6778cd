"""How long Open vSwitch takes from a lost carrier to the pin's backup: raddle's group and one made by hand.

One leaf with real interfaces, in a network namespace of this process's own. One flow has its pin as
`apply_plan` pushes it, another the plainest fast-failover group that ovs-ofctl can make: two buckets, each
with its port. The cable is pulled again and again, under both flows at once, so that both are repaired by the
same switch at the same moment; times are the kernel's stamps at the ends of the cables. With `shut` it is the
switch's own port that is taken down.

Usage: unshare -n python tests/conformance/local_repair_session.py FOLDER [CUTS] [shut]
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.openflow.tables import port_numbers
from raddle.lab.emulation.programs import run as run_words
from raddle.lab.emulation.result import Spread
from raddle.lab.workloads.collective import collective_demand

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.conformance.ovs_leaf import program, run, start_switch

FABRIC = raddle.loads(
    """
raddle: 1
name: pod
fabric: {leaves: {count: 2}, spines: {count: 3}}
hosts: {per_leaf: 2, nics: {speed: 10G}}
routing: {policy: pinned, pin_backups: true}
"""
)
PLAN = make_plan(FABRIC, "pinned", collective_demand(FABRIC, "all_reduce", None))
LEAF = PLAN.switches[0]
MACS = neighbour_macs(PLAN)
BY_HAND, OURS = 5000, 4791  # UDP ports of the two flows
SENT_EVERY_S = 0.0005
PATIENCE_S = 5.0
_SO_TIMESTAMPNS = 35  # SOURCE: asm-generic/socket.h, SO_TIMESTAMPNS_OLD


class Ends:
    """The far ends of some uplinks: what arrives there, and when."""

    def __init__(self, names: list[str]) -> None:
        self.wires = {}
        for name in names:
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            wire.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            wire.bind((name, 3))
            self.wires[wire] = name

    def firsts(self, name: str, after_ns: int) -> dict[int, int]:
        """When the first packet of each flow after a time came to one end, by UDP port."""
        found: dict[int, int] = {}
        end = time.monotonic() + PATIENCE_S
        while len(found) < 2 and time.monotonic() < end:
            for wire in select.select(list(self.wires), [], [], 0.1)[0]:
                at_ns, port = self._take(wire)
                if self.wires[wire] == name and at_ns > after_ns and port in (BY_HAND, OURS):
                    found.setdefault(port, at_ns)
        return found

    @staticmethod
    def _take(wire: socket.socket) -> tuple[int, int]:
        try:
            frame, controls, _, _ = wire.recvmsg(256, 64)
        except OSError:  # its interface went down
            return 0, 0
        (stamp,) = [data for _, kind, data in controls if kind == _SO_TIMESTAMPNS]
        seconds, nanoseconds = struct.unpack("qq", stamp)
        return seconds * 10**9 + nanoseconds, int.from_bytes(frame[36:38], "big")


def send(stop: threading.Event) -> None:
    """Both flows, one packet of each after the other, from the first host to the other leaf's first."""
    source, target = PLAN.endpoints[0][1], PLAN.endpoints[2][1]
    frame = Ether(src=MACS["host0"], dst=LEAF.mac) / IP(src=source, dst=target)
    frames = [bytes(frame / UDP(sport=1000, dport=port) / Raw(bytes(32))) for port in (OURS, BY_HAND)]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("h0", 0))
        while not stop.wait(SENT_EVERY_S):
            for each in frames:
                sender.send(each)


def far_end(port: str) -> str:
    """The interface at the other end of a port's cable."""
    return f"h{[each.name for each in LEAF.ports if each.peer].index(port)}"


def make_by_hand(first: str, second: str) -> None:
    """A fast-failover group of two ports, and an entry before raddle's that uses it."""
    numbers, peers = port_numbers(LEAF), {port.name: port.peer.partition(":")[0] for port in LEAF.ports}
    buckets = ",".join(
        f"bucket=watch_port:{numbers[port]},actions=mod_dl_src:{LEAF.mac},mod_dl_dst:{MACS[peers[port]]},"
        f"dec_ttl,output:{numbers[port]}"
        for port in (first, second)
    )
    entry = f"table=2,priority=900,udp,udp_dst={BY_HAND},actions=group:1"
    run(f"ovs-ofctl -O OpenFlow13 add-group {LEAF.name} 'group_id=1,type=ff,{buckets}'")
    run(f"ovs-ofctl -O OpenFlow13 add-flow {LEAF.name} '{entry}'")


def main() -> None:
    cuts = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    is_shut = sys.argv[3:] == ["shut"]
    daemons = start_switch(LEAF, Path(sys.argv[1]))
    stop = threading.Event()
    sender = threading.Thread(target=send, args=(stop,))
    try:
        said = program(PLAN, LEAF)
        assert said == "openflow, in sync", said
        prefix = f"{PLAN.endpoints[2][1]}/32"
        (pin,) = [route for route in LEAF.routes if route.origin == "pin" and route.prefix == prefix]
        first, second = (hop.port for hop in pin.next_hops)
        make_by_hand(first, second)
        broken = first if is_shut else far_end(first)
        ends = Ends([far_end(first), far_end(second)])
        sender.start()
        times: dict[int, list[float]] = {OURS: [], BY_HAND: []}
        for _ in range(cuts):
            assert len(ends.firsts(far_end(first), time.time_ns())) == 2, "packets do not take the pin"
            start = time.time_ns()
            run_words(["ip", "link", "set", broken, "down"])
            found = ends.firsts(far_end(second), start)
            assert len(found) == 2, f"only {sorted(found)} came over the backup"
            for port, at_ns in found.items():
                times[port].append((at_ns - start) / 1e6)
            run_words(["ip", "link", "set", broken, "up"])
        rows = {"raddle": times[OURS], "by_hand": times[BY_HAND]}
        spreads = {name: asdict(spread) for name, values in rows.items() if (spread := Spread.of(values))}
        apart = max(abs(one - other) for one, other in zip(*rows.values(), strict=True))
        print(json.dumps({"cuts": cuts, "ms": rows, "spread_ms": spreads, "most_apart_ms": apart}))
    finally:
        stop.set()
        for daemon in daemons:
            daemon.kill()
            daemon.wait()


main()
