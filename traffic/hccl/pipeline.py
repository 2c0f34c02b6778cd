"""HCCL's pipeline: a ring between servers, and beside each of its steps a full mesh inside of them.

Source: cann/hccl, docs/zh/user_guide/coll_algo_intro/Pipeline.md: one step more than a ring of servers has.
Of an all-to-all (the code's two-level pipeline) the assumption is: for each other server in turn, blocks go
to the accelerator of the own server with the receiver's place while those for the server before are sent.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raddle.traffic.hccl.hierarchy import ALL_GATHER, REDUCE_SCATTER
from raddle.traffic.hccl.levels import Ints
from raddle.traffic.hccl.rounds import Moves
from raddle.workload import COPY, REDUCE


def moves(operation: str, grid: Ints) -> Iterator[Moves]:
    """Step by step; `grid` is int64[servers, places] of ranks, several of both."""
    if operation != ALL_GATHER:
        yield from (_reduced(grid, step) for step in range(len(grid)))
    if operation != REDUCE_SCATTER:
        yield from (_gathered(grid, step) for step in range(len(grid)))


def _gathered(grid: Ints, step: int) -> Moves:
    """The share of the server that many before goes on to the next server, and round this one."""
    held = np.roll(grid, step, axis=0)
    inside = _inside(grid, held)
    if step == len(grid) - 1:
        return Moves(COPY, *inside)
    between = grid.reshape(-1), np.roll(grid, -1, axis=0).reshape(-1), held.reshape(-1)
    return Moves(COPY, *(np.concatenate(both) for both in zip(between, inside, strict=True)))


def _reduced(grid: Ints, step: int) -> Moves:
    """Shares of the server that many before are summed inside; those of the step before go on."""
    target = np.roll(grid, 1 + step, axis=0)
    src, dst, _ = _inside(grid, grid)
    share = _of_receiver(target)
    if not step:
        return Moves(REDUCE, src, dst, share)
    between = grid.reshape(-1), np.roll(grid, -1, axis=0).reshape(-1), np.roll(grid, step, axis=0).reshape(-1)
    return Moves(REDUCE, *(np.concatenate(both) for both in zip(between, (src, dst, share), strict=True)))


def _inside(grid: Ints, held: Ints) -> tuple[Ints, Ints, Ints]:
    """Every rank sends all others of its server what it holds."""
    first, second = _two_places(grid.shape[1])
    return tuple(each.reshape(-1) for each in (grid[:, first], grid[:, second], held[:, first]))  # type: ignore[return-value]


def _of_receiver(target: Ints) -> Ints:
    _, second = _two_places(target.shape[1])
    return target[:, second].reshape(-1)


def _two_places(places: int) -> tuple[Ints, Ints]:
    first, second = np.nonzero(~np.eye(places, dtype=bool))
    return first, second


def all_to_all_moves(grid: Ints) -> Iterator[Moves]:
    """Chunk src * R + dst is the block from src for dst."""
    servers, places = grid.shape
    ranks = grid.size
    first, second = _two_places(places)
    for step in range(servers):
        # Inside: what the receiver passes on to the server that is next but `step`, or keeps.
        src, dst = grid[:, first], grid[:, second]
        parts = [(src, dst, src * ranks + np.roll(grid, -(step + 1), axis=0)[:, second])]
        if step:
            # Between: all blocks of the own server for the rank with one's place there.
            src, dst = (np.repeat(each, places, axis=1) for each in (grid, np.roll(grid, -step, axis=0)))
            parts.append((src, dst, np.tile(grid, (1, places)) * ranks + dst))
        columns = zip(*parts, strict=True)
        yield Moves(COPY, *(np.concatenate([each.reshape(-1) for each in column]) for column in columns))
