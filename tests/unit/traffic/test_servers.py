"""Collectives among servers: what is where at the end, what each port carries, the library's tables."""

import csv
import itertools
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from raddle import traffic
from raddle.errors import InputError
from raddle.traffic.collectives.chains import chains
from raddle.traffic.collectives.double_tree import double_tree, over_servers
from raddle.traffic.collectives.pat import _gathering, _scattering
from raddle.traffic.prune import keep_flows
from raddle.traffic.registry import COLLECTIVES
from raddle.traffic.shape import Shape
from raddle.workload import REDUCE

REFERENCE = Path(__file__).parents[4] / "shared" / "reference"
GIB = 1 << 30
EVERY = [(collective.name, way.name) for collective in COLLECTIVES for way in collective.algorithms]


def shape_of(*servers, channels=None, in_network=True):
    """Servers given by the rails of their accelerators; a lone rank outside of any domain is None."""
    domain = [-1 if rails is None else at for at, rails in enumerate(servers) for _ in rails or [0]]
    rail = [number for rails in servers for number in (rails or [0])]
    least = min(len(rails or [0]) for rails in servers)
    return Shape(
        np.array(domain, np.int32),
        np.array(rail, np.int32),
        channels or least,
        has_in_network=in_network and None not in servers,
    )


SHAPES = {
    "one server of 8": Shape.of_servers(1, 8, has_in_network=True),
    "2 of 4": Shape.of_servers(2, 4, has_in_network=True),
    "3 of 4": Shape.of_servers(3, 4, has_in_network=True),
    "5 of 3": Shape.of_servers(5, 3, has_in_network=True),
    "3 of 2": Shape.of_servers(3, 2, has_in_network=True),
    "6 of 1": Shape.of_servers(6, 1),
    "two accelerators to a NIC": shape_of([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]),
    "a channel to a NIC of two": shape_of([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], channels=2),
    "unequal": shape_of(range(4), [1, 2], [0, 1, 2]),
    "no rail in common": shape_of([0, 1], [2, 3], [4, 5]),
    "a rank without a domain": shape_of(range(3), None, range(3), None),
    "two channels to an accelerator": shape_of(range(3), range(3), channels=6),
}


def ways(shape):
    for collective, name in EVERY:
        found = traffic.find_collective(collective)
        way = traffic.find_algorithm(found, name)
        if not way.refuses(shape):
            yield found, way


def in_steps(schedule):
    """Start and finish of flows that all take as long, step by step."""
    start = schedule.step.astype(np.int64)
    return start, start + 1


@pytest.mark.parametrize("label", SHAPES)
def test_every_collective_is_right_on_every_shape_of_servers(label):
    shape = SHAPES[label]
    for (collective, way), size in itertools.product(ways(shape), (4, 4 * 100_003, 12 << 20)):
        schedule = way.schedule(shape, size)
        assert schedule.flows == way.flows(shape, size), way.name
        owner = np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets))
        assert np.all(schedule.step[schedule.dep_ids] < schedule.step[owner]), way.name
        sender = schedule.src[owner]
        waits_for = schedule.dep_ids
        assert np.all((schedule.dst[waits_for] == sender) | (schedule.src[waits_for] == sender)), way.name
        assert np.all(schedule.src != schedule.dst), way.name
        assert traffic.count_wrong(schedule, collective, *in_steps(schedule)) == 0, (way.name, size)


@pytest.mark.parametrize("label", SHAPES)
def test_flows_at_their_own_pace_leave_nothing_wrong(label):
    shape = SHAPES[label]
    rng = np.random.default_rng(1)
    for collective, way in ways(shape):
        schedule = way.schedule(shape, 1 << 20)
        lasts = rng.integers(1, 1000, schedule.flows)
        start, finish = np.zeros((2, schedule.flows), np.int64)
        for flow in np.argsort(schedule.step, kind="stable"):
            waits_for = schedule.dep_ids[schedule.dep_offsets[flow] : schedule.dep_offsets[flow + 1]]
            start[flow] = finish[waits_for].max(initial=0)
            finish[flow] = start[flow] + lasts[flow]
        assert traffic.count_wrong(schedule, collective, start, finish) == 0, way.name


@pytest.mark.parametrize("label", ["one server of 8", "unequal"])
def test_any_flow_that_is_left_out_leaves_something_wrong(label):
    shape = SHAPES[label]
    rng = np.random.default_rng(2)
    for collective, way in ways(shape):
        schedule = way.schedule(shape, 1 << 20)
        for flow in rng.integers(0, schedule.flows, 10):
            broken = keep_flows(schedule, np.arange(schedule.flows) != flow)
            assert (traffic.count_wrong(broken, collective, *in_steps(broken)) or 0) > 0, (way.name, flow)


@pytest.mark.parametrize("label", SHAPES)
def test_a_planner_is_told_the_pairs_that_are_sent(label):
    shape = SHAPES[label]
    for _, way in ways(shape):
        schedule = way.schedule(shape, 1 << 20)
        told = {
            pair for src, dst in way.pairs(shape) for pair in zip(src.tolist(), dst.tolist(), strict=True)
        }
        assert told == set(zip(schedule.src.tolist(), schedule.dst.tolist(), strict=True)), way.name


@pytest.mark.parametrize("accelerators", [1, 3, 4, 8])
@pytest.mark.parametrize("servers", [2, 3, 4, 7, 8])
def test_rings_stay_on_their_rails_and_load_every_nic_and_port_alike(servers, accelerators):
    shape = Shape.of_servers(servers, accelerators)
    ring = chains(shape)
    assert np.all(np.sort(ring, axis=1) == np.arange(shape.ranks))
    after = np.roll(ring, -1, axis=1)
    between = shape.domain[ring] != shape.domain[after]
    assert between.sum() == servers * accelerators
    assert np.all(shape.rail[ring[between]] == shape.rail[after[between]])
    assert np.all(np.bincount(ring[between]) == 1)
    assert np.all(np.bincount(after[between]) == 1)
    size = 4 * shape.ranks * shape.channels * 4096
    loads = traffic.port_bytes(traffic.build("all_reduce", "ring", shape, size), shape)
    for column in (loads.nic_sent, loads.nic_received, loads.port_sent, loads.port_received):
        assert column.min() == column.max()


@pytest.mark.parametrize("label", ["two accelerators to a NIC", "a channel to a NIC of two"])
def test_several_accelerators_of_a_nic_share_its_rail(label):
    shape = SHAPES[label]
    ring = chains(shape)
    after = np.roll(ring, -1, axis=1)
    between = shape.domain[ring] != shape.domain[after]
    crossing = shape.rail[ring[between]] != shape.rail[after[between]]
    # Two rails cannot alternate around three servers: one hop of each ring of two channels crosses.
    assert crossing.sum() == (0 if shape.channels == 4 else 2)
    nic = shape.domain * 2 + shape.rail
    for ends in (ring, after):
        assert len(set(np.bincount(nic[ends[between]]).tolist())) == 1


def test_no_block_leaves_its_rail_with_a_hop_inside_first():
    shape = Shape.of_servers(4, 8)
    schedule = traffic.build("all_to_all", "pxn", shape, GIB)
    out = shape.domain[schedule.src] != shape.domain[schedule.dst]
    assert np.all(shape.rail[schedule.src[out]] == shape.rail[schedule.dst[out]])
    direct = traffic.port_bytes(traffic.build("all_to_all", "direct", shape, GIB), shape)
    assert traffic.port_bytes(schedule, shape).nic_sent.tolist() == direct.nic_sent.tolist()


def test_blocks_of_a_matrix_go_along_rails_and_empty_ones_nowhere():
    shape = Shape.of_servers(3, 4)
    matrix = np.random.default_rng(3).integers(0, 4, (12, 12)) * 4096
    np.fill_diagonal(matrix, 0)
    of_matrix = traffic.find_collective("all_to_all_v").of_matrix
    assert of_matrix
    collective = of_matrix(matrix)
    way = traffic.find_algorithm(collective, "pxn")
    schedule = way.schedule(shape, 1 << 20)
    assert schedule.flows == way.flows(shape, 1 << 20)
    assert schedule.size_bytes.all()
    out = shape.domain[schedule.src] != shape.domain[schedule.dst]
    assert np.all(shape.rail[schedule.src[out]] == shape.rail[schedule.dst[out]])
    assert traffic.count_wrong(schedule, collective, *in_steps(schedule)) == 0
    told = {pair for src, dst in way.pairs(shape) for pair in zip(src.tolist(), dst.tolist(), strict=True)}
    assert told == set(zip(schedule.src.tolist(), schedule.dst.tolist(), strict=True))


NIC, PORT, SWITCH = 48.5e9, 370.8e9, 475e9 / (2 * 7 / 8)
"""Bytes/s of a NIC, of an accelerator's port, and of that port where the switch sums and copies: there an
all-reduce of 8 takes its buffer through every port once each way, at a bus bandwidth of 475 GB/s."""


@lru_cache
def bound_gbs(collective, algorithm, servers):
    """Bus bandwidth of the busiest port of servers of 8 accelerators with 8 NICs."""
    shape = Shape.of_servers(servers, 8, has_in_network=True)
    found = traffic.find_collective(collective)
    if servers == 1 and algorithm == "nvls_tree":
        algorithm = "nvls"
    load = traffic.port_bytes(traffic.build(collective, algorithm, shape, GIB), shape)
    nic_s = np.maximum(load.nic_sent, load.nic_received) / NIC
    sent_s = load.port_sent / PORT + load.switch_sent / SWITCH
    received_s = load.port_received / PORT + load.switch_received / SWITCH
    seconds = max(nic_s.max(), sent_s.max(), received_s.max())
    return GIB / seconds / 1e9 * found.bus_factor(shape.ranks)


@pytest.mark.parametrize(
    ("collective", "algorithm", "servers", "gbs"),
    [
        # Rings are bound by 8 NICs (2 (n-1)/n of the buffer through each channel's), or by a port inside.
        ("all_reduce", "ring", 1, 370.8),
        *(("all_reduce", "ring", servers, 8 * 48.5) for servers in (2, 3, 4, 8, 16)),
        # One chain for all channels: a port sends the buffer up and down, busbw 370.8 / 2 * 2 * 7/8.
        ("all_reduce", "tree", 1, 370.8 * 7 / 8),
        # Chains with other ends in each channel: 7/8 of it. Two servers send half of it each way and tree.
        ("all_reduce", "tree", 2, 370.8 * 8 / 7 * 15 / 16),
        ("all_reduce", "tree", 3, 370.8 * 8 / 7 * 23 / 24),
        # The inner server of three sends half a buffer up and two halves down, over both trees.
        ("all_reduce", "nvls_tree", 3, 8 * 48.5 / 1.5 * 2 * 23 / 24),
        # A server that is inner in one tree and a leaf of the other sends 2 buffers out of 8 NICs.
        *(
            ("all_reduce", tree, servers, 8 * 48.5 * (8 * servers - 1) / (8 * servers))
            for tree in ("tree", "nvls_tree")
            for servers in (4, 8, 16)
        ),
        ("all_reduce", "nvls_tree", 1, 475),
        ("all_reduce", "nvls_tree", 2, 475 / (7 / 8) * 15 / 16),
        ("all_to_all", "direct", 1, 370.8),
        # (N-1)/N of the buffer leaves by the NIC: algbw N/(N-1) 48.5, busbw (8N-1)/8N of that.
        *(
            ("all_to_all", way, servers, 48.5 * (8 * servers - 1) / (8 * servers - 8))
            for way in ("direct", "pxn")
            for servers in (2, 3, 4, 8, 16)
        ),
    ],
)
def test_the_busiest_port_gives_the_closed_form(collective, algorithm, servers, gbs):
    assert bound_gbs(collective, algorithm, servers) == pytest.approx(gbs, rel=1e-4)


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the tables of published figures are not here")
def test_the_busiest_port_gives_the_published_closed_form():
    with (REFERENCE / "published" / "h100_8x400g_closed_form.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["nodes"]) <= 16]
    assert len(rows) == 24
    for row in rows:
        found = bound_gbs(row["collective"], row["algorithm"], int(row["nodes"]))
        assert found == pytest.approx(float(row["busbw_gbyte_per_s"]), rel=0.005), row


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="NCCL's trees are not here")
def test_double_trees_are_nccls():
    with (REFERENCE / "collectives" / "nccl_double_tree.csv").open() as file:
        for row in csv.DictReader(file):
            trees = double_tree(int(row["n"]))
            rank = int(row["rank"])
            for tree, parents in enumerate(trees):
                assert parents[rank] == int(row[f"tree{tree}_parent"])
                children = {int(row[f"tree{tree}_child{side}"]) for side in (0, 1)} - {-1}
                assert set(np.flatnonzero(parents == rank).tolist()) == children


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="NCCL's PAT steps are not here")
def test_pat_sends_what_nccl_sends():
    sends: dict[tuple[str, int], list[tuple[int, int]]] = {}
    with (REFERENCE / "collectives" / "nccl_pat.csv").open() as file:
        for row in csv.DictReader(file):
            if row["message_class"] == "large" and row["post_send"] == "1":
                place = (int(row["send_to"]), int(row["data_of_rank"]))
                sends.setdefault((row["op"], int(row["n"])), []).append(place)
    assert len(sends) > 10
    for (op, ranks), told in sends.items():
        own = [(send.to % ranks, send.share) for send in (_gathering if op == "AG" else _scattering)(ranks)]
        assert sorted(own) == sorted(told)
        if ranks & (ranks - 1) == 0:
            assert own == told


def test_inner_servers_of_one_tree_are_leaves_of_the_other():
    for servers in range(4, 40, 2):
        inner = [set(parents.tolist()) - {-1} for parents in double_tree(servers)]
        assert not inner[0] & inner[1]


def test_trees_stay_on_their_channels_rail():
    shape = Shape.of_servers(6, 4)
    parent = over_servers(shape, in_switch=False).parent
    lane, child = np.nonzero(parent != -1)
    above = parent[lane, child]
    between = shape.domain[child] != shape.domain[above]
    assert np.all(shape.rail[child[between]] == lane[between] // 2)
    assert np.all(shape.rail[above[between]] == lane[between] // 2)


def test_in_switch_an_all_reduce_takes_its_buffer_through_every_port_once_each_way():
    shape = Shape.of_servers(1, 8, has_in_network=True)
    load = traffic.port_bytes(traffic.build("all_reduce", "nvls", shape, GIB), shape)
    assert load.switch_sent == pytest.approx(np.full(8, GIB))
    assert load.switch_received == pytest.approx(np.full(8, GIB))
    assert not load.port_sent.any()
    assert not load.nic_sent.any()


@pytest.mark.parametrize(
    ("shape", "collective", "algorithm", "reason"),
    [
        (Shape.of_servers(2, 8, has_in_network=True), "all_gather", "nvls", "on 2 servers.*inside of one"),
        (Shape.of_servers(2, 8), "all_reduce", "nvls_tree", r"scale_up\.in_network"),
        (Shape.flat(8), "all_to_all", "pxn", "no two of them share a server"),
        (Shape.of_servers(1024, 8), "all_to_all", "direct", r"67100672 flows, 8\.1 GB"),
        (Shape.of_servers(8192, 8), "all_to_all", "pxn", "flows"),
    ],
)
def test_what_ranks_cannot_run_is_refused_by_name(shape, collective, algorithm, reason):
    with pytest.raises(InputError, match=reason):
        traffic.build(collective, algorithm, shape, 64 << 20)


def test_16_gib_on_128_ranks_fits_memory():
    shape = Shape.of_servers(16, 8, has_in_network=True)
    for collective, way in ways(shape):
        traffic.check_ranks(collective, way, shape, 16 * GIB)


def test_trees_between_servers_are_at_most_8_steps_a_link_ahead():
    shape = Shape.of_servers(4, 8, has_in_network=True)
    schedule = traffic.build("all_reduce", "nvls_tree", shape, 256 << 20)
    assert schedule.size_bytes.max() == 1 << 17
    owner = np.repeat(np.arange(schedule.flows), np.diff(schedule.dep_offsets))
    ahead = schedule.chunk[owner] - schedule.chunk[schedule.dep_ids]
    owner, cause, ahead = owner[ahead != 0], schedule.dep_ids[ahead != 0], ahead[ahead != 0]
    # Servers are at most 2 links below the root, their other accelerators one more; each is passed twice.
    assert set(ahead.tolist()) == {8 * 2, 8 * 4, 8 * 6}
    assert np.all(schedule.op[owner] == REDUCE)
    assert np.array_equal(schedule.src[owner], schedule.dst[cause])
    assert np.array_equal(schedule.dst[owner], schedule.src[cause])


@pytest.mark.parametrize("algorithm", ["ring", "tree", "nvls_tree"])
def test_coarser_slices_add_less_than_a_two_hundredth(algorithm):
    """Filling takes the hops of one slice, and then a link carries all its slices one after the other."""
    shape = Shape.of_servers(2, 8, has_in_network=True)
    schedule = traffic.build("all_reduce", algorithm, shape, 16 * GIB)
    per_link = np.bincount(schedule.qp).max()
    hops = 8 if algorithm == "ring" else int(schedule.step[schedule.chunk == 0].max()) + 1
    library = 1 << (20 if algorithm == "ring" else 19 if algorithm == "tree" else 17)
    assert schedule.size_bytes.max() <= library or hops / per_link <= 1 / 200
