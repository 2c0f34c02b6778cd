"""What every schedule must satisfy, and the counts that the algorithms are known for."""

import time

import numpy as np
import pytest

from raddle import traffic
from raddle.errors import InputError
from raddle.workload import COPY, REDUCE

EVERY = [
    (collective, name)
    for collective, names in traffic.algorithms().items()
    for name in names
    # In-switch reduction needs servers (test_servers.py).
    if not traffic.find_algorithm(traffic.find_collective(collective), name).refuses(traffic.Shape.flat(8))
]
ONE_TREE = [each for each in EVERY if each[1] != "tree"]
STEPWISE = [each for each in ONE_TREE if each[1] != "direct"]
MIB = 1 << 20


@pytest.mark.parametrize("ranks", [2, 3, 7, 8, 16])
@pytest.mark.parametrize(("collective", "algorithm"), EVERY)
class TestEverySchedule:
    def test_a_flow_waits_for_earlier_flows_that_its_sender_sent_or_received(
        self, collective, algorithm, ranks
    ):
        schedule = traffic.build(collective, algorithm, ranks, MIB)
        assert schedule.dep_offsets[-1] == len(schedule.dep_ids)
        owner = np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets))
        waits_for = schedule.dep_ids
        assert np.all(schedule.step[waits_for] < schedule.step[owner])
        sender = schedule.src[owner]
        assert np.all((schedule.dst[waits_for] == sender) | (schedule.src[waits_for] == sender))

    def test_a_flow_is_as_large_as_its_chunks(self, collective, algorithm, ranks):
        schedule = traffic.build(collective, algorithm, ranks, 4 * 1009)
        for flow in range(schedule.flows):
            first = schedule.chunk[flow]
            chunks = schedule.chunk_bytes[first : first + schedule.chunk_count[flow]]
            assert len(chunks) == schedule.chunk_count[flow]
            assert schedule.size_bytes[flow] == chunks.sum()

    def test_every_array_has_the_type_of_the_contract(self, collective, algorithm, ranks):
        schedule = traffic.build(collective, algorithm, ranks, MIB)
        for name in ("src", "dst", "step", "qp", "dep_ids", "chunk", "chunk_count"):
            assert getattr(schedule, name).dtype == np.int32, name
        for name in ("size_bytes", "dep_offsets", "chunk_bytes"):
            assert getattr(schedule, name).dtype == np.int64, name
        assert schedule.op.dtype == np.int8
        assert len(schedule.dep_offsets) == schedule.flows + 1


@pytest.mark.parametrize("ranks", [2, 3, 7, 8, 16])
@pytest.mark.parametrize(("collective", "algorithm"), ONE_TREE)
def test_each_queue_pair_joins_one_pair_of_ranks(collective, algorithm, ranks):
    schedule = traffic.build(collective, algorithm, ranks, MIB)
    pairs = {(q, s, d) for q, s, d in zip(schedule.qp, schedule.src, schedule.dst, strict=True)}
    assert len(pairs) == len({q for q, _, _ in pairs}) == len({(s, d) for _, s, d in pairs})


@pytest.mark.parametrize("ranks", [2, 3, 7, 8, 16])
@pytest.mark.parametrize(("collective", "algorithm"), STEPWISE)
def test_a_rank_sends_at_most_one_flow_in_a_step_unless_it_sends_all_at_once(collective, algorithm, ranks):
    schedule = traffic.build(collective, algorithm, ranks, MIB)
    sends = schedule.step.astype(np.int64) * ranks + schedule.src
    assert len(np.unique(sends)) == schedule.flows


@pytest.mark.parametrize(
    ("collective", "algorithm", "ranks", "sent_parts"),
    [
        # Bytes that a rank sends, in 1/n of the buffer: 2(n-1) for all-reduce, n-1 for the others.
        ("all_reduce", "ring", 16, 30),
        ("all_reduce", "ring", 12, 22),
        ("all_reduce", "halving_doubling", 16, 30),
        ("all_gather", "ring", 16, 15),
        ("reduce_scatter", "ring", 16, 15),
        ("all_to_all", "pairwise", 16, 15),
    ],
)
def test_every_rank_sends_the_least_that_the_collective_needs(collective, algorithm, ranks, sent_parts):
    part = 48 * 1024
    schedule = traffic.build(collective, algorithm, ranks, part * ranks)
    sent = np.bincount(schedule.src, weights=schedule.size_bytes, minlength=ranks)
    assert sent.tolist() == [sent_parts * part] * ranks


def test_a_ring_all_reduce_reduces_in_its_first_half():
    schedule = traffic.build("all_reduce", "ring", 4, MIB)
    assert schedule.step.max() == 5
    assert np.all((schedule.op == REDUCE) == (schedule.step < 3))
    assert np.all(schedule.dst == (schedule.src + 1) % 4)


def test_a_ring_flow_waits_for_the_flow_that_brought_its_chunk():
    schedule = traffic.build("all_reduce", "ring", 5, MIB)
    for flow in range(5, schedule.flows):
        (cause,) = schedule.dep_ids[schedule.dep_offsets[flow] : schedule.dep_offsets[flow + 1]]
        assert schedule.dst[cause] == schedule.src[flow]
        assert schedule.chunk[cause] == schedule.chunk[flow]
        assert schedule.step[cause] == schedule.step[flow] - 1


def test_halving_doubling_of_16_ranks_halves_and_doubles():
    schedule = traffic.build("all_reduce", "halving_doubling", 16, MIB)
    sizes = [int(schedule.size_bytes[schedule.step == step][0]) for step in range(8)]
    assert sizes == [MIB // 2, MIB // 4, MIB // 8, MIB // 16, MIB // 16, MIB // 8, MIB // 4, MIB // 2]
    distances = [int(abs(schedule.src - schedule.dst)[schedule.step == step][0]) for step in range(8)]
    assert distances == [1, 2, 4, 8, 8, 4, 2, 1]


def test_halving_doubling_of_6_ranks_folds_two_of_them_in_and_out():
    schedule = traffic.build("all_reduce", "halving_doubling", 6, MIB)
    first, last = schedule.step == 0, schedule.step == schedule.step.max()
    assert list(zip(schedule.src[first], schedule.dst[first], strict=True)) == [(0, 1), (2, 3)]
    assert list(zip(schedule.src[last], schedule.dst[last], strict=True)) == [(1, 0), (3, 2)]
    assert set(schedule.size_bytes[first | last].tolist()) == {MIB}


def test_pairwise_sends_each_block_once_and_straight():
    schedule = traffic.build("all_to_all", None, 5, MIB)
    assert np.all(schedule.op == COPY)
    assert np.all(schedule.chunk == schedule.src * 5 + schedule.dst)
    assert np.all((schedule.dst - schedule.src) % 5 == schedule.step + 1)
    assert schedule.flows == 20


def test_a_pairwise_step_waits_for_the_block_received_and_the_block_sent_before():
    schedule = traffic.build("all_to_all", None, 5, MIB)
    for flow in range(5, schedule.flows):
        causes = schedule.dep_ids[schedule.dep_offsets[flow] : schedule.dep_offsets[flow + 1]]
        assert schedule.step[causes].tolist() == [schedule.step[flow] - 1] * 2
        assert schedule.src[flow] == schedule.dst[causes[0]] == schedule.src[causes[1]]


def test_a_ring_of_512_ranks_is_built_in_under_2_s():
    start = time.perf_counter()
    schedule = traffic.build("all_reduce", "ring", 512, 1 << 30)
    assert schedule.flows == 2 * 511 * 512
    assert time.perf_counter() - start < 2


def test_names_of_nccl_tests_and_hyphens_are_understood():
    assert traffic.find_collective("alltoall").name == "all_to_all"
    reduced = traffic.find_collective("all-reduce")
    assert traffic.find_algorithm(reduced, "halving-doubling").name == "halving_doubling"
    assert traffic.build("alltoall", None, 4, MIB).name == "all_to_all pairwise"
    assert traffic.build("all_reduce", None, 4, MIB).name == "all_reduce ring"


def test_an_unknown_collective_names_the_close_one():
    with pytest.raises(InputError) as caught:
        traffic.build("all_redcue", "ring", 4, MIB)
    assert str(caught.value) == (
        "error[unknown-collective]: no collective 'all_redcue'; there is all_reduce, all_gather,"
        " reduce_scatter, all_to_all, all_to_all_v, broadcast, reduce, gather, scatter, send_recv"
        "\n  hint: did you mean 'all_reduce'?"
    )


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (traffic.Terms("flaot"), "error[unknown-datatype]: no datatype 'flaot'"),
        (traffic.Terms(redop="summ"), "error[unknown-redop]: no redop 'summ'"),
    ],
)
def test_an_unknown_datatype_or_reduction_names_the_close_one(terms, says):
    with pytest.raises(InputError) as caught:
        _ = terms.elements
    assert says in str(caught.value)
    assert "did you mean" in str(caught.value)


def test_an_algorithm_of_another_collective_is_refused_with_those_there_are():
    with pytest.raises(InputError) as caught:
        traffic.build("all_reduce", "pairwise", 4, MIB)
    assert str(caught.value) == (
        "error[unknown-algorithm]: no all_reduce algorithm 'pairwise'; there is auto, ring, halving_doubling,"
        " tree, nvls, nvls_tree"
    )


def test_one_rank_is_refused():
    with pytest.raises(InputError, match="the number of ranks is 1; a collective needs 2 or more"):
        traffic.build("all_reduce", "ring", 1, MIB)


def test_schedule_that_cannot_fit_memory_is_refused() -> None:
    with pytest.raises(InputError, match="too-many-flows") as caught:
        traffic.build("all_reduce", "ring", 8192, 1 << 20)
    assert "halving_doubling" in str(caught.value)
    with pytest.raises(InputError, match="too-many-flows"):
        traffic.build("all_to_all", "pairwise", 65536, 1 << 20)


def test_pairs_of_a_ring_fit_where_its_flows_do_not() -> None:
    shape = traffic.Shape.flat(65536)
    all_reduce, all_to_all = (traffic.find_collective(name) for name in ("all_reduce", "all_to_all"))
    ring, direct = traffic.find_algorithm(all_reduce, "ring"), traffic.find_algorithm(all_to_all, "direct")
    traffic.check_ranks(all_reduce, ring, shape, is_sent=False)
    assert ring.count_pairs is not None
    assert sum(len(src) for src, _ in ring.pairs(shape)) == ring.count_pairs(shape) == 65536
    with pytest.raises(InputError, match="too-many-flows"):
        traffic.check_ranks(all_reduce, ring, shape)
    with pytest.raises(InputError, match="too-many-flows"):
        traffic.check_ranks(all_to_all, direct, shape, is_sent=False)
