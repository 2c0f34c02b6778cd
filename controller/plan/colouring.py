"""Proper edge colouring of bipartite multigraphs."""

from __future__ import annotations

from collections.abc import Sequence


def colour_edges(left: Sequence[int], right: Sequence[int], colours: int) -> list[int]:
    """Give every edge a colour such that edges which share a vertex differ.

    Edges are coloured one after the other. If no colour is free at both ends of edge (u, v), take `a`
    free at u and `b` free at v and swap the two along the path that starts at v with `a`: in a bipartite
    graph this path cannot reach u, so `a` becomes free at both ends. O(edges * vertices).

    Args:
        left, right: the vertices of each edge; the two sides are numbered apart.
        colours: at least the largest degree, which always suffices.

    Returns:
        The colour of each edge, 0 <= colour < `colours`.

    Source: D. König, "Über Graphen und ihre Anwendung auf Determinantentheorie und Mengenlehre",
        Mathematische Annalen 77, 1916.
    """
    ends = (left, right)
    every = (1 << colours) - 1
    free = tuple([every] * (max(side, default=-1) + 1) for side in ends)
    at: tuple[dict[tuple[int, int], int], ...] = ({}, {})
    colour = [-1] * len(left)
    for edge, (u, v) in enumerate(zip(left, right, strict=True)):
        shared = free[0][u] & free[1][v]
        if shared:
            chosen = _lowest(shared)
        else:
            assert min(free[0][u], free[1][v]) > 0, "fewer colours than the largest degree"
            chosen = _lowest(free[0][u])
            _swap_path(v, chosen, _lowest(free[1][v]), ends, free, at, colour)
        colour[edge] = chosen
        for side, vertex in enumerate((u, v)):
            at[side][vertex, chosen] = edge
            free[side][vertex] &= ~(1 << chosen)
    return colour


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _swap_path(
    start: int,
    a: int,
    b: int,
    ends: tuple[Sequence[int], Sequence[int]],
    free: tuple[list[int], ...],
    at: tuple[dict[tuple[int, int], int], ...],
    colour: list[int],
) -> None:
    """Swap a and b along the path of a, b, a, ... that leaves the right vertex `start`, which lacks b.

    Only the two ends of the path change what is free there: inside it, a vertex has both colours.
    """
    path = []
    side, vertex, wanted = 1, start, a
    while (edge := at[side].get((vertex, wanted))) is not None:
        path.append(edge)
        side = 1 - side
        vertex, wanted = ends[side][edge], a + b - wanted
    for edge in path:
        for end in (0, 1):
            del at[end][ends[end][edge], colour[edge]]
    for edge in path:
        colour[edge] = a + b - colour[edge]
        for end in (0, 1):
            at[end][ends[end][edge], colour[edge]] = edge
    flip = (1 << a) | (1 << b)
    free[1][start] ^= flip
    free[side][vertex] ^= flip
