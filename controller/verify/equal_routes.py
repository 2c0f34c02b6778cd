"""Endpoints that all switches but their own treat alike, so that one column of the tables is that of all.

Two addresses that the same prefixes hold have the same routes. Of endpoints at one switch that is asked of
all other switches; their own delivers each over the port it hangs on. What is said of one of them (delivered
from a switch, going round, buffers that wait for each other) then holds for the others, to the letter: only
ports to hosts differ, and no buffer waits behind those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from raddle.controller.verify.network import Bools, Entry, Ints, Network, is_of_family
from raddle.controller.verify.tables import levels_of, mask_of

_SEVERAL = -1
"""In place of the only switch that has a prefix."""


def stands_for(network: Network, entries: Mapping[str, Iterable[Entry]]) -> Ints:
    """int[endpoints]: the first endpoint whose routes are those of each, while no more links fail."""
    holders: dict[int, dict[int, int]] = {}
    delivers = np.zeros(len(network.addresses), np.bool_)
    order = np.argsort(network.home, kind="stable")
    spans = np.searchsorted(network.home[order], np.arange(len(network.switches) + 1))
    for number, name in enumerate(network.switches):
        own = [
            entry
            for entry in entries.get(name, network.bond_entries.get(name, ()))
            if is_of_family(entry, network.bits)
        ]
        for prefix, length, _ in own:
            at = holders.setdefault(length, {})
            if at.setdefault(prefix, number) != number:
                at[prefix] = _SEVERAL
        here = order[spans[number] : spans[number + 1]]
        delivers[here] = _delivers(network, number, own, here)
    key = np.empty((len(network.addresses), len(holders) + 2), np.int64)
    key[:, 0] = network.home
    key[:, 1] = np.where(delivers, -1, np.arange(len(delivers)))
    for column, (length, at) in enumerate(sorted(holders.items()), 2):
        key[:, column] = _prefix_of(network, length, at)
    _, first, place = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[place.ravel()], np.int64)


def _delivers(network: Network, switch: int, own: list[Entry], endpoints: Ints) -> Bools:
    """bool[...]: the longest match at a switch is the port that each endpoint hangs on, which is up."""
    by_length: dict[int, dict[int, int]] = {}
    for number, (prefix, length, _) in enumerate(own):
        by_length.setdefault(length, {})[prefix] = number
    levels = levels_of(network.addresses[endpoints], network.bits, by_length)
    if not levels:
        return np.zeros(len(endpoints), np.bool_)
    leads = np.array(
        [
            network.channel.get((switch, ports[0]), network.void) if len(ports) == 1 else network.void
            for _, _, ports in own
        ]
    )
    found: Bools = (levels[0] >= 0) & (network.endpoint[leads[levels[0]]] == endpoints)
    return found & network.is_up[network.host_link[endpoints]]


def _prefix_of(network: Network, length: int, holders: Mapping[int, int]) -> Ints:
    """int[endpoints]: which prefix of a length holds each; -1 where none, or only that of its own switch."""
    kind = network.addresses.dtype
    prefixes = np.array(sorted(holders), kind)
    holder = np.array([holders[prefix] for prefix in prefixes.tolist()], np.int64)
    masked = network.addresses & mask_of(length, network.bits, kind)
    at = np.minimum(np.searchsorted(prefixes, masked), len(prefixes) - 1)
    is_held = (prefixes[at] == masked) & (holder[at] != network.home)
    return np.where(is_held, at, -1)
