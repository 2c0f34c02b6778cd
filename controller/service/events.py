"""What happens, as events that logs, metrics and watchers hear."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from raddle.controller.service.records import now

_MAX_WAITING = 1000
"""Events that a watcher may be behind; one that reads too slowly loses the oldest."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: `connected`, `gone`, `link-down`, `link-up`, `cut-off`, `switch`, `stranger`, `drift`, `mend`,
            `repair`, `update`, `congestion`, `state` (of the controller), `problem`.
        seconds: how long it took, where it took time.
    """

    kind: str
    text: str
    switch: str = ""
    seconds: float = 0.0
    time: str = field(default_factory=now)


class Bus:
    """Hands events to all who listen, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: list[queue.Queue[Event]] = []
        self._sinks: list[Callable[[Event], None]] = []

    def hear(self, sink: Callable[[Event], None]) -> None:
        """Call `sink` with every event from now on; it must not block."""
        self._sinks.append(sink)

    def tell(self, kind: str, text: str, switch: str = "", seconds: float = 0.0) -> None:
        event = Event(kind, text, switch, seconds)
        for sink in self._sinks:
            sink(event)
        with self._lock:
            for each in self._queues:
                if each.full():
                    each.get_nowait()
                each.put_nowait(event)

    @contextmanager
    def listening(self) -> Iterator[queue.Queue[Event]]:
        """A queue of what happens while the context is open."""
        own: queue.Queue[Event] = queue.Queue(_MAX_WAITING)
        with self._lock:
            self._queues.append(own)
        try:
            yield own
        finally:
            with self._lock:
                self._queues.remove(own)
