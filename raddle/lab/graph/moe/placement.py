"""Which ranks hold which experts: in order, or so that their loads are even.

Source of the even one: DeepSeek-AI's EPLB (github.com/deepseek-ai/EPLB, eplb.py, global policy): copies go to
the expert with the highest load for each copy, then the heaviest copies to the emptiest ranks that have room.
"""

from __future__ import annotations

import heapq

import numpy as np

from raddle.lab.graph.moe.routing import Floats

Placement = tuple[tuple[int, ...], ...]
"""Of each expert, the ranks that hold it."""


def in_order(experts: int, ranks: int) -> Placement:
    """Neighbouring experts together."""
    return tuple((expert * ranks // experts,) for expert in range(experts))


def evened(weights: Floats, ranks: int, copies: int) -> Placement:
    """With so many copies more than there are experts; each rank holds as many as any other."""
    experts = len(weights)
    count = np.ones(experts, np.int64)
    for _ in range(copies):
        count[int(np.argmax(weights / count))] += 1
    each = np.repeat(np.arange(experts), count)
    load = (weights / count)[each]
    room = len(each) // ranks
    emptiest = [(0.0, 0, rank) for rank in range(ranks)]
    held: list[list[int]] = [[] for _ in range(experts)]
    for place in np.argsort(-load, kind="stable").tolist():
        expert, passed = int(each[place]), []
        while True:
            rank_load, holds, rank = heapq.heappop(emptiest)
            if rank not in held[expert] or not emptiest:
                break
            passed.append((rank_load, holds, rank))  # a rank gains nothing from a second copy
        for entry in passed:
            heapq.heappush(emptiest, entry)
        held[expert].append(rank)
        if holds + 1 < room:
            heapq.heappush(emptiest, (rank_load + float(load[place]), holds + 1, rank))
    return tuple(tuple(sorted(set(found))) for found in held)


_EVEN = 1.05
"""So much of the mean load may the busiest rank have."""


def enough_copies(weights: Floats, ranks: int) -> int:
    """The least number of copies that leaves the busiest rank within 5 % of the mean load.

    Where up to one more of each expert does not, the number that comes closest. Each rank holds as many.
    """
    experts = len(weights)
    ratios = {}
    for copies in range(-experts % ranks, max(experts, -experts % ranks) + 1, ranks):
        load = np.zeros(ranks)
        for expert, held in enumerate(evened(weights, ranks, copies)):
            load[list(held)] += weights[expert] / len(held)
        ratios[copies] = load.max() / load.mean()
        if ratios[copies] <= _EVEN:
            return copies
    return min(ratios, key=lambda copies: ratios[copies])
