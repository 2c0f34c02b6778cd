"""Balanced edge colouring: equal shares of every vertex's edges for every colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from raddle import _solver

Ints = NDArray[np.int64]

_NO_PARENT = 0xFFFFFFFF


def colour_edges(left: Sequence[Ints], right: Sequence[Ints], colours: int) -> Ints:
    """Give every edge a colour such that each has floor or ceil of its share at every vertex and set.

    Args:
        left, right: of each edge, its vertex on that side, then the set that the vertex is in, then the set
            of that set, ...; numbers of any size, the sides and levels are numbered apart.
        colours: how many.

    Returns:
        int64 of each edge: its colour, 0 <= colour < `colours`. Of the d edges at a vertex or set each
        colour has floor(d / colours) or ceil(d / colours).

    Source: König 1916, de Werra 1971, Cole, Ost and Schirra 2001; see native/include/raddle/colouring.hpp.
    """
    left_node, left_parent = _forest(left)
    right_node, right_parent = _forest(right)
    return _solver.balanced_colours(
        left=left_node,
        right=right_node,
        left_parent=left_parent,
        right_parent=right_parent,
        colours=colours,
    ).astype(np.int64)


def distinct(values: Ints) -> tuple[Ints, Ints]:
    """The distinct values in order, and the place of each value among them; fast for a narrow range."""
    if not len(values):
        return values, values
    least = int(values.min())
    span = int(values.max()) - least + 1
    if span > 8 * len(values) + 1024:
        found, place = np.unique(values, return_inverse=True)
        return found, place
    is_there = np.zeros(span, np.bool_)
    is_there[values - least] = True
    rank = np.cumsum(is_there) - 1
    return np.flatnonzero(is_there) + least, rank[values - least]


def _forest(levels: Sequence[Ints]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The vertex of each edge and the parent of each node, numbered level by level."""
    parents = []
    _, node = distinct(levels[0])
    vertex, offset = node.astype(np.uint32), 0
    for level in levels[1:]:
        count = int(node.max(initial=-1)) + 1
        _, above = distinct(level)
        parent = np.zeros(count, np.int64)
        parent[node] = above
        offset += count
        parents.append(parent + offset)
        node = above
    count = int(node.max(initial=-1)) + 1
    parents.append(np.full(count, _NO_PARENT, np.int64))
    return vertex, np.concatenate(parents).astype(np.uint32)
