"""The order in which the ranks of servers stand in a ring, for each channel.

A channel enters each server at one accelerator and leaves it at another; between servers it stays on one
rail. Even servers are entered at place c of channel c and walked up to place c - 1, odd ones back from c - 1
to c, so that with a channel for each accelerator every NIC sends and receives the same, and so does every
port inside. (NCCL's rings swap the ends of odd servers in the same way, src/graph/connect.cc.) In a ring of
an odd number of servers the last but one is left at place c + 1, which the last is entered at.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.shape import Shape

Ints = NDArray[np.int64]


def chains(shape: Shape) -> Ints:
    """int64[channels, R]: the ranks in the order of each channel's ring.

    Where a ring cannot stay on its rails it crosses them: servers of two accelerators in odd number, servers
    that have no rail in common, one NIC in some servers only.
    """
    servers = shape.servers
    if len(servers) in (1, shape.ranks):
        return np.tile(np.concatenate(servers), (shape.channels, 1))
    places = places_by_rail(shape)
    count = len(servers)
    rings = []
    for channel in range(shape.channels):
        # leaving[i]: the place, equal on both sides, of the hop from server i to the next.
        leaving = [channel - 1 if server % 2 == 0 else channel for server in range(count)]
        leaving[-1] = channel
        if count % 2:
            leaving[-2] = channel + 1
        rings.append(
            np.concatenate(
                [_walk(servers[at], places[at], leaving[at - 1], leaving[at], channel) for at in range(count)]
            )
        )
    return np.stack(rings)


def heads(shape: Shape) -> Ints:
    """int64[channels, servers]: the rank of each server that a channel enters and leaves it at."""
    places = places_by_rail(shape)
    return np.array(
        [[_rank_at(of_server, channel, channel) for of_server in places] for channel in range(shape.channels)]
    )


def places_by_rail(shape: Shape) -> list[list[Ints]]:
    """For each server and place the ranks that may stand there; equal places are on one rail.

    Servers that are alike have a place for each accelerator, or, with fewer channels, for as many of them at
    equal distances: every other one with two accelerators to a NIC and a channel for each NIC. Servers that
    differ have a place for each rail that all have or, with none in common, as those that are alike.
    """
    rails = [shape.rail[server] for server in shape.servers]
    common = sorted(set.intersection(*(set(rail.tolist()) for rail in rails)))
    if not common or all(np.array_equal(rails[0], other) for other in rails[1:]):
        return [list(server[:: max(len(server) // shape.channels, 1), None]) for server in shape.servers]
    return [
        [server[rail == number] for number in common]
        for server, rail in zip(shape.servers, rails, strict=True)
    ]


def _rank_at(places: list[Ints], place: int, channel: int) -> int:
    """The rank of a server at a place; several take turns over the channels."""
    there = places[place % len(places)]
    return int(there[channel // len(places) % len(there)])


def _walk(server: Ints, places: list[Ints], entry: int, leaving: int, channel: int) -> Ints:
    """All ranks of a server, from the one at place `entry` to the one at place `leaving`."""
    first, last = _rank_at(places, entry, channel), _rank_at(places, leaving, channel)
    begin = int(np.searchsorted(server, first))
    up = np.roll(server, -begin)
    if len(server) == 1 or last in (first, up[-1]):
        return up
    if last == up[1]:
        return np.roll(up[::-1], 1)
    return np.append(up[up != last], last)
