"""HCCL's families: steps, peers and bytes of published tables or formulas, level by level."""

import csv
import itertools
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from raddle import traffic
from raddle.errors import InputError
from raddle.traffic.hccl.families import FAMILIES
from raddle.traffic.hccl.levels import grid_of
from raddle.traffic.hccl.unequal import cards, cuts
from raddle.traffic.prune import keep_flows
from raddle.traffic.shape import Shape
from tests.unit.traffic.test_servers import in_steps, shape_of

TABLES = Path(__file__).parents[4] / "shared/reference/collectives"
needs_tables = pytest.mark.skipif(not TABLES.is_dir(), reason=f"no tables at {TABLES}")
NAMES = {"NHR": "NHR", "NB": "NB", "Ring": "ring", "Mesh": "fullmesh"}
SUMS = ("all_reduce", "reduce_scatter", "all_gather")
BETWEEN = ("ring", "H-D_R", "NHR", "NB")
SIZE = 64 * 9 * 5 * 7 * 16


def super_nodes(nodes, servers, places):
    """Domains of several hosts each."""
    count = nodes * servers * places
    rank = np.arange(count, dtype=np.int32)
    return Shape(rank // (servers * places), rank % places, places, host=rank // places)


RUNS = [
    *(
        (f"{ranks} alone", Shape.flat(ranks), f"level0:NA;level1:{family}")
        for ranks in (2, 3, 5, 6, 7, 8, 12, 16)
        for family in BETWEEN
    ),
    *(("3 of 4", Shape.of_servers(3, 4), f"level0:NA;level1:{family}") for family in (*BETWEEN, "pipeline")),
    ("2 of 8", Shape.of_servers(2, 8), "level0:NA;level1:pipeline"),
    ("5 of 3", Shape.of_servers(5, 3), "level0:ring;level1:H-D_R"),
    ("1 of 8", Shape.of_servers(1, 8), "level0:NA"),
    ("2 nodes of 3 of 2", super_nodes(2, 3, 2), "level0:NA;level1:NB;level2:H-D_R"),
    ("3 nodes of 2 of 3", super_nodes(3, 2, 3), "level0:NA;level1:H-D_R;level2:NHR"),
]
UNEQUAL = shape_of(range(2), range(3)), shape_of(range(3), range(5)), shape_of(range(2), range(3), range(4))
EVERY = [
    *((*run, operation) for run in RUNS for operation in SUMS),
    *(("unequal", shape, "level0:NA;level1:AHC", "all_reduce") for shape in UNEQUAL),
    ("7 alone", Shape.flat(7), "level0:NA;level1:pairwise", "all_to_all"),
    ("3 of 4", Shape.of_servers(3, 4), "level0:NA;level1:pairwise", "all_to_all"),
    ("3 of 4", Shape.of_servers(3, 4), "level0:NA;level1:pipeline", "all_to_all"),
    ("4 of 2", Shape.of_servers(4, 2), "level0:NA;level1:pipeline", "all_to_all"),
]


def sent_bytes(schedule):
    return np.bincount(schedule.src, schedule.size_bytes, schedule.ranks).astype(int).tolist()


@needs_tables
def test_steps_peers_and_slices_equal_the_table():
    expected: dict[tuple[str, str, int], Counter] = {}
    with (TABLES / "hccl_steps.csv").open() as file:
        for row in csv.DictReader(file):
            key = row["family"], row["op"], int(row["n"])
            for part in row["slices"].split():
                for peer in row["send_to"].split():
                    found = expected.setdefault(key, Counter())
                    found[int(row["step"]), int(row["rank"]), int(peer), int(part)] += 1
    assert len(expected) > 60
    for (family, operation, ranks), entries in expected.items():
        if operation == "all_to_all":
            schedule = traffic.build("all_to_all", "level0:NA;level1:pairwise", ranks, 16 * ranks)
            columns = schedule.step, schedule.src, schedule.dst
            told = {entry[:3] for entry in entries}
            assert told == set(zip(*(column.tolist() for column in columns), strict=True))
            continue
        steps = getattr(FAMILIES[NAMES[family]], operation)(ranks)
        made = Counter(
            (step, *entry)
            for step, sends in enumerate(steps)
            for entry in zip(sends.src.tolist(), sends.dst.tolist(), sends.slice.tolist(), strict=True)
        )
        assert made == entries, (family, operation, ranks)


@needs_tables
def test_logical_cards_and_bytes_of_unequal_servers_equal_the_tables():
    with (TABLES / "hccl_ahc_logic_cards.csv").open() as file:
        rows = list(csv.DictReader(file))
    for groups, found in itertools.groupby(rows, key=lambda row: row["groups"]):
        servers = servers_of_sizes(groups)
        edges = [Fraction(int(cut), int(cuts(servers)[-1])) for cut in cuts(servers)]
        for row, owners, begin, end in zip(list(found), cards(servers), edges, edges[1:], strict=False):
            assert Fraction(row["offset_fraction_of_S"]) == begin
            assert Fraction(row["size_fraction_of_S"]) == end - begin
            assert [int(rank) for rank in row["members(rank per group)"].split()] == owners.tolist()
    with (TABLES / "hccl_ahc_bytes.csv").open() as file:
        rows = list(csv.DictReader(file))
    for groups, found in itertools.groupby(rows, key=lambda row: row["groups"]):
        shape = shape_of(*(range(len(server)) for server in servers_of_sizes(groups)))
        schedule = traffic.build("all_reduce", "level0:NA;level1:AHC", shape, SIZE)
        assert sent_bytes(schedule) == [int(Fraction(row["total_sent"]) * SIZE) for row in found], groups


def servers_of_sizes(groups):
    sizes = [int(size) for size in groups.split("+")]
    return [np.arange(sum(sizes[:at]), sum(sizes[: at + 1])) for at in range(len(sizes))]


@pytest.mark.parametrize(("label", "shape", "text", "operation"), EVERY)
def test_ranks_that_go_at_their_own_pace_leave_nothing_wrong(label, shape, text, operation):
    schedule, collective = traffic.build(operation, text, shape, 1 << 18), traffic.find_collective(operation)
    way = traffic.find_algorithm(collective, text)
    assert schedule.flows <= way.flows(shape, 1 << 18)
    lasts = np.random.default_rng(1).integers(1, 1000, schedule.flows)
    start, finish = np.zeros((2, schedule.flows), np.int64)
    for flow in range(schedule.flows):
        waits_for = schedule.dep_ids[schedule.dep_offsets[flow] : schedule.dep_offsets[flow + 1]]
        own = schedule.src[waits_for], schedule.dst[waits_for]
        assert ((own[0] == schedule.src[flow]) | (own[1] == schedule.src[flow])).all()
        same = np.flatnonzero(schedule.qp[:flow] == schedule.qp[flow])
        # Messages of a queue pair follow one another.
        start[flow] = max(finish[waits_for].max(initial=0), finish[same].max(initial=0))
        finish[flow] = start[flow] + lasts[flow]
    assert traffic.count_wrong(schedule, collective, start, finish) == 0
    for flow in np.random.default_rng(2).integers(0, schedule.flows, 5):
        broken = keep_flows(schedule, np.arange(schedule.flows) != flow)
        assert (traffic.count_wrong(broken, collective, *in_steps(broken)) or 0) > 0, flow
    told = {pair for src, dst in way.pairs(shape) for pair in zip(src.tolist(), dst.tolist(), strict=True)}
    assert told == set(zip(schedule.src.tolist(), schedule.dst.tolist(), strict=True))


@pytest.mark.parametrize("family", ["ring", "NHR", "NB"])
@pytest.mark.parametrize("ranks", [3, 4, 7, 12])
def test_an_all_reduce_sends_2_n_minus_1_nths_of_the_buffer(family, ranks):
    schedule = traffic.build("all_reduce", f"level0:NA;level1:{family}", ranks, 4096 * ranks)
    assert sent_bytes(schedule) == [2 * (ranks - 1) * 4096] * ranks
    steps = 2 * (ranks - 1) if family == "ring" else 2 * (ranks - 1).bit_length()
    assert schedule.step.max() + 1 == steps


@pytest.mark.parametrize(("ranks", "power"), [(4, 4), (8, 8), (5, 4), (6, 4), (12, 8)])
def test_halving_doubling_sends_a_pairs_whole_buffer_twice_beyond_a_power_of_two(ranks, power):
    size = 64 * 3 * 5 * 4
    schedule = traffic.build("all_reduce", "level0:NA;level1:H-D_R", ranks, size)
    extra = ranks - power
    assert schedule.step.max() + 1 == 2 * power.bit_length() - 2 + 2 * (extra > 0)
    out = np.arange(0, 2 * extra, 2)
    sent = np.array(sent_bytes(schedule))
    assert (sent[out] == size).all()
    # In all: twice the buffer for each of those, and 2 (p - 1) buffers among the others.
    assert sent.sum() == 2 * extra * size + 2 * (power - 1) * size


@pytest.mark.parametrize(("servers", "places"), [(2, 8), (3, 4), (5, 2)])
def test_a_pipeline_has_one_step_more_than_servers_less_one(servers, places):
    shape = Shape.of_servers(servers, places)
    for operation, halves in (("all_reduce", 2), ("all_gather", 1), ("reduce_scatter", 1)):
        schedule = traffic.build(operation, "level0:NA;level1:pipeline", shape, 1024 * shape.ranks)
        assert schedule.step.max() + 1 == halves * ((servers - 1) + 1)
        inside = shape.is_inside(schedule)
        assert schedule.size_bytes[~inside].sum() == halves * shape.ranks * (servers - 1) * 1024
        assert schedule.size_bytes[inside].sum() == halves * shape.ranks * servers * (places - 1) * 1024


def test_each_level_sends_its_share_of_what_the_one_below_leaves():
    shape, share = super_nodes(2, 3, 4), 4096
    assert grid_of(shape).tolist() == np.arange(24).reshape(2, 3, 4).tolist()
    schedule = traffic.build("all_reduce", "level0:NA;level1:NHR;level2:ring", shape, share * 24)
    same_host = shape.host[schedule.src] == shape.host[schedule.dst]
    same_node = shape.domain[schedule.src] == shape.domain[schedule.dst]
    size = schedule.size_bytes
    # 2 (k - 1) / k of the buffer inside, then of the k-th part that is left.
    assert size[same_host].sum() == 24 * 2 * 3 * 6 * share
    assert size[same_node & ~same_host].sum() == 24 * 2 * 2 * 2 * share
    assert size[~same_node].sum() == 24 * 2 * 1 * share


def test_operations_may_have_algorithms_of_their_own():
    text = "allreduce=level0:NA;level1:ring/allgather=level0:NA;level1:H-D_R"
    names = [traffic.find_algorithm(traffic.find_collective(name), text).name for name in SUMS[::2]]
    assert names == ["level0:fullmesh;level1:ring", "level0:fullmesh;level1:H-D_R"]


def test_servers_have_a_full_mesh_inside_where_level0_is_not_said():
    found = traffic.find_algorithm(traffic.find_collective("all_reduce"), "level1:NHR")
    assert found.name == "level0:fullmesh;level1:NHR"


@pytest.mark.parametrize(
    ("operation", "text", "message", "hint"),
    [
        (
            "all_reduce",
            "level0:NA;level1:nrh",
            "level1 has no algorithm 'nrh'",
            "there is AHC, H-D_R, NB, NHR",
        ),
        ("all_reduce", "level1:tree", "level1 has no algorithm 'tree'", "there is AHC, H-D_R, NB, NHR"),
        ("all_reduce", "level0:mesh", "level0 has no algorithm 'mesh'", "there is NA, fullmesh, ring"),
        (
            "all_reduce",
            "level0:NA;NHR",
            "'NHR' is not a level and its algorithm, once",
            "level0:NA;level1:NHR",
        ),
        ("all_reduce", "level0:NA;level0:NA", "'level0:NA' is not a level and its algorithm, once", "write"),
        ("all_reduce", "level0:NA;level1:pairwise", "pairwise is not for all_reduce", "ring, H-D_R, NHR, NB"),
        ("all_to_all", "level0:NA;level1:NHR", "NHR is not for all_to_all", "use pairwise or pipeline"),
        ("all_to_all", "level0:ring;level1:pairwise", "an all_to_all has a full mesh inside of", "level0:NA"),
        ("all_gather", "level0:NA;level1:AHC", "AHC of all_gather is not simulated", "use NHR"),
        (
            "broadcast",
            "level0:NA;level1:NHR",
            "HCCL's algorithms of broadcast are not",
            "there are all_reduce",
        ),
        (
            "all_gather",
            "allreduce=level0:NA;level1:NB",
            "nothing is said of allgather",
            "add allgather=level0",
        ),
        (
            "all_reduce",
            "level0:NA;level1:NB;level2:pipeline",
            "pipeline between super nodes is not",
            "use ring",
        ),
    ],
)
def test_what_is_no_value_of_hccl_algo_is_told(operation, text, message, hint):
    with pytest.raises(InputError) as error:
        traffic.find_algorithm(traffic.find_collective(operation), text)
    (found,) = error.value.diagnostics
    assert found.code == "bad-hccl-algo"
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize(
    ("shape", "operation", "text", "reason"),
    [
        (Shape.of_servers(2, 4), "all_reduce", "level0:NA", "level1 is not said"),
        (
            Shape.of_servers(1, 4),
            "all_reduce",
            "level0:NA;level1:NHR",
            "level1 is between servers, and there is",
        ),
        (
            Shape.of_servers(2, 4),
            "all_reduce",
            "level0:NA;level1:NB;level2:NB",
            "several hosts, and there is one",
        ),
        (Shape.of_servers(2, 65), "all_gather", "level0:NA;level1:NB", "a server of 65 has no full mesh"),
        (super_nodes(2, 2, 2), "all_reduce", "level0:NA;level1:NB", "takes H-D_R, or ring for fewer than 8"),
        (super_nodes(2, 2, 2), "all_reduce", "level0:NA;level1:AHC", "there are super nodes"),
        (
            Shape.flat(4),
            "all_reduce",
            "level0:NA;level1:pipeline",
            "a pipeline is of servers of several ranks",
        ),
        (UNEQUAL[0], "all_reduce", "level0:NA;level1:NHR", "servers differ; AHC is for those"),
    ],
)
def test_what_ranks_cannot_run_is_refused_with_the_reason(shape, operation, text, reason):
    with pytest.raises(InputError, match=reason):
        traffic.build(operation, text, shape, 1 << 20)
