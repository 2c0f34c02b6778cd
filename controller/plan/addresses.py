"""Addresses of links, endpoints and loopbacks: as recorded or reserved, else by position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_interface, ip_network
from typing import Literal

from raddle.errors import Diagnostic, InputError
from raddle.topology.allocation import Block, Blocks, allocate, overlaps
from raddle.topology.model import Endpoint, Fabric, Link, Outside, Switch
from raddle.topology.record import cable_key
from raddle.topology.yaml.placing import in_file
from raddle.units import ip_text

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """Addresses of one family as integers.

    Attributes:
        version: 4 or 6.
        leaf_prefixes: the networks of each leaf that hold all its host links, in order of `Fabric.leaves`:
            one, and more where hosts came that the first had no room for; none of a leaf that announces those
            of another (`Fabric.follower_leaves`).
        link_ends: (address of end a, address of end b) of every link, in order of `Fabric.links`.
        is_numbered: whether links between switches have addresses; else their ends are link-local ones.
        loopbacks: in order of `Fabric.switches`.
        endpoints: in order of `Fabric.endpoints`.
    """

    version: Literal[4, 6]
    leaf_prefixes: tuple[tuple[Network, ...], ...]
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
    """Number all links and loopbacks of a fabric from its pools, once per family, IPv4 first; a link to the
    outside has the addresses that the file gives it.

    Each leaf owns a block of the pool `hosts`, a power of two that fits the leaf with the most hosts, so that
    one aggregate covers it. Its host links take the block's /31s (RFC 3021; /127s, RFC 6164) in link order,
    leaf port even, endpoint odd. Links between switches take those of `underlay` in link order, upper end
    even, lower end odd; a record may say the opposite of a link. Both links of a bond have the addresses of
    its first port's. Unnumbered ones have their switches'
    link-local addresses. Switch i has the i-th address of `loopbacks`.

    What the fabric's record has stays as it is there; what is reserved has the address of its place in the
    fabric of the reserved size. Only the rest is numbered anew, with what nobody has had. A leaf whose block
    is full gets another one, as large as those it has.

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
        raise InputError(in_file(fabric, problems))
    return tuple(plans)


@dataclass(frozen=True)
class _Known:
    """Addresses of one family that are spoken for, by name; links and endpoints by their first address."""

    loopbacks: dict[str, int]
    links: dict[str, int]
    hosts: dict[str, tuple[Block, ...]]


def _number(
    fabric: Fabric,
    pools: dict[str, str],
    version: Literal[4, 6],
    section: str,
    problems: list[Diagnostic],
) -> AddressPlan:
    """One family's addresses; adds to `problems` the pools that are too small, whose addresses overflow."""
    networks = {name: ip_network(pool) for name, pool in pools.items()}
    room = {
        name: range(int(network[0]), int(network[-1]) + 1, 1 if name == "loopbacks" else 2)
        for name, network in networks.items()
    }
    is_numbered = fabric.addressing.is_numbered
    between = [link for link in fabric.links if link.a.device in fabric.switch_by_name]
    numbered = [cable_key(link.a, link.b) for link in between] if is_numbered else []
    if found := list(_shortages(fabric, networks, len(numbered), section)):
        problems += found
        return AddressPlan(version, (), (), is_numbered, (), ())
    known = _known(fabric, version)
    names = [switch.name for switch in fabric.switches]
    loopbacks = allocate(names, [each.loopbacks for each in known], room["loopbacks"])
    underlay = allocate(numbered, [each.links for each in known], room["underlay"])

    blocks, pairs = _number_hosts(fabric, known, networks["hosts"])
    if pairs is None:
        problems.append(_full(f"{section}.hosts", networks["hosts"]))
        return AddressPlan(version, (), (), is_numbered, (), ())
    ends = [(0, 0)] * len(fabric.links)
    turned = _turned(fabric)
    for endpoint, base in zip(fabric.endpoints, pairs, strict=True):
        outside = fabric.hosts[endpoint.host].outside
        ends[endpoint.link] = (
            _outside_ends(outside, version) if outside else _ends(base, fabric.links[endpoint.link], turned)
        )
    for link in between:
        if is_numbered:
            ends[link.index] = _ends(underlay[cable_key(link.a, link.b)], link, turned)
        else:
            a, b = (fabric.switch_by_name[end.device] for end in (link.a, link.b))
            ends[link.index] = (link_local(a), link_local(b))
    return AddressPlan(
        version=version,
        leaf_prefixes=tuple(tuple(_network(version, block) for block in own) for own in blocks),
        link_ends=tuple(ends),
        is_numbered=is_numbered,
        loopbacks=tuple(loopbacks[name] for name in names),
        endpoints=tuple(ends[endpoint.link][0] for endpoint in fabric.endpoints),
    )


def _turned(fabric: Fabric) -> frozenset[str]:
    """Keys of the cables whose lower end has the even address, by the record."""
    cables = fabric.record.cables if fabric.record else {}
    return frozenset(key for key, entry in cables.items() if entry.lower_is_even)


def _ends(base: int, link: Link, turned: frozenset[str]) -> tuple[int, int]:
    """The addresses of the lower and the upper end of a link."""
    if turned and cable_key(link.a, link.b) in turned:
        return base, base + 1
    return base + 1, base


def _outside_ends(outside: Outside, version: int) -> tuple[int, int]:
    """The addresses of the router and of the switch's port to it."""
    own = next(each for each in map(ip_interface, outside.addresses) if each.version == version)
    return int(own.ip) ^ 1, int(own.ip)


def _shortages(
    fabric: Fabric, networks: dict[str, Network], numbered: int, section: str
) -> Iterator[Diagnostic]:
    """Pools that could not hold the fabric if it were new."""
    bits, leaves = _block_bits(fabric), len(fabric.leaves) - len(fabric.follower_leaves)
    needs = {
        "hosts": (leaves << bits, f"{leaves} leaves of {1 << bits} addresses"),
        "underlay": (2 * numbered, f"{numbered} links of 2 addresses"),
        "loopbacks": (len(fabric.switches), f"{len(fabric.switches)} switches"),
    }
    for name, (need, what) in needs.items():
        # A record may hold its hosts in less: leaves that came early have smaller blocks.
        if need > networks[name].num_addresses and not (name == "hosts" and fabric.record):
            yield _too_small(f"{section}.{name}", networks[name], need, what)


def _block_bits(fabric: Fabric) -> int:
    """Bits of a leaf's block: room for the hosts of the leaf that has most."""
    most = max(Counter(endpoint.leaf for endpoint in _numbered_endpoints(fabric)).values(), default=1)
    return max(1, (2 * most - 1).bit_length())


def _numbered_endpoints(fabric: Fabric) -> list[Endpoint]:
    """Those that have addresses of the pool: all but the routers outside, which bring theirs."""
    return [endpoint for endpoint in fabric.endpoints if not fabric.hosts[endpoint.host].outside]


def _number_hosts(
    fabric: Fabric, known: list[_Known], pool: Network
) -> tuple[list[list[Block]], list[int] | None]:
    """The blocks of every leaf, and the first of the two addresses of every endpoint's link; None where the
    pool is full."""
    followers = fabric.follower_leaves
    by_leaf: dict[int, list[Endpoint]] = {leaf.index: [] for leaf in fabric.leaves}
    for endpoint in sorted(_numbered_endpoints(fabric), key=lambda endpoint: endpoint.link):
        if endpoint.leaf not in followers:
            by_leaf[endpoint.leaf].append(endpoint)
    key_of = {
        each.index: cable_key(fabric.links[each.link].a, fabric.links[each.link].b)
        for each in fabric.endpoints
    }
    standing = _standing_blocks(fabric, known, pool)
    gone = [block for each in known for own in each.hosts.values() for block in own]
    free = Blocks(
        int(pool.network_address), pool.num_addresses, [b for own in standing.values() for b in own], gone
    )
    owners = [{base: key for key, base in each.links.items()} for each in known]
    bits = max(_block_bits(each) for each in (fabric, fabric.reserved or fabric))
    pairs = [0] * len(fabric.endpoints)
    blocks: list[list[Block]] = []
    for leaf, members in by_leaf.items():
        if leaf in followers:
            blocks.append([])
            continue
        own = standing[fabric.switches[leaf].name]
        lacking = len(members) - sum(size // 2 for _, size in own)
        if lacking > 0 or not own:
            block = _another(free, own, max(1, (2 * lacking - 1).bit_length()), bits)
            if block is None:
                return [], None
            own.append(block)
        blocks.append(own)
        places = [base for start, size in own for base in range(start, start + size, 2)]
        spoken = [{owner[place]: place for place in places if place in owner} for owner in owners]
        given = allocate([key_of[each.index] for each in members], spoken, places)
        for each in members:
            pairs[each.index] = given[key_of[each.index]]
            if each.twin is not None:
                pairs[each.twin] = pairs[each.index]
    return blocks, pairs


def _another(free: Blocks, own: list[Block], need: int, usual: int) -> Block | None:
    """A block for a leaf: the usual one, or one as large as its largest; else just what it needs."""
    wish = max(need, max(size for _, size in own).bit_length() - 1) if own else usual
    for bits in (wish, need):
        base = free.take(bits)
        if base is not None:
            return base, 1 << bits
    return None


def _standing_blocks(fabric: Fabric, known: list[_Known], pool: Network) -> dict[str, list[Block]]:
    """The blocks that leaves have already, by name."""
    first, end = int(pool[0]), int(pool[-1]) + 1
    standing: dict[str, list[Block]] = {leaf.name: [] for leaf in fabric.leaves}
    earlier: list[Block] = []
    for each in known:
        for name, own in standing.items():
            if not own:
                own += [
                    (base, size)
                    for base, size in each.hosts.get(name, ())
                    if first <= base and base + size <= end and not overlaps((base, size), earlier)
                ]
        earlier = sorted(block for own in each.hosts.values() for block in own)
    return standing


def _known(fabric: Fabric, version: Literal[4, 6]) -> list[_Known]:
    """What the record has, and the addresses of the fabric at its reserved size."""
    known = []
    if fabric.record:
        switches, cables = fabric.record.switches, fabric.record.cables
        loopbacks = {name: _firsts(entry.loopbacks, version) for name, entry in switches.items()}
        links = {key: _firsts(entry.prefixes, version) for key, entry in cables.items()}
        known.append(
            _Known(
                {name: found[0][0] for name, found in loopbacks.items() if found},
                {key: found[0][0] for key, found in links.items() if found},
                {name: _firsts(entry.hosts, version) for name, entry in switches.items() if entry.hosts},
            )
        )
    if fabric.reserved:
        full = fabric.reserved
        plan = next(each for each in address_families(full) if each.version == version)
        hosts = zip(full.leaves, plan.leaf_prefixes, strict=True)
        known.append(
            _Known(
                {each.name: address for each, address in zip(full.switches, plan.loopbacks, strict=True)},
                {
                    cable_key(link.a, link.b): min(pair)
                    for link, pair in zip(full.links, plan.link_ends, strict=True)
                },
                {leaf.name: tuple((int(each[0]), each.num_addresses) for each in own) for leaf, own in hosts},
            )
        )
    return known


def _firsts(prefixes: tuple[str, ...], version: Literal[4, 6]) -> tuple[Block, ...]:
    """First address and size of the prefixes of one family."""
    networks = (ip_network(prefix) for prefix in prefixes if (":" in prefix) == (version == 6))
    return tuple((int(network[0]), network.num_addresses) for network in networks)


def _network(version: Literal[4, 6], block: Block) -> Network:
    base, size = block
    length = size.bit_length() - 1
    return IPv4Network((base, 32 - length)) if version == 4 else IPv6Network((base, 128 - length))


def endpoint_addresses(fabric: Fabric) -> tuple[int, ...]:
    """Address of every endpoint in the first family as an integer, in order of `Fabric.endpoints`."""
    return plan_addresses(fabric).endpoints


def link_local(switch: Switch) -> int:
    """The link-local IPv6 address of all ports of a switch (RFC 4291, appendix A: modified EUI-64)."""
    mac = switch.mac ^ 0x02 << 40
    return 0xFE80 << 112 | mac >> 24 << 40 | 0xFFFE << 24 | mac & 0xFFFFFF


def dotted(address: int) -> str:
    """167772161 -> `10.0.0.1`."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


@lru_cache(maxsize=1 << 17)
def _colons(address: int) -> str:
    return ip_text(IPv6Address(address))


def _too_small(name: str, pool: Network, need: int, what: str) -> Diagnostic:
    return Diagnostic(
        "pool-too-small",
        f"{name} is {ip_text(pool)} with {pool.num_addresses} addresses; {what} need {need}",
        hint=f"use at least a /{pool.max_prefixlen - (need - 1).bit_length()}",
        place=tuple(name.split(".")),
    )


def _full(name: str, pool: Network) -> Diagnostic:
    return Diagnostic(
        "pool-too-small",
        f"{name} is {ip_text(pool)}; the record leaves no block in it for new hosts",
        hint="make the pool larger, so that the old one is part of it",
        place=tuple(name.split(".")),
    )
