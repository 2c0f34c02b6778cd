"""How evenly tables spread traffic: link loads when every endpoint sends to all others alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.controller.verify.network import Bools, Network
from raddle.controller.verify.reach import CHUNK, endpoints_at, repair
from raddle.controller.verify.tables import Tables


def busiest_link(
    network: Network, tables: Tables, links: Bools, speed_bps: NDArray[np.int64]
) -> tuple[float, str]:
    """Load of the busiest link between switches as a share of its speed (1.0: full), and its sending port.

    Every endpoint sends at the speed of its link, the same amount to each other endpoint, and a group's
    live next hops get shares by their weights (which a hash reaches with many flows only).

    Args:
        speed_bps: int[links + 1], in the order of `Network.link`.
    """
    load = np.zeros(len(network.out))
    up = np.flatnonzero(links[network.host_link[tables.destinations]])
    for start in range(0, len(up), CHUNK):
        columns = up[start : start + CHUNK]
        live = repair(network, tables.only(columns), links)
        # Destinations at one switch that all others treat alike are worked out once.
        alike = live.group.copy()
        home = network.home[tables.destinations[columns]]
        alike[home, np.arange(len(columns))] = -2
        _, first, count = np.unique(alike, axis=1, return_index=True, return_counts=True)
        load += _loads(network, tables.only(columns[first]), links, speed_bps, count)
    load[network.peer == len(network.switches)] = 0.0
    share = load / speed_bps[network.link]
    worst = int(share.argmax())
    return (float(share[worst]), str(network.ports[worst])) if share[worst] > 0 else (0.0, "")


def _loads(
    network: Network, tables: Tables, links: Bools, speed_bps: NDArray[np.int64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """float[C + 1], bits per second on every channel; a column stands for `count` destinations."""
    live = repair(network, tables, links)
    switches = len(network.switches)
    onward = np.flatnonzero(live.is_alive & (network.peer[tables.members] < switches))
    channel, group = tables.members[onward], tables.group[onward]
    order = np.argsort(network.peer[channel], kind="stable")
    channel, group = channel[order], group[order]
    width = np.bincount(tables.group[live.is_alive], minlength=len(tables.switch))
    used = live.group[tables.switch[group]] == group[:, None]
    firsts = np.flatnonzero(np.diff(network.peer[channel], prepend=-1))
    rate = np.bincount(network.home, weights=speed_bps[network.host_link], minlength=switches)
    each = rate / np.maximum(np.bincount(network.home, minlength=switches), 1)
    arriving = endpoints_at(network, links, tables.destinations) * each[:, None] * count
    arriving = (arriving / max(len(network.endpoints) - 1, 1)).astype(np.float32)
    load = np.zeros(len(network.out))
    for _ in range(switches):  # a loop would never end
        if not len(channel) or not arriving.any():
            break
        sent = used * (arriving[network.out[channel]] / width[group][:, None].astype(np.float32))
        np.add.at(load, channel, sent.sum(axis=1, dtype=np.float64))
        arriving = np.zeros_like(arriving)
        arriving[network.peer[channel][firsts]] = np.add.reduceat(sent, firsts)
    return load
