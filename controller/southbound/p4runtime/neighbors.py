"""What is at the far end of a switch's ports: its addresses and its MAC address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_interface

from raddle.controller.plan.model import SwitchPlan
from raddle.units import ip_text


@dataclass(frozen=True, slots=True)
class Neighbor:
    """The device behind a port. `number` is the port's place on the front panel, from 1.

    `addresses` are its own as `(address, prefix length)`, `own` those of the switch's port.
    """

    port: str
    number: int
    mac: str
    addresses: tuple[tuple[str, int], ...]
    own: tuple[tuple[str, int], ...]


def neighbors_of(switch: SwitchPlan, macs: Mapping[str, str]) -> tuple[Neighbor, ...]:
    """The neighbors of a switch, in the order of their addresses; `macs` are by switch or endpoint name.

    CORRECTNESS: SONiC orders the members of a next-hop group by address; members that get their ids in this
    order make a P4 switch choose the same next hop for the same hash.
    """
    prefixes: dict[str, list[str]] = {}
    for interface in switch.interfaces:
        prefixes.setdefault(interface.name, []).append(interface.prefix)
    found = []
    for number, port in enumerate(switch.ports, 1):
        if port.peer:
            own, far = [], []
            for prefix in filter(None, prefixes.get(port.name, [])):
                here = ip_interface(prefix)
                bits = here.max_prefixlen
                own.append((ip_text(here.ip), bits))
                far.append((ip_text(ip_interface((int(here.ip) ^ 1, bits)).ip), bits))
            mac = macs.get(port.peer) or macs[port.peer.partition(":")[0]]
            found.append(Neighbor(port.name, number, mac, tuple(far), tuple(own)))
    return tuple(sorted(found, key=_order))


def _order(neighbor: Neighbor) -> tuple[int, int, int]:
    if not neighbor.addresses:
        return 0, int(neighbor.mac.replace(":", ""), 16), neighbor.number
    first = ip_interface(neighbor.addresses[0][0])
    return first.version, int(first.ip), neighbor.number
