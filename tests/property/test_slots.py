"""Slots of keys against all ways to choose them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raddle.controller.plan.colouring import Ints
from raddle.controller.plan.fractional import fractional_bound
from raddle.controller.plan.slots import SlotProblem, free_bounds, key_bounds, solve, worst_by_phase

LEAVES = 3


@st.composite
def problems(draw: st.DrawFn, phases: int = 3, is_shared: bool = True, most: int = 3) -> SlotProblem:
    """Flows between three leaves; links of capacity 0 to `most`."""
    slots = draw(st.integers(2, 3))
    count = draw(st.integers(1, 7))
    leaf = st.integers(0, LEAVES - 1)
    ends = np.array(draw(st.lists(st.tuples(leaf, leaf), min_size=count, max_size=count)), np.int64)
    # A key has one pair of leaves; several flows and phases may share it.
    keys = st.integers(0, count - 1) if is_shared else st.nothing()
    owner = draw(st.lists(keys, min_size=count, max_size=count)) if is_shared else list(range(count))
    _, first, key = np.unique(owner, return_index=True, return_inverse=True)
    source, target = ends[first][key].T
    link = st.integers(0 if most > 1 else 1, most)
    row = st.lists(link, min_size=slots, max_size=slots)
    capacity = np.array(draw(st.lists(row, min_size=LEAVES, max_size=LEAVES)), np.int64)
    phase = draw(st.lists(st.integers(0, phases - 1), min_size=count, max_size=count))
    return SlotProblem(
        capacity=np.concatenate((capacity, capacity)),
        key=key,
        phase=np.unique(phase, return_inverse=True)[1],
        left=(source,),
        right=(LEAVES + target,),
        fixed=np.full(len(first), -1, np.int64),
    )


def brute_force(problem: SlotProblem) -> int:
    """The least sum over phases of the busiest link."""
    choices = [np.flatnonzero(row).tolist() or [0] for row in problem.is_open]
    return min(int(worst_by_phase(problem, np.array(slots)).sum()) for slots in product(*choices))


@settings(max_examples=120, deadline=None)
@given(problems(most=1))
def test_no_way_to_choose_slots_is_better_in_the_sum_over_phases(problem: SlotProblem) -> None:
    slots, _ = solve(problem)
    found = worst_by_phase(problem, slots)
    assert found.sum() == brute_force(problem)
    assert (free_bounds(problem) <= key_bounds(problem)).all()
    assert (key_bounds(problem) <= found).all()


@settings(max_examples=120, deadline=None)
@given(problems(phases=1))
def test_nor_with_unequal_and_missing_links(problem: SlotProblem) -> None:
    has_path = problem.is_open.any(axis=1)
    slots, _ = solve(problem)
    assert ((slots >= 0) == has_path).all()
    assert problem.is_open[has_path, slots[has_path]].all()
    if has_path.all():
        assert worst_by_phase(problem, slots).sum() == brute_force(problem)


@settings(max_examples=60, deadline=None)
@given(problems(phases=1, is_shared=False))
def test_cut_flows_are_a_bound_that_no_whole_flows_beat(problem: SlotProblem) -> None:
    if problem.is_open.any(axis=1).all():
        assert fractional_bound(problem, 0) <= brute_force(problem) + 1e-6


def test_the_bound_sees_that_two_leaves_have_one_spine_in_common() -> None:
    capacity = np.array([[1, 1, 0], [0, 1, 1]] * 2, np.int64)
    zeros = np.zeros(4, np.int64)
    problem = SlotProblem(capacity, np.arange(4), zeros, (zeros,), (zeros + 3,), zeros - 1)
    assert free_bounds(problem).tolist() == [2]
    assert fractional_bound(problem, 0) == pytest.approx(4)


@settings(max_examples=100, deadline=None)
@given(problems(is_shared=False, most=1))
def test_flows_with_keys_of_their_own_reach_the_bound_of_every_phase(problem: SlotProblem) -> None:
    slots, method = solve(problem)
    assert method == "edge-colouring"
    assert (worst_by_phase(problem, slots) == free_bounds(problem)).all()


@pytest.mark.parametrize("slots", [1, 3, 4, 7, 16])
def test_an_oversubscribed_leaf_spreads_to_one_more_at_most(slots: int) -> None:
    source, target = (ends.ravel() for ends in np.meshgrid(np.arange(LEAVES), np.arange(LEAVES)))
    source, target = np.repeat(source, 11), np.repeat(target, 11)
    problem = SlotProblem(
        capacity=np.ones((2 * LEAVES, slots), np.int64),
        key=np.arange(len(source)),
        phase=np.zeros(len(source), np.int64),
        left=(source,),
        right=(LEAVES + target,),
        fixed=np.full(len(source), -1, np.int64),
    )
    found: Ints = solve(problem)[0]
    assert worst_by_phase(problem, found).tolist() == [-(-11 * LEAVES // slots)]
