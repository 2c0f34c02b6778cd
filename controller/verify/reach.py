"""Where packets end up: delivered whatever the hash says, lost, or going round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.controller.verify.network import Bools, Ints, Network
from raddle.controller.verify.tables import Tables

CHUNK = 1024
"""Destinations that are worked on at a time, at most."""

_BYTES = 1 << 26
"""Of one array over the members of groups and those destinations."""


def chunks(tables: Tables, columns: Ints) -> Iterator[Ints]:
    """Columns in turn, as many at a time as the memory that their numbers take allows."""
    most = max(8, min(CHUNK, _BYTES // len(tables.members) // 8 * 8))
    for start in range(0, len(columns), most):
        yield columns[start : start + most]


@dataclass(frozen=True)
class Live:
    """Tables as they act while some links are down: dead next hops are out of their groups, those in reserve
    take over where none is left, and a route without a live one is gone, so that the next shorter prefix that
    holds the destination counts.

    Attributes:
        group: int32[S, D], the group in use, -1: none.
        is_alive: bool[M], the member's link is up.
    """

    tables: Tables
    group: NDArray[np.int32]
    is_alive: Bools

    def hops(self, group: int) -> list[int]:
        """The live channels of a group."""
        span = slice(self.tables.offsets[group], self.tables.offsets[group + 1])
        members: list[int] = self.tables.members[span][self.is_alive[span]].tolist()
        return members

    def hop_bits(self, network: Network) -> NDArray[np.uint64]:
        """uint64[W, G + 1], the live channels of every group as bits, by their place at the switch.

        The last column is of no group.
        """
        members = self.tables.members
        words = []
        for word in range(-(-max(int(network.place.max()) + 1, 1) // 64)):
            place = network.place[members] - 64 * word
            is_here = self.is_alive & (place >= 0) & (place < 64)
            bits = np.where(is_here, np.uint64(1) << (place % 64).astype(np.uint64), np.uint64(0))
            words.append(np.append(np.bitwise_or.reduceat(bits, self.tables.offsets[:-1]), np.uint64(0)))
        return np.stack(words)


def repair(network: Network, tables: Tables, links: Bools) -> Live:
    """What the switches make of their tables on their own; `links` as `Network.without` gives them."""
    is_alive = links[network.link[tables.members]]
    has_member = np.append(np.logical_or.reduceat(is_alive, tables.offsets[:-1]), False)
    reserve = np.where(has_member[tables.reserve], tables.reserve, -1)
    acting = np.append(np.where(has_member[:-1], np.arange(len(reserve)), reserve), -1).astype(np.int32)
    group = np.full(tables.choices.shape[1:], -1, np.int32)
    for choice in tables.choices[::-1]:
        found = acting[choice]
        group = np.where(found >= 0, found, group)
    return Live(tables, group, is_alive)


def delivered(network: Network, live: Live) -> Bools:
    """bool[S, D]: from this switch every choice of next hops ends at the destination.

    The least solution of "the group has members and all live ones lead on to such a switch, or to the
    destination itself": a loop has no place in it.
    """
    tables = live.tables
    is_end = _is_end(network, tables)
    good = np.zeros((len(network.switches) + 1, _padded(len(tables.destinations))), np.bool_)
    peer = network.peer[tables.members]
    dead = np.flatnonzero(~live.is_alive)
    columns = np.arange(len(tables.destinations))
    for _ in range(len(network.switches)):
        leads = good[peer]
        leads[is_end] = True
        leads[dead] = True
        by_group = fold_rows(np.bitwise_and, leads, tables.offsets[:-1])
        found = by_group[live.group, columns] & (live.group >= 0)
        if (found == good[:-1, : len(columns)]).all():
            break
        good[:-1, : len(columns)] = found
    return good[:-1, : len(columns)]


def looping(network: Network, live: Live) -> Bools:
    """bool[S, D]: from this switch some choice of next hops never ends.

    The greatest solution of "some live next hop leads on to such a switch".
    """
    tables = live.tables
    loops = np.ones((len(network.switches) + 1, _padded(len(tables.destinations))), np.bool_)
    loops[-1] = False
    peer = network.peer[tables.members]
    dead = np.flatnonzero(~live.is_alive)
    columns = np.arange(len(tables.destinations))
    while True:
        leads = loops[peer]
        leads[dead] = False
        by_group = fold_rows(np.bitwise_or, leads, tables.offsets[:-1])
        found = by_group[live.group, columns] & (live.group >= 0)
        if (found == loops[:-1, : len(columns)]).all():
            return loops[:-1, : len(columns)]
        loops[:-1, : len(columns)] = found


def _padded(columns: int) -> int:
    """The next multiple of 8, so that rows of booleans can be taken as words."""
    return -(-columns // 8) * 8


def fold_rows(combine: np.ufunc, rows: Bools, firsts: Ints) -> Bools:
    """`combine` (bitwise and, or) over consecutive rows of bool[R, D], a new run at every index of `firsts`.

    Eight columns are taken at a time where their number is a multiple of eight.
    """
    words = rows if rows.shape[1] % 8 else rows.view(np.uint64)
    folded: Bools = combine.reduceat(words, firsts, axis=0).view(np.bool_)
    return folded


def pairs_at(
    network: Network,
    tables: Tables,
    links: Bools,
    members: Bools | None = None,
    senders: Bools | None = None,
) -> Ints:
    """int[S, D]: pairs of an endpoint at a switch and one whose routes are a column's, which is up.

    Args:
        members: bool[endpoints], the endpoints that count; all where there is none.
        senders: bool[endpoints], those of them that send; all where there is none.
    """
    up = links[network.host_link] if members is None else links[network.host_link] & members
    send = up if senders is None else up & senders
    at = np.bincount(network.home[send], minlength=len(network.switches))
    column = tables.counts(up)
    pairs: Ints = at[:, None] * column
    pairs[network.home[tables.destinations], np.arange(len(column))] -= tables.counts(send)
    return pairs


def endpoints_at(network: Network, links: Bools, destinations: Ints) -> Ints:
    """int[S, D]: how many endpoints that are up hang on a switch, the destination not counted."""
    up = links[network.host_link]
    count = np.bincount(network.home[up], minlength=len(network.switches))
    here = np.repeat(count[:, None], len(destinations), axis=1)
    own = up[destinations]
    here[network.home[destinations][own], np.flatnonzero(own)] -= 1
    return here


def sources(network: Network, links: Bools, destinations: Ints) -> Bools:
    """bool[S, D]: packets to the destination can start at endpoints of this switch."""
    return endpoints_at(network, links, destinations) > 0


def ways(network: Network, links: Bools) -> Bools:
    """bool[S, S]: live links that are not drained lead from one switch up and then down to another.

    Routes go no other way: a packet that has come down does not climb again, which keeps buffers free of
    deadlock. So what only a way down and up again connects is cut off.
    """
    count = len(network.switches)
    is_inner = (network.ends < count).all(axis=1) & links[:-1] & ~network.is_drained[:-1]
    lower, upper = network.ends[is_inner].T
    below = np.packbits(np.eye(count, dtype=np.bool_), axis=1)
    _spread(below, lower, upper)
    _spread(below, upper, lower)
    return np.unpackbits(below, axis=1, count=count).view(np.bool_)


def _spread(bits: NDArray[np.uint8], source: Ints, target: Ints) -> None:
    """Give every switch the bits of those that links lead from, and of those that lead to them in turn."""
    order = np.argsort(target, kind="stable")
    source, target = source[order], target[order]
    firsts = np.flatnonzero(np.diff(target, prepend=-1))
    while len(firsts):
        found = bits[target[firsts]] | np.bitwise_or.reduceat(bits[source], firsts, axis=0)
        if (found == bits[target[firsts]]).all():
            return
        bits[target[firsts]] = found


def connected(network: Network, links: Bools, destinations: Ints, between: Bools | None = None) -> Bools:
    """bool[S, D]: live links lead from the switch to the destination, whatever the tables say.

    Args:
        between: what `ways` gives for these links, where it is known.
    """
    leads = ways(network, links) if between is None else between
    result: Bools = leads[:, network.home[destinations]] & links[network.host_link[destinations]]
    return result


def pairs_of(network: Network, members: Bools | None = None) -> int:
    """Ordered pairs of endpoints of one plane."""
    plane = network.plane if members is None else network.plane[members]
    count = np.bincount(plane)
    return int((count * (count - 1)).sum())


def cut_off_pairs(network: Network, links: Bools, members: Bools | None = None) -> int:
    """Ordered pairs of endpoints of one plane that no live link, or no way up and down, connects."""
    up = links[network.host_link] if members is None else links[network.host_link] & members
    at = np.bincount(network.home[up], minlength=len(network.switches))
    return pairs_of(network, members) - int(at @ ways(network, links) @ at - at.sum())


def _is_end(network: Network, tables: Tables) -> tuple[Ints, Ints]:
    """The (member, column) pairs at which a packet arrives."""
    column = np.full(len(network.endpoints) + 1, -1)
    column[tables.destinations] = np.arange(len(tables.destinations))
    at = column[network.endpoint[tables.members]]
    ends = np.flatnonzero(at >= 0)
    return ends, at[ends]


def walk(network: Network, live: Live, switch: int, column: int, until: Bools) -> list[str]:
    """A way that a packet can go from a switch while `until` (bool[S, D]) holds, as port names."""
    seen: list[int] = []
    way: list[str] = []
    tables = live.tables
    while switch not in seen and live.group[switch, column] >= 0:
        seen.append(switch)
        group = live.group[switch, column]
        span = range(int(tables.offsets[group]), int(tables.offsets[group + 1]))
        hops = [int(tables.members[m]) for m in span if live.is_alive[m]]
        onward = [
            c for c in hops if network.peer[c] < len(network.switches) and until[network.peer[c], column]
        ]
        if not onward:
            break
        way.append(str(network.ports[onward[0]]))
        switch = int(network.peer[onward[0]])
    return [*way, network.switches[switch]]
