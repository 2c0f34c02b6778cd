"""Routes over all shortest paths: an aggregate for each block of a leaf, in each address family."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.addresses import AddressPlan
from raddle.controller.plan.model import NextHop, Route
from raddle.controller.plan.paths import PathTable, Pattern
from raddle.controller.plan.weights import Group, reduce_groups
from raddle.topology.model import Fabric, TableBudget
from raddle.units import ip_text

SwitchRoutes = tuple[tuple[Route, ...], ...]
"""Routes by switch, in order of `Fabric.switches`."""


@dataclass(frozen=True, eq=False)
class LeafRoutes:
    """The routes of one switch to the blocks of leaves in one family, as columns.

    Attributes:
        prefixes: of all blocks; all switches share them.
        number: int[...], which of `hops` each prefix has; -1 where the switch has no route to it.
    """

    prefixes: tuple[str, ...]
    number: NDArray[np.int32]
    hops: Mapping[int, tuple[NextHop, ...]]

    def __iter__(self) -> Iterator[Route]:
        for prefix, number in zip(self.prefixes, self.number.tolist(), strict=True):
            if number >= 0:
                yield Route(prefix, self.hops[number], "fabric")


KnownHops = dict[tuple[int, int, int, tuple[int, ...]], tuple[NextHop, ...]]
"""Next hops by IP version, switch, pattern and weights."""


def routes_of(
    fabric: Fabric, table: PathTable, families: tuple[AddressPlan, ...], known: KnownHops | None = None
) -> SwitchRoutes:
    """The routes of every switch to every leaf but itself, IPv4 before IPv6.

    Next hops have weights where they differ in the capacity behind them. A switch from which no path leads to
    a leaf has no route to it. `known` keeps next hops from one table to the next that `update_paths` makes of
    it: equal ones are then one object.
    """
    every = range(len(fabric.switches))
    return tuple(routes_of_some(fabric, table, families, every, {} if known is None else known))


def routes_of_some(
    fabric: Fabric,
    table: PathTable,
    families: tuple[AddressPlan, ...],
    switches: Iterable[int],
    known: KnownHops,
) -> Iterator[tuple[Route, ...]]:
    """The routes of some switches, one after the other."""
    for shared in leaf_routes(fabric, table, families, switches, known):
        yield tuple(route for of_family in shared for route in of_family)


def leaf_routes(
    fabric: Fabric,
    table: PathTable,
    families: tuple[AddressPlan, ...],
    switches: Iterable[int],
    known: KnownHops,
) -> Iterator[tuple[LeafRoutes, ...]]:
    """As `routes_of_some`, as columns: for each switch one of every family."""
    prefixes = [tuple(ip_text(each) for own in family.leaf_prefixes for each in own) for family in families]
    leaves = [np.repeat(np.arange(len(f.leaf_prefixes)), list(map(len, f.leaf_prefixes))) for f in families]
    for switch in switches:
        used = np.unique(table.pattern[switch])
        numbers = used[used >= 0].tolist()
        groups = groups_of(table, numbers, fabric.switches[switch].model.tables)
        own = []
        for family, names, leaf in zip(families, prefixes, leaves, strict=True):
            hops = {}
            for n in numbers:
                key = family.version, switch, n, groups[n].weights
                if key not in known:
                    known[key] = next_hops(fabric, table, family, switch, n, groups[n])
                hops[n] = known[key]
            own.append(LeafRoutes(names, table.pattern[switch][leaf], hops))
        yield tuple(own)


def count_routes(table: PathTable, families: tuple[AddressPlan, ...]) -> list[int]:
    """How many routes every switch has."""
    blocks = np.array(
        [sum(map(len, of_leaf)) for of_leaf in zip(*(f.leaf_prefixes for f in families), strict=True)]
    )
    return [int(blocks[row >= 0].sum()) for row in table.pattern]


def groups_of(table: PathTable, patterns: list[int], budget: TableBudget) -> dict[int, Group]:
    """The weighted groups that a switch makes of the patterns it uses."""
    shares = [table.patterns[number].shares for number in patterns]
    return dict(zip(patterns, reduce_groups(shares, budget), strict=True))


def next_hops(
    fabric: Fabric, table: PathTable, family: AddressPlan, switch: int, number: int, group: Group
) -> tuple[NextHop, ...]:
    """The members of a group by address as a number, the order in which a switch numbers them."""
    return next_hops_over(fabric, table, family, switch, table.patterns[number], group)


def next_hops_over(
    fabric: Fabric, table: PathTable, family: AddressPlan, switch: int, pattern: Pattern, group: Group
) -> tuple[NextHop, ...]:
    """As `next_hops`, of a pattern that need not be one of the table's."""
    graph = table.graph
    members = []
    for row, weight in zip(table.links(switch, pattern), group.weights, strict=True):
        link = fabric.links[graph.link[row]]
        is_lower = int(graph.lower[row]) == switch
        near = link.a if is_lower else link.b
        order = family.link_ends[link.index][is_lower], row
        hop = NextHop(family.peer_text(link.index, is_lower), near.port, weight)
        if weight:
            members.append((order, hop))
    return tuple(hop for _, hop in sorted(members))
