"""What leads outside: packets from every host to every prefix that links to the outside are there for.

A prefix is looked up by one address that no longer prefix of the fabric holds. It has arrived at any link
that leads to it; of a graph with one more endpoint, which hangs on all of these links, everything is then
asked that is asked of endpoints: is it reached, does anything go round, which buffers wait for which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network

import numpy as np

from raddle.controller.plan.addresses import plan_addresses
from raddle.controller.plan.outside import exits_of
from raddle.controller.verify.columns import Routes
from raddle.controller.verify.deadlock import Pairs, dependencies
from raddle.controller.verify.failures import Failure, Verdict, judge, touched_columns
from raddle.controller.verify.network import Ints, Network
from raddle.controller.verify.reach import repair
from raddle.controller.verify.tables import Tables, tables_of
from raddle.topology.model import Endpoint, Fabric

Prefix = IPv4Network | IPv6Network


@dataclass(frozen=True)
class WayOut:
    """A prefix outside, with one of the links to it as the place of the endpoint that stands for it."""

    prefix: str
    links: int
    network: Network
    tables: Tables


@dataclass(frozen=True, slots=True)
class OutsideReach:
    """What was found of a prefix outside.

    Attributes:
        links: to it that are up.
        present: as the fabric stands; a pair is an endpoint and the prefix.
        failures: single failures that were judged, and of them those after which hosts lose it that still
            have a way to one of its links, until the plan is renewed (`lost_after`), or packets go round.
    """

    prefix: str
    links: int
    present: Verdict
    failures: int = 0
    lost_after: int = 0
    loops_after: tuple[str, ...] = ()


def ways_out(fabric: Fabric, network: Network, entries: Mapping[str, Routes]) -> list[WayOut]:
    """Each prefix that live links lead to, once for each of these links; in the first address family.

    A prefix of which longer ones hold every address is left out: nothing is sent by it.
    """
    exits = [each for each in exits_of(fabric) if fabric.links[each.endpoint.link].is_up]
    version = plan_addresses(fabric).version if exits else 4
    behind: dict[Prefix, list[int]] = {}
    for number, each in enumerate(exits):
        for text in each.outside.prefixes:
            if ip_network(text).version == version:
                behind.setdefault(ip_network(text), []).append(number)
    others: list[Prefix] = [*behind, *_own_prefixes(fabric, version)]
    found = []
    for prefix, numbers in behind.items():
        address = free_address(prefix, others)
        if address is None:
            continue
        channels = [_channel(fabric, network, exits[n].endpoint.link) for n in numbers]
        for n in numbers:
            grown = _with_endpoint(network, str(prefix), address, exits[n].endpoint, channels)
            stands = np.zeros(len(grown.addresses), np.int64)
            stands[-1] = len(stands) - 1
            tables = tables_of(grown, entries, stands)
            last = np.flatnonzero(tables.destinations == len(stands) - 1)
            found.append(WayOut(str(prefix), len(numbers), grown, tables.only(last)))
    return found


def _own_prefixes(fabric: Fabric, version: int) -> Iterator[Prefix]:
    """The pools of a family, and the links to the outside with what is around them."""
    pools = fabric.addressing
    own = (
        (pools.hosts, pools.loopbacks, pools.underlay)
        if version == 4
        else (pools.ipv6_hosts, pools.ipv6_loopbacks, pools.ipv6_underlay)
    )
    yield from map(ip_network, own)
    for each in exits_of(fabric):
        for address in each.outside.addresses:
            if ip_interface(address).version == version:
                yield ip_interface(address).network.supernet()


def free_address(prefix: Prefix, others: Iterable[Prefix]) -> int | None:
    """An address of a prefix that none of the other, longer ones holds; None where they hold all."""
    inner = [each for each in others if each.prefixlen > prefix.prefixlen and prefix.overlaps(each)]
    if not inner:
        return int(prefix[-1])
    halves: list[Prefix] = list(prefix.subnets())
    for half in reversed(halves):
        if half not in inner:
            found = free_address(half, inner)
            if found is not None:
                return found
    return None


def _channel(fabric: Fabric, network: Network, link: int) -> int:
    end = fabric.links[link].b
    switch = fabric.switch_by_name[end.device]
    number = next(n for n, port in enumerate(switch.ports) if port.name == end.port)
    return network.channel[switch.index, number]


def _with_endpoint(network: Network, name: str, address: int, at: Endpoint, channels: list[int]) -> Network:
    """The graph with one more endpoint, behind all of some channels, and counted at one of their links."""
    endpoint = network.endpoint.copy()
    endpoint[channels] = len(network.endpoints)
    addresses = np.append(network.addresses, np.array([address], network.addresses.dtype))
    return replace(
        network,
        endpoints=(*network.endpoints, name),
        addresses=addresses,
        home=np.append(network.home, at.leaf),
        host_link=np.append(network.host_link, at.link),
        plane=np.append(network.plane, at.plane),
        endpoint=endpoint,
    )


def waiting_pairs(
    network: Network, tables: Tables, ways: list[WayOut], *others: tuple[Network, Tables]
) -> Pairs:
    """int[E, 2]: what `dependencies` says of all endpoints, of what leads outside, and of others."""
    every = [dependencies(network, tables, network.is_up)]
    every += [dependencies(way.network, way.tables, network.is_up) for way in ways]
    every += [dependencies(*each, network.is_up) for each in others]
    return np.unique(np.concatenate(every), axis=0) if len(every) > 1 else every[0]


def judge_outside(ways: list[WayOut], rank: Ints | None, failures: list[Failure]) -> tuple[OutsideReach, ...]:
    """What is so of each prefix, as the fabric stands and after single failures, before the plan is renewed.

    Args:
        failures: those with one part are judged.
    """
    by_prefix: dict[str, list[WayOut]] = {}
    for way in ways:
        by_prefix.setdefault(way.prefix, []).append(way)
    return tuple(_judge(prefix, own, rank, failures) for prefix, own in by_prefix.items())


def _judge(prefix: str, ways: list[WayOut], rank: Ints | None, failures: list[Failure]) -> OutsideReach:
    verdicts = [judge(way.network, way.tables, way.network.is_up, rank) for way in ways]
    present = max(verdicts, key=lambda each: (each.looping, each.lost, each.cycle is not None))
    single = [each for each in failures if len(each.links) + len(each.switches) == 1]
    first = ways[0]
    before = repair(first.network, first.tables, first.network.is_up)
    lost = 0
    looping: list[str] = []
    for failure in single:
        links = first.network.without(failure.links, failure.switches)
        after = repair(first.network, first.tables, links)
        if not len(touched_columns(first.network, before, after, failure.switches, present.is_good)):
            continue
        found = [judge(way.network, way.tables, links, rank) for way in ways]
        lost += any(each.lost for each in found)
        if any(each.looping for each in found):
            looping.append(failure.name)
    return OutsideReach(prefix, len(ways), present, len(single), lost, tuple(looping))
