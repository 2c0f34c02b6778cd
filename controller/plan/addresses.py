"""IPv4 addresses of links, endpoints and loopbacks, by position alone: equal fabrics, equal addresses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from raddle.errors import Diagnostic, InputError
from raddle.topology.model import Fabric


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """Addresses as integers.

    Attributes:
        leaf_prefixes: one network per leaf that holds all its host links, in order of `Fabric.leaves`.
        link_ends: (address of end a, address of end b) of every link, in order of `Fabric.links`.
        loopbacks: in order of `Fabric.switches`.
        endpoints: in order of `Fabric.endpoints`.
    """

    leaf_prefixes: tuple[IPv4Network, ...]
    link_ends: tuple[tuple[int, int], ...]
    loopbacks: tuple[int, ...]
    endpoints: tuple[int, ...]


def plan_addresses(fabric: Fabric) -> AddressPlan:
    """Number all links and loopbacks of a fabric from its pools.

    Each leaf owns a block of `addressing.hosts`, a power of two that fits the leaf with the most hosts, so
    that one aggregate covers it. Its host links take the block's /31s in link order (RFC 3021), leaf port
    even, endpoint odd. Links between switches take the /31s of `addressing.underlay` in link order, upper
    end even, lower end odd. Switch i has the i-th address of `addressing.loopbacks`.

    Raises:
        InputError: `pool-too-small`, for every pool that cannot hold the fabric.
    """
    by_leaf: dict[int, list[int]] = {leaf.index: [] for leaf in fabric.leaves}
    for endpoint in sorted(fabric.endpoints, key=lambda endpoint: endpoint.link):
        by_leaf[endpoint.leaf].append(endpoint.index)
    most_hosts = max((len(members) for members in by_leaf.values()), default=1)
    block_bits = max(1, (2 * most_hosts - 1).bit_length())
    between_switches = [link for link in fabric.links if link.a.device in fabric.switch_by_name]

    pools = fabric.addressing
    hosts, underlay, loopbacks = (
        IPv4Network(pool) for pool in (pools.hosts, pools.underlay, pools.loopbacks)
    )
    _check_sizes(
        ("hosts", hosts, len(by_leaf) << block_bits, f"{len(by_leaf)} leaves of {1 << block_bits} addresses"),
        ("underlay", underlay, 2 * len(between_switches), f"{len(between_switches)} links of 2 addresses"),
        ("loopbacks", loopbacks, len(fabric.switches), f"{len(fabric.switches)} switches"),
    )

    ends = [(0, 0)] * len(fabric.links)
    addresses = [0] * len(fabric.endpoints)
    prefixes = []
    for block, members in enumerate(by_leaf.values()):
        base = int(hosts.network_address) + (block << block_bits)
        prefixes.append(IPv4Network((base, 32 - block_bits)))
        for place, index in enumerate(members):
            addresses[index] = base + 2 * place + 1
            ends[fabric.endpoints[index].link] = (base + 2 * place + 1, base + 2 * place)
    first = int(underlay.network_address)
    for place, link in enumerate(between_switches):
        ends[link.index] = (first + 2 * place + 1, first + 2 * place)
    first = int(loopbacks.network_address)
    return AddressPlan(
        leaf_prefixes=tuple(prefixes),
        link_ends=tuple(ends),
        loopbacks=tuple(first + switch.index for switch in fabric.switches),
        endpoints=tuple(addresses),
    )


def endpoint_addresses(fabric: Fabric) -> tuple[int, ...]:
    """IPv4 address of every endpoint as an integer, in order of `Fabric.endpoints`."""
    return plan_addresses(fabric).endpoints


@lru_cache(maxsize=1 << 17)
def dotted(address: int) -> str:
    """167772161 -> `10.0.0.1`."""
    return str(IPv4Address(address))


def _check_sizes(*needs: tuple[str, IPv4Network, int, str]) -> None:
    problems = [
        Diagnostic(
            "pool-too-small",
            f"addressing.{name} is {pool} with {pool.num_addresses} addresses; {what} need {need}",
            hint=f"use at least a /{32 - (need - 1).bit_length()}",
        )
        for name, pool, need, what in needs
        if need > pool.num_addresses
    ]
    if problems:
        raise InputError(problems)
