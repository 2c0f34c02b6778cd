"""Which failures are alike: swaps of switches or endpoints that change neither network nor tables.

A swap that maps the network and every table entry onto themselves maps a failure onto one after which the
same is reached, lost and loaded. Candidates are two endpoints of a leaf, two leaves or spines of a plane with
equal neighbours, and two planes; each is checked entry by entry before it is believed. What the controller
plans anew after a failure is not covered: `raddle.controller.verify.failures.survey` checks that on samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from raddle.controller.verify.network import Ints, Network
from raddle.controller.verify.tables import Tables


@dataclass(frozen=True, eq=False)
class Orbits:
    """The first of those that are alike: int[links + 1] of every link, int[S] of every switch."""

    link: Ints
    switch: Ints


@dataclass(frozen=True, eq=False)
class _Swap:
    """A permutation: int[S] of switches, int[D] of endpoints, int[C + 1] of channels, int[links + 1]."""

    switch: Ints
    endpoint: Ints
    channel: Ints
    link: Ints


def find_orbits(network: Network, tables: Tables, speed_bps: Ints) -> Orbits:
    """Join what verified swaps map onto each other."""
    finder = _Finder(network, tables, speed_bps)
    link, switch = np.arange(len(network.is_up)), np.arange(len(network.switches))
    for one, other in finder.alike_endpoints():
        _join(link, network.host_link[[one]], network.host_link[[other]])
    for moved in finder.candidates():
        swap = finder.swap(moved)
        if swap and finder.holds(swap):
            _join(link, np.arange(len(link)), swap.link)
            _join(switch, np.arange(len(switch)), swap.switch)
    return Orbits(link, switch)


def _join(least: Ints, one: Ints, other: Ints) -> None:
    """Give both sides of pairs, and all that are joined with them, the lower number."""
    is_pair = least[one] != least[other]
    for a, b in zip(least[one[is_pair]].tolist(), least[other[is_pair]].tolist(), strict=True):
        low, high = sorted((int(least[a]), int(least[b])))
        if low != high:
            least[least == high] = low


_Set = tuple[tuple[int, ...], tuple[int, ...]]
"""The channels of a group, and of the one in reserve, sorted."""


class _Finder:
    def __init__(self, network: Network, tables: Tables, speed_bps: Ints) -> None:
        self._network, self._tables = network, tables
        speeds = network.speeds(speed_bps, network.is_up)
        self._rate = np.where(network.is_up, speeds, 0) + network.is_drained * 0.5
        members = [tuple(each.tolist()) for each in np.split(tables.members, tables.offsets[1:-1])]
        self._sets: list[_Set] = [
            (tuple(sorted(each)), tuple(sorted(members[reserve])) if reserve >= 0 else ())
            for each, reserve in zip(members, tables.reserve.tolist(), strict=True)
        ]
        first: dict[tuple[int, _Set], int] = {}
        keys = zip(tables.switch.tolist(), self._sets, strict=True)
        self._same = np.array([first.setdefault(key, group) for group, key in enumerate(keys)])
        self._first = first
        self._choices = np.where(tables.choices >= 0, self._same[tables.choices], -1)
        # By ends, the channels between two switches in order, and the one to an endpoint.
        self._between: dict[tuple[int, int], list[int]] = {}
        ends = zip(network.out.tolist(), network.peer.tolist(), strict=True)
        for channel, (out, peer) in enumerate(ends):
            if peer < len(network.switches):
                self._between.setdefault((out, peer), []).append(channel)
        self._ends_at: list[list[tuple[int, int]]] = [[] for _ in network.switches]
        for pair in self._between:
            for switch in pair:
                self._ends_at[switch].append(pair)
        self._to = np.full(len(network.endpoints), -1, np.int64)
        is_host = network.endpoint >= 0
        self._to[network.endpoint[is_host]] = np.flatnonzero(is_host)
        order = np.argsort(network.home, kind="stable")
        bounds = np.searchsorted(network.home[order], np.arange(len(network.switches) + 1))
        self._at = [order[a:b] for a, b in pairwise(bounds.tolist())]

    def alike_endpoints(self) -> Iterator[tuple[int, int]]:
        """Neighbours on a leaf that all other switches treat as one, each with an entry of its own there."""
        network = self._network
        pairs = [pair for at in self._at for pair in pairwise(at.tolist())]
        if not pairs:
            return
        uses = np.bincount(self._tables.members, minlength=len(network.out))
        one, other = np.array(pairs).T
        home = network.home[one]
        is_equal = self._rate[network.host_link[one]] == self._rate[network.host_link[other]]
        for start in range(0, len(one), 1024):
            part = slice(start, start + 1024)
            same = self._choices[:, :, one[part]] == self._choices[:, :, other[part]]
            same[0, home[part], np.arange(same.shape[2])] = True
            is_equal[part] &= same.all(axis=(0, 1))
        for each, twin in np.stack((one, other), axis=1)[is_equal].tolist():
            if all(self._is_plain(end, uses) for end in (each, twin)):
                yield each, twin

    def _is_plain(self, endpoint: int, uses: Ints) -> bool:
        """At its leaf the endpoint has one entry, to its own channel, which no other entry uses."""
        home, channel = int(self._network.home[endpoint]), int(self._to[endpoint])
        group = int(self._choices[0, home, endpoint])
        if group < 0 or self._sets[group] != ((channel,), ()) or uses[channel] != 1:
            return False
        return int((self._choices[:, home, :] == group).sum()) == 1

    def candidates(self) -> Iterator[dict[int, int]]:
        """Switches to swap: two planes, two leaves or two switches with the same neighbours."""
        planes: dict[int, list[int]] = {}
        plane_of = self._planes()
        for number, plane in enumerate(plane_of):
            planes.setdefault(plane, []).append(number)
        for one, other in pairwise(planes.values()):
            if len(one) == len(other):
                yield {**dict(zip(one, other, strict=True)), **dict(zip(other, one, strict=True))}
        alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
        counts: dict[int, dict[int, int]] = {}
        for (out, peer), channels in self._between.items():
            counts.setdefault(out, {})[peer] = len(channels)
        for switch, peers in counts.items():
            alike.setdefault((*sorted(peers.items()), (-1, len(self._at[switch]))), []).append(switch)
        for group in alike.values():
            yield from ({one: other, other: one} for one, other in pairwise(group))

    def _planes(self) -> list[int]:
        """The part of the network without ways to the others that each switch is in."""
        label = np.arange(len(self._network.switches))
        inner = self._network.ends[(self._network.ends < len(label)).all(axis=1)]
        while True:
            low = label.copy()
            np.minimum.at(low, inner[:, 0], label[inner[:, 1]])
            np.minimum.at(low, inner[:, 1], label[inner[:, 0]])
            if (low == label).all():
                found: list[int] = label.tolist()
                return found
            label = low

    def swap(self, moved: dict[int, int]) -> _Swap | None:
        """The permutation that moves these switches with all that hangs on them; None if they differ."""
        network = self._network
        switch, endpoint = np.arange(len(network.switches) + 1), np.arange(len(network.endpoints))
        channel, link = np.arange(len(network.out)), np.arange(len(network.is_up))
        for one, other in moved.items():
            switch[one] = other
            if len(self._at[one]) != len(self._at[other]):
                return None
            endpoint[self._at[one]] = self._at[other]
        channel[self._to] = self._to[endpoint]
        for ends in {ends for each in moved for ends in self._ends_at[each]}:
            channels = self._between[ends]
            images = self._between.get((int(switch[ends[0]]), int(switch[ends[1]])), [])
            if len(images) != len(channels):
                return None
            channel[channels] = images
        link[network.link] = network.link[channel]
        if (self._rate[link] != self._rate).any():
            return None
        return _Swap(switch[:-1], endpoint, channel, link)

    def holds(self, swap: _Swap) -> bool:
        """Every table entry is mapped onto one that is there."""
        tables = self._tables
        is_moved = swap.channel != np.arange(len(swap.channel))
        touched = np.zeros(len(tables.switch), np.bool_)
        touched[tables.group[is_moved[tables.members]]] = True
        touched |= (swap.switch != np.arange(len(swap.switch)))[tables.switch]
        touched |= np.append(touched, False)[tables.reserve]
        image = self._same.copy()
        for group in np.flatnonzero(touched).tolist():
            own, reserve = (tuple(sorted(swap.channel[list(each)].tolist())) for each in self._sets[group])
            image[group] = self._first.get((int(swap.switch[tables.switch[group]]), (own, reserve)), -2)
        image = np.append(image, -1)  # of no entry
        is_swapped = swap.endpoint != np.arange(len(swap.endpoint))
        columns = np.flatnonzero(is_swapped)
        have = image[self._choices[:, :, columns]]
        if (have != self._choices[:, :, swap.endpoint[columns]][:, swap.switch]).any():
            return False
        for row in np.unique(tables.switch[touched]).tolist():  # small arrays, which stay in the cache
            differs = image[self._choices[:, row]] != self._choices[:, swap.switch[row]]
            differs[:, is_swapped] = False  # those were compared above
            if differs.any():
                return False
        return True
