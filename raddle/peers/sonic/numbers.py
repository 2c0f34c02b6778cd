"""Addresses, AS numbers and MAC addresses of adopted switches, as an allocation record keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface, ip_network
from itertools import pairwise

from raddle.peers.sonic.findings import Finding
from raddle.peers.sonic.reading import HeldSwitch
from raddle.peers.sonic.tiers import ROLES, Seats
from raddle.topology.model import PortRef
from raddle.topology.record import CableEntry, HostEntry, Record, SwitchEntry, cable_key, mac_text
from raddle.topology.yaml.schema_policy import AsNumbersSpec

Network = IPv4Network | IPv6Network
Interface = IPv4Interface | IPv6Interface
_SPARE = {
    4: ("10.0.0.0/16", "10.255.0.0/20", "172.16.0.0/14", "100.64.0.0/14", "198.18.0.0/16", "192.168.0.0/16"),
    6: tuple(f"fd00:0:0:{n:x}::/64" for n in range(1, 9)),
}


@dataclass(frozen=True)
class Link:
    """A cable of the fabric file: lower end (of a host its NIC), upper end, and whether hosts are below."""

    lower: PortRef
    upper: PortRef
    is_host: bool


@dataclass
class Numbers:
    """What was found: the record, and the lines of the fabric file.

    `unrouted` are ports whose addresses are not of a form that raddle gives; `is_mixed` says that none could
    be kept, because the three kinds of addresses are not in ranges of their own.
    """

    record: Record
    as_numbers: str = ""
    addressing: list[str] = field(default_factory=list)
    is_mixed: bool = False
    unrouted: list[PortRef] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def find_numbers(name: str, switches: Sequence[HeldSwitch], seats: Seats, links: Sequence[Link]) -> Numbers:
    """All numbers that can be kept. What has none that fits is not in the record, and gets one of its own."""
    held = {switch.name: switch for switch in switches}
    addresses = {switch.name: _addresses(switch) for switch in switches}
    families = _families(links, addresses)
    numbers = Numbers(Record(name))
    cables: dict[str, CableEntry] = {}
    pools: dict[tuple[str, int], list[Network]] = {}
    unnumbered = _is_unnumbered(links, held)
    for link in links:
        if unnumbered and not link.is_host:
            continue
        entry = _cable(link, addresses, families)
        if entry is None:
            _tell_unrouted(link, held, addresses, numbers)
            continue
        cables[cable_key(link.lower, link.upper)] = entry
        for prefix in entry.prefixes:
            network = ip_network(prefix)
            pools.setdefault(("hosts" if link.is_host else "underlay", network.version), []).append(network)
    blocks = _host_blocks(switches, links, cables)
    for own in blocks.values():
        for network in own:
            pools.setdefault(("hosts", network.version), []).append(network)
    loopbacks = {switch.name: tuple(_loopbacks(switch, families)) for switch in switches}
    for own_loopbacks in loopbacks.values():
        for address in own_loopbacks:
            pools.setdefault(("loopbacks", ip_network(address).version), []).append(ip_network(address))
    numbers.record = Record(
        name,
        switches=_entries(switches, seats, loopbacks, blocks, numbers.findings),
        hosts={link.lower.device: HostEntry(()) for link in links if link.is_host},
        cables=cables,
    )
    needs = {
        "hosts": 2 * sum(link.is_host for link in links),
        "underlay": 2 * sum(not link.is_host for link in links),
        "loopbacks": len(switches),
    }
    numbers.as_numbers = _as_numbers(switches, seats)
    covers = {key: _cover(networks, needs[key[0]]) for key, networks in pools.items()}
    if _overlap(covers, numbers.findings):
        _forget_addresses(numbers, covers)
    numbers.addressing = list(_addressing(covers, needs, families, unnumbered))
    return numbers


def _overlap(covers: Mapping[tuple[str, int], Network], findings: list[Finding]) -> bool:
    pairs = [(a, b) for place, a in enumerate(covers) for b in list(covers)[:place] if a[1] == b[1]]
    found = [(a, b) for a, b in pairs if covers[a].overlaps(covers[b])]
    for a, b in found:
        text = (
            f"{a[0]} are in {covers[a]}, {b[0]} in {covers[b]}: raddle needs ranges of their own, and leaves "
            "all addresses and routes alone"
        )
        findings.append(Finding("not adopted", "", "INTERFACE, LOOPBACK_INTERFACE", text))
    return bool(found)


def _forget_addresses(numbers: Numbers, covers: dict[tuple[str, int], Network]) -> None:
    numbers.is_mixed = True
    switches = {name: replace(each, loopbacks=(), hosts=()) for name, each in numbers.record.switches.items()}
    numbers.record = replace(numbers.record, switches=switches, cables={})
    covers.clear()


def _addresses(switch: HeldSwitch) -> dict[str, list[Interface]]:
    """Interface addresses by port."""
    found: dict[str, list[Interface]] = {}
    for key in switch.tables.get("INTERFACE", {}):
        port, _, prefix = key.partition("|")
        try:
            found.setdefault(port, []).append(ip_interface(prefix))
        except ValueError:
            continue
    return found


Addresses = Mapping[str, Mapping[str, Sequence[Interface]]]


def _of(end: PortRef, addresses: Addresses, version: int) -> list[Interface]:
    return [each for each in addresses.get(end.device, {}).get(end.port, ()) if each.version == version]


def _families(links: Sequence[Link], addresses: Addresses) -> tuple[int, ...]:
    """The families that at least half of the cables have; IPv4 where none has any."""
    found = []
    for version in (4, 6):
        having = sum(bool(_of(link.upper, addresses, version)) for link in links)
        if 2 * having >= len(links) and having:
            found.append(version)
    return tuple(found) or (4,)


def _is_unnumbered(links: Sequence[Link], held: Mapping[str, HeldSwitch]) -> bool:
    ends = [end for link in links if not link.is_host for end in (link.lower, link.upper)]
    rows = (held[end.device].tables.get("INTERFACE", {}).get(end.port, {}) for end in ends)
    return bool(ends) and all(row.get("ipv6_use_link_local_only") == "enable" for row in rows)


def _cable(link: Link, addresses: Addresses, families: Iterable[int]) -> CableEntry | None:
    """The prefixes of a cable: a /31 or /127 for each family, the same end even in both."""
    prefixes, evens = [], set()
    for version in families:
        upper = _of(link.upper, addresses, version)
        lower = _of(link.lower, addresses, version) if not link.is_host else [None]
        if len(upper) != 1 or len(lower) != 1:
            return None
        network = upper[0].network
        if network.num_addresses != 2 or (lower[0] is not None and lower[0].network != network):
            return None
        if lower[0] is not None and lower[0].ip == upper[0].ip:
            return None
        prefixes.append(str(network))
        evens.add(int(upper[0].ip) % 2 == 0)
    return CableEntry(tuple(prefixes), lower_is_even=not evens.pop()) if len(evens) == 1 else None


def _tell_unrouted(
    link: Link, held: Mapping[str, HeldSwitch], addresses: Addresses, numbers: Numbers
) -> None:
    for end in (link.upper,) if link.is_host else (link.lower, link.upper):
        found = ", ".join(str(each) for each in addresses[end.device].get(end.port, ())) or "no address"
        text = f"{end} has {found}: raddle gives both ends of a cable one /31 (or /127)"
        place = held[end.device].at("INTERFACE", end.port)
        numbers.unrouted.append(end)
        numbers.findings.append(Finding("not adopted", end.device, place, text))


def _loopbacks(switch: HeldSwitch, families: Sequence[int]) -> Iterator[str]:
    for key in switch.tables.get("LOOPBACK_INTERFACE", {}):
        name, _, prefix = key.partition("|")
        try:
            address = ip_interface(prefix)
        except ValueError:
            continue
        if name == "Loopback0" and address.network.num_addresses == 1 and address.version in families:
            yield str(address.ip)


def _host_blocks(
    switches: Sequence[HeldSwitch], links: Sequence[Link], cables: Mapping[str, CableEntry]
) -> dict[str, list[Network]]:
    """The prefixes of each leaf: those that other switches have routes to, else each cable's own."""
    own: dict[str, list[Network]] = {}
    for link in links:
        entry = cables.get(cable_key(link.lower, link.upper))
        if link.is_host and entry:
            own.setdefault(link.upper.device, []).extend(ip_network(prefix) for prefix in entry.prefixes)
    routed = _routed(switches)
    over = {
        network: [each for each in _above(network) if each in routed]
        for nets in own.values()
        for network in nets
    }
    owners: dict[Network, set[str]] = {}
    for leaf, networks in own.items():
        for block in {each for network in networks for each in over[network]}:
            owners.setdefault(block, set()).add(leaf)
    blocks: dict[str, list[Network]] = {}
    for leaf, networks in own.items():
        found = {
            ([network, *(each for each in over[network] if owners[each] == {leaf})])[-1]
            for network in networks
        }
        blocks[leaf] = sorted(found, key=lambda each: (each.version, int(each.network_address)))
    return blocks


def _routed(switches: Sequence[HeldSwitch]) -> set[Network]:
    found: set[Network] = set()
    for switch in switches:
        for key in switch.tables.get("STATIC_ROUTE", {}):
            vrf, _, prefix = key.rpartition("|")
            try:
                network = ip_network(prefix, strict=False)
            except ValueError:
                continue
            if vrf in ("", "default") and network.prefixlen:
                found.add(network)
    return found


def _above(network: Network) -> Iterator[Network]:
    yield network
    while network.prefixlen > network.max_prefixlen - 16:
        network = network.supernet()
        yield network


def _entries(
    switches: Sequence[HeldSwitch],
    seats: Seats,
    loopbacks: Mapping[str, tuple[str, ...]],
    blocks: Mapping[str, list[Network]],
    findings: list[Finding],
) -> dict[str, SwitchEntry]:
    """The record's switches; what two have counts for the first."""
    entries: dict[str, SwitchEntry] = {}
    macs: dict[str, str] = {}
    owners: dict[str, str] = {}
    for number, switch in enumerate(switches):
        mac = str(switch.metadata.get("mac", "")).lower().replace("-", ":")
        place = switch.at("DEVICE_METADATA", "localhost")
        if (
            not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac)
            or macs.setdefault(mac, switch.name) != switch.name
        ):
            said = f"the MAC address {mac} of {macs[mac]}" if mac in macs else "no MAC address"
            findings.append(Finding("not adopted", switch.name, place, f"{switch.name} has {said}"))
            mac = mac_text((0x02 << 40) + 0xFFFF_0000 + number)
        own = []
        for address in loopbacks[switch.name]:
            if owners.setdefault(address, switch.name) == switch.name:
                own.append(address)
            else:
                text = f"{switch.name} has the loopback {address} of {owners[address]}"
                place = switch.at("LOOPBACK_INTERFACE", "Loopback0")
                findings.append(Finding("not adopted", switch.name, place, text))
        prefixes = tuple(str(block) for block in blocks.get(switch.name, ()))
        role = ROLES[seats.tier[switch.name]]
        entries[switch.name] = SwitchEntry(role, (), mac, _asn(switch), tuple(own), prefixes)
    return entries


def _asn(switch: HeldSwitch) -> int:
    text = str(switch.metadata.get("bgp_asn", ""))
    return int(text) if text.isdecimal() else 0


def _as_numbers(switches: Sequence[HeldSwitch], seats: Seats) -> str:
    """`{leaves: 65101, ...}` from the lowest of each tier; empty where the tiers' ranges meet."""
    spec = AsNumbersSpec()
    firsts = {"leaves": spec.leaves, "spines": spec.spines, "superspines": spec.superspines}
    counts = {}
    for tier, key in enumerate(firsts):
        members = [switch for switch in switches if seats.tier[switch.name] == tier]
        groups = {(seats.plane[each.name], seats.pod.get(each.name, 0)) for each in members}
        counts[key] = len(members) if tier == 0 else len(groups)
        firsts[key] = min((asn for each in members if (asn := _asn(each))), default=firsts[key])
    ranges = sorted((first, first + counts[key]) for key, first in firsts.items() if counts[key])
    if any(a[1] > b[0] for a, b in pairwise(ranges)):
        return ""
    return "{" + ", ".join(f"{key}: {first}" for key, first in firsts.items()) + "}"


def _addressing(
    covers: Mapping[tuple[str, int], Network],
    needs: Iterable[str],
    families: Sequence[int],
    unnumbered: bool,
) -> Iterator[str]:
    """`addressing:`, each pool as small as what it holds and needs; other pools are apart from them."""
    yield "addressing:"
    yield f"  families: {'dual' if len(families) > 1 else f'ipv{families[0]}'}"
    if unnumbered:
        yield "  links: unnumbered"
    for version in families:
        chosen = {name: covers[name, version] for name in needs if (name, version) in covers}
        for name in needs:
            spare = (ip_network(each) for each in _SPARE[version])
            chosen.setdefault(
                name,
                next(each for each in spare if not any(each.overlaps(other) for other in chosen.values())),
            )
        if version == 6:
            yield "  ipv6: {" + ", ".join(f'{name}: "{pool}"' for name, pool in chosen.items()) + "}"
        else:
            yield from (f"  {name}: {pool}" for name, pool in chosen.items())


def _cover(networks: Sequence[Network], need: int) -> Network:
    """The smallest network with all of them and as many addresses."""
    first, last = min(int(n[0]) for n in networks), max(int(n[-1]) for n in networks)
    network = min(networks, key=lambda each: int(each[0]))
    while int(network[-1]) < last or int(network[0]) > first or network.num_addresses < need:
        network = network.supernet()
    return network
