"""OpenFlow switches watched: port-status messages as they come, and who is connected every now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from raddle.controller.plan.model import SwitchPlan
from raddle.controller.service.watch.notice import Notice, Sink
from raddle.controller.southbound.openflow.fleet import OpenFlowFleet
from raddle.controller.southbound.openflow.tables import port_numbers

_LOOK_S = 0.5


class OpenFlowWatch:
    """Watches all switches of a fleet, whose `on_port` is `hear`."""

    def __init__(self, switches: Iterable[SwitchPlan], sink: Sink) -> None:
        self._ports = {
            switch.name: {number: port for port, number in port_numbers(switch).items()}
            for switch in switches
        }
        self._sink = sink
        self._fleet: OpenFlowFleet | None = None
        self._down: dict[str, frozenset[str] | None] = dict.fromkeys(self._ports)
        self._changed, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch-openflow", daemon=True)

    def use(self, fleet: OpenFlowFleet) -> None:
        """The fleet to watch; before `start`."""
        self._fleet = fleet

    def hear(self, switch: str, port: int, is_live: bool) -> None:
        """A port of a switch has changed."""
        self._changed.set()

    def start(self) -> None:
        self._thread.start()

    def look(self, now_s: float) -> None:
        """Connections end by themselves."""

    def stop(self) -> None:
        self._over.set()
        self._changed.set()
        self._thread.join(5)

    def _run(self) -> None:
        assert self._fleet, "there is something to watch"
        while not self._over.is_set():
            for name, ports in self._ports.items():
                live = self._fleet.live_ports(name)
                before = self._down[name]
                down = None if live is None else frozenset(
                    port for number, port in ports.items() if not live.get(number, False)
                )  # fmt: skip
                self._down[name] = down
                now_s = time.monotonic()
                if down is None:
                    if before is not None:
                        self._sink(Notice(name, "gone", "it is not connected any more", heard_s=now_s))
                    continue
                if before is None:
                    self._sink(Notice(name, "connected", heard_s=now_s))
                if down != before:
                    self._sink(Notice(name, "ports", down=down, heard_s=now_s))
            self._changed.wait(_LOOK_S)
            self._changed.clear()
