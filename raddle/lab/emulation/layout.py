"""What the emulated network is made of, worked out from fabric and plan: names, addresses and rates."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_interface

from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.openflow.tables import port_numbers
from raddle.errors import InputError
from raddle.topology.model import Fabric, Link, PortRef
from raddle.topology.yaml.placing import refused
from raddle.workload import Workload

MAX_NAME = 15
"""Characters of an interface's name (IFNAMSIZ - 1); a bridge is an interface."""

MAX_ENDPOINTS = 512
"""Some tests' times grow with its square: docs/emulation.md has figures. An assumption, no limit of Linux."""

FASTEST_BPS = 100_000_000
"""What the fabric's fastest link is slowed down to."""


@dataclass(frozen=True, slots=True)
class NicAddress:
    """An address of a host's port, the leaf's at the same link, and the length of their prefix."""

    address: str
    gateway: str
    bits: int

    @property
    def version(self) -> int:
        return ip_address(self.address).version


@dataclass(frozen=True, slots=True)
class Nic:
    """A host's port as the plan has it, and its leaf's port. `label` is the endpoint's name.

    RoCEv2 is sent from and to the first of its addresses, one for each family, IPv4 first.
    """

    endpoint: int
    label: str
    host: str
    name: str
    addresses: tuple[NicAddress, ...]
    mac: str
    gateway_mac: str
    leaf_port: PortRef

    @property
    def address(self) -> str:
        return self.addresses[0].address


class Layout:
    """Names, numbers, addresses and rates of an emulated fabric.

    Raises:
        InputError: `emulation-too-large`, `external-not-supported`, `emulation-carrier` or `name-too-long`.
    """

    def __init__(self, fabric: Fabric, plan: Plan) -> None:
        if len(fabric.endpoints) > MAX_ENDPOINTS:
            raise refused(
                fabric,
                "emulation-too-large",
                f"'{fabric.name}' has {len(fabric.endpoints)} endpoints; up to {MAX_ENDPOINTS} are emulated",
                "emulate a smaller fabric of the same form, and simulate this one",
                ("hosts",),
            )
        if any(host.outside for host in fabric.hosts):
            raise refused(
                fabric,
                "external-not-supported",
                f"'{fabric.name}' has links to the outside, whose routes software switches do not get",
                "leave 'external' out to emulate it, and simulate it with them",
                ("external",),
            )
        if fabric.follower_leaves:
            raise refused(
                fabric,
                "emulation-carrier",
                f"'{fabric.name}' has bonds; an emulated host has an address for each port",
                "leave 'bond' out to emulate it, and simulate it with bonds",
                ("hosts", "*", "nics", "bond"),
            )
        if plan.pins and plan.pins.carrier != "host-route":
            raise refused(
                fabric,
                "emulation-carrier",
                f"pins of '{fabric.name}' are carried as {plan.pins.carrier}; host routes can be emulated",
                "use 'pins: host-route' in routing, or --routing ecmp",
                ("routing", "pins"),
            )
        if fabric.routing.adaptive:
            raise refused(
                fabric,
                "adaptive-not-emulated",
                f"'{fabric.name}' routes adaptively, which software switches do not",
                "set 'adaptive: none' to emulate its hash, or run 'raddle bench'",
                ("routing", "adaptive"),
            )
        for switch in fabric.switches:
            if len(switch.name) > MAX_NAME:
                raise InputError.of(
                    "name-too-long",
                    f"'{switch.name}' is too long for the name of a bridge",
                    f"use at most {MAX_NAME} characters",
                )
        self.fabric, self.plan = fabric, plan
        self.divisor = max(1, max(link.speed_bps for link in fabric.links) // FASTEST_BPS)

    @cached_property
    def switches(self) -> dict[str, SwitchPlan]:
        return {switch.name: switch for switch in self.plan.switches}

    @cached_property
    def numbers(self) -> dict[PortRef, int]:
        """Number of every switch port, the same in the data plane's tables."""
        return {
            PortRef(switch.name, port): number
            for switch in self.plan.switches
            for port, number in port_numbers(switch).items()
        }

    @cached_property
    def ports(self) -> dict[tuple[str, int], PortRef]:
        """The port that a switch and a number name."""
        return {(port.device, number): port for port, number in self.numbers.items()}

    @cached_property
    def interfaces(self) -> dict[str, PortRef]:
        """Cabled switch ports by the name of their interface."""
        return {
            self.interface(end): end
            for link in self.fabric.links
            for end in (link.a, link.b)
            if end in self.numbers
        }

    def interface(self, port: PortRef) -> str:
        """`leaf0:Ethernet32` -> `leaf0-eth5`; a host's port keeps its name.

        Where that is too long, the switch's number stands for its name: `s12-eth5`.
        """
        if port not in self.numbers:
            return port.port
        name = f"{port.device}-eth{self.numbers[port]}"
        index = self.fabric.switch_by_name[port.device].index
        return name if len(name) <= MAX_NAME else f"s{index}-eth{self.numbers[port]}"

    def mbps(self, link: Link) -> float:
        """The rate of a link in the emulation."""
        return link.speed_bps / self.divisor / 1e6

    @cached_property
    def addresses(self) -> frozenset[bytes]:
        """The hosts' addresses of RoCEv2, as packets have them."""
        return frozenset(ip_address(nic.address).packed for nic in self.nics)

    @cached_property
    def nics(self) -> tuple[Nic, ...]:
        """All host ports, in order of endpoints."""
        macs = neighbour_macs(self.plan)
        own = defaultdict[PortRef, list[str]](list)
        for switch in self.plan.switches:
            for interface in switch.interfaces:
                own[PortRef(switch.name, interface.name)].append(interface.prefix)
        found = []
        for endpoint in self.fabric.endpoints:
            leaf_port = self.fabric.links[endpoint.link].b
            found.append(
                Nic(
                    endpoint=endpoint.index,
                    label=endpoint.name,
                    host=self.fabric.hosts[endpoint.host].name,
                    name=endpoint.nic,
                    addresses=tuple(map(_far_end, own[leaf_port])),
                    mac=macs[endpoint.name],
                    gateway_mac=self.switches[leaf_port.device].mac,
                    leaf_port=leaf_port,
                )
            )
        return tuple(found)


def _far_end(prefix: str) -> NicAddress:
    """The other end of a link with two addresses."""
    gateway = ip_interface(prefix)
    host = type(gateway.ip)(int(gateway.ip) ^ 1)
    return NicAddress(str(host), str(gateway.ip), gateway.network.prefixlen)


def far_pair(fabric: Fabric, work: Workload) -> tuple[int, int]:
    """The first two endpoints that talk to each other across leaves.

    Raises:
        InputError: `no-far-flow`.
    """
    first = work.seats.first_endpoint
    for rank, other in zip(work.schedule.src.tolist(), work.schedule.dst.tolist(), strict=True):
        src, dst = int(first[rank]), int(first[other])
        if fabric.endpoints[src].leaf != fabric.endpoints[dst].leaf:
            return src, dst
    raise InputError.of(
        "no-far-flow",
        "failover needs a flow between two leaves; there is none",
        "leave failover out, or take hosts below two leaves",
    )
