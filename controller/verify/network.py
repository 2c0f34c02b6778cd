"""Forwarding tables as arrays over a graph of switches and links of any shape.

A channel is one direction of a link that leaves a switch; it ends at another switch or at an endpoint.
S switches, C channels, D destinations (endpoints), G groups of next hops with M members in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from ipaddress import ip_network
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.addresses import plan_addresses
from raddle.controller.plan.model import NextHop, SwitchPlan
from raddle.controller.southbound.sonic.tables import equal_next_hops
from raddle.state import SwitchState
from raddle.topology.model import Endpoint, Fabric, PortRef

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Entry = tuple[int, int, tuple[int, ...]]
"""A route: prefix and length as integers, and the switch's port numbers, each as often as it is a
member of the group; no port is a blackhole. A next hop in reserve has RESERVE added to its port."""

RESERVE = 1 << 20
"""More than any switch has ports."""


@dataclass(frozen=True)
class Network:
    """The graph. A last channel without an end, `void`, stands for a blackhole.

    Attributes:
        switches, endpoints: names.
        addresses: uint32[D], or D whole numbers of IPv6; `bits` of each.
        home: int[D], the switch each endpoint hangs on; `host_link`: int[D], its link; `plane`: int[D], its
            plane. Endpoints of two planes have no way to each other and are no pair.
        ports: (switch, port) of every channel, void's left out.
        out: int[C + 1], the switch that sends on a channel.
        peer: int[C + 1], the switch it ends at, S if none. `endpoint`: int[C + 1], the same, -1 if none.
        link: int[C + 1], index of the link; void has one of its own, the last.
        is_up: bool[links + 1]. `is_drained`: bool[links + 1], no route is to use it although it is up.
        ends: int[links, 2], the switches at both ends, the lower one first, S for a host.
        channel: index of every channel by (switch, port number).
        bond_links: int[B, 2], the links of both ports of every bond. The last B switches stand for the NICs
            of bonds, which send by either port and take what either brings, and the last B links for what is
            behind: neither fails by itself.
        bond_entries: the routes of those switches, by name.
        of_endpoint: int[fabric endpoints], its place here; both ports of a bond have the same.
    """

    switches: tuple[str, ...]
    endpoints: tuple[str, ...]
    addresses: NDArray[Any]
    bits: int
    home: Ints
    host_link: Ints
    plane: Ints
    ports: tuple[PortRef, ...]
    out: Ints
    peer: Ints
    endpoint: Ints
    link: Ints
    is_up: Bools
    is_drained: Bools
    ends: Ints
    channel: Mapping[tuple[int, int], int]
    bond_links: Ints
    bond_entries: Mapping[str, list[Entry]]
    of_endpoint: Ints

    @property
    def parts(self) -> tuple[range, range]:
        """The links and the switches that there are, without what stands for bonds."""
        bonds = len(self.bond_links)
        return range(len(self.ends) - bonds), range(len(self.switches) - bonds)

    @cached_property
    def is_access(self) -> Bools:
        """bool[C + 1], the channel leads to or from a host."""
        real = self.parts[1].stop
        found: Bools = (self.peer >= real) | (self.out >= real)
        return found

    def speeds(self, speed_bps: Ints, links: Bools) -> Ints:
        """int[links + 1], of the fabric's links as given, and of bonds what their live ports have."""
        bonds = (speed_bps[self.bond_links] * links[self.bond_links]).sum(axis=1)
        return np.concatenate((speed_bps, bonds, [1]))

    def places(self, ports: Bools) -> Bools:
        """bool[endpoints], of some of the fabric's endpoints; a bond is among them with either port."""
        found = np.zeros(len(self.endpoints), np.bool_)
        found[self.of_endpoint[ports]] = True
        return found

    @property
    def void(self) -> int:
        return len(self.ports)

    @cached_property
    def place(self) -> Ints:
        """int[C + 1], the place of a channel among those of the switch that sends on it."""
        order = np.argsort(self.out, kind="stable")
        out = self.out[order]
        place = np.empty(len(out), np.int64)
        place[order] = np.arange(len(out)) - np.searchsorted(out, out)
        return place

    def without(self, links: Iterable[int] = (), switches: Iterable[int] = ()) -> Bools:
        """bool[links + 1]: what is left of the links after some fail, and all links of some switches."""
        alive = self.is_up.copy()
        alive[list(links)] = False
        for switch in switches:
            alive[:-1] &= (self.ends != switch).all(axis=1)
        return alive


def network_of(fabric: Fabric) -> Network:
    """The graph of a fabric."""
    seats = _Seats(fabric)
    number, nobody = seats.number, len(seats.number)
    ports: list[PortRef] = []
    out, peer, endpoint, links = [], [], [], []
    channel = {}
    place = {
        PortRef(switch.name, port.name): (switch.index, number)
        for switch in fabric.switches
        for number, port in enumerate(switch.ports)
    }
    place |= seats.bond_ports
    for index, near, far in seats.links():
        for one, other in ((near, far), (far, near)):
            if one in place:
                channel[place[one]] = len(ports)
                ports.append(one)
                out.append(place[one][0])
                peer.append(place[other][0] if other in place else nobody)
                endpoint.append(seats.at.get(other, -1))
                links.append(index)
    numbered = plan_addresses(fabric)
    inner = [(place.get(a, (nobody,))[0], place.get(b, (nobody,))[0]) for _, a, b in seats.links()]
    first = [fabric.endpoints[index] for index in seats.first]
    bits, addresses = numbered.bits, [numbered.endpoints[each.index] for each in first]
    bonds = seats.bonds
    return Network(
        switches=tuple(number),
        endpoints=tuple(seats.name_of(each) for each in first),
        addresses=np.array(addresses, np.uint32 if numbered.version == 4 else object),
        bits=bits,
        home=np.array([seats.home_of(each) for each in first], np.int64),
        host_link=np.array([seats.link_of(each) for each in first], np.int64),
        plane=np.array([each.plane for each in first], np.int64),
        ports=tuple(ports),
        out=np.array([*out, nobody], np.int64),
        peer=np.array([*peer, nobody], np.int64),
        endpoint=np.array([*endpoint, -1], np.int64),
        link=np.array([*links, len(inner)], np.int64),
        is_up=np.array([*(link.is_up for link in fabric.links), *(True for _ in bonds), True]),
        is_drained=np.array([*(link.is_drained for link in fabric.links), *(False for _ in bonds), False]),
        ends=np.array(inner, np.int64).reshape(-1, 2),
        channel=channel,
        bond_links=np.array([[fabric.endpoints[e].link for e in pair] for pair in bonds], np.int64).reshape(
            -1, 2
        ),
        bond_entries={
            seats.name_of(fabric.endpoints[pair[0]]): [
                (0, 0, (0, 1)),
                (numbered.endpoints[pair[0]], bits, (2,)),
            ]
            for pair in bonds
        },
        of_endpoint=np.array(seats.place_of, np.int64),
    )


class _Seats:
    """Where endpoints are in the graph: at their leaves, or behind a switch that stands for a bond.

    Attributes:
        bonds: endpoints of both ports of each bond.
        number: of each switch, those of bonds last.
        first: the fabric's endpoints that have a place, of a bond the first; `place_of`: the place of each.
        at: the place at each NIC port that is no bond's, and behind each bond.
        bond_ports: (switch, port number) of the ports of bonds; the third leads to what is behind.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.bonds = [(e.index, e.twin) for e in fabric.endpoints if e.twin is not None and e.index < e.twin]
        self.number = {switch.name: switch.index for switch in fabric.switches}
        self.place_of = [0] * len(fabric.endpoints)
        self.first: list[int] = []
        self.at: dict[PortRef, int] = {}
        self.bond_ports: dict[PortRef, tuple[int, int]] = {}
        self._bond_of = {pair[0]: bond for bond, pair in enumerate(self.bonds)}
        for each in fabric.endpoints:
            if each.twin is not None and each.twin < each.index:
                self.place_of[each.index] = self.place_of[each.twin]
                continue
            self.place_of[each.index] = len(self.first)
            if each.twin is None:
                self.at[_port_of(fabric, each)] = len(self.first)
            self.first.append(each.index)
        for pair in self.bonds:
            one = fabric.endpoints[pair[0]]
            switch = self.number[self.name_of(one)] = len(self.number)
            for port, end in enumerate(pair):
                self.bond_ports[_port_of(fabric, fabric.endpoints[end])] = (switch, port)
            behind = self._behind(one)
            self.bond_ports[PortRef(behind.device, "")] = (switch, 2)
            self.at[behind] = self.place_of[one.index]

    def _behind(self, endpoint: Endpoint) -> PortRef:
        return PortRef(self.name_of(endpoint), "host")

    def name_of(self, endpoint: Endpoint) -> str:
        """Of a bond that of its NIC: `host0:eth0` of `host0:eth0p0` and `host0:eth0p1`."""
        return endpoint.interface

    def home_of(self, endpoint: Endpoint) -> int:
        return endpoint.leaf if endpoint.twin is None else self.number[self.name_of(endpoint)]

    def link_of(self, endpoint: Endpoint) -> int:
        if endpoint.twin is None:
            return endpoint.link
        return len(self._fabric.links) + self._bond_of[endpoint.index]

    def links(self) -> Iterator[tuple[int, PortRef, PortRef]]:
        """Number and ends, the lower one first, of the fabric's links and of what is behind bonds."""
        for link in self._fabric.links:
            yield link.index, link.a, link.b
        for bond, pair in enumerate(self.bonds):
            behind = self._behind(self._fabric.endpoints[pair[0]])
            yield len(self._fabric.links) + bond, behind, PortRef(behind.device, "")


def _port_of(fabric: Fabric, endpoint: Endpoint) -> PortRef:
    return PortRef(fabric.hosts[endpoint.host].name, endpoint.nic)


def entries_of_state(state: SwitchState) -> list[Entry]:
    """The routes that a switch reports."""
    return [
        (
            route.prefix,
            route.length,
            (
                *(np.repeat(route.ports, route.weights).tolist() if route.weights else route.ports),
                *(port + RESERVE for port in route.reserve),
            ),
        )
        for route in state.routes
    ]


def entries_of_plan(switch: SwitchPlan) -> list[Entry]:
    """The routes that a switch will have: the plan's and those of its own links."""
    port = {each.name: number for number, each in enumerate(switch.ports)}
    up = {each.name for each in switch.ports if each.is_enabled}
    connected = [
        entry_of(each.prefix, (port[each.name],))
        for each in switch.interfaces
        if each.name in up and each.prefix
    ]
    # Routes over equal paths share their tuple of next hops, which is why it is worked out once.
    hops = {id(route.next_hops): route.next_hops for route in switch.routes}
    through = {key: ports_through(switch, port, each) for key, each in hops.items()}
    planned = [entry_of(route.prefix, through[id(route.next_hops)]) for route in switch.routes]
    return [*connected, *planned]


def ports_through(switch: SwitchPlan, port: Mapping[str, int], hops: tuple[NextHop, ...]) -> tuple[int, ...]:
    """The port numbers of a group, each as often as it is a member; SONiC's static routes have no weights."""
    if switch.nos == "sonic":
        return tuple(number_of(hop, port[hop.port]) for hop in equal_next_hops(hops))
    return tuple(number_of(hop, port[hop.port]) for hop in hops for _ in range(hop.weight))


def number_of(hop: NextHop, port: int) -> int:
    """What stands in an entry for a next hop behind a port of the switch."""
    return port + RESERVE if hop.distance > 1 else port


def in_use(ports: tuple[int, ...]) -> tuple[int, ...]:
    """The ports of an entry as if next hops in reserve were members of the group."""
    return tuple(port % RESERVE for port in ports)


def split(ports: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ports of an entry that are used while one is live, and those in reserve."""
    own = tuple(port for port in ports if port < RESERVE)
    return own, tuple(port - RESERVE for port in ports if port >= RESERVE)


def entry_of(prefix: str, ports: tuple[int, ...]) -> Entry:
    """A route from its printed prefix."""
    return (*_network(prefix), ports)


def is_of_family(entry: Entry, bits: int) -> bool:
    """Whether a route can be one of addresses of so many bits: no IPv6 route is one of IPv4."""
    return entry[1] <= bits and entry[0] >> bits == 0


@cache
def _network(prefix: str) -> tuple[int, int]:
    if ":" not in prefix:  # hundreds of thousands of them: ipaddress takes ten times as long
        dotted, _, length = prefix.partition("/")
        address = int.from_bytes(map(int, dotted.split(".")))
        bits = 32 - int(length)
        return address >> bits << bits, int(length)
    network = ip_network(prefix, strict=False)
    return int(network.network_address), network.prefixlen
