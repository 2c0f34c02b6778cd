"""How long BMv2 takes from a lost carrier of its own port to the backup, with nobody writing its tables.

A leaf of p4/fabric.p4 with real interfaces. One flow has a pin of two members, another the plan's group; the
cable of the port that both take is pulled again and again. The kernel's word of the carrier goes to the
switch as a port event. Times are the kernel's stamps at the ends of the cables, from the cut to the first
packet that takes the backup.

Usage: unshare -n -m python tests/conformance/bmv2_failover_session.py FOLDER [CUTS]; prints JSON.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path

from finsy import Action, Match, P4TableEntry
from finsy.proto import p4r
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from raddle.controller.plan import make_plan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.p4runtime.driver import push_p4
from raddle.controller.southbound.p4runtime.target import p4_target
from raddle.lab.emulation.carriers import CarrierWatch, PortRegister
from raddle.lab.emulation.programs import run
from raddle.lab.emulation.result import Spread

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.conformance.bmv2_switch import Bmv2, bmv2_switch
from tests.fabrics import pod_running

PLAN = make_plan(pod_running("p4", "p4", spines=4), "ecmp")
LEAF, MACS = PLAN.switches[0], neighbour_macs(PLAN)
TARGET = p4_target(LEAF, MACS)
UPLINKS = [number for number, port in enumerate(LEAF.ports, 1) if port.peer.startswith("spine")]
FIRST, BACKUP = UPLINKS[:2]
SOURCE, PINNED, HASHED = (dict(PLAN.endpoints)[name] for name in ("host0", "host2", "host3"))
SENT_EVERY_S, PATIENCE_S = 0.001, 5.0
_SO_TIMESTAMPNS = 35  # SOURCE: asm-generic/socket.h, SO_TIMESTAMPNS_OLD


def frame(target: str, source_port: int) -> bytes:
    udp = UDP(sport=source_port, dport=4791) / Raw(bytes(32))
    return bytes(Ether(src=MACS["host0"], dst=LEAF.mac) / IP(src=SOURCE, dst=target) / udp)


def came(bmv2: Bmv2, after_ns: int) -> Iterator[tuple[int, str, int]]:
    """Port, destination and time of packets at the far ends of the uplinks, later than a time."""
    wires = {bmv2.wires[number]: number for number in UPLINKS}
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        for wire in select.select(list(wires), [], [], 0.1)[0]:
            try:
                data, controls, _, _ = wire.recvmsg(256, 64)
            except OSError:  # its interface went down
                continue
            ((seconds, nanoseconds),) = [
                struct.unpack("qq", stamp) for _, kind, stamp in controls if kind == _SO_TIMESTAMPNS
            ]
            if (at_ns := seconds * 10**9 + nanoseconds) > after_ns and data[12:14] == b"\x08\0":
                yield wires[wire], str(IPv4Address(data[30:34])), at_ns


def firsts(bmv2: Bmv2, ports: dict[str, int], after_ns: int) -> dict[str, int]:
    """When each flow's first packet came out of a port of its own, by destination."""
    found: dict[str, int] = {}
    for port, target, at_ns in came(bmv2, after_ns):
        if ports.get(target) == port:
            found.setdefault(target, at_ns)
        if len(found) == len(ports):
            break
    return found


def hashed_port(bmv2: Bmv2) -> int:
    """A source port whose flow the group sends over the first uplink."""
    for source_port in range(0xC000, 0xC100):
        bmv2.send(1, frame(HASHED, source_port))
        if next((port for port, target, _ in came(bmv2, 0) if target == HASHED), 0) == FIRST:
            return source_port
    raise AssertionError("no flow goes over the first uplink")


def main() -> None:
    cuts = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    run(["ip", "link", "set", "lo", "up"])
    run(["mount", "-t", "sysfs", "none", "/sys"])  # where BMv2 looks for its interfaces
    with bmv2_switch(len(LEAF.ports), Path(sys.argv[1])) as bmv2:
        push_p4(bmv2.session, TARGET)
        to = Action("set_next_hop_or", port=FIRST, dst_mac=1, backup_port=BACKUP, backup_mac=2)
        pin = P4TableEntry("pin_dst", match=Match(dst=int(IPv4Address(PINNED)) | 0xFFFF << 32), action=to)
        bmv2.session.write([p4r.Update(type=p4r.Update.INSERT, entity=pin.encode(TARGET.schema))])
        for number in UPLINKS:
            bmv2.wires[number].setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        source_port = hashed_port(bmv2)
        register = PortRegister(bmv2.session, TARGET.schema, {bmv2.interface(FIRST): FIRST})
        ends: list[Exception] = []
        CarrierWatch(frozenset({bmv2.interface(FIRST)}), register.set, ends.append).start()
        stop = threading.Event()

        def send() -> None:
            while not stop.wait(SENT_EVERY_S):
                bmv2.send(1, frame(PINNED, 0xC000))
                bmv2.send(1, frame(HASHED, source_port))

        sender = threading.Thread(target=send)
        sender.start()
        times: dict[str, list[float]] = {PINNED: [], HASHED: []}
        try:
            for _ in range(cuts):
                whole = firsts(bmv2, {PINNED: FIRST, HASHED: FIRST}, time.time_ns())
                assert len(whole) == 2, f"only {sorted(whole)} came over the first uplink"
                start = time.time_ns()
                bmv2.plug(FIRST, False)
                found = firsts(bmv2, {PINNED: BACKUP, HASHED: BACKUP}, start)
                assert len(found) == 2, f"only {sorted(found)} came over the backup"
                for target, at_ns in found.items():
                    times[target].append((at_ns - start) / 1e6)
                bmv2.plug(FIRST, True)
        finally:
            stop.set()
            sender.join()
    assert not ends
    rows = {"pin": times[PINNED], "group": times[HASHED]}
    spreads = {name: asdict(spread) for name, values in rows.items() if (spread := Spread.of(values))}
    print(json.dumps({"cuts": cuts, "ms": rows, "spread_ms": spreads}))


main()
