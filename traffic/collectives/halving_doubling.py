"""Recursive halving and doubling all-reduce.

Source: Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in MPICH",
IJHPCA 19(1), 2005 (Rabenseifner's algorithm): reduce-scatter by vector halving and distance doubling,
then all-gather by vector doubling and distance halving.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.traffic.collectives.record import Pairs
from raddle.traffic.collectives.rounds import Ints, Round, assemble
from raddle.traffic.shape import Shape
from raddle.traffic.sizes import split_elements
from raddle.workload import COPY, REDUCE, Schedule


def schedule(collective: str, shape: Shape, size_bytes: int) -> Schedule:
    """2 log2(n) steps for a power of two, else 2 more that send whole buffers.

    A number of ranks that is not a power of two is brought down to one (p): each of the first n - p even
    ranks adds its buffer to its odd neighbour's, stays out, and gets the result at the end.

    Servers of k ranks each first reduce and scatter inside, in k - 1 steps with a peer at a time, then every
    share halves and doubles between servers on its own rail, then they gather inside.
    """
    shares, count = _grid(shape).shape
    chunk_bytes = split_elements(size_bytes, shares << _levels(count))
    rounds = _rounds(shape)
    return assemble(f"{collective} halving_doubling", shape.ranks, rounds, chunk_bytes, waits_for_ack=True)


def pairs(shape: Shape) -> Iterator[Pairs]:
    """Those of each step."""
    return ((each.src, each.dst) for each in _rounds(shape))


def count_flows(shape: Shape, size_bytes: int) -> int:
    """2 p log2(p), and two for each rank beyond p, the power of two below; and those inside of servers."""
    shares, count = _grid(shape).shape
    levels = _levels(count)
    between = 2 * levels * (1 << levels) + 2 * (count - (1 << levels))
    return int(shares * between + 2 * shape.ranks * (shares - 1))


def _levels(ranks: int) -> int:
    return ranks.bit_length() - 1


def _grid(shape: Shape) -> Ints:
    """int64[shares, count]: the ranks that halve and double the same share.

    Servers of equal size have a share for each place; others, and one alone, one share of all ranks.
    """
    servers = shape.servers
    if len(servers) == 1 or len({len(server) for server in servers}) > 1:
        return np.arange(shape.ranks)[None, :]
    return np.stack(servers, axis=1)


def _rounds(shape: Shape) -> list[Round]:
    grid = _grid(shape)
    shares, count = grid.shape
    chunks = 1 << _levels(count)
    between = [_in_every_share(each, grid, chunks) for each in _flat_rounds(count)]
    share = np.arange(shares)[:, None]
    before, after = [], []
    for distance in range(1, shares):
        peer = (share + distance) % shares
        src, dst = grid.reshape(-1), grid[peer[:, 0]].reshape(-1)
        theirs, mine = (np.broadcast_to(each * chunks, grid.shape).reshape(-1) for each in (peer, share))
        before.append(Round(src, dst, theirs, chunks, REDUCE))
        after.append(Round(src, dst, mine, chunks, COPY))
    return [*before, *between, *after]


def _in_every_share(flat: Round, grid: Ints, chunks: int) -> Round:
    """The same in the chunks of each share, among its ranks."""
    first = np.arange(len(grid))[:, None] * chunks
    chunk = (first + flat.chunk).reshape(-1)
    return Round(
        grid[:, flat.src].reshape(-1), grid[:, flat.dst].reshape(-1), chunk, flat.chunk_count, flat.op
    )


def _flat_rounds(ranks: int) -> list[Round]:
    levels = _levels(ranks)
    chunks = 1 << levels
    extra = ranks - chunks
    even = np.arange(0, 2 * extra, 2)
    odd = even + 1
    members = np.concatenate([odd, np.arange(2 * extra, ranks)])
    rounds = list(_core_rounds(members, levels))
    if extra:
        whole = np.zeros(extra, np.int64)
        rounds.insert(0, Round(even, odd, whole, chunks, REDUCE))
        rounds.append(Round(odd, even, whole, chunks, COPY))
    return rounds


def _core_rounds(members: Ints, levels: int) -> Iterator[Round]:
    """The algorithm among 2**levels members: `members[i]` is the rank that plays i."""
    place = np.arange(len(members))
    # start[j]: first chunk of the range that a member is responsible for after j halvings.
    start = [np.zeros_like(place)]
    for level in range(levels):
        half = len(members) >> (level + 1)
        bit = (place >> level) & 1
        partner = members[place ^ (1 << level)]
        yield Round(members, partner, start[level] + half * (1 - bit), half, REDUCE)
        start.append(start[level] + half * bit)
    for level in reversed(range(levels)):
        half = len(members) >> (level + 1)
        yield Round(members, members[place ^ (1 << level)], start[level + 1], half, COPY)
