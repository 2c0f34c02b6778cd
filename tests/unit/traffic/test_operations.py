"""Operations beside the four of rings: what they move, by whom, and how nccl-tests prints them.

Columns and bus factors are worked out by hand from nccl-tests 2.19 (GetCollByteCount, GetBw and RunTest).
"""

import numpy as np
import pytest

from raddle import traffic
from raddle.errors import InputError
from raddle.traffic.sizes import Elements
from raddle.workload import COPY, REDUCE

MIB = 1 << 20


def on(name, **terms):
    return traffic.Terms(**terms).of(traffic.find_collective(name))


def ran(schedule, collective, element_bytes=4):
    """Wrong elements where every flow takes one unit of time, once what it waits for is there."""
    finish = np.zeros(schedule.flows, np.int64)
    for flow in range(schedule.flows):
        waits = schedule.dep_ids[schedule.dep_offsets[flow] : schedule.dep_offsets[flow + 1]]
        finish[flow] = finish[waits].max(initial=0) + 1
    return traffic.count_wrong(schedule, collective, finish - 1, finish, element_bytes)


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("broadcast", "broadcast"),
        ("reduce", "reduce"),
        ("gather", "gather"),
        ("scatter", "scatter"),
        ("sendrecv", "send_recv"),
        ("alltoallv", "all_to_all_v"),
    ],
)
def test_programs_of_nccl_tests_are_understood(program, name):
    assert traffic.find_collective(program).name == name


@pytest.mark.parametrize(
    ("collective", "ranks", "requested", "elements", "columns"),
    [
        ("all_reduce", 16, 1001, Elements("int8", "avg"), (1001, 1001, "int8", "avg", -1)),
        ("all_reduce", 16, 1001, Elements("double", "max"), (1000, 125, "double", "max", -1)),
        ("broadcast", 16, MIB, Elements("half"), (MIB, MIB // 2, "half", "none", 0)),
        ("reduce", 16, MIB, Elements(), (MIB, MIB // 4, "float", "sum", 0)),
        # 1 MiB / 2 B / 12 = 43690 elements, down to a multiple of 8 (16 bytes): 43688; times 12 and 2 bytes.
        ("gather", 12, MIB, Elements("bfloat16"), (1048512, 43688, "bfloat16", "none", 0)),
        ("scatter", 12, MIB, Elements("f8e4m3"), (1048512, 87376, "f8e4m3", "none", 0)),
        # sendrecv prints the reduction, although it has none.
        ("send_recv", 12, MIB, Elements(), (MIB, MIB // 4, "float", "sum", -1)),
        # 1 and 2 thirds of 48 * 7 bytes, down to multiples of 16; the count is a third of the buffer.
        ("all_to_all_v", 3, 340, Elements(), (112 + 224, 28, "float", "none", -1)),
    ],
)
def test_columns_are_those_of_nccl_tests(collective, ranks, requested, elements, columns):
    row = traffic.find_collective(collective).buffer(ranks, requested, elements)
    assert (row.size_bytes, row.count, row.datatype, row.redop, row.root) == columns


@pytest.mark.parametrize(
    ("collective", "factor"),
    [
        ("broadcast", 1),
        ("reduce", 1),
        ("gather", 7 / 8),
        ("scatter", 7 / 8),
        ("send_recv", 1),
        ("alltoallv", 7 / 8),
    ],
)
def test_bus_factor_of_8_ranks(collective, factor):
    assert traffic.find_collective(collective).bus_factor(8) == factor


@pytest.mark.parametrize(("name", "op"), [("broadcast", COPY), ("reduce", REDUCE)])
@pytest.mark.parametrize("root", [0, 3, 6])
def test_a_chain_of_n_ranks_and_k_slices_takes_n_plus_k_minus_2_steps(name, op, root):
    collective = on(name, root=root)
    schedule = collective.algorithms[0].schedule(traffic.Shape.flat(7), 4 * MIB)
    # 512 KiB, one of the 8 steps of NCCL's buffer of 4 MiB.
    assert set(schedule.size_bytes.tolist()) == {MIB // 2}
    assert schedule.step.max() + 1 == 7 + 8 - 2
    assert np.all(schedule.op == op)
    ends = schedule.src if name == "broadcast" else schedule.dst
    assert (ends == root).sum() == 8
    assert ran(schedule, collective) == 0
    other = on(name, root=(root + 1) % 7)
    assert ran(schedule, other) > 0


def test_each_channel_s_chain_crosses_between_servers_where_its_ring_does():
    shape = traffic.Shape.of_servers(4, 8)
    collective = on("broadcast", root=13)
    schedule = collective.algorithms[0].schedule(shape, 64 * MIB)
    assert ran(schedule, collective) == 0
    between = shape.domain[schedule.src] != shape.domain[schedule.dst]
    # 16 slices of 512 KiB; a ring of 4 servers crosses 4 times, 3 where it is cut between two of them.
    assert between.sum() == 16 * (7 * 4 + 3)
    assert np.all(shape.rail[schedule.src[between]] == shape.rail[schedule.dst[between]])


@pytest.mark.parametrize("name", ["broadcast", "reduce"])
@pytest.mark.parametrize("shape", [traffic.Shape.flat(13), traffic.Shape.of_servers(5, 4)])
def test_trees_hang_from_any_root_and_pass_everything_once(name, shape):
    for root in (0, 7, shape.ranks - 1):
        collective = on(name, root=root)
        schedule = traffic.find_algorithm(collective, "tree").schedule(shape, 3 * MIB)
        assert ran(schedule, collective) == 0
        assert schedule.size_bytes.sum() == (shape.ranks - 1) * 3 * MIB
        # At the root nothing ends of a broadcast, nothing begins of a reduction.
        assert root not in (schedule.dst if name == "broadcast" else schedule.src)


@pytest.mark.parametrize("name", ["gather", "scatter"])
def test_the_root_s_peers_each_move_their_share_at_once(name):
    collective = on(name, root=2)
    schedule = collective.algorithms[0].schedule(traffic.Shape.flat(5), 5 * MIB)
    peers, root = (schedule.src, schedule.dst) if name == "gather" else (schedule.dst, schedule.src)
    assert sorted(peers.tolist()) == [0, 1, 3, 4]
    assert set(root.tolist()) == {2}
    assert set(schedule.size_bytes.tolist()) == {MIB}
    assert len(schedule.dep_ids) == 0
    assert ran(schedule, collective) == 0


@pytest.mark.parametrize("algorithm", ["pairwise", "direct"])
def test_a_matrix_says_who_sends_what(algorithm):
    matrix = np.array([[8, 32, 0], [64, 0, 16], [0, 100, 0]])
    collective = on("all_to_all_v", matrix=matrix)
    schedule = traffic.find_algorithm(collective, algorithm).schedule(traffic.Shape.flat(3), 1)
    sent = {(s, d): b for s, d, b in zip(schedule.src, schedule.dst, schedule.size_bytes, strict=True)}
    # Down to multiples of 16 bytes; nothing goes where nothing is to go.
    assert sent == {(0, 1): 32, (1, 0): 64, (1, 2): 16, (2, 1): 96}
    assert ran(schedule, collective) == 0
    # The larger of what one rank sends and one receives: 32 + 96.
    assert (collective.buffer(3, 1).size_bytes, collective.buffer(3, 1).count) == (128, 0)


def test_without_a_matrix_blocks_grow_with_the_distance():
    collective = traffic.find_collective("all_to_all_v")
    schedule = collective.algorithms[0].schedule(traffic.Shape.flat(4), 6 * MIB)
    distance = (schedule.dst - schedule.src) % 4
    assert np.all(schedule.size_bytes == distance * MIB)


def test_every_byte_of_small_elements_is_counted_when_wrong():
    collective = on("send_recv", datatype="int8")
    schedule = collective.algorithms[0].schedule(traffic.Shape.flat(4), 1000)
    never = np.full(schedule.flows, -1)
    assert traffic.count_wrong(schedule, collective, never, never, element_bytes=1) == 4000


@pytest.mark.parametrize(
    ("name", "terms", "message"),
    [
        ("all_reduce", {"root": 1}, "all_reduce has no root"),
        ("all_gather", {"redop": "avg"}, "all_gather reduces nothing"),
        ("all_to_all", {"matrix": np.zeros((2, 2), np.int64)}, "all_to_all takes no matrix"),
    ],
)
def test_terms_that_an_operation_does_not_have_are_refused(name, terms, message):
    with pytest.raises(InputError, match=message):
        on(name, **terms)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"datatype": "flaot"}, r"no datatype 'flaot'(.|\n)*did you mean 'float'"),
        ({"datatype": "all"}, r"run it once for each"),
        ({"redop": "mean"}, r"no redop 'mean'; there is sum, prod, max, min, avg, mulsum"),
    ],
)
def test_types_and_reductions_that_there_are_not_are_refused(terms, message):
    with pytest.raises(InputError, match=message):
        _ = traffic.Terms(**terms).elements
