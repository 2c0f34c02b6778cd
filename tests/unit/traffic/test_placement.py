from itertools import islice, pairwise

import numpy as np
import pytest

from raddle import traffic
from raddle.errors import InputError
from raddle.splitmix import splitmix64

FOUR_LEAVES = [list(range(4 * leaf, 4 * leaf + 4)) for leaf in range(4)]


def test_linear_follows_the_endpoints():
    assert traffic.place("linear", FOUR_LEAVES, None, 0).tolist() == list(range(16))


def test_strided_puts_consecutive_ranks_on_different_leaves():
    placement = traffic.place("strided", FOUR_LEAVES, None, 0)
    assert placement.tolist() == [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]
    assert all(a // 4 != b // 4 for a, b in pairwise([*placement, placement[0]]))


def test_strided_passes_over_leaves_that_are_full():
    assert traffic.place("strided", [[0], [1, 2, 3], [], [4, 5]], None, 0).tolist() == [0, 1, 4, 2, 5, 3]


@pytest.mark.parametrize("kind", traffic.PLACEMENTS)
@pytest.mark.parametrize("ranks", [1, 6, 16])
def test_no_endpoint_is_taken_twice(kind, ranks):
    placement = traffic.place(kind, FOUR_LEAVES, ranks, 3)
    assert placement.dtype == np.int32
    assert len(set(placement.tolist())) == ranks
    assert set(placement.tolist()) <= set(range(16))


def test_random_is_the_same_for_the_same_seed_only():
    one, again, other = (traffic.place("random", FOUR_LEAVES, None, seed) for seed in (1, 1, 2))
    assert one.tolist() == again.tolist() != other.tolist()


def test_random_reaches_all_orders_about_equally_often():
    orders = [tuple(traffic.place("random", [[0, 1, 2]], None, seed)) for seed in range(6000)]
    counts = [orders.count(order) for order in set(orders)]
    # 1000 expected of each of 3! orders, standard deviation sqrt(6000 * 1/6 * 5/6) = 29; 5 of them.
    assert len(counts) == 6
    assert max(abs(count - 1000) for count in counts) < 145


def test_splitmix64_gives_the_words_of_its_reference_implementation():
    # Vigna's splitmix64.c (public domain) seeded with 1234567.
    assert list(islice(splitmix64(1234567), 3)) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_more_ranks_than_endpoints_are_refused():
    with pytest.raises(InputError, match="17 ranks do not fit 16 endpoints"):
        traffic.place("linear", FOUR_LEAVES, 17, 0)


def test_an_unknown_placement_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="no placement 'stride'; there is linear, strided, random, rail"):
        traffic.place("stride", FOUR_LEAVES, None, 0)
