"""AHC, HCCL's all-reduce among servers with unequal numbers of accelerators.

The buffer is cut wherever one of a server's ranks would end with its part. Each piece is a logical card: the
rank of each server that has it in its part. A server sums and shares out inside, the ranks of each card sum
their piece between servers, and servers gather inside.
Source: cann/hccl, docs/zh/user_guide/coll_algo_intro and the code's InitSliceInfo, InitLogicCardInfo. Which
algorithm runs inside and between is an assumption: a full mesh, and NHR.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import lcm

import numpy as np

from raddle.traffic.hccl.families import FAMILIES, all_reduce
from raddle.traffic.hccl.levels import Ints
from raddle.traffic.hccl.rounds import Moves
from raddle.traffic.sizes import FLOAT, split_elements
from raddle.workload import COPY, REDUCE


def cuts(servers: Sequence[Ints]) -> Ints:
    """Where pieces begin and end, in parts of the least common multiple of the servers' sizes."""
    whole = lcm(*(len(server) for server in servers))
    return np.unique(np.concatenate([np.arange(0, whole + 1, whole // len(server)) for server in servers]))


def cards(servers: Sequence[Ints]) -> Ints:
    """int64[pieces, servers]: the ranks of each logical card."""
    edges = cuts(servers)
    owner = [server[edges[:-1] * len(server) // edges[-1]] for server in servers]
    return np.stack(owner, axis=1)


def chunk_bytes(servers: Sequence[Ints], size_bytes: int) -> Ints:
    """Each piece in as many chunks as there are servers, of whole elements."""
    edges = cuts(servers) * (size_bytes // FLOAT.bytes) // cuts(servers)[-1] * FLOAT.bytes
    return np.concatenate([split_elements(int(size), len(servers)) for size in np.diff(edges)])


def moves(servers: Sequence[Ints]) -> Iterator[Moves]:
    """Step by step, those of all servers and cards side by side."""
    owner = cards(servers)
    up, down = all_reduce(FAMILIES["NHR"], len(servers))
    yield _inside(servers, owner, REDUCE)
    for op, steps in ((REDUCE, up), (COPY, down)):
        for sends in steps:
            chunk = np.arange(len(owner))[:, None] * len(servers) + sends.slice
            yield Moves(op, *(each.reshape(-1) for each in (owner[:, sends.src], owner[:, sends.dst], chunk)))
    yield _inside(servers, owner, COPY)


def _inside(servers: Sequence[Ints], owner: Ints, op: int) -> Moves:
    """Each rank sends the others of its server their parts, to sum, or its own."""
    columns = []
    for number, server in enumerate(servers):
        ends = np.nonzero(~np.eye(len(server), dtype=bool))
        src, dst = server[ends[0]], server[ends[1]]
        pair, piece = np.nonzero((dst if op == REDUCE else src)[:, None] == owner[:, number])
        chunk = piece[:, None] * len(servers) + np.arange(len(servers))
        columns.append((*(np.repeat(end[pair], len(servers)) for end in (src, dst)), chunk.reshape(-1)))
    return Moves(op, *(np.concatenate(column) for column in zip(*columns, strict=True)))
