"""Bonds: the two ports of a NIC as one interface, on two leaves that both announce its address.

As in published dual-ToR designs without links between the leaves: both are the hosts' gateway with one MAC
and one IP address, each has a route to every host at its own port, and the way there through the fabric leads
over both. Links between the leaves, over which MC-LAG keeps them in step, are refused as links within a tier.

Source: K. Qian et al., "Alibaba HPN: a data center network for large language model training", SIGCOMM 2024,
    section 4.2 (non-stacked dual-ToR).
"""

from __future__ import annotations

from collections.abc import Iterator

from raddle.errors import Diagnostic
from raddle.topology.forms.wiring import Cable, HostDraft, Wiring
from raddle.topology.naming import natural
from raddle.topology.yaml.schema import FabricFile
from raddle.topology.yaml.source import Place, Source


def bonded_leaves(wiring: Wiring) -> dict[str, str]:
    """Of each two leaves that have bonds in common, the later one by name, and the earlier one."""
    pairs = {tuple(sorted(leaves, key=natural)) for leaves in _leaves_of_bonds(wiring).values()}
    return {later: earlier for earlier, later in pairs}


def check_bonds(spec: FabricFile, wiring: Wiring, source: Source) -> Iterator[Diagnostic]:
    """Problems of the bonds of a wiring that is sound: one of each kind for a place."""
    if not any(host.nics.bond for host in wiring.hosts.values()):
        return
    told: set[tuple[str, Place]] = set()
    for problem, place, at_key in _problems(wiring):
        message, hint = problem
        if (hint, place) not in told:
            told.add((hint, place))
            yield source.error("bad-bond", message, place, hint, at_key=at_key)
    if told:
        return
    if spec.routing.policy == "pinned":
        hint = "write 'policy: ecmp'; the NIC and the switches choose a bond's port by hash"
        yield source.error("bad-bond", "flows to bonds are not pinned", ("routing", "policy"), hint)
    if spec.record is not None:
        hint = "leave it out; 'reserve' keeps numbers, too"
        yield source.error("bad-bond", "'record' does not know bonds", ("record",), hint, at_key=True)


def _problems(wiring: Wiring) -> Iterator[tuple[tuple[str, str], Place, bool]]:
    """(message, hint), the place, and whether the place is the key there."""
    for host in wiring.hosts.values():
        if host.nics.bond and host.nics.ports != 2:
            hint = "write 'ports: 2', or leave 'bond' out"
            yield (
                (f"a bond is of two ports, '{host.name}' has NICs of {host.nics.ports}", hint),
                host.place,
                True,
            )
            return
    ends = _leaf_cables(wiring)
    partner: dict[str, str] = {}
    for (name, nic), leaves in _leaves_of_bonds(wiring).items():
        host = wiring.hosts[name]
        first, second = leaves
        bond = f"the bond of '{name}:{host.ports[2 * nic]}' and '{host.ports[2 * nic + 1]}'"
        if first == second:
            hint = "put its ports on two leaves ('tors: 2')"
            yield (f"{bond} has both ports on '{first}'", hint), host.place, True
            continue
        if wiring.switches[first].plane != wiring.switches[second].plane:
            hint = "leave 'bond' out: between planes only the sender can choose, by an address for each port"
            yield (
                (f"{bond} is on leaves of two planes, which have no way to each other", hint),
                host.place,
                True,
            )
            continue
        if wiring.switches[first].pod != wiring.switches[second].pod:
            hint = "put its ports on two leaves of one pod"
            yield (f"{bond} is on leaves of two pods, '{first}' and '{second}'", hint), host.place, True
        for near, far in ((first, second), (second, first)):
            if partner.setdefault(near, far) != far:
                hint = "two leaves share all of their bonds, or none"
                yield (f"'{near}' has bonds with '{far}' and with '{partner[near]}'", hint), host.place, True
        a, b = (ends[name, host.ports[2 * nic + port]] for port in (0, 1))
        if (a.speed_bps or host.nics.speed) != (b.speed_bps or host.nics.speed):
            hint = "give both links one speed"
            yield (f"{bond} has links of two speeds", hint), b.speed_place, False
    for (name, port), cable in ends.items():
        leaf = _leaf(cable, wiring)
        if leaf in partner and not wiring.hosts[name].nics.bond:
            hint = "put hosts without bonds on leaves of their own ('groups: ...')"
            message = f"'{name}:{port}' is no bond, on '{leaf}' that has bonds with '{partner[leaf]}'"
            yield (message, hint), wiring.hosts[name].place, True


def _leaves_of_bonds(wiring: Wiring) -> dict[tuple[str, int], tuple[str, str]]:
    """The leaves of both ports of each bond, by host and NIC."""
    bonded = {n: host for n, host in wiring.hosts.items() if host.nics.bond and host.nics.ports == 2}
    if not bonded:
        return {}
    ends = _leaf_cables(wiring)
    return {
        (name, nic): (_at(ends, host, 2 * nic, wiring), _at(ends, host, 2 * nic + 1, wiring))
        for name, host in bonded.items()
        for nic in range(host.nic_count)
    }


def _at(ends: dict[tuple[str, str], Cable], host: HostDraft, port: int, wiring: Wiring) -> str:
    return _leaf(ends[host.name, host.ports[port]], wiring)


def _leaf_cables(wiring: Wiring) -> dict[tuple[str, str], Cable]:
    """The cable at each port of a host."""
    return {
        (end.device, end.port): cable
        for cable in wiring.cables
        for end in cable.ends
        if end.device in wiring.hosts
    }


def _leaf(cable: Cable, wiring: Wiring) -> str:
    """The switch end of a host's cable."""
    a, b = cable.ends
    return b.device if a.device in wiring.hosts else a.device
