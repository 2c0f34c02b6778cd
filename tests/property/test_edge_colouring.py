"""Balanced colouring: every colour has floor or ceil of its share of a vertex's edges (de Werra 1971)."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raddle.controller.plan.colouring import Ints, colour_edges

vertices = st.integers(0, 7)
edges = st.lists(st.tuples(vertices, vertices), max_size=80)


def columns(pairs: list[tuple[int, int]]) -> tuple[Ints, Ints]:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def assert_balanced(nodes: Ints, colour: Ints, colours: int) -> None:
    degree = Counter(nodes.tolist())
    share = Counter(zip(nodes.tolist(), colour.tolist(), strict=True))
    for node in degree:
        for each in range(colours):
            assert degree[node] // colours <= share[node, each] <= -(-degree[node] // colours)


@given(edges, st.integers(1, 13))
def test_every_colour_has_its_share_at_every_vertex(pairs: list[tuple[int, int]], colours: int) -> None:
    left, right = columns(pairs)
    colour = colour_edges([left], [right], colours)
    assert_balanced(left, colour, colours)
    assert_balanced(right, colour, colours)


@given(edges, st.integers(1, 9), st.integers(1, 3))
def test_sets_of_vertices_are_balanced_too(pairs: list[tuple[int, int]], colours: int, sets: int) -> None:
    left, right = columns(pairs)
    colour = colour_edges([left, left % sets], [right, right // sets], colours)
    for nodes in (left, left % sets, right, right // sets):
        assert_balanced(nodes, colour, colours)


@given(edges, st.integers(0, 3))
def test_as_many_colours_as_the_largest_degree_keep_edges_of_a_vertex_apart(
    pairs: list[tuple[int, int]], spare: int
) -> None:
    """König, 1916."""
    left, right = columns(pairs)
    degree = max([*Counter(left.tolist()).values(), *Counter(right.tolist()).values()], default=1)
    colour = colour_edges([left], [right], degree + spare)
    for side in (left, right):
        assert len(set(zip(side.tolist(), colour.tolist(), strict=True))) == len(pairs)
