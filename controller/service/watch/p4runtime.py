"""A switch watched over P4Runtime: its stream tells that it is there, and who is primary.

P4Runtime tells of no port and of no write of another controller (P4Runtime specification 1.4, "In Scope"):
ports come over gNMI where the switch has that, tables are read now and then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from raddle.controller.service.watch.notice import Kind, Notice, Sink
from raddle.controller.southbound.p4runtime.session import P4Session
from raddle.errors import UnreachableError

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LOOK_S = 0.2, 10.0, 0.5


class P4Watch:
    """Watches one switch in a thread of its own, as a backup of whoever is primary."""

    def __init__(self, name: str, connect: Callable[[], P4Session], sink: Sink) -> None:
        self.name, self._connect, self._sink = name, connect, sink
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self, now_s: float) -> None:
        """The stream ends with the connection."""

    def stop(self) -> None:
        self._over.set()
        self._thread.join(5)

    def _run(self) -> None:
        pause_s, last = _FIRST_PAUSE_S, ""
        while not self._over.is_set():
            is_connected, reason = False, ""
            try:
                with self._connect() as session:
                    session.listen()
                    is_connected = True
                    self._tell("connected")
                    while not self._over.is_set() and not reason:
                        reason = session.wait_closed(_LOOK_S) or ""
            except UnreachableError as error:
                reason = str(error).partition("\n")[0]
            if self._over.is_set():
                return
            if is_connected or reason != last:
                self._tell("gone", reason)
            last = reason
            pause_s = _FIRST_PAUSE_S if is_connected else min(2 * pause_s, _LONGEST_PAUSE_S)
            self._over.wait(pause_s)

    def _tell(self, kind: Kind, text: str = "") -> None:
        self._sink(Notice(self.name, kind, text, heard_s=time.monotonic()))
