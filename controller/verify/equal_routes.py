"""Endpoints that all switches but their own treat alike, so that one column of the tables is that of all.

Two addresses that the same prefixes hold have the same routes. Of endpoints at one switch that is asked of
all other switches; their own delivers each over the port it hangs on. What is said of one of them (delivered
from a switch, going round, buffers that wait for each other) then holds for the others, to the letter: only
ports to hosts differ, and no buffer waits behind those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.controller.verify.columns import Columns, Routes, columns_of
from raddle.controller.verify.network import Bools, Ints, Network
from raddle.controller.verify.tables import levels_of, mask_of

_SEVERAL = -1
"""In place of the only switch that has a prefix."""


def stands_for(network: Network, entries: Mapping[str, Routes]) -> Ints:
    """int[endpoints]: the first endpoint whose routes are those of each, while no more links fail."""
    held: dict[int, list[tuple[NDArray[Any], int]]] = {}
    delivers = np.zeros(len(network.addresses), np.bool_)
    order = np.argsort(network.home, kind="stable")
    spans = np.searchsorted(network.home[order], np.arange(len(network.switches) + 1))
    for number, name in enumerate(network.switches):
        own = columns_of(network, entries.get(name, network.bond_entries.get(name, ())))
        for length, (prefixes, _) in own.by_length.items():
            held.setdefault(length, []).append((prefixes, number))
        here = order[spans[number] : spans[number + 1]]
        delivers[here] = _delivers(network, number, own, here)
    key = np.empty((len(network.addresses), len(held) + 2), np.int64)
    key[:, 0] = network.home
    key[:, 1] = np.where(delivers, -1, np.arange(len(delivers)))
    for column, (length, tables) in enumerate(sorted(held.items()), 2):
        key[:, column] = _prefix_of(network, length, tables)
    _, first, place = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[place.ravel()], np.int64)


def _delivers(network: Network, switch: int, own: Columns, endpoints: Ints) -> Bools:
    """bool[...]: the longest match at a switch is the port that each endpoint hangs on, which is up."""
    levels = levels_of(network.addresses[endpoints], network.bits, own.by_length)
    if not levels:
        return np.zeros(len(endpoints), np.bool_)
    leads = np.array(
        [
            network.channel.get((switch, ports[0]), network.void) if len(ports) == 1 else network.void
            for ports in own.groups
        ]
    )
    found: Bools = (levels[0] >= 0) & (network.endpoint[leads[levels[0]]] == endpoints)
    return found & network.is_up[network.host_link[endpoints]]


def _prefix_of(network: Network, length: int, tables: list[tuple[NDArray[Any], int]]) -> Ints:
    """int[endpoints]: which prefix of a length holds each; -1 where none, or only that of its own switch.

    Args:
        tables: the prefixes of that length that each switch has.
    """
    kind = network.addresses.dtype
    switches = np.repeat([switch for _, switch in tables], [len(own) for own, _ in tables])
    prefixes, first, count = np.unique(
        np.concatenate([own for own, _ in tables]), return_index=True, return_counts=True
    )
    holder = np.where(count == 1, switches[first], _SEVERAL)
    masked = network.addresses & mask_of(length, network.bits, kind)
    at = np.minimum(np.searchsorted(prefixes, masked), len(prefixes) - 1)
    is_held = (prefixes[at] == masked) & (holder[at] != network.home)
    return np.where(is_held, at, -1)
