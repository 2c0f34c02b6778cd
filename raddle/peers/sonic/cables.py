"""Who is cabled to whom, by a list, LLDP, DEVICE_NEIGHBOR and the addresses, in that order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

from raddle.peers.sonic.findings import Finding
from raddle.peers.sonic.reading import HeldSwitch
from raddle.topology.model import PortRef
from raddle.topology.naming import natural
from raddle.topology.views.cable_truth import SeenCable

_OTHER_SWITCHES = ("router", "switch", "tor", "firewall", "console", "fabric")
"""Parts of DEVICE_NEIGHBOR_METADATA types of what is no host."""


@dataclass
class Cabling:
    """Cables between switches, and hosts by name with (NIC, switch port) in order."""

    links: list[tuple[PortRef, PortRef]] = field(default_factory=list)
    hosts: dict[str, list[tuple[str, PortRef]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def find_cables(switches: Sequence[HeldSwitch], listed: Sequence[SeenCable] = ()) -> Cabling:
    """All cables at ports of the switches; a port keeps the far end that the first source has for it."""
    names = _Names(switches)
    cabling = Cabling()
    far: dict[PortRef, tuple[PortRef, str]] = {}
    cabling.findings += _portless(switches, names)
    claims = [*_listed(listed, names), *_heard(switches, names), *_neighbours(switches, names)]
    claims.sort(key=lambda claim: names.knows_switch(claim[1]) and not names.has(claim[1]))
    for here, there, source in claims:
        known = far.setdefault(here, (there, source))
        if known[0] != there and known[0].device != there.device:
            text = f"{here} leads to {there} by {source}, to {known[0]} by {known[1]}, which counts"
            cabling.findings.append(Finding("conflict", here.device, source, text))
    _add_by_address(switches, far)
    _sort(switches, names, far, cabling)
    return cabling


class _Names:
    """Devices by host name in any case, with or without domain; ports by name, alias in any case."""

    def __init__(self, switches: Sequence[HeldSwitch]) -> None:
        self.devices = {switch.name.lower(): switch.name for switch in switches}
        self._short = {name.partition(".")[0].lower(): name for name in self.devices.values()}
        self._ports: dict[tuple[str, str], str] = {}
        for switch in switches:
            for port, fields in switch.ports.items():
                self._ports.setdefault((switch.name, str(fields.get("alias", port)).lower()), port)
            self._ports |= {(switch.name, port.lower()): port for port in switch.ports}

    def of(self, device: str, port: str) -> PortRef:
        said = device.lower()
        name = self.devices.get(said) or self._short.get(said.partition(".")[0], device)
        return PortRef(name, self._ports.get((name, port.lower()), port))

    def knows_switch(self, end: PortRef) -> bool:
        return end.device in self.devices.values()

    def has(self, end: PortRef) -> bool:
        return (end.device, end.port.lower()) in self._ports


Claim = tuple[PortRef, PortRef, str]


def _listed(listed: Sequence[SeenCable], names: _Names) -> Iterator[Claim]:
    for cable in listed:
        ends = names.of(cable.a.device, cable.a.port), names.of(cable.b.device, cable.b.port)
        for here, there in (ends, ends[::-1]):
            if names.knows_switch(here):
                yield here, there, str(cable.span)


def _heard(switches: Sequence[HeldSwitch], names: _Names) -> Iterator[Claim]:
    for switch in switches:
        for port, (device, told) in switch.heard.items():
            ends = [names.of(device, name) for name in told or ("",)]
            there = next((end for end in ends if names.has(end)), ends[0])
            if port in switch.ports:
                yield PortRef(switch.name, port), there, f"{switch.source}: LLDP of {port}"


def _neighbours(switches: Sequence[HeldSwitch], names: _Names) -> Iterator[Claim]:
    for switch in switches:
        for key, fields in switch.tables.get("DEVICE_NEIGHBOR", {}).items():
            here = names.of(switch.name, str(fields.get("local_port", key)))
            device = str(fields.get("name", ""))
            if device and names.has(here):
                yield here, names.of(device, str(fields.get("port", ""))), switch.at("DEVICE_NEIGHBOR", key)


def _portless(switches: Sequence[HeldSwitch], names: _Names) -> Iterator[Finding]:
    """Neighbours at ports that a switch does not have, as where a minigraph has other names than its
    port_config.ini."""
    for switch in switches:
        for key, fields in switch.tables.get("DEVICE_NEIGHBOR", {}).items():
            here = names.of(switch.name, str(fields.get("local_port", key)))
            if fields.get("name") and not names.has(here):
                text = f"{switch.name} has no port '{here.port}', at which '{fields['name']}' is said to be"
                place = switch.at("DEVICE_NEIGHBOR", key)
                yield Finding("conflict", switch.name, place, f"{text}: outside the fabric")


def _add_by_address(switches: Sequence[HeldSwitch], far: dict[PortRef, tuple[PortRef, str]]) -> None:
    """Two ports whose addresses are of one network of two or four are cabled, where nothing else is known."""
    by_network: dict[str, list[tuple[PortRef, str]]] = {}
    for switch in switches:
        for key in switch.tables.get("INTERFACE", {}):
            port, _, prefix = key.partition("|")
            network = _small_network(prefix)
            if network and port in switch.ports:
                by_network.setdefault(network, []).append(
                    (PortRef(switch.name, port), switch.at("INTERFACE", key))
                )
    for ends in by_network.values():
        if len(ends) == 2 and ends[0][0].device != ends[1][0].device:
            (a, at_a), (b, at_b) = ends
            if a not in far and b not in far:
                far[a], far[b] = (b, at_a), (a, at_b)


def _small_network(prefix: str) -> str:
    try:
        network = ip_interface(prefix).network
    except ValueError:
        return ""
    return str(network) if network.max_prefixlen - network.prefixlen in (1, 2) else ""


def _sort(
    switches: Sequence[HeldSwitch], names: _Names, far: dict[PortRef, tuple[PortRef, str]], cabling: Cabling
) -> None:
    """Links between switches, hosts, and what is neither."""
    known = {switch.name: switch for switch in switches}
    done: set[frozenset[PortRef]] = set()
    taken: set[PortRef] = set()
    for here in sorted(far, key=lambda end: natural(str(end))):
        there, source = far[here]
        back = far.get(there)
        if there.device in known:
            ends = frozenset((here, there))
            if ends in done:
                continue
            if not names.has(there):
                text = f"{there.device} has no port '{there.port}', to which {here} is said to lead"
                cabling.findings.append(Finding("conflict", here.device, source, text))
            elif (back and back[0] != here) or {here, there} & taken:
                other = back[0] if back else "another port"
                text = f"{here} leads to {there}, and that to {other}: neither is taken"
                cabling.findings.append(Finding("conflict", here.device, source, text))
            else:
                done.add(ends)
                taken |= {here, there}
                cabling.links.append((here, there))
            continue
        kind = _kind(known[here.device], there.device)
        if any(word in kind.lower() for word in _OTHER_SWITCHES):
            text = f"{here} leads to '{there.device}', a {kind} that is not among the switches read"
            cabling.findings.append(
                Finding("not adopted", here.device, source, f"{text}: outside the fabric")
            )
        else:
            if not kind and _tells_types(known[here.device]):
                text = f"nothing says what '{there.device}' at {here} is: taken for a host"
                cabling.findings.append(Finding("assumed", here.device, source, text))
            cabling.hosts.setdefault(there.device, []).append((there.port, here))
    _add_unnamed(switches, taken | set(far), cabling)
    for nics in cabling.hosts.values():
        nics.sort(key=lambda nic: (natural(nic[0]), natural(str(nic[1]))))


def _tells_types(switch: HeldSwitch) -> bool:
    """Whether a switch says of its neighbours what they are, as a minigraph does."""
    return switch.source.endswith(".xml") or bool(switch.tables.get("DEVICE_NEIGHBOR_METADATA"))


def _kind(switch: HeldSwitch, device: str) -> str:
    return str(switch.tables.get("DEVICE_NEIGHBOR_METADATA", {}).get(device, {}).get("type", ""))


def _add_unnamed(switches: Sequence[HeldSwitch], taken: set[PortRef], cabling: Cabling) -> None:
    """A port with an address of a link, of which nothing tells what is there, has a host of its own, unless
    routes lead there."""
    for switch in switches:
        routers = set(_next_hops(switch))
        for key in switch.tables.get("INTERFACE", {}):
            port, _, prefix = key.partition("|")
            end, place = PortRef(switch.name, port), switch.at("INTERFACE", key)
            is_up = switch.ports.get(port, {}).get("admin_status") == "up"
            if end in taken or not is_up or not _small_network(prefix):
                continue
            if port in routers or any(hop in ip_interface(prefix).network for hop in _peers(switch)):
                text = (
                    f"routes lead through {end}, to what is not among the switches read: outside the fabric"
                )
                cabling.findings.append(Finding("not adopted", switch.name, place, text))
                continue
            taken.add(end)
            cabling.hosts[f"{switch.name}-{port}"] = [("eth0", end)]
            text = f"nothing tells what is at {end}, which has an address: it is taken for a host"
            cabling.findings.append(Finding("assumed", switch.name, place, text))


def _next_hops(switch: HeldSwitch) -> Iterator[str]:
    """Ports that routes lead through."""
    for fields in switch.tables.get("STATIC_ROUTE", {}).values():
        yield from str(fields.get("ifname", "")).split(",")


def _peers(switch: HeldSwitch) -> Iterator[IPv4Address | IPv6Address]:
    for key in switch.tables.get("BGP_NEIGHBOR", {}):
        try:
            yield ip_address(key.rpartition("|")[2])
        except ValueError:
            continue
