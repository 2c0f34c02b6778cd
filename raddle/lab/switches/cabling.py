"""What is plugged in at the simulated switches: light, live cables, and what LLDP finds at each port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from raddle.controller.plan.model import Plan
from raddle.nos.farm import Cable
from raddle.nos.orch.appl_db import Neighbor
from raddle.topology.model import Fabric, PortRef
from raddle.topology.views.cable_truth import SeenCable

_HOST_MAC = 0x06 << 40  # Locally administered, and not the 02 of switches (IEEE 802, 8.4).


@dataclass(frozen=True, slots=True)
class Cabling:
    """By switch the ports with light and their neighbours; and the cables from switch to switch."""

    carriers: dict[str, frozenset[str]]
    neighbors: dict[str, dict[str, Neighbor]]
    cables: tuple[Cable, ...]


def cabling(fabric: Fabric, plan: Plan, seen: Iterable[SeenCable] | None = None) -> Cabling:
    """The cables as the fabric says, or as they are `seen`."""
    ends = (
        [(link.a, link.b) for link in fabric.links if link.is_up]
        if seen is None
        else [(cable.a, cable.b) for cable in seen]
    )
    known = _known(fabric, plan)
    switches = fabric.switch_by_name
    lit: dict[str, set[str]] = {name: set() for name in switches}
    neighbors: dict[str, dict[str, Neighbor]] = {name: {} for name in switches}
    cables = []
    for pair in dict.fromkeys(frozenset(both) for both in ends):
        a, b = sorted(pair, key=str) if len(pair) == 2 else 2 * list(pair)
        for near, far in ((a, b), (b, a)):
            if near.device in lit:
                lit[near.device].add(near.port)
                neighbors[near.device][near.port] = known.get(far) or Neighbor(
                    far.device, far.port, far.port, "00:00:00:00:00:00", is_switch=False
                )
        if a.device in lit and b.device in lit and a != b:
            cables.append(((a.device, a.port), (b.device, b.port)))
    return Cabling({name: frozenset(ports) for name, ports in lit.items()}, neighbors, tuple(cables))


def _known(fabric: Fabric, plan: Plan) -> dict[PortRef, Neighbor]:
    """How the port at the end of a cable introduces itself."""
    switches = {
        PortRef(switch.name, port.name): Neighbor(
            switch.name, port.alias, port.name, switch.mac, is_switch=True
        )
        for switch in plan.switches
        for port in switch.ports
    }
    return switches | dict(_hosts(fabric))


def _hosts(fabric: Fabric) -> Iterator[tuple[PortRef, Neighbor]]:
    number = 0
    for host in fabric.hosts:
        for nic in host.nics:
            mac = ":".join(f"{octet:02x}" for octet in (_HOST_MAC + number).to_bytes(6, "big"))
            yield PortRef(host.name, nic), Neighbor(host.name, nic, nic, mac, is_switch=False)
            number += 1
