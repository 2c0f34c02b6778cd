"""Failures under a stream of packets: how long until packets go another way, and which.

Each is made again and again, as one time says little of a machine that has other work too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.network import Network
from raddle.lab.emulation.nics import Capture, NicSocket
from raddle.lab.emulation.paths import Path, Routing, Trip, TripLog
from raddle.lab.emulation.repair import Repair, Repairer
from raddle.lab.emulation.result import Failover, Spread
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
    """Links that fail, by ports of theirs that lose their carrier, or are taken down where `is_shut`."""

    kind: str
    name: str
    links: tuple[Link, ...]
    ports: tuple[PortRef, ...]
    is_shut: bool = False

    @property
    def dead(self) -> frozenset[PortRef]:
        return frozenset(end for link in self.links for end in (link.a, link.b))


@dataclass(frozen=True, slots=True)
class _Cut:
    """What one cut has shown; None for what did not happen."""

    before: Path = ()
    after: Path = ()
    other_s: float | None = None
    backup_s: float | None = None
    repair: Repair | None = None
    start_ns: int = 0
    lost: int = 0
    interval_s: float = INTERVAL_S
    problem: str = ""


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
        cuts: int,
    ) -> None:
        self._cuts = cuts
        self._layout, self._network, self._repairer, self._nics = layout, network, repairer, nics
        self._src, self._dst = src, dst
        self._log = TripLog()
        self._whole = Routing(layout, repairer.routes(frozenset()))

    def run(self) -> Iterator[Failover]:
        """Each failure in turn; the cables are mended after it."""
        self._repairer.await_prepared(PATIENCE_S)
        first = self._measure(None)
        if first.problem:
            yield _summary(_Failure("stream", "none", (), ()), [first])
            return
        for failure in self._failures(first.before):
            cuts: list[_Cut] = []
            while len(cuts) < self._cuts and not (cuts and cuts[-1].problem):
                cuts.append(self._measure(failure))
            yield _summary(failure, cuts)
            if self._repairer.error:
                return

    def _failures(self, path: Path) -> Iterator[_Failure]:
        links = self._layout.fabric.link_by_port
        seen = dict[Link, str]()
        for port, kind in ((path[0], "link"), (path[-2], "remote link")):
            link = links[port]
            if link not in seen:
                seen[link] = kind
                yield _Failure(kind, _ends(port, link), (link,), (port,))
                if self._network.can_shut:
                    yield _Failure(f"{kind} shut", _ends(port, link), (link,), (port,), is_shut=True)
        switch = path[-2].device
        around = tuple(link for link in self._layout.fabric.links if switch in (link.a.device, link.b.device))
        # Its neighbours hear it by their carriers, as when it loses its power.
        ends = tuple(link.b if link.a.device == switch else link.a for link in around)
        yield _Failure("switch", switch, around, ends)

    def _set(self, failure: _Failure, is_up: bool) -> None:
        if failure.is_shut:
            self._network.shut(failure.ports, not is_up)
        else:
            self._network.plug(failure.ports, is_up)

    def _measure(self, failure: _Failure | None) -> _Cut:
        """Without a failure: the path that the stream takes."""
        self._log = TripLog()
        dscp = self._layout.fabric.roce.lossless[0].dscp if self._layout.fabric.roce.lossless else 0
        with (
            Capture(self._layout.interfaces, self._layout.addresses) as capture,
            Stream(self._nics[self._src], self._nics[self._dst], dscp),
        ):
            before = self._wait(capture, 0, lambda trip: self._whole.allows(trip.path, self._src, self._dst))
            if before is None:
                return _Cut(problem="no packet arrives")
            if failure is None:
                return _Cut(before.path)
            return self._break(capture, failure, before.path)

    def _break(self, capture: Capture, failure: _Failure, before: Path) -> _Cut:
        dead = failure.dead
        backup = Routing(self._layout, self._repairer.routes(dead))
        start = time.time_ns()
        self._set(failure, is_up=False)
        other = self._wait(capture, start, lambda trip: not dead & set(trip.path))
        repair = self._repairer.settled(dead & self._layout.numbers.keys(), PATIENCE_S)
        planned = repair and self._wait(
            capture, repair.pushed_ns,
            lambda trip: not dead & set(trip.path) and backup.allows(trip.path, self._src, self._dst),
        )  # fmt: skip
        lost, interval_s = self._lost(capture, start, is_hole=other is None)
        self._set(failure, is_up=True)
        whole = self._repairer.settled(frozenset(), PATIENCE_S)
        mended = whole and self._wait(capture, whole.pushed_ns, lambda trip: trip.path == before)
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
        return _Cut(
            before=before,
            after=planned.path if planned else (),
            other_s=(other.arrived_ns - start) / 1e9 if other else None,
            backup_s=(planned.arrived_ns - start) / 1e9 if planned else None,
            repair=repair,
            start_ns=start,
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


def _summary(failure: _Failure, cuts: Sequence[_Cut]) -> Failover:
    last = cuts[-1]
    repairs = [(cut.start_ns, cut.repair) for cut in cuts if cut.repair]
    return Failover(
        kind=failure.kind,
        failure=failure.name,
        before=tuple(map(str, last.before)),
        after=tuple(map(str, last.after)),
        cuts=len(cuts),
        other_s=Spread.of([cut.other_s for cut in cuts if cut.other_s is not None]),
        backup_s=Spread.of([cut.backup_s for cut in cuts if cut.backup_s is not None]),
        detect_s=Spread.of([(repair.heard_ns - start) / 1e9 for start, repair in repairs]),
        plan_s=Spread.of([(repair.planned_ns - repair.heard_ns) / 1e9 for _, repair in repairs]),
        push_s=Spread.of([(repair.pushed_ns - repair.planned_ns) / 1e9 for _, repair in repairs]),
        lost=Spread.of([cut.lost for cut in cuts]),
        interval_s=fmean(cut.interval_s for cut in cuts),
        problem=last.problem,
    )


def _ends(port: PortRef, link: Link) -> str:
    return f"{port} -> {link.b if port == link.a else link.a}"


def _text(path: Path) -> str:
    return " ".join(map(str, path))
