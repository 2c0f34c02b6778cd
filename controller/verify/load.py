"""How evenly tables spread traffic: link loads when every endpoint sends to all others alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.controller.verify.network import Bools, Ints, Network
from raddle.controller.verify.reach import CHUNK, Live, repair, ways
from raddle.controller.verify.tables import Tables

Floats = NDArray[np.float64]

_FEW_PAIRS = 1 << 18
"""Of switches and columns: with a hundred members to a group, their arrays stay below a GB."""


def busiest_link(
    network: Network,
    tables: Tables,
    links: Bools,
    speed_bps: Ints,
    members: Bools | None = None,
) -> tuple[float, str]:
    """Load of the busiest link between switches as a share of its speed (1.0: full), and its sending port.

    Every endpoint sends at the speed of its link, the same amount to each endpoint that it has a way to, and
    a group's live next hops get shares by their weights (which a hash reaches with many flows only).

    Args:
        speed_bps: int[links], of the fabric's links.
        members: bool[endpoints], those that send and are sent to; all where there is none.
    """
    speed_bps = network.speeds(speed_bps, links)
    demand = _Demand(network, links, speed_bps, members)
    load = np.zeros(len(network.out))
    wanted = np.flatnonzero(tables.counts(demand.is_up))
    for start in range(0, len(wanted), CHUNK):
        columns = wanted[start : start + CHUNK]
        # Destinations at one switch that all others treat alike are worked out once.
        alike = repair(network, tables.only(columns), links).group
        home = network.home[tables.destinations[columns]]
        alike[home, np.arange(len(columns))] = -2 - home
        first, place = _distinct(alike)
        order = np.argsort(place, kind="stable")
        runs = np.searchsorted(place[order], np.arange(len(first)))
        arriving = np.add.reduceat(demand.to(tables.only(columns[order])), runs, axis=1)
        _add_loads(load, network, repair(network, tables.only(columns[first]), links), arriving)
    load[network.is_access] = 0.0
    speed = speed_bps[network.link]  # 0 at a bond that has no port left
    share = np.divide(load, speed, out=np.zeros_like(load), where=speed > 0)
    most = float(share.max())
    # Of links that differ by rounding alone the first is named.
    return (most, str(network.ports[int((share > most * (1 - 1e-9)).argmax())])) if most > 0 else (0.0, "")


def _distinct(columns: NDArray[np.int32]) -> tuple[Ints, Ints]:
    """The first of each kind of equal columns, and the place there of each column's kind."""
    factors = np.random.default_rng(1).integers(2**63, size=len(columns)).astype(np.uint64) * 2 + 1
    hashes = (columns.astype(np.uint64) * factors[:, None]).sum(axis=0)
    _, first, place = np.unique(hashes, return_index=True, return_inverse=True)
    if (columns != columns[:, first[place]]).any():  # two kinds of one hash, one time in 2**64
        first = place = np.arange(columns.shape[1])
    return first, place


class _Demand:
    """Uniform all-to-all traffic of the endpoints that are up, in bits per second."""

    def __init__(self, network: Network, links: Bools, speed_bps: Ints, members: Bools | None) -> None:
        self._network = network
        self.is_up = links[network.host_link] if members is None else links[network.host_link] & members
        up, home = np.flatnonzero(self.is_up), network.home
        count = np.bincount(home[up], minlength=len(network.switches))
        self._leads = ways(network, links)
        others = np.maximum(self._leads @ count - 1, 1)  # those that a switch's endpoints have a way to
        self._rate: Floats = np.where(self.is_up, speed_bps[network.host_link] / others[home], 0.0)
        self._at = np.zeros(len(network.switches))
        np.add.at(self._at, home[up], self._rate[up])

    def to(self, tables: Tables) -> Floats:
        """float[S, D]: what the endpoints at a switch send to those of each column; none to itself."""
        home = self._network.home[tables.destinations]
        sent: Floats = self._leads[:, home] * self._at[:, None] * tables.counts(self.is_up)
        own = np.bincount(tables.stands, weights=self._rate, minlength=len(tables.stands))
        sent[home, np.arange(len(home))] -= own[tables.destinations]
        return sent


def _add_loads(load: Floats, network: Network, live: Live, arriving: Floats) -> None:
    """Add to float[C + 1] the bits per second of what arrives at each switch for each column, float[S, D]."""
    tables, switches = live.tables, len(network.switches)
    width = np.bincount(tables.group[live.is_alive], minlength=len(tables.switch))
    onward = np.flatnonzero(live.is_alive & (network.peer[tables.members] < switches))
    channel = tables.members[onward]
    spans = np.searchsorted(tables.group[onward], np.arange(len(tables.switch) + 1))
    step = _by_pairs if arriving.size <= _FEW_PAIRS else _by_switches
    for _ in range(switches):  # a loop would never end
        if not arriving.any():
            break
        arriving = step(load, network, live, _Groups(width, spans, channel), arriving)


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """How many members of every group are alive, and which channels of them lead to switches:
    `channel[spans[g] : spans[g + 1]]`."""

    width: Ints
    spans: Ints
    channel: Ints


def _by_pairs(load: Floats, network: Network, live: Live, groups: _Groups, arriving: Floats) -> Floats:
    """One hop of all pairs of switch and column at once; gives what arrives then."""
    switch, column = np.nonzero((arriving != 0) & (live.group >= 0))
    group = live.group[switch, column]
    ways = groups.spans[group + 1] - groups.spans[group]
    pair = np.repeat(np.arange(len(group)), ways)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(ways) - ways, ways)
    member = groups.channel[groups.spans[group][pair] + place]
    sent = (arriving[switch, column] / groups.width[group])[pair]
    load += np.bincount(member, sent, len(load))
    at = network.peer[member] * arriving.shape[1] + column[pair]
    after = np.zeros(arriving.size)
    after += np.bincount(at, sent, arriving.size)
    return after.reshape(arriving.shape)


def _by_switches(load: Floats, network: Network, live: Live, groups: _Groups, arriving: Floats) -> Floats:
    """As `_by_pairs`, where all pairs of a group's members and its columns would fill the memory."""
    after = np.zeros_like(arriving)
    for switch in np.flatnonzero(arriving.any(axis=1)).tolist():
        columns = np.flatnonzero((arriving[switch] != 0) & (live.group[switch] >= 0))
        group = live.group[switch, columns]
        sent = arriving[switch, columns] / groups.width[group]
        ways = groups.spans[group + 1] - groups.spans[group]
        lone = ways == 1
        only = groups.channel[groups.spans[group[lone]]]
        np.add.at(load, only, sent[lone])
        after[network.peer[only], columns[lone]] += sent[lone]
        for each in np.unique(group[ways > 1]).tolist():
            members, here = groups.channel[groups.spans[each] : groups.spans[each + 1]], group == each
            np.add.at(load, members, sent[here].sum())
            peers, times = np.unique(network.peer[members], return_counts=True)
            after[np.ix_(peers, columns[here])] += times[:, None] * sent[here]
    return after
