"""What is at the far end of a switch's ports: its addresses and its MAC address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from itertools import pairwise

from raddle.controller.plan.model import SwitchPlan
from raddle.units import ip_text

TRAP_MEMBER = 0xFFFFFFFF
"""Id of the member that sends packets to the CPU."""


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

    CORRECTNESS: SONiC orders the members of a next-hop group by address; members whose ids are in this order
    (`member_ids`) make a P4 switch choose the same next hop for the same hash.
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


def member_ids(neighbors: Sequence[Neighbor]) -> dict[str, int]:
    """An id of 32 bits for each port with a neighbor, in the neighbors' order, below `TRAP_MEMBER`.

    An id is made of the neighbor alone, so that it stays when others come and go: its IPv4 address; of an
    IPv6 address the low byte of its /64 and its low 24 bits; of a port without addresses the low 14 bits of
    the MAC address and the port's number. Neighbors that this does not tell apart in order are numbered by
    place, as with IPv6 pools whose prefixes differ further up.
    """
    ids = [_own_id(each) for each in neighbors]
    bounds = [0, *ids, TRAP_MEMBER]
    if any(low >= high for low, high in pairwise(bounds)):
        ids = list(range(1, len(neighbors) + 1))
    return {neighbor.port: id for neighbor, id in zip(neighbors, ids, strict=True)}


def _own_id(neighbor: Neighbor) -> int:
    if not neighbor.addresses:
        mac = int(neighbor.mac.replace(":", ""), 16)
        return mac % 2**14 << 10 | neighbor.number % 2**10
    first = ip_address(neighbor.addresses[0][0])
    if first.version == 4:
        return int(first)
    return (int(first) >> 64) % 2**8 << 24 | int(first) % 2**24


def _order(neighbor: Neighbor) -> tuple[int, int, int]:
    if not neighbor.addresses:
        return 0, int(neighbor.mac.replace(":", ""), 16), neighbor.number
    first = ip_interface(neighbor.addresses[0][0])
    return first.version, int(first.ip), neighbor.number
