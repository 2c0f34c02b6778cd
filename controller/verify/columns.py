"""The routes of a switch as columns: what is looked up in millions of them is looked up in arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.model import SwitchPlan
from raddle.controller.plan.routes import LeafRoutes
from raddle.controller.verify.network import (
    Entry,
    Ints,
    Network,
    entry_of,
    in_use,
    is_of_family,
    ports_through,
)

ByLength = Mapping[int, tuple[NDArray[Any], Ints]]
"""Of each length its prefixes, sorted, and a number for each."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Routes of one switch, in the family of a network's addresses.

    Attributes:
        by_length: the prefixes, and the place of each one's ports in `groups`.
        groups: port numbers, each as often as it is a member of the group; no port is a blackhole.
    """

    by_length: ByLength
    groups: tuple[tuple[int, ...], ...]

    def with_reserve_in_use(self) -> Columns:
        """The same with next hops in reserve as members of their groups; itself where there are none."""
        groups = tuple(map(in_use, self.groups))
        return self if groups == self.groups else replace(self, groups=groups)

    def __iter__(self) -> Iterator[Entry]:
        for length, (prefixes, which) in self.by_length.items():
            for prefix, group in zip(prefixes.tolist(), which.tolist(), strict=True):
                yield prefix, length, self.groups[group]


Routes = Iterable[Entry] | Columns


def columns_of(network: Network, routes: Routes) -> Columns:
    """Routes as columns; of two of one prefix the last counts."""
    if isinstance(routes, Columns):
        return routes
    groups: dict[tuple[int, ...], int] = {}
    tables: dict[int, dict[int, int]] = {}
    for prefix, length, ports in routes:
        if is_of_family((prefix, length, ports), network.bits):
            tables.setdefault(length, {})[prefix] = groups.setdefault(ports, len(groups))
    kind = network.addresses.dtype
    by_length = {}
    for length, table in tables.items():
        prefixes = np.array(sorted(table), kind)
        by_length[length] = prefixes, np.array([table[each] for each in prefixes.tolist()], np.int64)
    return Columns(by_length, tuple(groups))


class LeafColumns:
    """Makes columns of routes to the blocks of leaves, whose prefixes all switches have in common."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._sorted: dict[tuple[str, ...], ByLength] = {}

    def columns(self, switch: SwitchPlan, shared: Iterable[LeafRoutes], own: Iterable[Entry]) -> Columns:
        """The routes to leaves and those of the switch alone, whose prefixes are none of leaves' blocks."""
        rest = columns_of(self._network, own)
        port = {each.name: number for number, each in enumerate(switch.ports)}
        by_length, groups = dict(rest.by_length), list(rest.groups)
        for routes in shared:
            numbers = sorted(routes.hops)
            place = np.full(max(numbers, default=0) + 2, -1, np.int64)  # the last is of no route
            place[numbers] = len(groups) + np.arange(len(numbers))
            groups += [ports_through(switch, port, routes.hops[number]) for number in numbers]
            for length, (prefixes, order) in self._order(routes.prefixes).items():
                which = place[routes.number[order]]
                is_held = which >= 0
                if not is_held.any():
                    continue
                found = prefixes[is_held], which[is_held]
                by_length[length] = _joined(by_length[length], found) if length in by_length else found
        return Columns(by_length, tuple(groups))

    def _order(self, texts: tuple[str, ...]) -> ByLength:
        """The prefixes of the network's family, by length, and the place of each in the list."""
        if texts not in self._sorted:
            places: dict[int, list[tuple[int, int]]] = {}
            for place, text in enumerate(texts):
                prefix, length, _ = entry = entry_of(text, ())
                if is_of_family(entry, self._network.bits):
                    places.setdefault(length, []).append((prefix, place))
            kind = self._network.addresses.dtype
            self._sorted[texts] = {
                length: (np.array([p for p, _ in sorted(each)], kind), np.array([n for _, n in sorted(each)]))
                for length, each in places.items()
            }
        return self._sorted[texts]


def _joined(one: tuple[NDArray[Any], Ints], other: tuple[NDArray[Any], Ints]) -> tuple[NDArray[Any], Ints]:
    """Two columns of different prefixes as one, sorted."""
    prefixes, which = np.concatenate((one[0], other[0])), np.concatenate((one[1], other[1]))
    order = np.argsort(prefixes, kind="stable")
    return prefixes[order], which[order]
