"""Failures under a stream of packets: how long until packets go another way, and which."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.network import Network
from raddle.lab.emulation.nics import Capture, NicSocket
from raddle.lab.emulation.paths import Path, Routing, Trip, TripLog
from raddle.lab.emulation.repair import Repairer
from raddle.lab.emulation.result import Failover
from raddle.lab.emulation.roce import PSN_MASK, WRITE_ONLY, Reth, RocePacket, encode
from raddle.topology.model import Link, PortRef

INTERVAL_S = 0.002
"""Between two packets of the stream, where the machine keeps up."""

PATIENCE_S = 15.0
"""How long packets may take to find their way."""

_POLL_S = 0.05
_QP, _SOURCE_PORT, _PAYLOAD_BYTES = 0x7AD, 0xC7AD, 64


@dataclass(frozen=True, slots=True)
class _Failure:
    kind: str
    name: str
    links: tuple[Link, ...]


class Stream:
    """Packets from one host's port to another's, at a steady rate, until closed. Use as a context."""

    def __init__(self, sender: NicSocket, receiver: NicSocket, dscp: int) -> None:
        self._sender, self._receiver, self._dscp = sender, receiver, dscp
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _send(self) -> None:
        psn = 0
        src, dst = self._sender.nic, self._receiver.nic
        while not self._is_over.wait(INTERVAL_S):
            packet = RocePacket(
                src.address, dst.address, _SOURCE_PORT, self._dscp, WRITE_ONLY, _QP, psn,
                reth=Reth(0, 0, _PAYLOAD_BYTES), payload=bytes(_PAYLOAD_BYTES),
            )  # fmt: skip
            self._sender.send(encode(packet, src.mac, src.gateway_mac))
            psn = (psn + 1) & PSN_MASK
            for _ in self._receiver.receive():
                pass


class FailoverTest:
    """A link at the sender's leaf fails, one behind it, and a whole switch behind it."""

    def __init__(
        self,
        layout: Layout,
        network: Network,
        repairer: Repairer,
        nics: Sequence[NicSocket],
        src: int,
        dst: int,
    ) -> None:
        self._layout, self._network, self._repairer, self._nics = layout, network, repairer, nics
        self._src, self._dst = src, dst
        self._log = TripLog()
        self._whole = Routing(layout, repairer.routes(frozenset()))

    def run(self) -> Iterator[Failover]:
        """Each failure in turn; the cables are mended after it."""
        first = self._measure(None)
        if isinstance(first, Failover):
            yield first
            return
        for failure in self._failures(first):
            found = self._measure(failure)
            assert isinstance(found, Failover)
            yield found
            if self._repairer.error:
                return

    def _failures(self, path: Path) -> Iterator[_Failure]:
        links = self._layout.fabric.link_by_port
        up, down = links[path[0]], links[path[-2]]
        yield _Failure("link", _ends(path[0], up), (up,))
        if down is not up:
            yield _Failure("remote link", _ends(path[-2], down), (down,))
        switch = path[-2].device
        around = tuple(link for link in self._layout.fabric.links if switch in (link.a.device, link.b.device))
        yield _Failure("switch", switch, around)

    def _measure(self, failure: _Failure | None) -> Failover | Path:
        """Without a failure: the path that the stream takes."""
        self._log = TripLog()
        dscp = self._layout.fabric.roce.lossless[0].dscp if self._layout.fabric.roce.lossless else 0
        with (
            Capture(self._layout.interfaces, self._layout.addresses) as capture,
            Stream(self._nics[self._src], self._nics[self._dst], dscp),
        ):
            before = self._wait(capture, 0, lambda trip: self._whole.allows(trip.path, self._src, self._dst))
            if before is None:
                return Failover("stream", "none", (), (), None, None, 0, INTERVAL_S, "no packet arrives")
            if failure is None:
                return before.path
            return self._break(capture, failure, before.path)

    def _break(self, capture: Capture, failure: _Failure, before: Path) -> Failover:
        dead = frozenset(end for link in failure.links for end in (link.a, link.b))
        backup = Routing(self._layout, self._repairer.routes(dead))
        start = time.time_ns()
        self._network.set_links(dict.fromkeys(failure.links, False))
        other = self._wait(capture, start, lambda trip: not dead & set(trip.path))
        pushed = self._repairer.settled(dead & self._layout.numbers.keys(), PATIENCE_S)
        planned = pushed and self._wait(
            capture, pushed,
            lambda trip: not dead & set(trip.path) and backup.allows(trip.path, self._src, self._dst),
        )  # fmt: skip
        lost, interval_s = self._lost(capture, start, is_hole=other is None)
        self._network.set_links(dict.fromkeys(failure.links, True))
        whole = self._repairer.settled(frozenset(), PATIENCE_S)
        mended = whole and self._wait(capture, whole, lambda trip: trip.path == before)
        problem = ""
        if other is None:
            problem = f"no packet arrived over another path within {PATIENCE_S:g} s"
        elif not planned:
            problem = f"no packet took the plan's backup within {PATIENCE_S:g} s"
        elif not self._is_expected(other.path, dead, backup):
            problem = f"the first packet went over {_text(other.path)}, which nothing planned"
        elif not mended:
            problem = "packets did not return to their path after the repair"
        if self._repairer.error:
            problem = f"the controller could not repair: {self._repairer.error}"
        return Failover(
            kind=failure.kind,
            failure=failure.name,
            before=tuple(map(str, before)),
            after=tuple(map(str, planned.path)) if planned else (),
            first_s=(other.arrived_ns - start) / 1e9 if other else None,
            plan_s=(planned.arrived_ns - start) / 1e9 if planned else None,
            lost=lost,
            interval_s=interval_s,
            problem=problem,
        )

    def _is_expected(self, path: Path, dead: frozenset[PortRef], backup: Routing) -> bool:
        return self._whole.allows(path, self._src, self._dst, dead) or backup.allows(
            path, self._src, self._dst
        )

    def _wait(self, capture: Capture, since_ns: int, fits: Callable[[Trip], bool]) -> Trip | None:
        """The first packet that arrived after a time and fits; None when none does in time."""
        end = time.monotonic() + PATIENCE_S
        while True:
            for trip in self._arrived(capture):
                if trip.arrived_ns > since_ns and fits(trip):
                    return trip
            if time.monotonic() > end or self._repairer.error:
                return None
            time.sleep(_POLL_S)

    def _arrived(self, capture: Capture) -> Iterator[Trip]:
        goal = self._layout.nics[self._dst].leaf_port
        self._log.add(capture.sightings)
        yield from (trip for trip in self._log.trips() if trip.path[-1] == goal)

    def _lost(self, capture: Capture, since_ns: int, is_hole: bool) -> tuple[int, float]:
        """Packets that entered the network and did not arrive, up to the last one that did.

        Where none arrived after the cut all that entered since are lost, but those on their way. And the mean
        time in seconds between two that entered since: a busy machine sends fewer than asked.
        """
        entry = self._layout.nics[self._src].leaf_port
        entered = [s.time_ns for s in tuple(capture.sightings) if s.port == entry and not s.is_sent]
        arrived = [trip.arrived_ns for trip in self._arrived(capture)]
        last = entered[-1] if is_hole else max(arrived)
        lost = sum(time_ns < last for time_ns in entered) - len(arrived)
        since = [time_ns for time_ns in entered if time_ns >= since_ns]
        return lost, (since[-1] - since[0]) / 1e9 / (len(since) - 1) if len(since) > 1 else INTERVAL_S


def _ends(port: PortRef, link: Link) -> str:
    return f"{port} -> {link.b if port == link.a else link.a}"


def _text(path: Path) -> str:
    return " ".join(map(str, path))
