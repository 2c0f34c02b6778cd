"""Routes to what is outside of the fabric, and the BGP sessions of the switches at its border.

Every switch has a route to each prefix that links to the outside lead to, over the shortest paths to the
leaves that have such links: who has a way straight down to one of them takes it, so that no path turns
upwards again. A leaf with a link of its own sends over it. The addresses of the links themselves are reached
in the same way.

A default route holds the fabric's own addresses, too. So that what a dead link makes unreachable is dropped,
as without it, and does not go round by the border, every switch discards the pool of the hosts and the /30 or
/126 around each link to the outside, as far as nothing longer holds an address.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network

from raddle.controller.plan.addresses import AddressPlan
from raddle.controller.plan.model import BgpNeighbor, NextHop, Route
from raddle.controller.plan.paths import PathTable, Pattern
from raddle.controller.plan.routes import SwitchRoutes, next_hops_over
from raddle.controller.plan.weights import reduce_groups
from raddle.topology.model import Endpoint, Fabric, Outside, Switch
from raddle.units import ip_text

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Exit:
    """A link to the outside: its endpoint, and what is behind."""

    endpoint: Endpoint
    outside: Outside


def exits_of(fabric: Fabric) -> list[Exit]:
    """The links to the outside, in the order of endpoints."""
    return [
        Exit(endpoint, outside)
        for endpoint in fabric.endpoints[_first_outside(fabric) :]
        if (outside := fabric.hosts[endpoint.host].outside)
    ]


def _first_outside(fabric: Fabric) -> int:
    """Routers outside come behind all hosts, each with one endpoint."""
    return len(fabric.endpoints) - (len(fabric.hosts) - fabric.servers)


def outside_routes(fabric: Fabric, families: tuple[AddressPlan, ...], table: PathTable) -> SwitchRoutes:
    """By switch, in order of `Fabric.switches`; nothing where no link leads outside.

    Args:
        fabric: without the links that are drained or have failed, as `table`.
    """
    own: list[list[Route]] = [[] for _ in fabric.switches]
    exits = exits_of(fabric)
    if not exits:
        return tuple(tuple(routes) for routes in own)
    live = [each for each in exits if fabric.links[each.endpoint.link].is_up]
    for family in families:
        by_prefix = _exits_by_prefix(live, family.version)
        discarded = list(_discards(fabric, family, exits))
        for switch in fabric.switches:
            routes = own[switch.index]
            routes += [Route(ip_text(network), (), "fabric") for network in discarded]
            hops: dict[tuple[int, ...], tuple[NextHop, ...]] = {}
            for prefix, behind in by_prefix.items():
                leaves = tuple(sorted({each.endpoint.leaf for each in behind}))
                if switch.index in leaves:
                    found = _over_own_links(fabric, family, switch, behind) if prefix.link is None else ()
                elif leaves in hops:
                    found = hops[leaves]
                else:
                    found = hops[leaves] = _towards(fabric, family, table, switch, leaves)
                if found:
                    routes.append(Route(prefix.text, found, "fabric"))
    return tuple(tuple(routes) for routes in own)


@dataclass(frozen=True, slots=True)
class _Prefix:
    """What is announced; `link` is the endpoint whose link it is, None of what is beyond."""

    text: str
    link: int | None


def _exits_by_prefix(exits: list[Exit], version: int) -> dict[_Prefix, list[Exit]]:
    found: dict[_Prefix, list[Exit]] = {}
    for each in exits:
        link = next(
            ip_interface(a).network for a in each.outside.addresses if ip_interface(a).version == version
        )
        found[_Prefix(ip_text(link), each.endpoint.index)] = [each]
        for text in each.outside.prefixes:
            if ip_network(text).version == version:
                found.setdefault(_Prefix(ip_text(ip_network(text)), None), []).append(each)
    return found


def _discards(fabric: Fabric, family: AddressPlan, exits: list[Exit]) -> Iterator[Network]:
    """What must not go outside although a prefix of the outside holds it."""
    pools = fabric.addressing
    pool = ip_network(pools.hosts if family.version == 4 else pools.ipv6_hosts)
    links = [
        ip_interface(address).network.supernet()
        for each in exits
        for address in each.outside.addresses
        if ip_interface(address).version == family.version
    ]
    taken = {block for own in family.leaf_prefixes for block in own}
    taken |= {ip_network(text) for each in exits for text in each.outside.prefixes}
    beyond = [ip_network(text) for each in exits for text in each.outside.prefixes]
    for network in dict.fromkeys([pool, *links]):
        is_held = any(network.overlaps(each) and each.prefixlen < network.prefixlen for each in beyond)
        if is_held and network not in taken:
            yield network


def _over_own_links(
    fabric: Fabric, family: AddressPlan, switch: Switch, behind: list[Exit]
) -> tuple[NextHop, ...]:
    links = [fabric.links[each.endpoint.link] for each in behind if each.endpoint.leaf == switch.index]
    total = sum(link.speed_bps for link in links)
    (group,) = reduce_groups([tuple(link.speed_bps / total for link in links)], switch.model.tables)
    hops = [
        (family.link_ends[link.index][0], link.b.port, weight)
        for link, weight in zip(links, group.weights, strict=True)
        if weight
    ]
    return tuple(NextHop(family.text(address), port, weight) for address, port, weight in sorted(hops))


def _towards(
    fabric: Fabric, family: AddressPlan, table: PathTable, switch: Switch, leaves: tuple[int, ...]
) -> tuple[NextHop, ...]:
    """The next hops to the nearest of some leaves, which is not the switch itself."""
    patterns = [
        (leaf, table.patterns[number])
        for leaf in leaves
        if (number := int(table.pattern[switch.index, leaf])) >= 0
    ]
    near = [each for each in patterns if _is_near(table, switch.index, *each)] or patterns
    shares: dict[int, float] = defaultdict(float)
    for _, pattern in near:
        for slot, share in zip(pattern.slots, pattern.shares, strict=True):
            shares[slot] += share / len(near)
    if not shares:
        return ()
    merged = Pattern(tuple(sorted(shares)), tuple(shares[slot] for slot in sorted(shares)))
    (group,) = reduce_groups([merged.shares], switch.model.tables)
    return next_hops_over(fabric, table, family, switch.index, merged, group)


def _is_near(table: PathTable, switch: int, leaf: int, pattern: Pattern) -> bool:
    """Whether a path goes straight down to the leaf, or from a leaf over one spine."""
    graph = table.graph
    if graph.tier[switch] > 1:
        return bool(pattern.slots[0] >= graph.up.shape[1])
    spine = graph.upper[table.links(switch, pattern)[0]]
    return float(table.onward.direct[graph.place(spine[None], 2)[0], leaf]) > 0


def bgp_neighbors(
    fabric: Fabric, families: tuple[AddressPlan, ...], switch: Switch
) -> tuple[BgpNeighbor, ...]:
    """The sessions of a switch with the routers at its links to the outside."""
    return tuple(
        BgpNeighbor(
            fabric.hosts[each.endpoint.host].name,
            family.text(family.link_ends[each.endpoint.link][0]),
            each.outside.asn,
            family.text(family.link_ends[each.endpoint.link][1]),
        )
        for each in exits_of(fabric)
        if each.outside.asn and each.endpoint.leaf == switch.index
        for family in families
    )
