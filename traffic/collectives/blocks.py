"""A block of its own from every rank for every rank, all at once: directly, or along rails.

The block from rank src for rank dst is chunk src * n + dst, or as many chunks in a row as blocks have slices.
Flows are in the order of the distance between the two, as NCCL posts its sends, so that no receiver is
everybody's first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raddle.traffic.collectives.record import Algorithm, Pairs
from raddle.traffic.collectives.slices import slices, split_each
from raddle.traffic.shape import Shape
from raddle.workload import COPY, NOWHERE, Schedule

Ints = NDArray[np.int64]
Sends = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Hops:
    """Flows that carry blocks.

    Attributes:
        src, dst: ranks; block: src * n + dst of the rank that the block is from and the one that it is for.
        step: 0 for what stays in a server, 1 for what goes between servers.
        after: the flow that brings the block to `src`; NOWHERE where it is there.
    """

    src: Ints
    dst: Ints
    block: Ints
    step: Ints
    after: Ints


def direct(name: str, shape: Shape, block_bytes: Ints) -> Schedule:
    """Every block in one message.

    Args:
        block_bytes: int64[R, R], from each rank (row) to each.
    """
    src, dst = _by_distance(shape.ranks)
    hops = _Hops(src, dst, src * shape.ranks + dst, np.zeros_like(src), np.full_like(src, NOWHERE))
    return _schedule(name, shape.ranks, block_bytes, hops)


def direct_pairs(shape: Shape) -> Iterator[Pairs]:
    """One phase."""
    yield _by_distance(shape.ranks)


def rail_aligned(name: str, shape: Shape, block_bytes: Ints, sends: Sends | None = None) -> Schedule:
    """A block for another server first goes to the rank of its own that is on the receiver's rail.

    So no block leaves its rail in the network. This is NCCL's PXN (src/transport/net.cc, src/graph/paths.cc):
    slices are passed on as they come, each block's on a queue pair of its own. From a server without that
    rail it goes directly.

    Args:
        sends: bool[R, R], which blocks there are; None: all.
    """
    parts = _slices(shape, int(block_bytes.max()))
    return _schedule(name, shape.ranks, block_bytes, _along_rails(shape, *_sent(shape, sends)), parts)


@dataclass(frozen=True, slots=True)
class RailShares:
    """What sends and receives do of one share for each rank, along rails as `rail_aligned`.

    Attributes:
        name: of the schedule.
        pairs: who sends to whom, in one phase.
        is_senders: a share is that of the rank that sends it, else of the one that it is for.
        share_bytes: int64[R], of the ranks of a shape and a size.
    """

    name: str
    pairs: Callable[[Shape], Iterator[Pairs]]
    is_senders: bool
    share_bytes: Callable[[int, int], Ints]

    def algorithm(self) -> Algorithm:
        """As one of a collective's."""
        return Algorithm("pxn", self._schedule, self._flows, self._phases, refuses_rails)

    def _hops(self, shape: Shape) -> _Hops:
        [(src, dst)] = self.pairs(shape)
        hops = _along_rails(shape, src, dst)
        sender, receiver = np.divmod(hops.block, shape.ranks)
        return replace(hops, block=sender if self.is_senders else receiver)

    def _parts(self, shape: Shape, share_bytes: Ints) -> int:
        return slices(int(share_bytes.max()), shape.protocol.block_slice_bytes, 2)

    def _schedule(self, shape: Shape, size_bytes: int) -> Schedule:
        share_bytes = self.share_bytes(shape.ranks, size_bytes)
        parts = self._parts(shape, share_bytes)
        return _schedule(self.name, shape.ranks, share_bytes, self._hops(shape), parts)

    def _flows(self, shape: Shape, size_bytes: int) -> int:
        return len(self._hops(shape).src) * self._parts(shape, self.share_bytes(shape.ranks, size_bytes))

    def _phases(self, shape: Shape) -> Iterator[Pairs]:
        yield from _in_phases(self._hops(shape))


def refuses_rails(shape: Shape) -> str:
    """Why there is no hop inside of a server."""
    return "no two of them share a server" if len(shape.servers) == shape.ranks else ""


def rail_aligned_flows(shape: Shape, largest_bytes: int, sends: Sends | None = None) -> int:
    """A flow for each slice of a block, and one for each that takes a hop inside its server first.

    Args:
        largest_bytes: of a block.
    """
    parts = _slices(shape, largest_bytes)
    if sends is not None:
        return parts * len(_along_rails(shape, *_sent(shape, sends)).src)
    rails, of_rail, on_rail = np.unique(shape.rail, return_inverse=True, return_counts=True)
    hops = 0
    for server in shape.servers:
        own = np.bincount(of_rail[server], minlength=len(rails))
        hops += (len(server) - 1) * int((on_rail - own)[own > 0].sum())
    return parts * (shape.ranks * (shape.ranks - 1) + hops)


def _slices(shape: Shape, largest_bytes: int) -> int:
    """Of a block. A NIC sends one for each rank of other servers."""
    others = max(shape.ranks - max(len(server) for server in shape.servers), 1)
    return slices(largest_bytes, shape.protocol.block_slice_bytes, 2, others)


def rail_aligned_pairs(shape: Shape, sends: Sends | None = None) -> Iterator[Pairs]:
    """What goes inside of servers, and what goes between them."""
    yield from _in_phases(_along_rails(shape, *_sent(shape, sends)))


def _in_phases(hops: _Hops) -> Iterator[Pairs]:
    for step in (0, 1):
        if (now := hops.step == step).any():
            yield hops.src[now], hops.dst[now]


def _by_distance(ranks: int) -> Pairs:
    rank, distance = np.arange(ranks), np.arange(1, ranks)[:, None]
    return np.tile(rank, ranks - 1), ((rank + distance) % ranks).reshape(-1)


def _sent(shape: Shape, sends: Sends | None) -> Pairs:
    src, dst = _by_distance(shape.ranks)
    return (src, dst) if sends is None else (src[sends[src, dst]], dst[sends[src, dst]])


def _along_rails(shape: Shape, src: Ints, dst: Ints) -> _Hops:
    block = src * shape.ranks + dst
    server_of, relays = _relays(shape)
    relay = relays[server_of[src], dst]
    goes_out = server_of[src] != server_of[dst]
    relay = np.where(goes_out & (relay != NOWHERE), relay, src)
    first = np.flatnonzero(relay != src)
    after = np.full(len(src), NOWHERE)
    after[first] = np.arange(len(first))
    return _Hops(
        src=np.concatenate([src[first], relay]),
        dst=np.concatenate([relay[first], dst]),
        block=np.concatenate([block[first], block]),
        step=np.concatenate([np.zeros(len(first), np.int64), goes_out]),
        after=np.concatenate([np.full(len(first), NOWHERE), after]),
    )


def _relays(shape: Shape) -> tuple[Ints, Ints]:
    """int64[R], each rank's server; int64[S, R], the rank of each server that sends to each rank.

    It is on that rank's rail; where there are several of both they take turns. NOWHERE without that rail.
    """
    server_of, turn = np.zeros((2, shape.ranks), np.int64)
    for number, server in enumerate(shape.servers):
        server_of[server] = number
        for rail in np.unique(shape.rail[server]):
            there = server[shape.rail[server] == rail]
            turn[there] = np.arange(len(there))
    relays = np.full((len(shape.servers), shape.ranks), NOWHERE)
    for number, server in enumerate(shape.servers):
        for rail in np.unique(shape.rail[server]):
            there = server[shape.rail[server] == rail]
            on_rail = np.flatnonzero(shape.rail == rail)
            relays[number, on_rail] = there[turn[on_rail] % len(there)]
    return server_of, relays


def _schedule(name: str, ranks: int, block_bytes: Ints, hops: _Hops, parts: int = 1) -> Schedule:
    """Each flow of `hops` in that many slices, which follow one another."""
    flows = len(hops.src) * parts
    chunk_bytes = split_each(block_bytes.reshape(-1), parts)
    part = np.arange(parts)
    chunk = (hops.block[:, None] * parts + part).reshape(-1)
    waits = hops.after != NOWHERE
    # A server's ranks pass blocks on independently: what is first hop and what is not share no queue pair.
    connection = np.where(waits, ranks * ranks + hops.block, hops.src * ranks + hops.dst)
    return Schedule(
        name=name,
        ranks=ranks,
        src=np.repeat(hops.src, parts).astype(np.int32),
        dst=np.repeat(hops.dst, parts).astype(np.int32),
        size_bytes=chunk_bytes[chunk],
        step=np.repeat(hops.step, parts).astype(np.int32),
        qp=np.repeat(np.unique(connection, return_inverse=True)[1], parts).astype(np.int32),
        dep_offsets=np.concatenate([[0], np.cumsum(np.repeat(waits, parts))]),
        dep_ids=(hops.after[waits][:, None] * parts + part).reshape(-1).astype(np.int32),
        chunk=chunk.astype(np.int32),
        chunk_count=np.ones(flows, np.int32),
        op=np.full(flows, COPY, np.int8),
        fan=np.zeros(flows, np.int32),
        chunk_bytes=chunk_bytes,
    )
