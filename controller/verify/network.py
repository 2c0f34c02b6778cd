"""Forwarding tables as arrays over a graph of switches and links of any shape.

A channel is one direction of a link that leaves a switch; it ends at another switch or at an endpoint.
S switches, C channels, D destinations (endpoints), G groups of next hops with M members in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from raddle.topology.model import Fabric, PortRef

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Entry = tuple[int, int, tuple[int, ...]]
"""A route: prefix and length as integers, and the switch's port numbers, each as often as it is a
member of the group; no port is a blackhole."""


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
    number = {switch.name: switch.index for switch in fabric.switches}
    nobody = len(number)
    endpoint_at = {PortRef(fabric.hosts[e.host].name, e.nic): e.index for e in fabric.endpoints}
    ports: list[PortRef] = []
    out, peer, endpoint, links = [], [], [], []
    channel = {}
    place = {
        PortRef(switch.name, port.name): (switch.index, number)
        for switch in fabric.switches
        for number, port in enumerate(switch.ports)
    }
    for link in fabric.links:
        for near, far in ((link.a, link.b), (link.b, link.a)):
            if near.device in number:
                channel[place[near]] = len(ports)
                ports.append(near)
                out.append(number[near.device])
                peer.append(number.get(far.device, nobody))
                endpoint.append(endpoint_at.get(far, -1))
                links.append(link.index)
    numbered = plan_addresses(fabric)
    ends = [[number.get(link.a.device, nobody), number.get(link.b.device, nobody)] for link in fabric.links]
    return Network(
        switches=tuple(number),
        endpoints=tuple(each.name for each in fabric.endpoints),
        addresses=np.array(numbered.endpoints, np.uint32 if numbered.version == 4 else object),
        bits=numbered.bits,
        home=np.array([each.leaf for each in fabric.endpoints], np.int64),
        host_link=np.array([each.link for each in fabric.endpoints], np.int64),
        plane=np.array([each.plane for each in fabric.endpoints], np.int64),
        ports=tuple(ports),
        out=np.array([*out, nobody], np.int64),
        peer=np.array([*peer, nobody], np.int64),
        endpoint=np.array([*endpoint, -1], np.int64),
        link=np.array([*links, len(fabric.links)], np.int64),
        is_up=np.array([*(link.is_up for link in fabric.links), True]),
        is_drained=np.array([*(link.is_drained for link in fabric.links), False]),
        ends=np.array(ends, np.int64).reshape(-1, 2),
        channel=channel,
    )


def entries_of_state(state: SwitchState) -> list[Entry]:
    """The routes that a switch reports."""
    return [
        (route.prefix, route.length, tuple(np.repeat(route.ports, route.weights).tolist()))
        if route.weights
        else (route.prefix, route.length, route.ports)
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
        return tuple(port[hop.port] for hop in equal_next_hops(hops))
    return tuple(port[hop.port] for hop in hops for _ in range(hop.weight))


def entry_of(prefix: str, ports: tuple[int, ...]) -> Entry:
    """A route from its printed prefix."""
    return (*_network(prefix), ports)


def is_of_family(entry: Entry, bits: int) -> bool:
    """Whether a route can be one of addresses of so many bits: no IPv6 route is one of IPv4."""
    return entry[1] <= bits and entry[0] >> bits == 0


@cache
def _network(prefix: str) -> tuple[int, int]:
    network = ip_network(prefix, strict=False)
    return int(network.network_address), network.prefixlen
