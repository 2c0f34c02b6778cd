"""What the ports of a fabric's switches do, from one reading of their counters to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raddle.controller.service.watch.counters import MISSING, STATS, Reading, pauses_of
from raddle.topology.model import Fabric, PortRef

_PLACE = {name: place for place, name in enumerate(STATS)}


@dataclass(frozen=True, slots=True)
class PortLoad:
    """A cabled port of a switch between two readings. What a switch does not count is 0.

    Attributes:
        sent, received: share of its speed, 0..1 (frames with FCS).
        paused: share of the time for which what it hears from its peer keeps its most paused lossless
            priority from sending, 0..1.
        pausing: PFC frames per second that it sends to its peer.
        marks: packets per second that it marks with CE.
        queue_bytes: its longest queue at the later reading.
        errors: frames received corrupt in that time; `frames`: all that were received.
        seconds: between the readings.
    """

    sent: float = 0.0
    received: float = 0.0
    paused: float = 0.0
    pausing: float = 0.0
    marks: float = 0.0
    queue_bytes: int = 0
    errors: int = 0
    frames: int = 0
    seconds: float = 0.0


class Loads:
    """The load of every cabled port of a fabric's switches, as far as they have told.

    Attributes:
        ports: the latest load of each.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._speed_bps = {
            end: link.speed_bps
            for link in fabric.links
            for end in (link.a, link.b)
            if end.device in fabric.switch_by_name
        }
        self._last: dict[str, Reading] = {}
        self.ports: dict[PortRef, PortLoad] = {}

    def take(self, reading: Reading) -> bool:
        """Take in a reading; whether it gives loads. The first of a switch, and one whose clock has not moved
        on or is another one, gives none."""
        before, self._last[reading.switch] = self._last.get(reading.switch), reading
        if before is None or before.is_simulated != reading.is_simulated:
            return False
        seconds = reading.clock_s - before.clock_s
        if seconds <= 0:
            self._last[reading.switch] = before if seconds == 0 else reading
            return False
        for name, row in reading.ports.items():
            port = PortRef(reading.switch, name)
            if port in self._speed_bps and name in before.ports:
                self.ports[port] = _load(before.ports[name], row, seconds, self._speed_bps[port])
        return True

    def forget(self, switch: str) -> None:
        """A switch gives no counters any more: what it did before says nothing of now."""
        self._last.pop(switch, None)
        self.ports = {port: load for port, load in self.ports.items() if port.device != switch}


def _load(before: Sequence[int], now: Sequence[int], seconds: float, speed_bps: int) -> PortLoad:
    grown = [_grown(old, new) for old, new in zip(before, now, strict=True)]

    def of(stat: str) -> int:
        return grown[_PLACE[stat]]

    return PortLoad(
        sent=of("out_octets") * 8 / seconds / speed_bps,
        received=of("in_octets") * 8 / seconds / speed_bps,
        paused=min(1.0, max(pauses_of(grown), default=0) / 1e6 / seconds),
        pausing=of("pfc_tx") / seconds,
        marks=of("ecn_marked") / seconds,
        queue_bytes=max(0, now[_PLACE["queue_bytes"]]),
        errors=of("in_errors"),
        frames=of("in_packets") + of("in_errors"),
        seconds=seconds,
    )


def _grown(before: int, now: int) -> int:
    """0 where it is not counted, or was cleared meanwhile."""
    return 0 if MISSING in (before, now) else max(0, now - before)


LoadOf = Mapping[PortRef, PortLoad]
