"""Which ports packets crossed, and which they were to cross."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import groupby

from raddle.controller.plan.routes import SwitchRoutes
from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.nics import Sighting
from raddle.lab.emulation.roce import ACKNOWLEDGE, layers_of
from raddle.topology.model import PortRef

Path = tuple[PortRef, ...]
"""The switch ports that a packet is sent out of, in their order."""


@dataclass(frozen=True, slots=True)
class Trip:
    """One packet's way; `arrived_ns` is when its last switch sent it."""

    dest_qp: int
    is_ack: bool
    path: Path
    arrived_ns: int


class TripLog:
    """The ways of all packets, in the order in which they were first seen; grows with what is added."""

    def __init__(self) -> None:
        self._sent: dict[tuple[bytes, int, bytes, bytes], list[Sighting]] = defaultdict(list)
        self._read = 0

    def add(self, sightings: Sequence[Sighting]) -> None:
        """Take those of a growing list that are new."""
        for sighting in sightings[self._read :]:
            if sighting.is_sent:
                # What no switch changes: addresses, opcode, queue pair, PSN.
                layers = layers_of(sighting.frame)
                assert layers is not None
                bth = layers.bth(sighting.frame)
                self._sent[layers.src + layers.dst, bth[0], bth[5:8], bth[9:12]].append(sighting)
        self._read = len(sightings)

    def trips(self) -> Iterator[Trip]:
        for (_, opcode, dest_qp, _), seen in self._sent.items():
            yield Trip(
                dest_qp=int.from_bytes(dest_qp, "big"),
                is_ack=opcode == ACKNOWLEDGE,
                path=tuple(each.port for each in seen),
                arrived_ns=seen[-1].time_ns,
            )


class Routing:
    """The routes of all switches, in order of the plan's switches, as choices of ports."""

    def __init__(self, layout: Layout, routes: SwitchRoutes) -> None:
        self._layout = layout
        self._tables = {
            switch.name: sorted(
                (
                    (ip_network(route.prefix), frozenset(hop.port for hop in hops))
                    for route in table
                    for _, hops in groupby(route.next_hops, key=lambda hop: hop.distance)
                ),
                key=lambda row: -row[0].prefixlen,
            )
            for switch, table in zip(layout.plan.switches, routes, strict=True)
        }
        self._next = {link.a: link.b.device for link in layout.fabric.links} | {
            link.b: link.a.device for link in layout.fabric.links
        }

    def choices(
        self, switch: str, address: str, dead: frozenset[PortRef] = frozenset()
    ) -> frozenset[PortRef]:
        """The ports that a switch may choose: of the longest prefix that has a live one."""
        target = ip_address(address)
        for network, ports in self._tables[switch]:
            if target in network:
                live = frozenset(PortRef(switch, port) for port in ports) - dead
                if live:
                    return live
        return frozenset()

    def allows(self, path: Path, src: int, dst: int, dead: frozenset[PortRef] = frozenset()) -> bool:
        """A packet between two endpoints may go this way: each port is a choice of its switch."""
        nics = self._layout.nics
        at = nics[src].leaf_port.device
        for port in path[:-1]:
            if port not in self.choices(at, nics[dst].address, dead):
                return False
            at = self._next[port]
        return path[-1:] == (nics[dst].leaf_port,) and at == nics[dst].leaf_port.device

    def only_path(self, src: int, dst: int) -> Path | None:
        """The way between two endpoints where every switch has one choice."""
        nics = self._layout.nics
        at, path = nics[src].leaf_port.device, list[PortRef]()
        while at != nics[dst].leaf_port.device:
            choices = self.choices(at, nics[dst].address)
            if len(choices) != 1 or len(path) > len(self._tables):
                return None
            path += choices
            at = self._next[path[-1]]
        return (*path, nics[dst].leaf_port)
