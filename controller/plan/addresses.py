"""Addresses of links, endpoints and loopbacks, by position alone: equal fabrics, equal addresses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Literal

from raddle.errors import Diagnostic, InputError
from raddle.topology.model import Fabric, Switch
from raddle.units import ip_text

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """Addresses of one family as integers.

    Attributes:
        version: 4 or 6.
        leaf_prefixes: one network per leaf that holds all its host links, in order of `Fabric.leaves`.
        link_ends: (address of end a, address of end b) of every link, in order of `Fabric.links`.
        is_numbered: whether links between switches have addresses; else their ends are link-local ones.
        loopbacks: in order of `Fabric.switches`.
        endpoints: in order of `Fabric.endpoints`.
    """

    version: Literal[4, 6]
    leaf_prefixes: tuple[Network, ...]
    link_ends: tuple[tuple[int, int], ...]
    is_numbered: bool
    loopbacks: tuple[int, ...]
    endpoints: tuple[int, ...]

    @property
    def bits(self) -> int:
        return 32 if self.version == 4 else 128

    def text(self, address: int) -> str:
        """167772161 -> `10.0.0.1`."""
        return dotted(address) if self.version == 4 else _colons(address)

    def host_prefix(self, endpoint: int) -> str:
        """The prefix of one endpoint alone: `10.0.0.1/32`."""
        return f"{self.text(self.endpoints[endpoint])}/{self.bits}"

    def peer_text(self, link: int, is_upper: bool) -> str:
        """The address of an end of a link between switches, as a next hop."""
        address = self.link_ends[link][is_upper]
        return self.text(address) if self.is_numbered else _colons(address)


def plan_addresses(fabric: Fabric) -> AddressPlan:
    """Number a fabric in its first family: IPv4 where it has both.

    Raises:
        InputError: `pool-too-small`, for every pool that cannot hold the fabric.
    """
    return address_families(fabric)[0]


def address_families(fabric: Fabric) -> tuple[AddressPlan, ...]:
    """Number all links and loopbacks of a fabric from its pools, once per family, IPv4 first.

    Each leaf owns a block of the pool `hosts`, a power of two that fits the leaf with the most hosts, so that
    one aggregate covers it. Its host links take the block's /31s (RFC 3021; /127s, RFC 6164) in link order,
    leaf port even, endpoint odd. Links between switches take those of `underlay` in link order, upper end
    even, lower end odd; unnumbered ones have their switches' link-local addresses. Switch i has the i-th
    address of `loopbacks`.

    Raises:
        InputError: `pool-too-small`, for every pool that cannot hold the fabric.
    """
    pools = fabric.addressing
    plans: list[AddressPlan] = []
    problems: list[Diagnostic] = []
    if pools.families != "ipv6":
        named = {"hosts": pools.hosts, "underlay": pools.underlay, "loopbacks": pools.loopbacks}
        plans.append(_number(fabric, named, 4, "addressing", problems))
    if pools.families != "ipv4":
        named = {
            "hosts": pools.ipv6_hosts,
            "underlay": pools.ipv6_underlay,
            "loopbacks": pools.ipv6_loopbacks,
        }
        plans.append(_number(fabric, named, 6, "addressing.ipv6", problems))
    if problems:
        raise InputError(problems)
    return tuple(plans)


def _number(
    fabric: Fabric,
    pools: dict[str, str],
    version: Literal[4, 6],
    section: str,
    problems: list[Diagnostic],
) -> AddressPlan:
    """One family's addresses; adds to `problems` the pools that are too small, whose addresses overflow."""
    by_leaf: dict[int, list[int]] = {leaf.index: [] for leaf in fabric.leaves}
    for endpoint in sorted(fabric.endpoints, key=lambda endpoint: endpoint.link):
        by_leaf[endpoint.leaf].append(endpoint.index)
    most_hosts = max((len(members) for members in by_leaf.values()), default=1)
    block_bits = max(1, (2 * most_hosts - 1).bit_length())
    is_numbered = fabric.addressing.is_numbered
    between = [link for link in fabric.links if link.a.device in fabric.switch_by_name]
    numbered = between if is_numbered else []
    needs = {
        "hosts": (len(by_leaf) << block_bits, f"{len(by_leaf)} leaves of {1 << block_bits} addresses"),
        "underlay": (2 * len(numbered), f"{len(numbered)} links of 2 addresses"),
        "loopbacks": (len(fabric.switches), f"{len(fabric.switches)} switches"),
    }
    networks = {name: ip_network(pool) for name, pool in pools.items()}
    too_small = [
        _too_small(f"{section}.{name}", networks[name], *needs[name])
        for name in needs
        if needs[name][0] > networks[name].num_addresses
    ]
    if too_small:
        problems += too_small
        return AddressPlan(version, (), (), is_numbered, (), ())
    first = {name: int(network.network_address) for name, network in networks.items()}
    bits = networks["hosts"].max_prefixlen

    ends = [(0, 0)] * len(fabric.links)
    addresses = [0] * len(fabric.endpoints)
    prefixes: list[Network] = []
    for block, members in enumerate(by_leaf.values()):
        base = first["hosts"] + (block << block_bits)
        length = bits - block_bits
        prefixes.append(IPv4Network((base, length)) if version == 4 else IPv6Network((base, length)))
        for place, index in enumerate(members):
            addresses[index] = base + 2 * place + 1
            ends[fabric.endpoints[index].link] = (base + 2 * place + 1, base + 2 * place)
    for place, link in enumerate(between):
        if is_numbered:
            ends[link.index] = (first["underlay"] + 2 * place + 1, first["underlay"] + 2 * place)
        else:
            a, b = (fabric.switch_by_name[end.device] for end in (link.a, link.b))
            ends[link.index] = (link_local(a), link_local(b))
    return AddressPlan(
        version=version,
        leaf_prefixes=tuple(prefixes),
        link_ends=tuple(ends),
        is_numbered=is_numbered,
        loopbacks=tuple(first["loopbacks"] + switch.index for switch in fabric.switches),
        endpoints=tuple(addresses),
    )


def endpoint_addresses(fabric: Fabric) -> tuple[int, ...]:
    """Address of every endpoint in the first family as an integer, in order of `Fabric.endpoints`."""
    return plan_addresses(fabric).endpoints


def mac_address(switch: Switch) -> int:
    """A switch's MAC address. The second bit of the first octet marks a locally administered one (IEEE 802,
    8.2)."""
    return 0x02 << 40 | switch.index


def link_local(switch: Switch) -> int:
    """The link-local IPv6 address of all ports of a switch (RFC 4291, appendix A: modified EUI-64)."""
    mac = mac_address(switch) ^ 0x02 << 40
    return 0xFE80 << 112 | mac >> 24 << 40 | 0xFFFE << 24 | mac & 0xFFFFFF


@lru_cache(maxsize=1 << 17)
def dotted(address: int) -> str:
    """167772161 -> `10.0.0.1`."""
    return str(IPv4Address(address))


@lru_cache(maxsize=1 << 17)
def _colons(address: int) -> str:
    return ip_text(IPv6Address(address))


def _too_small(name: str, pool: Network, need: int, what: str) -> Diagnostic:
    return Diagnostic(
        "pool-too-small",
        f"{name} is {ip_text(pool)} with {pool.num_addresses} addresses; {what} need {need}",
        hint=f"use at least a /{pool.max_prefixlen - (need - 1).bit_length()}",
    )
