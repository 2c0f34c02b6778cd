"""König: as many colours as the largest degree always suffice in a bipartite multigraph."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from controller.plan.colouring import colour_edges


@st.composite
def regular_edges(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Every vertex has the same degree, so that no colour is to spare and paths must be swapped."""
    size = draw(st.integers(2, 7))
    matchings = draw(st.lists(st.permutations(list(range(size))), min_size=2, max_size=8))
    return draw(st.permutations([edge for matching in matchings for edge in enumerate(matching)]))


edges = regular_edges() | st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=80)


@given(edges, st.integers(0, 3))
def test_no_two_edges_at_a_vertex_share_a_colour(pairs: list[tuple[int, int]], spare: int) -> None:
    left, right = [u for u, _ in pairs], [v for _, v in pairs]
    degree = max([*Counter(left).values(), *Counter(right).values()], default=0)
    colours = colour_edges(left, right, degree + spare)
    assert len(set(zip(left, colours, strict=True))) == len(pairs)
    assert len(set(zip(right, colours, strict=True))) == len(pairs)
    assert all(0 <= colour < degree + spare for colour in colours)


@given(edges, st.integers(1, 5))
def test_folded_colours_load_no_uplink_above_the_bound(pairs: list[tuple[int, int]], uplinks: int) -> None:
    left, right = [u for u, _ in pairs], [v for _, v in pairs]
    degree = max([*Counter(left).values(), *Counter(right).values()], default=0)
    bound = -(-degree // uplinks)
    slots = [colour % uplinks for colour in colour_edges(left, right, uplinks * bound)]
    for side in (left, right):
        assert max(Counter(zip(side, slots, strict=True)).values(), default=0) <= bound


@given(st.integers(1, 6).flatmap(lambda n: st.permutations(list(range(4 * n)))))
def test_any_permutation_of_four_hosts_per_leaf_fits_four_uplinks_one_each(order: list[int]) -> None:
    flows = [(src // 4, dst // 4) for src, dst in enumerate(order)]
    left, right = [u for u, _ in flows], [v for _, v in flows]
    slots = colour_edges(left, right, 4)
    for side in (left, right):
        assert max(Counter(zip(side, slots, strict=True)).values()) == 1
