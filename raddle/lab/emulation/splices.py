"""Cables between BMv2 switches, which can be cut without taking a switch's port down.

BMv2's receiver waits at a port that is down until the port is up again and a frame arrives there; meanwhile
it hears none of the switch's ports. So a cable is two veth pairs with a bridge between them. A cut takes down
the pairs' ends at the bridge, and the switches' ports lose their carrier, as they do when a plug is pulled.
"""

from __future__ import annotations

from collections.abc import Sequence

from mininet.link import Intf, Link

from raddle.lab.emulation.programs import run

_FORWARD_LLDP = 0x4000  # a bridge keeps frames to 01:80:C2:00:00:0E unless it is told (IEEE 802.1D, 7.12.6)


def far_end(interface: str) -> str:
    """The end at the bridge of the pair whose other end is a switch's port."""
    return interface.replace("-eth", "+eth")


class PluggedPort(Intf):  # type: ignore[misc]
    """A switch's port that never goes down itself: Mininet's `link ... down` pulls its plug."""

    def ifconfig(self, *words: str) -> str:
        if words in (("up",), ("down",)):
            return run(["ip", "link", "set", "dev", far_end(self.name), *words])
        said: str = super().ifconfig(*words)
        return said


class HostFacingPort(Intf):  # type: ignore[misc]
    """A switch's port that never goes down itself: when the host's end does, it has no carrier."""

    def ifconfig(self, *words: str) -> str:
        said: str = super().ifconfig(*words) if words != ("down",) else ""
        return said


class SplicedLink(Link):  # type: ignore[misc]
    """A cable between two switches, with a bridge in its middle."""

    @classmethod
    def makeIntfPair(cls, name1: str, name2: str, *args: object, **options: object) -> None:  # noqa: N802
        run(["ip", "-batch", "-"], "\n".join(_commands(name1, name2)) + "\n")


def _commands(*ports: str) -> Sequence[str]:
    bridge = ports[0].replace("-eth", "~eth")
    lines = [f"link add name {bridge} type bridge mcast_snooping 0 group_fwd_mask {_FORWARD_LLDP:#x}"]
    for port in ports:
        lines += [
            f"link add name {port} type veth peer name {far_end(port)}",
            f"link set dev {far_end(port)} master {bridge} up",
            f"link set dev {port} up",
        ]
    return (*lines, f"link set dev {bridge} up")
