"""The two ends of a link: what one does must be what the other expects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from raddle.controller.verify.finding import Finding
from raddle.state import PRIORITIES, PortState, SwitchState
from raddle.topology.model import Fabric, Link, PortRef
from raddle.units import format_rate


def check_ends(fabric: Fabric, states: Mapping[str, SwitchState]) -> Iterator[tuple[str, Finding]]:
    """A port, and what there is wrong: another speed than the link's, or pauses that its peer does not heed.

    What a switch port must have because the fabric's policy says so (MTU, PFC of the lossless classes,
    headroom) is checked port by port (`raddle.controller.verify.lossless`). The NICs do what the fabric file
    says.
    """
    ports = {
        PortRef(name, port.name): port
        for name, state in states.items()
        for port in state.ports
        if PortRef(name, port.name) in fabric.link_by_port
    }
    planned = sum(1 << each.priority for each in fabric.roce.lossless) if fabric.roce.pfc else 0
    for link in fabric.links:
        if link.is_up:
            for near, far in ((link.a, link.b), (link.b, link.a)):
                if near in ports:
                    yield from _end(near, ports[near], far, ports.get(far), link, planned)


def _end(
    near: PortRef, port: PortState, far: PortRef, peer: PortState | None, link: Link, planned: int
) -> Iterator[tuple[str, Finding]]:
    if port.speed_bps != link.speed_bps:
        message = f"set to {format_rate(port.speed_bps)}, and its link is of {format_rate(link.speed_bps)}"
        yield str(near), Finding("speed-differs", message, "give both ends the link's speed", ("fabric",))
    heeded = planned | (peer.pfc_enable if peer else 0)
    extra = [priority for priority in range(PRIORITIES) if (port.pfc_enable & ~heeded) >> priority & 1]
    if extra:
        message = (
            f"pauses priority {', '.join(map(str, extra))}, and {far} does not stop for that: at this end "
            "alone it is not lossless"
        )
        hint = "enable PFC at both ends of a link or at none, and add the class to roce.lossless"
        yield str(near), Finding("pfc-at-one-end", message, hint, ("roce", "lossless"), "warning")
