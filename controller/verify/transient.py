"""What can happen while an update is under way: every switch may hold a round's routes already, or not yet.

All these states are judged at once. A switch's groups of a round hold the next hops of before and of after,
as if the hash chose between them: what every choice delivers, each of the states delivers, and buffers that
wait for each other in one of the states do so here. Assumption: when a round begins, packets that were sent
before the last one began have left the fabric; a push takes far longer than they do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raddle.controller.plan.model import NextHop
from raddle.controller.plan.update import Routes, Write, prefix_length, shorter, states_on_the_way
from raddle.controller.verify.deadlock import Cycle, dependencies, ranks, smallest_cycle
from raddle.controller.verify.network import Bools, Entry, Network, entry_of, is_of_family, number_of
from raddle.controller.verify.reach import CHUNK, delivered, endpoints_at, looping, repair, sources, walk
from raddle.controller.verify.tables import Tables, tables_of
from raddle.units import counted

NOWHERE = -1
"""A port number that no switch has: a next hop that drops."""

Ports = Mapping[str, Mapping[str, int]]
"""The number of every port, by switch and name."""


@dataclass(frozen=True, slots=True)
class Step:
    """Routes that are written at the same time, on the links that are up then: bool[links + 1]."""

    writes: tuple[Write, ...]
    links: Bools


@dataclass(frozen=True, slots=True)
class Transient:
    """What an update can do on its way. Pairs are ordered pairs of endpoints.

    Attributes:
        writes, rounds: routes that change, and the rounds that they are written in.
        lost: pairs that are delivered before and after, and in some state between are not.
        looping: pairs that can go round in some state between.
        example: one such pair and its way; empty if there is none.
        cycle: buffers that can wait for each other on the way.
    """

    writes: int
    rounds: int
    lost: int
    looping: int
    example: str
    cycle: Cycle | None

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.looping or self.cycle)

    @property
    def extent(self) -> str:
        """How much is written, in words."""
        routes = "1 route changes" if self.writes == 1 else f"{self.writes} routes change"
        return f"{routes} in {counted(self.rounds, 'round', 'rounds')}"


def judge_update(
    network: Network,
    own: Mapping[str, Sequence[Entry]],
    ports: Ports,
    old: Routes,
    steps: Sequence[Step],
    replacing: Collection[str] = (),
) -> Transient:
    """Judge all states between two sets of routes.

    Args:
        own: the entries of the switches' own links, of those that are down as well.
        steps: one after the other; links of the first are those before, of the last those after.
        replacing: switches that take the old next hops of a route away before they add the new ones, so that
            for a moment a shorter prefix counts where old and new have none in common.
    """

    def tables(state: Routes, writes: Iterable[Write] = ()) -> Tables:
        return tables_of(network, _entries(own, ports, state, writes, replacing))

    states = [old, *states_on_the_way(old, (step.writes for step in steps))]
    ends = ((tables(states[0]), steps[0].links), (tables(states[-1]), steps[-1].links))
    lost = looped = 0
    example, cycle = "", None
    for state, step in zip(states, steps, strict=False):
        on_the_way, links = tables(state, step.writes), step.links
        for start in range(0, len(network.endpoints), CHUNK):
            columns = np.arange(start, min(start + CHUNK, len(network.endpoints)))
            live = repair(network, on_the_way.only(columns), links)
            is_source = sources(network, links, columns)
            kept = is_source.copy()
            for end, links_then in ends:
                kept &= delivered(network, repair(network, end.only(columns), links_then))
            bad = kept & ~delivered(network, live)
            loops = is_source & looping(network, live) if bad.any() else np.zeros_like(bad)
            weight = endpoints_at(network, links, columns)
            first_round = not looped and loops.any()  # of a pair that goes round, if there is one
            lost, looped = lost + int((weight * bad).sum()), looped + int((weight * loops).sum())
            if first_round or (bad.any() and not example):
                switch, column = (int(each[0]) for each in np.nonzero(loops if first_round else bad))
                until = looping(network, live) if first_round else ~delivered(network, live)
                way = walk(network, live, switch, column, until)
                target = network.endpoints[int(columns[column])]
                example = f"{network.switches[switch]} to {target}: {' > '.join(way)}"
        cycle = cycle or _cycle(network, on_the_way, links)
    return Transient(
        writes=sum(len(step.writes) for step in steps),
        rounds=sum(bool(step.writes) for step in steps),
        lost=lost,
        looping=looped,
        example=example,
        cycle=cycle,
    )


def _cycle(network: Network, tables: Tables, links: Bools) -> Cycle | None:
    edges = dependencies(network, tables, links)
    return None if ranks(network, edges) is not None else smallest_cycle(network, tables, links, edges)


def _entries(
    own: Mapping[str, Sequence[Entry]],
    ports: Ports,
    state: Routes,
    writes: Iterable[Write],
    replacing: Collection[str],
) -> dict[str, list[Entry]]:
    """The switches' entries in a state; those being written hold what was and what will be."""
    routes = {
        switch: {prefix: _numbers(ports[switch], hops) for prefix, hops in at.items()}
        for switch, at in state.items()
    }
    for write in sorted(writes, key=lambda each: prefix_length(each.prefix)):
        at = routes.setdefault(write.switch, {})
        instead = _instead(at, own[write.switch], write.prefix)
        sides = [_numbers(ports[write.switch], hops) or instead for hops in (write.before, write.after)]
        # Where nothing else holds the prefix, the driver writes both sides first (see SonicDriver).
        is_gone = write.switch in replacing and not set(write.before) & set(write.after)
        moment = instead if is_gone and instead != (NOWHERE,) else ()
        at[write.prefix] = tuple(dict.fromkeys((*sides[0], *sides[1], *moment)))
    return {
        switch: [*entries, *(entry_of(prefix, hops) for prefix, hops in routes.get(switch, {}).items())]
        for switch, entries in own.items()
    }


def _instead(at: Mapping[str, tuple[int, ...]], own: Iterable[Entry], prefix: str) -> tuple[int, ...]:
    """What a route that is not there gives way to: the next shorter one, written or of a link, or none."""
    written = shorter(at, prefix)
    number, length, _ = entry_of(prefix, ())
    bits = 128 if ":" in prefix else 32
    covers = [
        entry
        for entry in own
        if is_of_family(entry, bits)
        and entry[1] < length
        and entry[0] >> (bits - entry[1]) == number >> (bits - entry[1])
    ]
    link = max(covers, key=lambda entry: entry[1], default=None)
    if link and (not written or link[1] > prefix_length(written)):
        return link[2]
    return at.get(written, (NOWHERE,))


def _numbers(ports: Mapping[str, int], hops: Iterable[NextHop]) -> tuple[int, ...]:
    return tuple(number_of(hop, ports[hop.port]) if hop.port in ports else NOWHERE for hop in hops)
