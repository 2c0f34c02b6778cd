"""Forwarding tables looked up for every destination, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.controller.verify.columns import ByLength, Columns, Routes, columns_of
from raddle.controller.verify.network import Bools, Ints, Network, is_of_family, split


@dataclass(frozen=True)
class Tables:
    """What every switch does with a packet to every destination.

    Attributes:
        destinations: int[D], the endpoints that the columns are of.
        stands: int[endpoints], the destination whose column is that of each endpoint too.
        choices: int32[K, S, D], the groups whose prefixes hold the destination, longest first, -1: none.
        offsets: int[G + 1]; `members`: int[M], the channels of every group; `switch`: int[G], whose it is.
        reserve: int[G], the group that takes over when no member of a group is live, -1: none.
    """

    destinations: Ints
    stands: Ints
    choices: NDArray[np.int32]
    offsets: Ints
    members: Ints
    switch: Ints
    reserve: Ints

    def only(self, columns: Ints) -> Tables:
        """The tables for some columns."""
        return replace(self, destinations=self.destinations[columns], choices=self.choices[:, :, columns])

    def counts(self, endpoints: Bools) -> Ints:
        """int[D], how many of some endpoints (bool[endpoints]) each column is of."""
        count: Ints = np.bincount(self.stands[endpoints], minlength=len(self.stands))[self.destinations]
        return count

    def first(self, endpoints: Bools) -> Ints:
        """int[D], the first of some endpoints (bool[endpoints]) that each column is of; beyond all: none."""
        first = np.full(len(self.stands), len(self.stands))
        some = np.flatnonzero(endpoints)
        np.minimum.at(first, self.stands[some], some)
        return first[self.destinations]

    @cached_property
    def group(self) -> Ints:
        """int[M], the group of every member."""
        return np.repeat(np.arange(len(self.switch)), np.diff(self.offsets))


Prefix = tuple[int, int]
"""Address as an integer, and length."""

Changes = Mapping[Prefix, tuple[int, ...] | None]
"""The ports of routes that are others, None where there is no route."""


class LookUp:
    """The tables of all switches, and those that differ from them in a few routes.

    Of a fabric with both families, IPv4 is looked at; IPv6 has the same next hops.

    Args:
        stands: int[endpoints], the endpoint whose column is that of each; where there is none, its own.
    """

    def __init__(self, network: Network, entries: Mapping[str, Routes], stands: Ints | None = None) -> None:
        self._network = network
        self._stands = np.arange(len(network.addresses)) if stands is None else stands
        self._destinations = np.unique(self._stands)
        self._addresses = network.addresses[self._destinations]
        self._groups: dict[tuple[int, ...], int] = {}
        self._channels: list[list[int]] = []
        self._switch_of: list[int] = []
        self._reserve: list[int] = []
        self._routes = [
            self._numbered(number, columns_of(network, entries.get(name, network.bond_entries.get(name, ()))))
            for number, name in enumerate(network.switches)
        ]
        self._by_prefix: dict[int, dict[int, dict[int, int]]] = {}
        rows = [levels_of(self._addresses, network.bits, by_length) for by_length in self._routes]
        depth = max((len(levels) for levels in rows), default=0)
        self._choices = np.full((max(depth, 1), len(network.switches), len(self._addresses)), -1, np.int32)
        for number, levels in enumerate(rows):
            for level, groups_at in enumerate(levels):
                self._choices[level, number] = groups_at
        self._columns: dict[Prefix, Ints] = {}
        self._levels: dict[tuple[int, int], Ints] = {}

    def _numbered(self, switch: int, own: Columns) -> ByLength:
        """The routes of a switch with the numbers of groups."""
        groups = np.array([self._group(switch, ports) for ports in own.groups], np.int64)
        return {length: (prefixes, groups[which]) for length, (prefixes, which) in own.by_length.items()}

    def _routes_of(self, switch: int) -> dict[int, dict[int, int]]:
        """The same by length and prefix."""
        if switch not in self._by_prefix:
            self._by_prefix[switch] = {
                length: dict(zip(prefixes.tolist(), groups.tolist(), strict=True))
                for length, (prefixes, groups) in self._routes[switch].items()
            }
        return self._by_prefix[switch]

    def tables(self) -> Tables:
        """What the switches do."""
        return self._tables(self._choices)

    def changed(self, changes: Mapping[int, Changes]) -> Tables:
        """What they do when some switches, by number, have other routes."""
        choices, groups = self._choices.copy(), len(self._channels)
        for number, of_switch in changes.items():
            prefixes = {
                prefix: ports
                for prefix, ports in of_switch.items()
                if is_of_family((*prefix, ()), self._network.bits)
            }
            routes = self._routes_of(number)
            touched: set[int] = set()
            for prefix, ports in prefixes.items():
                columns = self._within(prefix)
                if ports is None or prefix[0] not in routes.get(prefix[1], {}):
                    touched.update(columns.tolist())
                else:
                    level = self._level(number, prefix[1])[columns]
                    choices[level, number, columns] = self._group(number, ports)
            if touched:
                choices = self._look_up_again(choices, number, prefixes, touched)
        tables = self._tables(choices)
        self._forget(groups)
        return tables

    def _look_up_again(
        self, choices: NDArray[np.int32], number: int, prefixes: Changes, columns: Iterable[int]
    ) -> NDArray[np.int32]:
        """The choices after prefixes of a switch have come or gone, for the destinations they hold."""
        routes = {length: dict(table) for length, table in self._routes_of(number).items()}
        for (prefix, length), ports in prefixes.items():
            if ports is None:
                routes.get(length, {}).pop(prefix, None)
            else:
                routes.setdefault(length, {})[prefix] = self._group(number, ports)
        for column in columns:
            found = self._matches(routes, column)
            if len(found) > len(choices):
                more = np.full((len(found) - len(choices), *choices.shape[1:]), -1, np.int32)
                choices = np.concatenate((choices, more))
            choices[:, number, column] = -1
            choices[: len(found), number, column] = found
        return choices

    def _level(self, number: int, length: int) -> Ints:
        """int[D], how many longer prefixes of a switch hold each destination."""
        if (number, length) not in self._levels:
            longer = {other: table for other, table in self._routes[number].items() if other > length}
            level = np.zeros(self._choices.shape[2], np.int64)
            for found in levels_of(self._addresses, self._network.bits, longer):
                level += found >= 0
            self._levels[number, length] = level
        return self._levels[number, length]

    def _group(self, switch: int, ports: tuple[int, ...]) -> int:
        key = (switch, *ports)
        if key not in self._groups:
            own, reserve = split(ports)
            self._reserve.append(self._group(switch, reserve) if reserve else -1)
            self._groups[key] = len(self._groups)
            self._switch_of.append(switch)
            # A port without a cable leads nowhere, which is a blackhole of that next hop.
            found = [self._network.channel.get((switch, port), self._network.void) for port in own]
            self._channels.append(found or [self._network.void])
        return self._groups[key]

    def _forget(self, groups: int) -> None:
        """Leave only the first groups."""
        self._groups = dict(islice(self._groups.items(), groups))
        del self._channels[groups:], self._switch_of[groups:], self._reserve[groups:]

    def _within(self, prefix: Prefix) -> Ints:
        """The destinations that a prefix holds."""
        if prefix not in self._columns:
            addresses, bits = self._addresses, self._network.bits - prefix[1]
            first = np.array(prefix[0], addresses.dtype)
            last = np.array(prefix[0] + (1 << bits) - 1, addresses.dtype)
            self._columns[prefix] = np.flatnonzero((addresses >= first) & (addresses <= last))
        return self._columns[prefix]

    def _matches(self, routes: Mapping[int, Mapping[int, int]], column: int) -> list[int]:
        """The groups of the prefixes that hold a destination, longest first."""
        address, bits = int(self._addresses[column]), self._network.bits
        found = (
            routes[length].get(address >> (bits - length) << (bits - length), -1)
            for length in sorted(routes, reverse=True)
        )
        return [group for group in found if group >= 0]

    def _tables(self, choices: NDArray[np.int32]) -> Tables:
        # A last group that no route uses, so that there is one where no switch has a route.
        channels = [*self._channels, [self._network.void]]
        sizes = [len(members) for members in channels]
        return Tables(
            destinations=self._destinations,
            stands=self._stands,
            choices=choices,
            offsets=np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))),
            members=np.fromiter((channel for members in channels for channel in members), np.int64),
            switch=np.array([*self._switch_of, 0], np.int64),
            reserve=np.array([*self._reserve, -1], np.int64),
        )


def tables_of(network: Network, entries: Mapping[str, Routes], stands: Ints | None = None) -> Tables:
    """Look every destination up in every switch's routes, all prefix lengths that hold it."""
    return _of_used_groups(LookUp(network, entries, stands).tables())


def _of_used_groups(tables: Tables) -> Tables:
    """The same without groups that no destination is sent to, such as those of ports to other switches."""
    is_used = np.zeros(len(tables.switch) + 1, np.bool_)
    for choice in tables.choices:
        is_used[choice] = True  # -1, of no group, is the last
    is_used[tables.reserve[is_used[:-1]]] = True
    is_used[-2:] = True  # and there is one group where no switch has a route
    sizes = np.diff(tables.offsets)
    kept = np.flatnonzero(is_used[:-1])
    place = np.full(len(is_used), -1, np.int32)
    place[kept] = np.arange(len(kept))
    return replace(
        tables,
        choices=place[tables.choices],
        offsets=np.concatenate(([0], np.cumsum(sizes[kept]))),
        members=tables.members[np.repeat(is_used[:-1], sizes)],
        switch=tables.switch[kept],
        reserve=place[tables.reserve[kept]].astype(np.int64),
    )


def levels_of(addresses: NDArray[Any], bits: int, by_length: ByLength) -> list[NDArray[np.int32]]:
    """Of every address of so many bits the number of the first, second, ... longest match; -1: none."""
    kind = addresses.dtype
    levels: list[NDArray[np.int32]] = []
    depth = np.zeros(len(addresses), np.int64)
    for length in sorted(by_length, reverse=True):
        prefixes, values = by_length[length]
        masked = addresses & mask_of(length, bits, kind)
        at = np.minimum(np.searchsorted(prefixes, masked), len(prefixes) - 1)
        hit = np.flatnonzero(prefixes[at] == masked)
        if not len(hit):
            continue
        while len(levels) <= int(depth[hit].max()):
            levels.append(np.full(len(addresses), -1, np.int32))
        for level, found in enumerate(levels):
            here = hit[depth[hit] == level]
            found[here] = values[at[here]]
        depth[hit] += 1
    return levels


def mask_of(length: int, bits: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """The bits of a prefix of a length, as a number of the kind that addresses are."""
    return np.array((1 << bits) - 1 >> bits - length << bits - length, kind)
