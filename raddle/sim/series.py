"""Queues, priority groups and rates of every port over time, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from raddle.sim.simulation import Columns, Simulation

MAX_ROWS = 1_000_000
"""Rows that are kept; beyond, every second sample goes and the interval doubles."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A port and queue (or priority group) at an instant; `rate_bps` since the sample before, of frames.

    `headroom_bytes` is what of `pg_bytes` is in the group's headroom. `max_` is the most so far, which a
    sample alone would miss.
    """

    time_ps: int
    port: str
    priority: int
    queue_bytes: int
    pg_bytes: int
    rate_bps: int
    is_paused: bool
    max_queue_bytes: int
    max_pg_bytes: int
    headroom_bytes: int
    max_headroom_bytes: int


class Series:
    """Samples of a run. Only rows in which something is queued, held, sent or paused are kept."""

    def __init__(self, simulation: Simulation, interval_ps: int, max_rows: int = MAX_ROWS) -> None:
        self.interval_ps = interval_ps
        self._simulation = simulation
        self._max_rows = max_rows
        self._names = [str(name) for name in simulation.port_names]
        self._samples: list[tuple[int, np.ndarray[tuple[int, int], np.dtype[np.int64]]]] = []
        self._rows = 0
        self.next_ps = interval_ps

    def take(self) -> None:
        """Sample the present instant."""
        ports = self._simulation.ports()
        columns = np.stack(
            [
                ports.queue_bytes, ports.pg_bytes, ports.tx_bytes, ports.is_paused.astype(np.int64),
                ports.max_queue_bytes, ports.max_pg_bytes,
                ports.pg_headroom_bytes, ports.max_pg_headroom_bytes,
            ],
            axis=-1,
        ).reshape(-1, 8)  # fmt: skip
        # A row that has ever sent stays: its rate needs the bytes of the sample before.
        kept = np.flatnonzero(columns.any(axis=1))
        self._samples.append((self._simulation.now_ps, np.column_stack([kept, columns[kept]])))
        self._rows += len(kept)
        while self._rows > self._max_rows and len(self._samples) > 2:
            self._samples = self._samples[1::2]
            self._rows = sum(len(rows) for _, rows in self._samples)
            self.interval_ps *= 2
        self.next_ps = self._simulation.now_ps + self.interval_ps

    def saved(self) -> Columns:
        """The samples so far and when the next one is due, for `restore`."""
        rows = [rows for _, rows in self._samples]
        return {
            "series": np.array([self.interval_ps, self.next_ps, self._rows], np.int64),
            "series_ps": np.array([time_ps for time_ps, _ in self._samples], np.int64),
            "series_rows": np.array([len(each) for each in rows], np.int64),
            "series_columns": np.concatenate(rows) if rows else np.zeros((0, 9), np.int64),
        }

    def restore(self, saved: Columns) -> None:
        self.interval_ps, self.next_ps, self._rows = saved["series"].tolist()
        parts = np.split(saved["series_columns"], np.cumsum(saved["series_rows"])[:-1])
        self._samples = list(zip(saved["series_ps"].tolist(), parts, strict=False))

    def samples(self) -> Iterator[Sample]:
        """By time, then port and priority."""
        sent: dict[int, int] = {}
        before_ps = 0
        for time_ps, rows in self._samples:
            for place, queue, pg, total, is_paused, max_queue, max_pg, *headroom in rows.tolist():
                grown = total - sent.get(place, 0)
                sent[place] = total
                if grown or queue or pg or is_paused:
                    rate = grown * 8 * 10**12 // max(time_ps - before_ps, 1)
                    port, priority = divmod(place, 8)
                    yield Sample(
                        time_ps,
                        self._names[port],
                        priority,
                        queue,
                        pg,
                        rate,
                        bool(is_paused),
                        max_queue,
                        max_pg,
                        *headroom,
                    )
            before_ps = time_ps
