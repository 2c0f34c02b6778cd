"""Expected columns are worked out by hand from nccl-tests 2.19 (GetCollByteCount, GetBw)."""

import pytest

from raddle.errors import InputError
from raddle.traffic import find_collective
from raddle.traffic.sizes import split_elements, sweep

MIB = 1 << 20


def test_a_sweep_multiplies_up_to_and_including_the_largest_size():
    assert sweep(MIB, 256 * MIB, 4) == (MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB)


def test_a_sweep_stops_below_a_largest_size_that_it_does_not_hit():
    assert sweep(MIB, 15 * MIB, 4) == (MIB, 4 * MIB)


def test_a_sweep_of_one_size_needs_no_factor():
    assert sweep(MIB, MIB, 1) == (MIB,)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((0, MIB, 2), "bad-size", "smallest size is 0 B"),
        ((4 * MIB, MIB, 2), "bad-size", "smallest size 4MiB is above the largest 1MiB"),
        ((MIB, 4 * MIB, 1), "bad-factor", "factor between sizes is 1; it must be 2 or more"),
    ],
)
def test_a_sweep_that_cannot_run_is_refused(arguments, code, message):
    with pytest.raises(InputError, match=message) as caught:
        sweep(*arguments)
    assert caught.value.diagnostics[0].code == code


@pytest.mark.parametrize(
    ("collective", "ranks", "requested", "size", "count", "redop"),
    [
        ("all_reduce", 16, MIB, MIB, 262144, "sum"),
        ("all_reduce", 16, 1001, 1000, 250, "sum"),
        ("all_gather", 16, MIB, MIB, 16384, "none"),
        ("reduce_scatter", 16, MIB, MIB, 16384, "sum"),
        ("all_to_all", 16, MIB, MIB, 16384, "none"),
        # 262144 // 12 = 21845 elements, down to a multiple of 16 bytes: 21844; 21844 * 4 * 12 bytes.
        ("all_gather", 12, MIB, 1048512, 21844, "none"),
        # Less than 16 bytes for each rank leaves nothing.
        ("reduce_scatter", 16, 128, 0, 0, "sum"),
    ],
)
def test_size_and_count_columns_are_those_of_nccl_tests(collective, ranks, requested, size, count, redop):
    row = find_collective(collective).buffer(ranks, requested)
    assert (row.size_bytes, row.count, row.datatype, row.redop, row.root) == (size, count, "float", redop, -1)


@pytest.mark.parametrize(
    ("collective", "factor"),
    [("all_reduce", 30 / 16), ("all_gather", 15 / 16), ("reduce_scatter", 15 / 16), ("all_to_all", 15 / 16)],
)
def test_bus_factor_of_16_ranks(collective, factor):
    assert find_collective(collective).bus_factor(16) == factor


def test_1e9_bytes_in_20_ms_is_an_algbw_of_50():
    algbw, busbw = find_collective("all_reduce").bandwidth_gbs(16, 10**9, 20 * 10**9)
    assert algbw == 50.0
    assert busbw == 93.75


def test_chunks_are_whole_elements_and_add_up():
    sizes = split_elements(1000, 16)
    assert sizes.sum() == 1000
    assert sorted(set(sizes.tolist())) == [60, 64]
