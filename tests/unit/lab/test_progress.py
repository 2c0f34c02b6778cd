"""How long runs still take, and how that is shown where no terminal is."""

from __future__ import annotations

import pytest

from raddle import loads
from raddle.cli.progress import Lines
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.run.drive import Run, set_up
from raddle.lab.run.effort import TimeLeft, long_run, run_packets
from raddle.lab.run.settings import DEFAULT_SETTINGS
from raddle.lab.run.watch import Watch
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.ranks import Scope
from tests.fabrics import SMALL_POD

MIB = 1 << 20


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_second_run_is_told_by_the_first_before_it_begins_and_then_by_itself() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    clock.now_s = 0.5  # setting up
    left.begin(1000, [4000, 16000])
    assert left.left_s(0.0) is None
    clock.now_s = 2.5  # 4 ms a packet, and half of the packets are still to come; later runs are set up too
    assert left.left_s(0.5) == pytest.approx((500 + 20000) * 4e-3 + 2 * 0.5)
    # The other half took no time: 2 ms a packet of the whole run.
    left.end()
    clock.now_s = 3.0
    left.begin(4000, [16000])
    # 2 ms a packet for these and the last ones, and setting up once more.
    assert left.left_s(0.0) == pytest.approx(20000 * 2e-3 + 0.5)
    clock.now_s = 5.0  # twice as fast as the run before
    assert left.left_s(0.5) == pytest.approx((2000 + 16000) * 1e-3 + 0.5)


def run_of(size_bytes: int) -> Run:
    fabric = loads(SMALL_POD)
    return set_up(fabric, {}, find_job(fabric, "all_gather", None).workload(size_bytes), DEFAULT_SETTINGS)


def test_packets_of_later_sizes_are_told_from_the_first() -> None:
    # 12 flows, each of a quarter of the size in packets of 4096 bytes.
    assert run_packets(run_of(MIB)) == 12 * MIB // 4 // 4096
    assert run_packets(run_of(MIB), 4.0) == run_packets(run_of(4 * MIB))
    assert run_packets(run_of(4096), 0.25) == 12  # a packet for each at least


def test_only_a_long_wait_is_told_beforehand() -> None:
    assert long_run(run_of(MIB), (1.0, 4.0)) is None
    line = long_run(run_of(MIB), (1.0, 1e6))
    # 768 packets a million times, at 250 ns a link.
    assert line is not None
    assert "packets over" in line
    assert "Ctrl-C keeps what there is" in line


def test_a_benchmark_tells_the_time_left_from_the_second_size_on() -> None:
    told: list[tuple[str, float | None]] = []
    request = BenchRequest("all_reduce", "ring", (MIB, 4 * MIB), "ecmp", (Scope("linear"),))
    watch = Watch(lambda what, share, left_s: told.append((what, left_s)))
    run_bench(loads(SMALL_POD), request, watch=watch)
    second = [left_s for what, left_s in told if what == "all_reduce of 4MiB, 2 of 2"]
    assert second
    assert all(left_s is not None for left_s in second)


def test_a_log_gets_a_line_after_10_s_and_then_ever_fewer() -> None:
    clock, lines = Clock(), []
    show = Lines(lines.append, clock)
    for second in range(600):
        clock.now_s = float(second)
        show("all_reduce of 1G, 2 of 3", second / 600, 600.0 - second)
    assert lines[0] == "all_reduce of 1G, 2 of 3: 2%, 10 min left"
    assert 6 <= len(lines) <= 9
    show("programming 8 switches", 0.0)
    clock.now_s += 1000
    show("programming 8 switches", 0.0)
    assert lines[-1] == "programming 8 switches"
