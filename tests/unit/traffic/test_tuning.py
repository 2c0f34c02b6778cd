"""NCCL's model by hand, from src/graph/tuning.cc at 5067397c, and what is chosen by it."""

import numpy as np
import pytest

from raddle import traffic
from raddle.traffic.auto import Auto
from raddle.traffic.tuning import Machine, predict

GIB = 1 << 30
KIB = 1 << 10


def hopper(servers, **changes):
    """Servers of 8 GPUs with a NIC of 400G each."""
    fields = {"nics": 8, "nic_gbs": 50.0, "scale_up_gbs": 370.8, "has_in_network": True}
    return Machine("hopper", servers, 8 * servers, **(fields | changes))


def time_us(machine, collective, size, algorithm, protocol):
    found = predict(machine, collective, size)
    return next(each.time_us for each in found if (each.algorithm, each.protocol) == (algorithm, protocol))


@pytest.mark.parametrize(
    ("servers", "size", "algorithm", "protocol", "expected"),
    [
        # 8.4 + 28 hops inside of 3.4 + 2 between of 14, all x 1.4; 8 channels of 48, 16 of 30 steps.
        (2, GIB, "ring", "Simple", 1.4 * (8.4 + 28 * 3.4 + 2 * 14) + GIB / 1000 / (384 * 16 / 30)),
        # 6.6 + 28 hops of 1 (a message costs the network 1 us) + 2 of 2.7; the CPU lets LL have 39.
        (2, KIB, "ring", "LL", 6.6 + 28 * 1 + 2 * 2.7 + KIB / 1000 / (39 * 16 / 30)),
        # 6.8 + 2 x (7 inside of 0.6 + 2 between of 5); LL has 20.4 at most; 1 KiB is 2**4 x 64 B: x 0.9.
        (4, KIB, "tree", "LL", 6.8 + 2 * (7 * 0.6 + 2 * 5) + KIB / 1000 / (20.4 * 0.5 * 0.9)),
        # 1 MiB is 2**14 x 64 B: x 0.6. 0.92 x 384 = 353.28, 8 x 36 = 288; x 120/128 = 270; 8 x 29 = 232.
        (4, 1024 * KIB, "tree", "LL128", 14 + 2 * (7 * 1.25 + 2 * 8.5) + 1048.576 / (232 * 0.5 * 0.6)),
        # Between servers 48 for each channel (45.5 at most); 25 + 2 x 4 levels of 20.9.
        (16, GIB, "nvls_tree", "Simple", 25 + 8 * 20.9 + GIB / 1000 / (8 * 45.5 * 128 / 254)),
        # 6 channels of 60 make 360, doubled 12 of 30; 0.85 of the switches' share, two at a time.
        (1, GIB, "nvls", "Simple", 25 + GIB / 1000 / (370.8 * 0.85 * 11 / 12 * 2 * 8 / 14)),
    ],
)
def test_all_reduce_takes_what_tuning_cc_says(servers, size, algorithm, protocol, expected):
    assert time_us(hopper(servers), "all_reduce", size, algorithm, protocol) == pytest.approx(expected)


def test_pat_is_for_servers_of_one_gpu_and_has_three_quarters_of_the_bus():
    machine = Machine("ampere", 16, 16, 1, 25.0)
    # One channel: the fastest speed up to 25 is 24. 8 + 4 levels of 14 / 3.5 + 16 ranks of 2.8.
    expected = 8 + 4 * 14 / 3.5 + 16 * 2.8 + GIB / 1000 / (24 * 0.75)
    assert time_us(machine, "all_gather", GIB, "pat", "Simple") == pytest.approx(expected)
    assert all(each.algorithm == "ring" for each in predict(hopper(2), "all_gather", GIB) if each)


def test_a_broadcast_has_rings_only_and_pays_each_hop_of_rings_that_differ():
    found = predict(hopper(2), "broadcast", GIB)
    assert {each.algorithm for each in found} == {"ring"}
    assert time_us(hopper(2), "broadcast", GIB, "ring", "Simple") == pytest.approx(
        8.4 + 16 * 14 + GIB / 1000 / 384
    )


@pytest.mark.parametrize(
    ("servers", "in_network", "size", "chosen"),
    [
        (1, True, GIB, ("nvls", "Simple")),
        (1, False, GIB, ("ring", "Simple")),
        (16, True, 8 * KIB, ("tree", "LL")),
        (16, True, 256 * 1024 * KIB, ("nvls_tree", "Simple")),
        (16, False, 16 * GIB, ("ring", "Simple")),
    ],
)
def test_the_least_time_is_chosen(servers, in_network, size, chosen):
    best = predict(hopper(servers, has_in_network=in_network), "all_reduce", size)[0]
    assert (best.algorithm, best.protocol) == chosen


def test_auto_runs_what_it_chose_with_the_protocol_s_bytes_and_tells_why():
    shape = traffic.Shape.of_servers(2, 8, has_in_network=True)
    collective = traffic.find_collective("all_reduce")
    auto = Auto(collective, hopper(2), (KIB, 64 * KIB, GIB))
    small = auto.algorithm.schedule(shape, 64 * KIB)
    assert small.name == "all_reduce tree"
    plain = traffic.build("all_reduce", "tree", shape, 64 * KIB)
    assert small.size_bytes.sum() == 2 * plain.size_bytes.sum()
    assert auto.algorithm.schedule(shape, GIB).name == "all_reduce nvls_tree"
    first, second = auto.notes(shape)
    assert first.startswith("from 1024 B on tree LL: 25.3 us by NCCL's model (ring LL 40.0, ")
    assert second.startswith(f"from {GIB} B on nvls_tree Simple: ")
    step = np.arange(small.flows)
    assert traffic.count_wrong(small, collective, 2 * step, 2 * step + 1) == 0


def test_a_broadcast_is_cut_as_its_protocol_s_buffer_is():
    shape = traffic.Shape.of_servers(2, 8)
    auto = Auto(traffic.find_collective("broadcast"), hopper(2), (16 << 20,))
    [note] = auto.notes(shape)
    assert note.startswith("from 16777216 B on ring LL128: ")
    # 2 MiB of each channel in 4 slices of at most 576,000 B of data, 120 of 128 bytes on the wire.
    sizes = auto.algorithm.schedule(shape, 16 << 20).size_bytes
    assert set(sizes.tolist()) == {-(-(2 << 20) // 4 // 120) * 128}


def test_where_nccl_has_no_model_there_is_its_one_way():
    shape = traffic.Shape.of_servers(2, 8)
    auto = Auto(traffic.find_collective("all_to_all"), hopper(2), (GIB,))
    assert list(auto.notes(shape)) == [f"from {GIB} B on pxn: NCCL has no other way"]
    auto = Auto(traffic.find_collective("send_recv"), hopper(2), (GIB,))
    assert list(auto.notes(shape)) == [f"from {GIB} B on pxn: NCCL has no other way"]
