"""What is known of a fabric's switches now: the one value that pages and metrics are made of."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle.controller.service.events import Event
from raddle.controller.service.watch.counters import MISSING, STATS, Reading
from raddle.report.page.model import Axis
from raddle.topology.model import Fabric

MEASURES = (
    Axis("utilisation", "ratio"),
    Axis("paused by PFC", "ratio"),
    Axis("ECN marks", "1/s"),
    Axis("longest queue", "bytes"),
    Axis("discards", "1/s"),
    Axis("PFC frames", "1/s"),
)
"""Of what a port sends into its link. Rates are by the clock that the switch counts by."""


def measures_of(lossless: Sequence[int]) -> tuple[Axis, ...]:
    """All measures: `MEASURES`, then of each lossless priority how long it was paused and what is queued."""
    own = [(Axis(f"priority {p} paused", "ratio"), Axis(f"queue {p}", "bytes")) for p in lossless]
    return (*MEASURES, *(axis for both in own for axis in both))


KEPT_EVENTS = 200

_FIRST_PAUSE = len(STATS)
_FRAME_BITS = 9216 * 8
"""Of the longest frame. A frame under way is counted whole, so that rates are off by as much at most."""
_FEWEST_FRAMES = 100
"""Of these pass in the time that a rate is of; where simulated time creeps, more than one sample's."""
Values = tuple[float | None, ...]


@dataclass(slots=True)
class SwitchView:
    """A switch.

    Attributes:
        state: `in sync`, `changes`, `unreachable`, ... as in `raddle status`.
        text: what is wrong, in words.
        differences: entries that are not as planned; None where they were not compared.
        down: cabled ports without a link.
        problem: why there are no counters; empty if they come.
        passed_s: what has passed on the clock that it counts by, since it was first heard.
        counts: of each port, `STATS` and pauses.
        values: of each port, `LiveView.measures`; `received` is the utilisation of what comes in.
    """

    name: str
    state: str = "unknown"
    text: str = ""
    differences: int | None = None
    is_connected: bool = False
    down: frozenset[str] = frozenset()
    problem: str = "no sample yet"
    clock_s: float = 0.0
    passed_s: float = 0.0
    is_simulated: bool = False
    samples: int = 0
    counts: dict[str, Sequence[int]] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)
    received: dict[str, float | None] = field(default_factory=dict)


class LiveView:
    """Everything that is known; any thread may write and read.

    Attributes:
        measures: what is known of a port.
        ports: the cabled ports of each switch.
        speeds, peers: bit/s of each cabled port of a switch, and what is at its other end.
        controller: what a controller says of itself; empty without one.
        jobs: benches started from the page.
    """

    def __init__(self, fabric: Fabric, lossless: Sequence[int]) -> None:
        self.fabric, self.lossless = fabric, tuple(lossless)
        self.measures = measures_of(self.lossless)
        self.switches = {switch.name: SwitchView(switch.name) for switch in fabric.switches}
        self.speeds: dict[tuple[str, str], int] = {}
        self.peers: dict[tuple[str, str], str] = {}
        for link in fabric.links:
            for end, other in ((link.a, link.b), (link.b, link.a)):
                if end.device in self.switches:
                    self.speeds[end.device, end.port] = link.speed_bps
                    self.peers[end.device, end.port] = str(other)
        self.ports: dict[str, list[str]] = {name: [] for name in self.switches}
        for name, port in self.speeds:
            self.ports[name].append(port)
        self._shortest_s = {
            name: max((_FEWEST_FRAMES * _FRAME_BITS / self.speeds[name, port] for port in ports), default=0.0)
            for name, ports in self.ports.items()
        }
        self.events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self.controller: dict[str, Any] = {}
        self.jobs: list[dict[str, Any]] = []
        self.lock = threading.RLock()

    def hear(self, event: Event) -> None:
        """Keep an event."""
        with self.lock:
            self.events.append(event)

    def take(self, reading: Reading) -> None:
        """Take in a reading: rates are those since the one before."""
        with self.lock:
            view = self.switches[reading.switch]
            elapsed_s = reading.clock_s - view.clock_s
            ports = {
                port: row for port, row in reading.ports.items() if (reading.switch, port) in self.speeds
            }
            is_on = view.samples and not view.problem and view.is_simulated == reading.is_simulated
            if is_on and 0 <= elapsed_s < self._shortest_s[reading.switch]:
                view.samples += 1  # simulated time has hardly moved on: the rates so far hold
                return
            if ports and is_on and elapsed_s > 0 and ports.keys() == view.counts.keys():
                self._rate(view, ports, elapsed_s)
            else:
                view.values, view.received = {}, {}
            view.passed_s += max(0.0, elapsed_s) if is_on else 0.0
            view.counts, view.problem = ports, ""
            view.clock_s, view.is_simulated = reading.clock_s, reading.is_simulated
            view.samples += 1

    def lose(self, switch: str, reason: str) -> None:
        """A switch gives no counters; those of before are old and are not shown."""
        with self.lock:
            view = self.switches[switch]
            view.problem = reason
            view.values, view.received, view.counts = {}, {}, {}

    def _rate(self, view: SwitchView, ports: Mapping[str, Sequence[int]], elapsed_s: float) -> None:
        now = np.array(list(ports.values()), np.int64)
        before = np.array([view.counts[port] for port in ports], np.int64)
        speeds = np.array([self.speeds[view.name, port] for port in ports], np.float64)
        grown = np.where((now == MISSING) | (before == MISSING), np.nan, (now - before).astype(np.float64))
        grown[grown < 0] = np.nan  # the counter was cleared
        rates = grown / elapsed_s
        at = {name: rates[:, place] for place, name in enumerate(STATS)}
        held = now[:, STATS.index("queue_bytes")].astype(np.float64)
        held[held == MISSING] = np.nan
        classes = len(self.lossless)
        pauses = rates[:, _FIRST_PAUSE : _FIRST_PAUSE + classes] / 1e6
        queues = now[:, _FIRST_PAUSE + classes :].astype(np.float64)
        queues[queues == MISSING] = np.nan
        columns = (
            _used(at["out_octets"] * 8, speeds, elapsed_s),
            _most(pauses),
            at["ecn_marked"],
            held,
            at["out_discards"] + at["in_discards"],
            at["pfc_rx"] + at["pfc_tx"],
            *(column for place in range(classes) for column in (pauses[:, place], queues[:, place])),
        )
        view.values = dict(zip(ports, zip(*map(_plain, columns), strict=True), strict=True))
        view.received = dict(zip(ports, _plain(_used(at["in_octets"] * 8, speeds, elapsed_s)), strict=True))

    def dead_links(self) -> list[str]:
        """Cabled links of which an end has no light, as `leaf0:Ethernet0 - spine0:Ethernet8`, once each."""
        with self.lock:
            return [
                f"{link.a} - {link.b}"
                for link in self.fabric.links
                if link.is_up and any(self.is_dark(end.device, end.port) for end in (link.a, link.b))
            ]

    def is_dark(self, device: str, port: str) -> bool:
        """Whether a switch says that this port has no link."""
        return device in self.switches and port in self.switches[device].down


def _used(
    rates_bps: NDArray[np.float64], speeds_bps: NDArray[np.float64], elapsed_s: float
) -> NDArray[np.float64]:
    """Shares of the speeds; 1 where it is more by less than a frame, which was counted before it was over."""
    used = rates_bps / speeds_bps
    frame = _FRAME_BITS / speeds_bps / elapsed_s
    found: NDArray[np.float64] = np.where((used > 1) & (used <= 1 + frame), 1.0, used)
    return found


def _most(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The most of each row that is known; NaN where nothing is."""
    if not columns.shape[1]:
        return np.full(len(columns), np.nan)
    known = np.where(np.isnan(columns), -np.inf, columns).max(axis=1)
    return np.where(np.isneginf(known), np.nan, known)


def _plain(column: NDArray[np.float64]) -> list[float | None]:
    """Numbers of four digits, which is what is drawn; None where nothing is known."""
    return [None if value != value else float(f"{value:.4g}") for value in column.tolist()]
