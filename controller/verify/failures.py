"""Reachability and deadlock freedom in every state that failures leave behind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from raddle.controller.verify.deadlock import Cycle, breaks_ranks, dependencies, ranks, smallest_cycle
from raddle.controller.verify.load import busiest_link
from raddle.controller.verify.network import Bools, Ints, Network
from raddle.controller.verify.reach import (
    Live,
    chunks,
    connected,
    cut_off_pairs,
    delivered,
    looping,
    pairs_at,
    repair,
    walk,
    ways,
)
from raddle.controller.verify.symmetry import find_orbits
from raddle.controller.verify.tables import Tables

Replan = Callable[[Bools], tuple[Tables, Bools]]
"""The tables of a re-planned fabric, given the links that are left (see `Network.without`), and those of them
that stay up."""

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """Links and switches that fail together; `name` is empty for the fabric as it stands."""

    name: str
    links: tuple[int, ...] = ()
    switches: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What tables do in one state. Pairs are ordered pairs of endpoints.

    Attributes:
        lost: pairs that a way up and down still connects and that some choice of next hops does not deliver.
        looping: those of them that can go round for ever.
        example: one lost pair and the way to where it ends, of those that go round if there are any; empty if
            none is lost.
        cycle: buffers that wait for each other, if there are any.
    """

    lost: int
    looping: int
    example: str
    cycle: Cycle | None

    @property
    def is_good(self) -> bool:
        return not self.lost and self.cycle is None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A failure: pairs that no way up and down connects, and what the switches do on their own (`alone`)
    and after the controller has planned anew (`replanned`, None where there is no plan to renew).

    `busiest` is the load of the busiest fabric link after that, and its port (see `busiest_link`). `alike`
    counts the failures that it stands for, itself among them (see `raddle.controller.verify.symmetry`)."""

    failure: str
    cut_off: int
    alone: Verdict
    replanned: Verdict | None
    busiest: tuple[float, str]
    alike: int = 1


def failures(network: Network, together: int, most: int, seed: int) -> tuple[list[Failure], int]:
    """All sets of 1..`together` failing links and switches, or `most` drawn at random of a larger size.

    Returns:
        The failures and the number of all there are.
    """
    cables, switches = network.parts
    links = np.flatnonzero(network.is_up[cables]).tolist()
    singles = [Failure(_link_name(network, link), links=(link,)) for link in links]
    singles += [Failure(network.switches[switch], switches=(switch,)) for switch in switches]
    chosen, total = list(singles), len(singles)
    draw = random.Random(seed)
    for size in range(2, together + 1):
        count = comb(len(singles), size)
        total += count
        if count <= most:
            sets: Iterator[tuple[Failure, ...]] = combinations(singles, size)
        else:
            sets = iter(sorted((_pick(draw, singles, size) for _ in range(most)), key=_name))
        chosen += [
            Failure(_name(each), sum((f.links for f in each), ()), sum((f.switches for f in each), ()))
            for each in sets
        ]
    return chosen, total


def _pick(draw: random.Random, singles: list[Failure], size: int) -> tuple[Failure, ...]:
    return tuple(singles[i] for i in sorted(draw.sample(range(len(singles)), size)))


def _name(each: tuple[Failure, ...]) -> str:
    return ", ".join(failure.name for failure in each)


def _link_name(network: Network, link: int) -> str:
    """`leaf0:Ethernet8 - spine0`, or `leaf0:Ethernet8 - host3`: the sending ends of a link's channels."""
    channels = np.flatnonzero(network.link[:-1] == link).tolist()
    far = int(network.peer[channels[0]])
    if far < len(network.switches):
        return f"{network.ports[channels[0]]} - {network.ports[channels[1]]}"
    return f"{network.ports[channels[0]]} - {network.endpoints[int(network.endpoint[channels[0]])]}"


def judge(
    network: Network,
    tables: Tables,
    links: Bools,
    rank: Ints | None,
    members: Bools | None = None,
    senders: Bools | None = None,
) -> Verdict:
    """What tables do over the links that are left.

    Args:
        rank: numbers of channels, which speed the proof of freedom of deadlock.
        members: bool[endpoints], the endpoints whose pairs count; all where there is none.
        senders: bool[endpoints], those of them that send; all where there is none.
    """
    lost = looped = 0
    between = ways(network, links)
    example, suspicious = "", rank is None
    for chunk in chunks(tables, np.arange(len(tables.destinations))):
        part = tables.only(chunk)
        live = repair(network, part, links)
        bad = connected(network, links, part.destinations, between) & ~delivered(network, live)
        pairs = pairs_at(network, part, links, members, senders)
        bad &= pairs > 0
        if bad.any():
            columns = np.flatnonzero(bad.any(axis=0))
            narrow = repair(network, part.only(columns), links)
            failing = ~delivered(network, narrow)
            loops = looping(network, narrow)
            rounds = bad[:, columns] & loops
            first_round = not looped and rounds.any()  # of a pair that goes round, if there is one
            lost += int(pairs[bad].sum())
            looped += int(pairs[:, columns][rounds].sum())
            if first_round or not example:
                shown = rounds if first_round else bad[:, columns]
                up = links[network.host_link] if members is None else links[network.host_link] & members
                ends = part.first(up)[columns]
                switch = int(np.flatnonzero(shown.any(axis=1))[0])
                column = int(np.argmin(np.where(shown[switch], ends, len(up) + 1)))
                target = network.endpoints[int(ends[column])]
                way = " > ".join(walk(network, narrow, switch, column, loops if first_round else failing))
                example = f"{network.switches[switch]} to {target}: {way}"
        if rank is not None and not suspicious:
            suspicious = breaks_ranks(network, live, rank)
    cycle = None
    if suspicious:
        edges = dependencies(network, tables, links)
        if ranks(network, edges) is None:
            cycle = smallest_cycle(network, tables, links, edges)
    return Verdict(lost, looped, example, cycle)


SYMMETRY_FROM = 256
"""Failures of one part from which on those that are alike are judged once."""

SAMPLES = 1
"""How many more of those that are alike are judged, and must come out the same."""


def survey(
    network: Network,
    tables: Tables,
    states: list[Failure],
    rank: Ints | None,
    replan: Replan | None,
    speed_bps: NDArray[np.int64],
    progress: Progress = lambda share: None,
) -> list[Outcome]:
    """Judge the tables in every state, before and after the controller has reacted.

    Of many failures of one part those that are alike are judged once, and once more as a sample of what the
    controller makes of them; where that comes out otherwise, each is judged.

    Args:
        speed_bps: int[links], of the fabric's links.
    """
    if not states:
        return []
    before = repair(network, tables, network.is_up)
    is_sound = judge(network, tables, network.is_up, rank).is_good
    fresh = rank if rank is not None else np.zeros(len(network.out), np.int64)

    def outcome(state: Failure) -> Outcome:
        links = network.without(state.links, state.switches)
        is_host_link = (
            not state.switches
            and (network.ends[list(state.links)] == len(network.switches)).any(axis=1).all()
        )

        def verdict(after: Tables, stay: Bools) -> Verdict:
            live = repair(network, after, stay)
            touched = touched_columns(network, before, live, state.switches, is_sound)
            return judge(network, after.only(touched), stay, fresh)

        alone = verdict(tables, links)
        final, stay, replanned = tables, links, alone if replan else None
        if replan and not is_host_link:  # no route depends on whether a host is there
            final, stay = replan(links)
            replanned = verdict(final, stay)
        busiest = busiest_link(network, final, stay, speed_bps)
        return Outcome(state.name, cut_off_pairs(network, stay), alone, replanned, busiest)

    outcomes: list[Outcome] = []
    done = 0
    for alike in _alike(network, tables, states, speed_bps):
        first = outcome(alike[0])
        samples = random.Random(len(alike)).sample(alike[1:], min(SAMPLES, len(alike) - 1))
        if all(_same(first, outcome(each)) for each in samples):
            outcomes.append(replace(first, alike=len(alike)))
        else:
            outcomes += [first, *(outcome(each) for each in alike[1:])]
        done += len(alike)
        progress(done / len(states))
    return outcomes


def _alike(
    network: Network, tables: Tables, states: list[Failure], speed_bps: NDArray[np.int64]
) -> list[list[Failure]]:
    """The failures, those of one part that are alike together."""
    single = [state for state in states if len(state.links) + len(state.switches) == 1]
    if len(single) < SYMMETRY_FROM:
        return [[state] for state in states]
    orbits = find_orbits(network, tables, speed_bps)
    groups: dict[tuple[str, int], list[Failure]] = {}
    for state in single:
        if state.links:
            groups.setdefault(("link", int(orbits.link[state.links[0]])), []).append(state)
        else:
            groups.setdefault(("switch", int(orbits.switch[state.switches[0]])), []).append(state)
    return [*groups.values(), *([state] for state in states if len(state.links) + len(state.switches) != 1)]


def _same(one: Outcome, other: Outcome) -> bool:
    """Whether two failures come out the same, but for names."""
    verdicts = [(one.alone, other.alone), (one.replanned, other.replanned)]
    return (
        one.cut_off == other.cut_off
        and abs(one.busiest[0] - other.busiest[0]) < 1e-9
        and all(
            (a is None) == (b is None)
            and (
                not a or not b or (a.lost, a.looping, a.cycle is None) == (b.lost, b.looping, b.cycle is None)
            )
            for a, b in verdicts
        )
    )


_CELLS = 1 << 15
"""Of tables that are compared at a time, so that they stay in the cache."""


def touched_columns(
    network: Network, before: Live, after: Live, dead: tuple[int, ...], is_sound: bool
) -> Ints:
    """The columns that have to be judged again, given that all was well `before`.

    Where every switch that is left still has next hops, and none that it had not before, each packet goes a
    way that it could go before: it arrives, and no buffer waits for another that did not before.
    """
    if not is_sound:
        return np.arange(before.group.shape[1])
    old, new = before.hop_bits(network), after.hop_bits(network)
    is_touched = np.zeros(before.group.shape[1], np.bool_)
    is_left = np.ones(len(before.group), np.bool_)
    is_left[list(dead)] = False
    left, step = np.flatnonzero(is_left), max(1, _CELLS // max(1, before.group.shape[1]))
    for rows in (left[start : start + step] for start in range(0, len(left), step)):
        had, has = before.group[rows], after.group[rows]
        for was, now in zip(old, new, strict=True):
            is_touched |= ((now[has] & ~was[had]) != 0).any(axis=0)
        is_touched |= ((has < 0) & (had >= 0)).any(axis=0)
    return np.flatnonzero(is_touched)
