"""What a library spends on each message, and when a schedule's flows may start."""

import numpy as np
import pytest

from raddle import traffic
from raddle.traffic.latency import nccl_latency
from raddle.traffic.shape import Shape


@pytest.mark.parametrize(
    ("algorithm", "protocol", "microseconds"),
    [
        ("ring", "Simple", (8.4, 3.4, 14)),
        ("tree", "LL", (6.8, 0.6, 5)),
        # Half of 25 us for each of the switch's two hops.
        ("nvls", "Simple", (0, 12.5, 18)),
        # NCCL divides a level of PAT by 3.5.
        ("pat", "Simple", (8, 4, 14 / 3.5)),
    ],
)
def test_figures_are_nccls(algorithm, protocol, microseconds):
    latency = nccl_latency(algorithm, protocol)
    told = (latency.base_ps, latency.inside_ps, latency.network_ps)
    assert told == tuple(round(time_us * 1e6) for time_us in microseconds)


def test_a_ring_of_two_servers_begins_after_the_base_and_its_first_hops():
    shape = Shape.of_servers(2, 2)
    way = traffic.find_algorithm(traffic.find_collective("all_reduce"), "ring")
    schedule, latency = way.schedule(shape, 1 << 20), way.latency(shape, 1 << 20)
    delay_ps = latency.delays_ps(shape.is_inside(schedule))
    start_ps = latency.starts_ps(schedule, delay_ps)
    assert set(start_ps[schedule.step == 0].tolist()) == {8_400_000 + 3_400_000, 8_400_000 + 14_000_000}
    assert not start_ps[schedule.step > 0].any()
    assert all(len(np.unique(delay_ps[schedule.qp == qp])) == 1 for qp in np.unique(schedule.qp))


def test_ranks_that_send_whole_messages_have_no_library():
    shape = Shape.flat(8)
    for name, ways in traffic.algorithms().items():
        for way in ways:
            algorithm = traffic.find_algorithm(traffic.find_collective(name), way)
            assert algorithm.latency(shape, 1 << 20) == traffic.NO_LATENCY
