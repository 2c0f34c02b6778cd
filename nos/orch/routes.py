"""routeorch and staticd: which IPv4 and IPv6 prefixes the switch forwards, and through which ports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_interface
from itertools import chain
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple

from raddle.nos.db.databases import ConfigDb, ConfigEntry
from raddle.state import RouteState
from raddle.units import ip_text

_STATIC_DISTANCE = 1  # FRR's distance of a static route; SONiC's "0" means "not given".


class NextHop(NamedTuple):
    """A next hop that is live, or a blackhole (`port` None). Sorts as SONiC's NextHopGroupKey does."""

    address: int
    interface: str
    port: int | None


class AdaptiveChoice(NamedTuple):
    """The ARS object of a next-hop group, None where it hashes, and the ports that are alternative paths."""

    ars: int | None = None
    alternatives: tuple[int, ...] = ()


class _Chosen(NamedTuple):
    """The next hops of the least distance, and those of the next one, which take over when all are dead."""

    used: tuple[NextHop, ...] = ()
    reserve: tuple[NextHop, ...] = ()


_Candidate = tuple[int, NextHop]
"""A distance and a next hop."""

ChoiceOf = Callable[[tuple[NextHop, ...], bool], AdaptiveChoice]
"""How the group of these next hops, of IPv6 or not, chooses; see `raddle.nos.orch.ars`."""


class Prefix(NamedTuple):
    """Sorts as the routes of a `SwitchState`; `str` writes it."""

    is_ipv6: bool
    network: int
    length: int

    def __str__(self) -> str:
        kind = IPv6Address if self.is_ipv6 else IPv4Address
        return f"{ip_text(kind(self.network))}/{self.length}"


class _Address(NamedTuple):
    """An address with the length of its subnet's prefix."""

    is_ipv6: bool
    ip: int
    length: int

    @property
    def bits(self) -> int:
        return 128 if self.is_ipv6 else 32

    @property
    def prefix(self) -> Prefix:
        behind = self.bits - self.length
        return Prefix(self.is_ipv6, self.ip >> behind << behind, self.length)

    @property
    def is_link_local(self) -> bool:
        """fe80::/10 (RFC 4291, 2.5.6)."""
        return self.is_ipv6 and self.ip >> 118 == 0xFE80 >> 6

    def shares_subnet(self, other: _Address) -> bool:
        """Whether the other's address is in the subnet of this one."""
        return self.is_ipv6 == other.is_ipv6 and not (self.ip ^ other.ip) >> self.bits - self.length


class _Subnet(NamedTuple):
    """An address of a routed port that is oper up."""

    interface: str
    port: int
    address: _Address


def derive_routes(
    config: ConfigDb, live_ports: Mapping[str, int], choice_of: ChoiceOf
) -> tuple[RouteState, ...]:
    """The routes that reach the ASIC, sorted by (prefix, length).

    - A prefix of INTERFACE gives a connected route while its port is in `live_ports` (name -> index).
    - The switch's own addresses, loopbacks included, are host routes without ports: such a packet ends at
      the switch and is not forwarded.
    - A next hop of STATIC_ROUTE counts if its interface has a live subnet that holds it, as zebra resolves
      it; next hops behind other static routes are not followed. A link-local next hop counts on the interface
      that it names, where that has IPv6, an address or `ipv6_use_link_local_only`; IPv4 prefixes may have one
      too (RFC 8950). The least distance with a live next hop wins, and a route without one is not installed.
      A connected route beats a static one.

    Only the default VRF is forwarded. `choice_of` says which groups are adaptive.
    """
    subnets = list(_subnets(config, live_ports))
    routes = dict(_static_routes(config, subnets, live_ports))
    for subnet in subnets:
        routes[subnet.address.prefix] = _Chosen((NextHop(0, subnet.interface, subnet.port),))
    for address in _own_addresses(config, subnets):
        routes[Prefix(address.is_ipv6, address.ip, address.bits)] = _Chosen()
    groups: dict[tuple[int, bool], tuple[tuple[int, ...], AdaptiveChoice, tuple[int, ...]]] = {}

    def route(prefix: Prefix, chosen: _Chosen) -> RouteState:
        key = id(chosen), prefix.is_ipv6  # `routes` keeps them
        if key not in groups:
            choice = choice_of(chosen.used, prefix.is_ipv6)
            groups[key] = _ports(chosen.used), choice, _ports(chosen.reserve)
        ports, choice, reserve = groups[key]
        return RouteState(prefix.network, prefix.length, ports, (), prefix.is_ipv6, *choice, reserve)

    return tuple(route(prefix, routes[prefix]) for prefix in sorted(routes))


def static_routes(config: ConfigDb, live_ports: Mapping[str, int]) -> dict[Prefix, tuple[NextHop, ...]]:
    """The next hops of the installed static routes; a blackhole has one without a port."""
    found = _static_routes(config, list(_subnets(config, live_ports)), live_ports)
    return {prefix: chosen.used for prefix, chosen in found.items()}


def _subnets(config: ConfigDb, live_ports: Mapping[str, int]) -> Iterator[_Subnet]:
    for key in config.get("INTERFACE", {}):
        interface, _, prefix = key.partition("|")
        if interface in live_ports and (address := _parse(prefix)):
            yield _Subnet(interface, live_ports[interface], address)


def _own_addresses(config: ConfigDb, subnets: list[_Subnet]) -> Iterator[_Address]:
    yield from (subnet.address for subnet in subnets)
    for key in config.get("LOOPBACK_INTERFACE", {}):
        if address := _parse(key.partition("|")[2]):
            yield address


def _static_routes(
    config: ConfigDb, subnets: list[_Subnet], live_ports: Mapping[str, int]
) -> dict[Prefix, _Chosen]:
    resolver = _Resolver(config, subnets, live_ports)
    by_prefix: dict[Prefix, list[tuple[_Candidate, ...]]] = {}
    for key, entry in config.get("STATIC_ROUTE", {}).items():
        vrf, bar, text = key.rpartition("|")
        parsed = _parse(text)
        if parsed is None or (bar and vrf != "default"):
            continue
        if candidates := resolver.candidates(entry):
            by_prefix.setdefault(parsed.prefix, []).append(candidates)
    nearest = {id(group): _nearest(group) for group in resolver.groups}  # which most routes share
    return {
        prefix: nearest[id(found[0])] if len(found) == 1 else _nearest(tuple(chain(*found)))
        for prefix, found in by_prefix.items()
    }


def _ports(hops: tuple[NextHop, ...]) -> tuple[int, ...]:
    return tuple(hop.port for hop in hops if hop.port is not None)


def _nearest(candidates: tuple[_Candidate, ...]) -> _Chosen:
    """The next hops of the least distances, sorted."""
    by_distance: dict[int, set[NextHop]] = {}
    for distance, hop in candidates:
        by_distance.setdefault(distance, set()).add(hop)
    nearest = (by_distance[distance] for distance in sorted(by_distance)[:2])
    return _Chosen(*(tuple(sorted(each, key=lambda hop: (hop.address, hop.interface))) for each in nearest))


class _Resolver:
    """Finds the live port behind a next hop; remembers answers, as routes share their next hops."""

    def __init__(self, config: ConfigDb, subnets: list[_Subnet], live_ports: Mapping[str, int]) -> None:
        self._subnets = sorted(subnets, key=lambda subnet: -subnet.address.length)
        self._live_ports = live_ports
        self._subnets_at: dict[str, list[_Subnet]] = {}
        for subnet in self._subnets:
            self._subnets_at.setdefault(subnet.interface, []).append(subnet)
        self._routed = self._subnets_at.keys()
        self._own = {(subnet.address.is_ipv6, subnet.address.ip) for subnet in subnets}
        self._has_link_local = {subnet.interface for subnet in subnets if subnet.address.is_ipv6} | {
            name
            for name, entry in config.get("INTERFACE", {}).items()
            if entry.get("ipv6_use_link_local_only") == "enable"
        }
        self._known: dict[tuple[str, str], NextHop | None] = {}
        self._groups: dict[tuple[str, ...], tuple[_Candidate, ...]] = {}

    @property
    def groups(self) -> Collection[tuple[_Candidate, ...]]:
        """What `candidates` has answered, each once."""
        return self._groups.values()

    def candidates(self, entry: ConfigEntry) -> tuple[_Candidate, ...]:
        """(distance, next hop) of each live next hop and each blackhole of a STATIC_ROUTE entry."""
        key = tuple([str(entry.get(name, "")) for name in _VECTORS])
        if key not in self._groups:
            self._groups[key] = tuple(self._read(entry))
        return self._groups[key]

    def _read(self, entry: ConfigEntry) -> Iterator[_Candidate]:
        """The fields are vectors of one length; where they differ SONiC's bgpcfgd refuses the route."""
        vectors = {name: str(entry[name]).split(",") for name in _VECTORS if entry.get(name)}
        lengths = {len(vector) for vector in vectors.values()}
        if len(lengths) != 1:
            return
        count = lengths.pop()
        addresses = vectors.get("nexthop", [""] * count)
        interfaces = vectors.get("ifname", [""] * count)
        distances = vectors.get("distance", ["0"] * count)
        blackholes = vectors.get("blackhole", ["false"] * count)
        vrfs = vectors.get("nexthop-vrf", ["default"] * count)
        for address, interface, distance, blackhole, vrf in zip(
            addresses, interfaces, distances, blackholes, vrfs, strict=True
        ):
            metric = int(distance or "0") or _STATIC_DISTANCE
            if blackhole == "true":
                yield metric, NextHop(0, "", None)
            elif vrf == "default" and metric < 255 and (hop := self._resolve(address, interface)):
                yield metric, hop

    def _resolve(self, address: str, interface: str) -> NextHop | None:
        key = (address, interface)
        if key not in self._known:
            self._known[key] = self._find(address, interface)
        return self._known[key]

    def _find(self, address: str, interface: str) -> NextHop | None:
        if address in ("", "0.0.0.0"):
            # A route to an interface: its neighbours answer ARP for the destination.
            return NextHop(0, interface, self._live_ports[interface]) if interface in self._routed else None
        parsed = _parse(address)
        if parsed is None or "/" in address or parsed[:2] in self._own:
            return None
        if parsed.is_link_local:
            port = self._live_ports.get(interface)
            is_known = port is not None and interface in self._has_link_local
            return NextHop(parsed.ip, interface, port) if is_known else None
        for subnet in self._subnets_at.get(interface, ()) if interface else self._subnets:
            if subnet.address.shares_subnet(parsed):
                return NextHop(parsed.ip, subnet.interface, subnet.port)
        return None


_VECTORS = ("nexthop", "ifname", "distance", "blackhole", "nexthop-vrf")


@lru_cache(maxsize=1 << 17)
def _parse(text: str) -> _Address | None:
    """`10.0.0.1/31`, `fd00::1/127`; None for what is neither."""
    ip, slash, length = text.partition("/")
    family, bits = (AF_INET6, 128) if ":" in ip else (AF_INET, 32)
    with suppress(OSError, ValueError):
        if not slash or (length.isascii() and length.isdigit() and int(length) <= bits):
            octets = inet_pton(family, ip)
            return _Address(family == AF_INET6, int.from_bytes(octets, "big"), int(length or bits))
    # Masks as 255.255.255.0 and scopes are rare.
    with suppress(ValueError):
        address = ip_interface(text)
        return _Address(address.version == 6, int(address.ip), address.network.prefixlen)
    return None
