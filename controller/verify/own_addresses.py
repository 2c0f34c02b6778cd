"""Packets to addresses of the switches themselves: leaf ports at hosts, links between switches, loopbacks.

A leaf port's address lies in the network of its host link. So it is reached as the host is, but where hosts
have routes of their own (pins, bonds): then packets to the leaf go by the leaf's aggregate, which is judged
here by one such address of every leaf. Addresses of links and loopbacks are nobody's destination in a plan;
whatever routes hold them beside the link's own (a default route, those that a daemon has learned) is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from raddle.controller.plan.addresses import plan_addresses
from raddle.controller.verify.columns import Columns
from raddle.controller.verify.network import Ints, Network
from raddle.controller.verify.tables import Tables, tables_of
from raddle.topology.model import Fabric, Link
from raddle.units import few


def leaves_themselves(
    fabric: Fabric, network: Network, entries: Mapping[str, Columns]
) -> tuple[Network, Tables] | None:
    """The graph with one more endpoint for every leaf with hosts, and the tables of these alone.

    Each has the address of a leaf port and has arrived where that port's host has. None where no host has a
    route of its own.
    """
    if not any(network.bits in own.by_length for own in entries.values()):
        return None
    behind = _leaf_ports(fabric)
    leads = _channels(network)
    count, more = len(network.endpoints), np.arange(len(behind))
    endpoint, peer = network.endpoint.copy(), network.peer.copy()
    for number, links in enumerate(behind.values(), count):
        at = [leads[network.switches.index(link.b.device), link.index] for link in links]
        endpoint[at], peer[at] = number, len(network.switches)
    first = [links[0] for links in behind.values()]
    home = np.array([network.switches.index(link.b.device) for link in first], np.int64)
    grown = replace(
        network,
        endpoints=(*network.endpoints, *(f"{link.b.device} itself" for link in first)),
        addresses=np.append(network.addresses, np.array([*behind], network.addresses.dtype)),
        home=np.append(network.home, home),
        host_link=np.append(network.host_link, [link.index for link in first]),
        plane=np.append(network.plane, np.zeros(len(behind), np.int64)),
        endpoint=endpoint,
        peer=peer,
    )
    tables = tables_of(grown, entries, np.append(np.zeros(count, np.int64), count + more))
    return grown, tables.only(np.flatnonzero(tables.destinations >= count))


def _leaf_ports(fabric: Fabric) -> dict[int, list[Link]]:
    """One address of a leaf's ports at hosts in each of its blocks, and the live links that end there."""
    numbered = plan_addresses(fabric)
    blocks = {
        leaf.name: [range(int(each[0]), int(each[-1]) + 1) for each in networks]
        for leaf, networks in zip(fabric.leaves, numbered.leaf_prefixes, strict=True)
    }
    found: dict[int, list[Link]] = {}
    for link in fabric.links:
        if link.is_up and link.a.device not in fabric.switch_by_name:
            found.setdefault(numbered.link_ends[link.index][1], []).append(link)
    chosen: dict[tuple[str, int], int] = {}
    for address, links in found.items():
        inside = (n for n, each in enumerate(blocks.get(links[0].b.device, ())) if address in each)
        chosen.setdefault((links[0].b.device, next(inside, -1)), address)
    return {address: found[address] for address in chosen.values()}


def _channels(network: Network) -> dict[tuple[int, int], int]:
    """Every channel by the switch that sends on it and the link."""
    keys = zip(network.out.tolist(), network.link.tolist(), strict=True)
    return {key: channel for channel, key in enumerate(keys)}


def routed_beside(fabric: Fabric, network: Network, entries: Mapping[str, Columns]) -> tuple[str, ...]:
    """Switches with routes that hold addresses of others' links or loopbacks, those of own links apart."""
    numbered = plan_addresses(fabric)
    is_switch = fabric.switch_by_name.keys()
    links = [
        (link, numbered.link_ends[link.index])
        for link in fabric.links
        if numbered.is_numbered and link.a.device in is_switch and link.b.device in is_switch
    ]
    own: dict[str, set[int]] = {}
    for link, (low, high) in links:
        for end in (link.a, link.b):
            own.setdefault(end.device, set()).update((low, high))  # the network's is the lower
    numbers = sorted({*numbered.loopbacks, *(end for _, ends in links for end in ends)})
    held = np.array(numbers, network.addresses.dtype)
    return tuple(
        name for name, table in entries.items() if _holds_any(network.bits, table, held, own.get(name, set()))
    )


def _holds_any(bits: int, table: Columns, held: Ints, own: set[int]) -> bool:
    """Whether a route holds one of some addresses, those to networks of the switch's own links apart."""
    for length, (prefixes, which) in table.by_length.items():
        size = 1 << bits - length
        first, after = np.searchsorted(held, prefixes), np.searchsorted(held, prefixes + (size - 1), "right")
        for place in np.flatnonzero(after > first).tolist():
            if not table.groups[which[place]]:
                continue  # a blackhole sends nothing on
            if length < bits - 1 or int(prefixes[place]) not in own:
                return True
    return False


def about_own_addresses(routed: tuple[str, ...]) -> Iterator[str]:
    """What `routed_beside` finds, in words; `scripts/check-certificate` looks for how they begin."""
    if routed:
        has = "has" if len(routed) == 1 else "have"
        yield f"packets to links and loopbacks of other switches, for which {few(routed, 4)} {has} routes"
