"""Schedules of another program: what they send, what they wait for, and what is wrong with them."""

import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from raddle import traffic
from raddle.errors import InputError
from raddle.traffic.prune import keep_flows
from raddle.workload import REDUCE

from . import msccl_files as files

REFERENCE = Path(__file__).parents[4] / "shared/reference/collectives"
MIB = 1 << 20

MADE = {
    "ar_ring_4": ("all_reduce", files.ring_all_reduce(4)),
    "ar_ring_8": ("all_reduce", files.ring_all_reduce(8)),
    "ar_allpairs_4": ("all_reduce", files.all_pairs_all_reduce(4)),
    "ar_allpairs_8": ("all_reduce", files.all_pairs_all_reduce(8)),
    "ag_rd_8": ("all_gather", files.doubling_all_gather(8)),
    "ag_rd_16": ("all_gather", files.doubling_all_gather(16)),
    "a2a_allpairs_8": ("all_to_all", files.all_pairs_all_to_all(8)),
    "a2a_twostep_2x4": ("all_to_all", files.two_step_all_to_all(2, 4)),
    "a2a_twostep_3x4": ("all_to_all", files.two_step_all_to_all(3, 4)),
}


@pytest.fixture
def algorithm(tmp_path):
    """Reads a text as the schedule of a collective."""

    def read(collective, text):
        file = tmp_path / "schedule.xml"
        file.write_text(text)
        return traffic.find_algorithm(traffic.find_collective(collective), str(file))

    return read


def times(schedule, seed):
    """Starts and ends where each flow takes a random time once what it waits for is there."""
    lasts = np.random.default_rng(seed).integers(1, 1000, schedule.flows)
    start, finish = np.zeros((2, schedule.flows), np.int64)
    busy: dict[int, int] = {}
    for flow in range(schedule.flows):
        waits = schedule.dep_ids[schedule.dep_offsets[flow] : schedule.dep_offsets[flow + 1]]
        qp = int(schedule.qp[flow])
        start[flow] = max(busy.get(qp, 0), int(finish[waits].max(initial=0)))
        finish[flow] = start[flow] + lasts[flow]
        busy[qp] = start[flow]
    return start, finish


def ranks_of(text):
    (ranks,) = re.findall(r'ngpus="(\d+)"', text)
    return int(ranks)


@pytest.mark.parametrize("name", MADE)
def test_what_is_sent_is_what_msccl_tools_sends(name, algorithm):
    if not REFERENCE.exists():
        pytest.skip("no tables of MSCCL's schedules here")
    collective, text = MADE[name]
    schedule = algorithm(collective, text).schedule(traffic.Shape.flat(ranks_of(text)), MIB)
    sent = zip(schedule.src, schedule.dst, schedule.chunk_count, schedule.op == REDUCE, strict=True)
    with (REFERENCE / f"msccl_{name}.csv").open() as file:
        rows = [{key: int(value) for key, value in row.items()} for row in csv.DictReader(file)]
    # All-pairs adds up in a step of its own; a two-step's rounds depend on the order of its thread blocks.
    adds = "ring" in name
    ours = Counter((int(s), int(d), int(c), bool(r) and adds) for s, d, c, r in sent)
    theirs: Counter = Counter()
    for row in rows:
        each = row["chunks"] // row["messages"]
        theirs[row["src"], row["dst"], each, bool(row["reduced_at_receiver"]) and adds] += row["messages"]
    assert ours == theirs
    if "twostep" not in name:
        assert schedule.step.max() + 1 == max(row["round"] for row in rows)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("size", [64 * 1024, 96 * MIB])
def test_nothing_is_wrong_however_long_messages_take(name, size, algorithm):
    collective, text = MADE[name]
    way = algorithm(collective, text)
    schedule = way.schedule(traffic.Shape.flat(ranks_of(text)), size)
    # 96 MiB in 8 chunks are 6 pieces of 2 MiB: MSCCL's MSCCL_CHUNKSTEPS.
    for seed in range(3):
        assert way.judge(schedule, *times(schedule, seed), 4) == 0


@pytest.mark.parametrize("name", ["ar_ring_4", "ar_allpairs_4", "ag_rd_8", "a2a_twostep_2x4"])
def test_each_missing_flow_is_seen(name, algorithm):
    collective, text = MADE[name]
    way = algorithm(collective, text)
    schedule = way.schedule(traffic.Shape.flat(ranks_of(text)), MIB)
    for flow in range(schedule.flows):
        start, finish = times(keep_flows(schedule, np.arange(schedule.flows) != flow), 1)
        assert way.judge(schedule, np.insert(start, flow, -1), np.insert(finish, flow, -1), 4) > 0


def test_a_flow_that_starts_before_its_data_is_there_is_seen(algorithm):
    way = algorithm("all_reduce", files.ring_all_reduce(4))
    schedule = way.schedule(traffic.Shape.flat(4), MIB)
    start, finish = times(schedule, 1)
    start[schedule.flows - 1] = 0
    assert way.judge(schedule, start, finish, 4) > 0


def test_a_send_waits_for_another_thread_block_s_step(algorithm):
    schedule = algorithm("all_reduce", files.all_pairs_all_reduce(4)).schedule(traffic.Shape.flat(4), MIB)
    second = np.flatnonzero(schedule.step == 1)
    for flow in second:
        waits = schedule.dep_ids[schedule.dep_offsets[flow] : schedule.dep_offsets[flow + 1]]
        assert sorted(schedule.src[waits]) == [rank for rank in range(4) if rank != schedule.src[flow]]
        assert np.all(schedule.dst[waits] == schedule.src[flow])


def test_sizes_are_whole_chunks(algorithm):
    way = algorithm("all_reduce", files.all_pairs_all_reduce(8))
    # 64 chunks of multiples of 16 bytes.
    assert way.buffer(8, MIB + 1000).size_bytes == MIB
    assert way.buffer(8, MIB + 1024).size_bytes == MIB + 1024
    assert way.buffer(8, MIB).count == MIB // 4


@pytest.mark.parametrize(("protocol", "bytes_each"), [("Simple", MIB), ("LL", 2 * MIB), ("LL128", 1118592)])
def test_protocols_take_their_bytes_on_the_wire(protocol, bytes_each, algorithm):
    way = algorithm("all_reduce", files.ring_all_reduce(4, protocol))
    # LL has 4 bytes of flags beside 4 of data, LL128 8 of them beside 120: 8739 lines of 128 bytes.
    assert set(way.schedule(traffic.Shape.flat(4), 4 * MIB).size_bytes.tolist()) == {bytes_each}


RING = files.ring_all_reduce(3)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (RING.replace("</algo>", ""), 30, "no element found"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>\n' + RING, 1, "a document type is not accepted"),
        (RING.replace("<gpu ", "<cpu ", 1), 2, "<cpu> does not belong inside <algo>"),
        (RING.replace('ngpus="3"', 'ngpus="4"'), 1, "ngpus is 4, and gpu 3 is missing"),
        (RING.replace('send="1"', 'send="7"'), 3, "gpu 0 cannot send with gpu 7 of 3"),
        (RING.replace('type="s"', 'type="x"', 1), 4, "type 'x' is none of"),
        (RING.replace(' s="1"', ' s="2"', 1), 5, "step 2 stands where step 1 belongs"),
        (RING.replace('srcoff="0"', 'srcoff="zero"', 1), 4, "srcoff 'zero' is not a whole number"),
        (RING.replace(' cnt="1"', ' cnt="0"', 1), 4, "cnt is 0; it must be 1 or more"),
        (RING.replace(' cnt="1"', ' cnt="2"', 1), 14, "1 chunks are received where gpu 0 sends 2"),
        (RING.replace('depid="-1" deps="-1"', 'depid="3" deps="0"', 1), 4, "no step 0 of tb 3 to wait for"),
        (RING.replace('depid="-1" deps="-1"', 'depid="0" deps="2"', 1), 4, "gpu 0 never comes to this step"),
        (
            RING.replace('type="r"', 'type="nop"', 1),
            21,
            "gpu 2 sends 4 times to gpu 0 on channel 0, which rec",
        ),
        (RING.replace('proto="Simple"', 'proto="Fast"'), 1, "proto 'Fast' is none of Simple, LL, LL128"),
        (
            RING.replace('coll="allreduce"', 'coll="allgather"'),
            1,
            "a schedule of 'allgather', not of all_reduce",
        ),
        ("", 1, "no element found"),
    ],
)
def test_each_mistake_is_told_with_its_line(text, line, message, algorithm):
    with pytest.raises(InputError) as caught:
        algorithm("all_reduce", text).schedule(traffic.Shape.flat(3), MIB)
    [problem] = caught.value.diagnostics
    assert problem.code == "bad-schedule"
    assert message in problem.message
    assert problem.span.line == line


def test_other_numbers_of_ranks_and_files_that_are_not_there_are_refused(algorithm):
    way = algorithm("all_reduce", RING)
    collective = traffic.find_collective("all_reduce")
    with pytest.raises(InputError, match="not for these ranks: the file is of 3 ranks"):
        traffic.check_ranks(collective, way, traffic.Shape.flat(4))
    with pytest.raises(InputError, match="no-schedule"):
        traffic.find_algorithm(collective, "nowhere.xml")
