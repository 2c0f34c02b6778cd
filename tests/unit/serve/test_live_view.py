"""Rates of a view are what the counters grew by, on the clock that the switch counts by."""

from __future__ import annotations

from raddle.controller.service.watch.counters import MISSING, STATS, Reading, add_queues, port_row
from raddle.report.exposition import family
from raddle.serve.metrics import metrics_text
from raddle.serve.view import LiveView
from raddle.topology import bundled_examples, load

FABRIC = load(bundled_examples()["leaf-spine-16"])  # 400G everywhere
PORT = "Ethernet0"


def row(octets: int, paused_us: int, marked: int = 0, queue: int = 0) -> list[int]:
    counters = {
        "SAI_PORT_STAT_IF_OUT_OCTETS": str(octets),
        "SAI_PORT_STAT_IF_IN_OCTETS": str(octets // 2),
        "SAI_PORT_STAT_PFC_3_RX_PAUSE_DURATION_US": str(paused_us),
        "SAI_PORT_STAT_PFC_3_RX_PKTS": "5",
        "SAI_PORT_STAT_PFC_4_RX_PKTS": "6",
    }
    rows = {PORT: port_row(counters, [3])}
    stats = {
        "SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS": str(marked),
        "SAI_QUEUE_STAT_CURR_OCCUPANCY_BYTES": str(queue),
    }
    add_queues(rows, {f"{PORT}:3": stats, f"{PORT}:4": stats, "Ethernet999:0": stats}, [3])
    return rows[PORT]


def view_after(*readings: Reading) -> LiveView:
    view = LiveView(FABRIC, [3])
    for reading in readings:
        view.take(reading)
    return view


def reading(clock_s: float, ports: list[int], is_simulated: bool = False) -> Reading:
    return Reading("leaf0", clock_s, is_simulated, {PORT: ports})


def test_a_port_that_sends_25_GB_in_a_second_is_half_used_at_400G() -> None:
    view = view_after(reading(10, row(0, 0)), reading(11, row(25 * 10**9, 250_000, 40, 7_000)))
    # 40 marks in each of two queues; the longest queue is one of them.
    assert view.switches["leaf0"].values[PORT][:4] == (0.5, 0.25, 80.0, 7000.0)
    assert view.switches["leaf0"].values[PORT][6:] == (0.25, 7000.0)  # priority 3: paused, its queue
    assert [axis.name for axis in view.measures[6:]] == ["priority 3 paused", "queue 3"]
    assert view.switches["leaf0"].received[PORT] == 0.25


def test_rates_go_by_simulated_time() -> None:
    first, second = reading(0.001, row(0, 0), True), reading(0.002, row(25 * 10**6, 500), True)
    assert view_after(first, second).switches["leaf0"].values[PORT][:2] == (0.5, 0.5)


def test_a_clock_that_changes_kind_gives_no_rate() -> None:
    view = view_after(reading(1e9, row(0, 0)), reading(0.5, row(10**9, 0), True))
    assert not view.switches["leaf0"].values
    assert not view.switches["leaf0"].passed_s


def test_cleared_counters_give_no_rate() -> None:
    view = view_after(reading(1, row(10**9, 0)), reading(2, row(10, 0)))
    assert view.switches["leaf0"].values[PORT][0] is None


def test_what_a_switch_does_not_count_is_missing_and_not_zero() -> None:
    bare = port_row({"SAI_PORT_STAT_IF_OUT_OCTETS": "1"}, [3])
    assert bare[STATS.index("in_octets")] == MISSING
    assert bare[-1] == MISSING
    view = view_after(reading(1, bare), reading(2, bare))
    assert view.switches["leaf0"].values[PORT] == (0.0, *(None for _ in view.measures[1:]))
    assert "raddle_port_received_bytes_total" not in metrics_text(view)


def test_a_switch_that_is_lost_shows_nothing_old() -> None:
    view = view_after(reading(1, row(0, 0)), reading(2, row(9, 0)))
    view.lose("leaf0", "gone")
    assert not view.switches["leaf0"].values
    assert "transmitted" not in metrics_text(view)


def test_metrics_are_the_counters_themselves() -> None:
    text = metrics_text(view_after(reading(1, row(123, 4_000_000, 2, 9))))
    place = '{switch="leaf0",port="Ethernet0",peer="host0:eth0"'
    assert f"raddle_port_transmitted_bytes_total{place}}} 123\n" in text
    assert f'raddle_port_paused_seconds_total{place},priority="3"}} 4\n' in text
    assert f'raddle_port_pfc_frames_total{place},direction="in"}} 11\n' in text
    assert f"raddle_port_ecn_marked_packets_total{place}}} 4\n" in text


def test_a_dead_link_counts_once() -> None:
    view = view_after()
    link = next(each for each in FABRIC.links if each.a.device == "leaf0" and each.b.device == "spine0")
    for end in (link.a, link.b):
        view.switches[end.device].down = frozenset([end.port])
    assert view.dead_links() == [f"{link.a} - {link.b}"]


def test_labels_are_escaped() -> None:
    lines = list(family("m", "gauge", "M.", [({"a": 'x"\\\n'}, 0.5)]))
    assert lines[-1] == 'm{a="x\\"\\\\\\n"} 0.5'


def test_a_frame_that_is_counted_before_it_is_over_is_no_use_above_100_percent() -> None:
    frame = 4_000
    full = 5 * 10**6  # bytes of 100 us at 400G
    view = view_after(reading(0, row(0, 0), True), reading(1e-4, row(full + frame, 0), True))
    assert view.switches["leaf0"].values[PORT][0] == 1.0
    # More than a frame is no rounding, and is not hidden.
    view = view_after(reading(0, row(0, 0), True), reading(1e-4, row(full * 13 // 10, 0), True))
    assert view.switches["leaf0"].values[PORT][0] == 1.3


def test_a_rate_is_of_many_frames_times() -> None:
    view = view_after(reading(0, row(0, 0), True), reading(1e-6, row(100_000, 0), True))
    assert not view.switches["leaf0"].values
    # The next sample's rate is since the first.
    view.take(reading(2e-5, row(500_000, 0), True))
    assert view.switches["leaf0"].values[PORT][0] == 0.5
