"""From the loads of ports to what kind of congestion it is, where, and whose.

A port whose peer pauses it is not the cause, but what is behind that: the search stops where nobody is
paused any more, or at a host. Thresholds are assumptions, with distance between them so that a port at one
of them is not called by turns this and that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from raddle.controller.service.congestion.finding import Finding, Mend
from raddle.controller.service.congestion.jobs import JobFlow
from raddle.controller.service.congestion.loads import PortLoad
from raddle.topology.model import Fabric, Link, PortRef

BUSY = 0.9
"""Share of its speed from which a port is full: gaps between frames, and headers, are the rest."""
LOADED = 0.5
"""Share of its speed from which a port whose packets are marked or wait is congested: senders that slow down
for marks leave it less than full."""
ROOM = 0.6
"""Of a congested port's load: a port beside it that sends less has room for some of its flows."""
STORM = 0.8
"""Paused for more of the time than that, with next to nothing sent: nobody takes anything there."""
SILENT = 0.02
SLOW = 0.1
"""Paused by a host for more of the time than that, its port sends less than it could."""
ERROR_RATIO = 1e-6
"""Of received frames; a link within IEEE 802.3's frame loss ratio (6.2e-10) has fewer."""
FEWEST_ERRORS = 3
FEEDS = 0.1
"""Share of its speed from which what comes in at a port counts: where one comes alone, no queue grows."""

_LEVEL = {"leaf": 0, "spine": 1, "superspine": 2}
_ASK_HOSTS = "spread the senders over time, or take an algorithm with fewer at once"


class Seeker:
    """Finds congestion in a fabric.

    Args:
        flows: of the jobs that run, as far as they are known.
        is_pinned: these flows are pinned already.
    """

    def __init__(self, fabric: Fabric, flows: tuple[JobFlow, ...] = (), is_pinned: bool = False) -> None:
        self.fabric, self._flows, self._is_pinned = fabric, flows, is_pinned
        self._level = {switch.name: _LEVEL[switch.role] for switch in fabric.switches}
        self._host_port = {}
        for index, endpoint in enumerate(fabric.endpoints):
            link = fabric.links[endpoint.link]
            self._host_port[index] = link.a if link.a.device in self._level else link.b

    def find(self, loads: Mapping[PortRef, PortLoad]) -> tuple[Finding, ...]:
        """What is wrong at this moment, the causes and not what suffers from them."""
        found = [each for port, load in loads.items() for each in self._at(port, load, loads)]
        return tuple(sorted(found, key=lambda each: each.key))

    def clean_frames(self, finding: Finding, loads: Mapping[PortRef, PortLoad]) -> int | None:
        """How many frames were received where a finding was, None if some of them were corrupt.

        Where no traffic is led any more, as many as the finding needs.
        """
        device, _, name = finding.place.partition(":")
        port = PortRef(device, name)
        link = self.fabric.link_by_port.get(port)
        if link is None or not link.is_up or link.is_drained:
            return finding.needs
        load = loads.get(port, PortLoad())
        return None if load.errors else load.frames

    def _at(self, port: PortRef, load: PortLoad, loads: Mapping[PortRef, PortLoad]) -> Iterator[Finding]:
        link = self.fabric.link_by_port.get(port)
        if link is None or not link.is_up:
            return
        peer = link.b if link.a == port else link.a
        if load.errors >= FEWEST_ERRORS and load.errors >= ERROR_RATIO * load.frames:
            yield self._bit_errors(port, peer, link, load)
        if peer.device not in self._level:
            yield from self._towards_host(port, peer, link, load, loads)
        elif (
            not link.is_drained
            and load.sent >= LOADED
            and load.paused < SLOW
            and self._is_too_much(port, load, loads)
        ):
            yield from self._between_switches(port, peer, link, load, loads)

    def _bit_errors(self, port: PortRef, peer: PortRef, link: Link, load: PortLoad) -> Finding:
        told = f"{port} received {load.errors} corrupt of {load.frames} frames in {load.seconds:.3g} s"
        is_inner = peer.device in self._level
        return Finding(
            "bit-errors", str(port), _name(link), told,
            mend=Mend("drain", str(link.a)) if is_inner and not link.is_drained else None,
            advice="clean or replace the cable and the optics",
            needs=0 if link.is_drained else -(-FEWEST_ERRORS * load.frames // load.errors),
        )  # fmt: skip

    def _towards_host(
        self, port: PortRef, peer: PortRef, link: Link, load: PortLoad, loads: Mapping[PortRef, PortLoad]
    ) -> Iterator[Finding]:
        behind = [other for other, each in loads.items() if each.paused >= SLOW and other != port]
        spread = f"; {len(behind)} other ports are paused" if behind else ""
        to_host = tuple(flow for flow in self._flows if self._host_port[flow.dst] == port)
        if load.paused >= STORM and load.sent <= SILENT:
            told = f"{peer.device} pauses {port} for {load.paused:.0%} of the time and takes nothing{spread}"
            yield Finding(
                "storm", str(port), _name(link), told, to_host, Mend("isolate", str(port)),
                f"reset {peer.device}'s NIC",
            )  # fmt: skip
        elif load.paused >= SLOW:
            told = (
                f"{peer.device} pauses {port} for {load.paused:.0%} of the time and takes {load.sent:.0%}"
                f" of the link{spread}"
            )
            yield Finding(
                "slow-receiver", str(port), _name(link), told, to_host,
                advice=f"look at {peer.device}'s bus, memory and NIC: no other path would help",
            )  # fmt: skip
        elif load.sent >= BUSY and self._is_too_much(port, load, loads):
            senders = len({flow.src for flow in to_host})
            if senders == 1:
                return  # one sender fills the port of its receiver: that is as fast as it can be
            who = f"{senders} senders" if senders else "senders that no job names"
            told = f"{port} to {peer.device} is {load.sent:.0%} full of what {who} send{_marked(load)}"
            yield Finding("incast", str(port), _name(link), told, to_host, advice=_ASK_HOSTS)

    def _between_switches(
        self, port: PortRef, peer: PortRef, link: Link, load: PortLoad, loads: Mapping[PortRef, PortLoad]
    ) -> Iterator[Finding]:
        flows = self._slow(self._crossing(port.device, peer.device), loads)
        told = f"{port} is {load.sent:.0%} full{_marked(load)}"
        others = {other: loads[other] for other in self._alternatives[port] if other in loads}
        freest = min(others, key=lambda other: others[other].sent, default=None)
        if freest is None or others[freest].sent > ROOM * load.sent:
            if load.sent < BUSY:
                return
            told += ", and so are all beside it" if others else ", and no other leads there"
            yield Finding(
                "full", str(port), _name(link), told, flows,
                advice="there is no room beside it: fewer flows, or more links",
            )  # fmt: skip
            return
        told += f", while {freest} is {others[freest].sent:.0%} full"
        can_pin = bool(self._flows) and not self._is_pinned
        by_hosts = self.fabric.routing.pins == "udp-source-port"
        mend = Mend("source-ports" if by_hosts else "re-pin") if can_pin else None
        yield Finding(
            "collision", str(port), _name(link), told, flows, mend,
            "say with --jobs who sends to whom, and they can be pinned"
            if not self._flows
            else "these flows are pinned as well as can be",
        )  # fmt: skip

    def _is_too_much(self, port: PortRef, load: PortLoad, loads: Mapping[PortRef, PortLoad]) -> bool:
        """Whether more comes than it can send: what several bring is marked, or its switch pauses them."""
        feeding = [loads[other] for other in self._feeders(port) if other in loads]
        feeding = [each for each in feeding if each.received >= FEEDS]
        return len(feeding) > 1 and (load.marks > 0 or any(each.pausing > 0 for each in feeding))

    def _feeders(self, port: PortRef) -> Iterator[PortRef]:
        """The ports of its switch from which packets may go to it: what leads up is fed from below alone."""
        level = self._level[port.device]

        def is_up(other: PortRef) -> bool:
            return self._level.get(self._peer[other].device, -1) > level

        return (
            other
            for other in self._of_switch[port.device]
            if other != port and not (is_up(port) and is_up(other))
        )

    @cached_property
    def _peer(self) -> dict[PortRef, PortRef]:
        ends = [(link.a, link.b) for link in self.fabric.links]
        return dict(ends) | {b: a for a, b in ends}

    def _crossing(self, device: str, peer: str) -> tuple[JobFlow, ...]:
        """The flows that may go from one switch to the next."""
        is_up = self._level[peer] > self._level[device]
        below = self._below[device if is_up else peer]

        def goes_over(flow: JobFlow) -> bool:
            src, dst = (self._host_port[end].device in below for end in (flow.src, flow.dst))
            return (src and not dst) if is_up else (dst and not src)

        return tuple(flow for flow in self._flows if goes_over(flow))

    def _slow(self, flows: tuple[JobFlow, ...], loads: Mapping[PortRef, PortLoad]) -> tuple[JobFlow, ...]:
        """Those whose sender sends, but less than its link carries; all where nobody does."""
        idle = PortLoad()
        slow = tuple(
            flow for flow in flows if SILENT < loads.get(self._host_port[flow.src], idle).received < BUSY
        )
        return slow or flows

    @cached_property
    def _of_switch(self) -> dict[str, list[PortRef]]:
        ports: dict[str, list[PortRef]] = {name: [] for name in self._level}
        for port in self._ends():
            ports[port.device].append(port)
        return ports

    @cached_property
    def _below(self) -> dict[str, frozenset[str]]:
        """The leaves under each switch, over links that carry traffic."""
        below = {name: {name} if level == 0 else set[str]() for name, level in self._level.items()}
        for level in (1, 2):
            for link in self.fabric.links:
                if not link.is_up or link.is_drained:
                    continue
                for upper, lower in ((link.a.device, link.b.device), (link.b.device, link.a.device)):
                    if self._level.get(upper) == level and self._level.get(lower, level) < level:
                        below[upper] |= below[lower]
        return {name: frozenset(leaves) for name, leaves in below.items()}

    @cached_property
    def _alternatives(self) -> dict[PortRef, list[PortRef]]:
        """Of each port between switches, those over which its flows could go as well.

        On the way up: the other ports of its switch that lead up. On the way down: all others that lead to
        the same switch from its level. In both cases only by way of switches with as many leaves below.
        """
        by_group: dict[tuple[str, str], list[PortRef]] = {}
        group_of = {}
        upper: dict[PortRef, str] = {}
        for link in self.fabric.links:
            for port, peer in ((link.a, link.b), (link.b, link.a)):
                if port.device not in self._level or peer.device not in self._level:
                    continue
                if not link.is_up or link.is_drained:
                    continue
                is_up = self._level[peer.device] > self._level[port.device]
                group = (port.device, "up") if is_up else (peer.device, "down")
                group_of[port] = group
                upper[port] = peer.device if is_up else port.device
                by_group.setdefault(group, []).append(port)
        return {
            port: [
                other
                for other in by_group[group]
                if other != port and self._below[upper[other]] >= self._below[upper[port]]
            ]
            for port, group in group_of.items()
        }

    def _ends(self) -> Iterable[PortRef]:
        return (end for link in self.fabric.links for end in (link.a, link.b) if end.device in self._level)


def _marked(load: PortLoad) -> str:
    return f", {load.marks:.3g} packets/s marked" if load.marks else ""


def _name(link: Link) -> str:
    return f"{link.a} - {link.b}"
