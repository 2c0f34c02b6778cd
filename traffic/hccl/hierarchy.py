"""An operation over up to three levels, each by a family of its own.

A reduce-scatter goes from the accelerators of a server outwards, an all-gather inwards, an all-reduce is one
after the other; as HCCL's executors of several levels do (docs/zh/user_guide/coll_algo_intro).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from raddle.traffic.hccl.families import FAMILIES, Sends, Steps, all_reduce
from raddle.traffic.hccl.levels import Ints
from raddle.traffic.hccl.rounds import Moves
from raddle.workload import COPY, REDUCE

ALL_REDUCE, REDUCE_SCATTER, ALL_GATHER = "all_reduce", "reduce_scatter", "all_gather"


def moves(operation: str, grid: Ints, families: Sequence[str]) -> Iterator[Moves]:
    """Step by step, who sends which rank's share to whom.

    Args:
        families: from the places of a server to super nodes, by HCCL_ALGO's names.
    """
    used = [level for level in range(3) if grid.shape[2 - level] > 1]
    top = used[-1]
    sums: list[tuple[int, Steps]] = []
    copies: list[tuple[int, Steps]] = []
    for level in used:
        family, members = FAMILIES[families[level]], grid.shape[2 - level]
        if operation == ALL_REDUCE and level == top:
            up, down = all_reduce(family, members)
        else:
            up, down = family.reduce_scatter(members), family.all_gather(members)
        sums.append((level, up))
        copies.insert(0, (level, down))
    if operation != ALL_GATHER:
        yield from (_spread(grid, level, sends, REDUCE) for level, steps in sums for sends in steps)
    if operation != REDUCE_SCATTER:
        yield from (_spread(grid, level, sends, COPY) for level, steps in copies for sends in steps)


def _spread(grid: Ints, level: int, sends: Sends, op: int) -> Moves:
    """The same in every group of a level; a slice is the shares of all ranks above, in the same places
    below."""
    axis = 2 - level
    above, members = prod(grid.shape[:axis]), grid.shape[axis]
    rank = grid.reshape(above, members, -1)
    whole = (above, len(sends.src), rank.shape[2], above)
    share = rank.transpose(1, 2, 0)[sends.slice]
    columns = rank[:, sends.src, :, None], rank[:, sends.dst, :, None], share[None]
    ends = (np.broadcast_to(column, whole).reshape(-1) for column in columns)
    return Moves(COPY if sends.is_result else op, *ends)
