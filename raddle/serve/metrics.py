"""The view for Prometheus. Counters are what the switches count; rates are left to who asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from raddle.controller.service.watch.counters import MISSING, STATS
from raddle.report import exposition
from raddle.report.exposition import Sample, family
from raddle.serve.view import LiveView, SwitchView

_PORT_COUNTERS: tuple[tuple[str, str, dict[str, str], str], ...] = (
    ("out_octets", "transmitted_bytes_total", {}, "Bytes sent."),
    ("in_octets", "received_bytes_total", {}, "Bytes received."),
    ("out_discards", "discarded_packets_total", {"direction": "out"}, "Packets dropped."),
    ("in_discards", "discarded_packets_total", {"direction": "in"}, "Packets dropped."),
    ("pfc_rx", "pfc_frames_total", {"direction": "in"}, "PFC frames of all priorities."),
    ("pfc_tx", "pfc_frames_total", {"direction": "out"}, "PFC frames of all priorities."),
    ("ecn_marked", "ecn_marked_packets_total", {}, "Packets of all queues that were marked with CE."),
)


def metrics_text(view: LiveView) -> str:
    """All metrics."""
    with view.lock:
        lines = [*_switches(view), *_ports(view), *_fabric(view), *exposition.process()]
    return "\n".join([*lines, ""])


def _switches(view: LiveView) -> Iterator[str]:
    switches = view.switches.values()
    yield from family(
        "raddle_switch_up", "gauge", "1 while a switch is heard.", _each(view, lambda s: s.is_connected)
    )
    compared = [({"switch": s.name}, float(s.differences)) for s in switches if s.differences is not None]
    yield from family(
        "raddle_switch_differences", "gauge", "Entries of a switch that are not as planned.", compared
    )
    yield from family(
        "raddle_switch_samples_total",
        "counter",
        "Samples of its counters.",
        _each(view, lambda s: s.samples),
    )
    yield from family(
        "raddle_switch_clock_seconds_total",
        "counter",
        "Time by the clock that a switch counts by, simulated where its traffic is.",
        _each(view, lambda s: s.passed_s),
    )


def _each(view: LiveView, value: Callable[[SwitchView], float]) -> Iterator[Sample]:
    return (({"switch": each.name}, float(value(each))) for each in view.switches.values())


def _ports(view: LiveView) -> Iterator[str]:
    up = [
        (_port(view, name, port), float(not view.is_dark(name, port)))
        for name, port in view.speeds
        if view.switches[name].is_connected
    ]
    yield from family("raddle_port_up", "gauge", "1 while a cabled port has a link.", up)
    speeds = [(_port(view, *key), bps / 8) for key, bps in view.speeds.items()]
    yield from family("raddle_port_speed_bytes", "gauge", "Bytes a second that a port can send.", speeds)
    by_name: dict[str, tuple[str, list[Sample]]] = {}
    for stat, name, labels, says in _PORT_COUNTERS:
        by_name.setdefault(name, (says, []))[1].extend(_counted(view, STATS.index(stat), labels))
    for name, (says, samples) in by_name.items():
        yield from family(f"raddle_port_{name}", "counter", says, samples)
    paused = [
        (labels, value / 1e6)
        for place, priority in enumerate(view.lossless, len(STATS))
        for labels, value in _counted(view, place, {"priority": str(priority)})
    ]
    yield from family(
        "raddle_port_paused_seconds_total", "counter", "Time that a priority was kept from sending.", paused
    )
    queues = [
        sample
        for place, priority in enumerate(view.lossless, len(STATS) + len(view.lossless))
        for sample in _counted(view, place, {"queue": str(priority)})
    ]
    yield from family(
        "raddle_port_queue_bytes", "gauge", "Bytes in the queue of a lossless priority.", queues
    )
    held = _counted(view, STATS.index("queue_bytes"), {})
    yield from family("raddle_port_longest_queue_bytes", "gauge", "Bytes in a port's longest queue.", held)


def _counted(view: LiveView, place: int, labels: dict[str, str]) -> Iterator[Sample]:
    for name, switch in view.switches.items():
        for port, row in switch.counts.items():
            if row[place] != MISSING:
                yield _port(view, name, port) | labels, float(row[place])


def _port(view: LiveView, switch: str, port: str) -> dict[str, str]:
    return {"switch": switch, "port": port, "peer": view.peers[switch, port]}


def _fabric(view: LiveView) -> Iterator[str]:
    dead: list[Sample] = [({}, float(len(view.dead_links())))]
    yield from family("raddle_dead_links", "gauge", "Cabled links without light at an end.", dead)
