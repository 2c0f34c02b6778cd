"""How evenly tables spread traffic: link loads when every endpoint sends to all others alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.controller.verify.network import Bools, Ints, Network
from raddle.controller.verify.reach import chunks, repair, ways
from raddle.controller.verify.tables import Tables

Floats = NDArray[np.float64]


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
    for columns in chunks(tables, np.flatnonzero(tables.counts(demand.is_up)), load.itemsize):
        # Destinations at one switch that all others treat alike are worked out once.
        alike = repair(network, tables.only(columns), links).group
        home = network.home[tables.destinations[columns]]
        alike[home, np.arange(len(columns))] = -2 - home
        _, first, place = np.unique(alike, axis=1, return_index=True, return_inverse=True)
        order = np.argsort(place.ravel(), kind="stable")
        runs = np.searchsorted(place.ravel()[order], np.arange(len(first)))
        arriving = np.add.reduceat(demand.to(tables.only(columns[order])), runs, axis=1)
        load += _loads(network, tables.only(columns[first]), links, arriving)
    load[network.is_access] = 0.0
    speed = speed_bps[network.link]  # 0 at a bond that has no port left
    share = np.divide(load, speed, out=np.zeros_like(load), where=speed > 0)
    worst = int(share.argmax())
    return (float(share[worst]), str(network.ports[worst])) if share[worst] > 0 else (0.0, "")


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


def _loads(network: Network, tables: Tables, links: Bools, arriving: Floats) -> Floats:
    """float[C + 1], bits per second on every channel, of what arrives at each switch for each column."""
    live = repair(network, tables, links)
    switches = len(network.switches)
    onward = np.flatnonzero(live.is_alive & (network.peer[tables.members] < switches))
    channel, group = tables.members[onward], tables.group[onward]
    order = np.argsort(network.peer[channel], kind="stable")
    channel, group = channel[order], group[order]
    width = np.bincount(tables.group[live.is_alive], minlength=len(tables.switch))
    used = live.group[tables.switch[group]] == group[:, None]
    firsts = np.flatnonzero(np.diff(network.peer[channel], prepend=-1))
    load = np.zeros(len(network.out))
    for _ in range(switches):  # a loop would never end
        if not len(channel) or not arriving.any():
            break
        sent = used * (arriving[network.out[channel]] / width[group][:, None])
        np.add.at(load, channel, sent.sum(axis=1))
        arriving = np.zeros_like(arriving)
        arriving[network.peer[channel][firsts]] = np.add.reduceat(sent, firsts)
    return load
