"""Deadlock freedom of lossless traffic: the buffer dependency graph and its cycles.

A buffer is the priority group of a channel's receiving port. It depends on another where a packet that
it holds may wait for that one's pause. Routes choose by destination alone and a lossless class keeps one
priority on its way (the lossless chain is checked apart), so the graph over (port, priority) is one
copy per priority of the graph over channels, which is what is built. Hosts take what they are sent and
forward nothing: channels from and to them are in no cycle.

Source: W. Dally, C. Seitz, "Deadlock-free message routing in multiprocessor interconnection networks",
    IEEE Trans. Computers C-36(5), 1987; S. Hu et al., "Tagger: practical PFC deadlock prevention in data
    center networks", CoNEXT 2017.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.controller.verify.network import Bools, Ints, Network
from raddle.controller.verify.reach import Live, chunks, fold_rows, repair, sources
from raddle.controller.verify.tables import Tables


@dataclass(frozen=True, slots=True)
class Cycle:
    """Channels that wait for each other in a ring; `flows` are (source switch, destination) that close each
    step, `routes` the way of each flow as port names."""

    channels: tuple[str, ...]
    flows: tuple[tuple[str, str], ...]
    routes: tuple[tuple[str, ...], ...]


Pairs = NDArray[np.int32]


def dependencies(network: Network, tables: Tables, links: Bools) -> Pairs:
    """int[E, 2]: pairs of channels, the buffer of the first waits for the second; sorted and unique.

    Only traffic that starts at an endpoint counts: a table entry that no packet meets is no dependency.
    """
    order = np.argsort(network.peer, kind="stable")
    order = order[network.out[order] < network.parts[1].stop]
    into = np.split(order, np.searchsorted(network.peer[order], np.arange(1, len(network.switches) + 1)))
    widths = np.bincount(network.out, minlength=len(network.switches))
    met = [np.zeros((len(into[switch]), widths[switch]), np.bool_) for switch in network.parts[1]]
    for columns in chunks(tables, np.arange(len(tables.destinations))):
        live = repair(network, tables.only(columns), links)
        _mark(network, live, _carried(network, live, links), into, met)
    onto = np.split(np.lexsort((network.place, network.out)), np.cumsum(widths)[:-1])
    return _pairs(network, into, [onto[switch] for switch in network.parts[1]], met)


def _pairs(network: Network, into: list[Ints], onto: list[Ints], met: list[Bools]) -> Pairs:
    """int[E, 2]: the channels into and out of each switch that have met there, sorted.

    What a NIC sends or takes waits for no buffer of a NIC: a bond's is a switch of the graph only.
    """
    count = np.zeros(len(network.out) + 1, np.int64)
    for first, second, is_met in zip(into, onto, met, strict=False):
        is_met &= ~network.is_access[first][:, None] & ~network.is_access[second]
        count[first + 1] = is_met.sum(axis=1)
    start = np.cumsum(count)
    pairs = np.empty((int(start[-1]), 2), np.int32)
    # Every channel leads into one switch, and channels out of it are in ascending order.
    pairs[:, 0] = np.repeat(np.arange(len(network.out)), count[1:])
    for first, second, is_met in zip(into, onto, met, strict=False):
        rows, columns = np.nonzero(is_met)
        within = np.arange(len(rows)) - np.searchsorted(rows, rows)
        pairs[start[first[rows]] + within, 1] = second[columns]
    return pairs


def _carried(network: Network, live: Live, links: Bools) -> Bools:
    """bool[C + 1, D]: packets to a destination can be on a channel between switches."""
    tables, switches = live.tables, len(network.switches)
    onward = np.flatnonzero(live.is_alive & (network.peer[tables.members] < switches))
    # One after another by the switch they lead to, then by channel: what reaches a switch lies together.
    channel = tables.members[onward]
    order = np.lexsort((channel, network.peer[channel]))
    channel, group = channel[order], tables.group[onward][order]
    used = live.group[tables.switch[group]] == group.astype(np.int32)[:, None]
    at = sources(network, links, tables.destinations)
    carried = np.zeros((len(network.out), len(tables.destinations)), np.bool_)
    if not len(channel):
        return carried
    into = np.flatnonzero(np.diff(network.peer[channel], prepend=-1))
    while True:
        sent = used & at[network.out[channel]]
        reached = at.copy()
        reached[network.peer[channel][into]] |= fold_rows(np.bitwise_or, sent, into)
        if (reached == at).all():
            break
        at = reached
    firsts = np.flatnonzero(np.diff(channel, prepend=-1))
    carried[channel[firsts]] = fold_rows(np.bitwise_or, sent, firsts)
    return carried


def _mark(network: Network, live: Live, carried: Bools, into: list[Ints], met: list[Bools]) -> None:
    """Note every dependency at a switch, bool[incoming, outgoing], in the order of `into` and of places."""
    tables = live.tables
    is_onward = live.is_alive & (network.peer[tables.members] < len(network.switches))
    places = network.place[tables.members[is_onward]]
    ends = np.append(0, np.cumsum(is_onward))[tables.offsets]
    for switch in network.parts[1]:
        busy = np.flatnonzero(carried[into[switch]].any(axis=1))
        groups = np.unique(live.group[switch])
        groups = groups[(groups >= 0) & (ends[groups + 1] > ends[groups])]
        if not len(busy) or not len(groups):
            continue
        chosen = (live.group[switch][:, None] == groups).astype(np.float32)
        first, which = np.nonzero(carried[into[switch][busy]].astype(np.float32) @ chosen > 0)
        starts, counts = ends[groups[which]], ends[groups[which] + 1] - ends[groups[which]]
        # The members of each group that is met, end to end.
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        met[switch][np.repeat(busy[first], counts), places[np.repeat(starts, counts) + place]] = True


def ranks(network: Network, edges: Pairs) -> Ints | None:
    """int[C + 1]: a number for every channel that grows along every dependency; None if there is a cycle.

    Such numbers exist exactly where there is no cycle; here each is the longest way to its channel.
    """
    rank = np.zeros(len(network.out), np.int64)
    left = edges
    for level in range(1, len(rank) + 1):
        if not len(left):
            return rank
        rank[left[:, 1]] = level
        has_before = np.zeros(len(rank), np.bool_)
        has_before[left[:, 1]] = True
        shorter = left[has_before[left[:, 0]]]
        if len(shorter) == len(left):
            return None
        left = shorter
    return None


def breaks_ranks(network: Network, live: Live, rank: Ints) -> bool:
    """Whether a dependency may go from a channel to one of the same or a lower rank.

    Cautious: every table entry counts, also one that no packet meets. False proves freedom of deadlock.
    """
    tables = live.tables
    onward = np.flatnonzero(live.is_alive & (network.peer[tables.members] < len(network.switches)))
    if not len(onward):
        return False
    channel, group = tables.members[onward], tables.group[onward]
    height = (rank + 1).astype(np.uint8 if rank.max() < 254 else np.int32)
    order = np.argsort(network.peer[channel], kind="stable")
    channel, group = channel[order], group[order]
    used = live.group[tables.switch[group]] == group.astype(np.int32)[:, None]
    firsts = np.flatnonzero(np.diff(network.peer[channel], prepend=-1))
    highest = np.zeros(live.group.shape, height.dtype)
    highest[network.peer[channel][firsts]] = np.maximum.reduceat(
        np.where(used, height[channel][:, None], height.dtype.type(0)), firsts
    )
    lowest = np.full(len(tables.switch) + 1, int(height.max()) + 1, height.dtype)
    np.minimum.at(lowest, group, height[channel])
    return bool((highest >= lowest[live.group]).any())


def smallest_cycle(
    network: Network, tables: Tables, links: Bools, edges: Pairs, *others: tuple[Network, Tables]
) -> Cycle:
    """The shortest ring of dependencies, with a flow for each of its steps.

    Args:
        edges: of the tables and of the `others`; they must hold a cycle.
    """
    import networkx as nx  # here, as it takes 0.2 s and most commands do without

    graph: nx.DiGraph[int] = nx.DiGraph(edges.tolist())
    best: list[int] = []
    for part in nx.strongly_connected_components(graph):
        if len(part) < 2 and not any(graph.has_edge(node, node) for node in part):
            continue
        inside = graph.subgraph(part)
        for node in sorted(part):
            for after in sorted(inside.successors(node)):
                way = nx.shortest_path(inside, after, node)
                if not best or len(way) < len(best):
                    best = way
            if len(best) == 2:
                break
    # From the lowest channel on, in the direction of waiting, so that equal tables print the same.
    turn = best.index(min(best))
    ring = best[turn:] + best[:turn]
    graphs = ((network, tables), *others)
    steps = [_flow_of_any(graphs, links, a, b) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)]
    return Cycle(
        channels=tuple(str(network.ports[channel]) for channel in ring),
        flows=tuple(flow for flow, _ in steps),
        routes=tuple(route for _, route in steps),
    )


_Flow = tuple[tuple[str, str], tuple[str, ...]]


def _flow_of_any(graphs: Iterable[tuple[Network, Tables]], links: Bools, first: int, second: int) -> _Flow:
    for network, tables in graphs:
        if flow := _flow(network, tables, links, first, second):
            return flow
    raise AssertionError("a dependency without a flow")


def _flow(network: Network, tables: Tables, links: Bools, first: int, second: int) -> _Flow | None:
    """A source switch and destination whose packets go over both channels, and their way."""
    live = repair(network, tables, links)
    is_source = sources(network, links, tables.destinations)
    for column in range(len(tables.destinations)):
        here = int(live.group[network.peer[first], column])
        there = int(live.group[network.out[first], column])
        if here < 0 or there < 0 or second not in live.hops(here) or first not in live.hops(there):
            continue
        for source in np.flatnonzero(is_source[:, column]).tolist():
            way = _way(network, live, source, column, first)
            if way is not None:
                names = tuple(str(network.ports[channel]) for channel in (*way, first, second))
                destination = network.endpoints[int(tables.destinations[column])]
                return (network.switches[source], destination), names
    return None


def _way(network: Network, live: Live, source: int, column: int, last: int) -> list[int] | None:
    """The shortest way from a source switch to the switch that sends on `last`, as channels."""
    ways: dict[int, list[int]] = {source: []}
    queue = [source]
    for switch in queue:
        if switch == network.out[last]:
            return ways[switch]
        group = int(live.group[switch, column])
        for channel in live.hops(group) if group >= 0 else ():
            after = int(network.peer[channel])
            if after < len(network.switches) and after not in ways:
                ways[after] = [*ways[switch], channel]
                queue.append(after)
    return None


def rank_by_name(network: Network, rank: Ints, edges: Pairs) -> dict[str, int]:
    """The ranks of the channels that are in a dependency, by port."""
    is_used = np.zeros(len(rank), np.bool_)
    is_used[edges] = True
    return {str(network.ports[channel]): int(rank[channel]) for channel in np.flatnonzero(is_used).tolist()}
