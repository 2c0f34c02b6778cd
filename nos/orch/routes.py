"""routeorch and staticd: which IPv4 prefixes the switch forwards, and through which ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nos.db.databases import ConfigDb, ConfigEntry
from raddle.state import RouteState

_STATIC_DISTANCE = 1  # FRR's distance of a static route; SONiC's "0" means "not given".


class _Candidate(NamedTuple):
    """A next hop that is live, or a blackhole (`port` None). Sorts as SONiC's NextHopGroupKey does."""

    address: int
    interface: str
    port: int | None


@dataclass(frozen=True, slots=True)
class _Subnet:
    """An address of a routed port that is oper up: `own` address, `network` of `length`."""

    interface: str
    port: int
    own: int
    network: int
    length: int


def derive_routes(config: ConfigDb, live_ports: Mapping[str, int]) -> tuple[RouteState, ...]:
    """The routes that reach the ASIC, sorted by (prefix, length).

    - A prefix of INTERFACE gives a connected route while its port is in `live_ports` (name -> index).
    - The switch's own addresses, loopbacks included, are /32 routes without ports: such a packet ends at
      the switch and is not forwarded.
    - A next hop of STATIC_ROUTE counts if its interface has a live subnet that holds it, as zebra resolves
      it; next hops behind other static routes are not followed. The least distance with a live next hop
      wins, and a route without one is not installed. A connected route beats a static one.

    Only the default VRF and IPv4 are forwarded.
    """
    subnets = list(_subnets(config, live_ports))
    routes: dict[tuple[int, int], tuple[int, ...]] = _static_routes(config, subnets, live_ports)
    for subnet in subnets:
        routes[subnet.network, subnet.length] = (subnet.port,)
    for address in _own_addresses(config, subnets):
        routes[address, 32] = ()
    return tuple(RouteState(prefix, length, routes[prefix, length]) for prefix, length in sorted(routes))


def _subnets(config: ConfigDb, live_ports: Mapping[str, int]) -> Iterator[_Subnet]:
    for key in config.get("INTERFACE", {}):
        interface, _, prefix = key.partition("|")
        if interface in live_ports and (parsed := _parse_prefix(prefix)):
            own, length = parsed
            yield _Subnet(interface, live_ports[interface], own, own & _mask(length), length)


def _own_addresses(config: ConfigDb, subnets: list[_Subnet]) -> Iterator[int]:
    yield from (subnet.own for subnet in subnets)
    for key in config.get("LOOPBACK_INTERFACE", {}):
        if parsed := _parse_prefix(key.partition("|")[2]):
            yield parsed[0]


def _static_routes(
    config: ConfigDb, subnets: list[_Subnet], live_ports: Mapping[str, int]
) -> dict[tuple[int, int], tuple[int, ...]]:
    """Prefix -> ports of the installed static routes; a blackhole has none."""
    resolver = _Resolver(subnets, live_ports)
    by_prefix: dict[tuple[int, int], dict[int, set[_Candidate]]] = {}
    for key, entry in config.get("STATIC_ROUTE", {}).items():
        vrf, bar, prefix = key.rpartition("|")
        parsed = _parse_prefix(prefix)
        if parsed is None or (bar and vrf != "default"):
            continue
        network = (parsed[0] & _mask(parsed[1]), parsed[1])
        for distance, candidate in resolver.candidates(entry):
            by_prefix.setdefault(network, {}).setdefault(distance, set()).add(candidate)
    installed = {}
    for network, by_distance in by_prefix.items():
        best = sorted(by_distance[min(by_distance)], key=lambda hop: (hop.address, hop.interface))
        installed[network] = tuple(hop.port for hop in best if hop.port is not None)
    return installed


class _Resolver:
    """Finds the live port behind a next hop; remembers answers, as routes share their next hops."""

    def __init__(self, subnets: list[_Subnet], live_ports: Mapping[str, int]) -> None:
        self._subnets = sorted(subnets, key=lambda subnet: -subnet.length)
        self._live_ports = live_ports
        self._routed = {subnet.interface for subnet in subnets}
        self._own = {subnet.own for subnet in subnets}
        self._known: dict[tuple[str, str], _Candidate | None] = {}

    def candidates(self, entry: ConfigEntry) -> Iterator[tuple[int, _Candidate]]:
        """(distance, next hop) of each live next hop and each blackhole of a STATIC_ROUTE entry.

        The fields are vectors of one length; where they differ in length SONiC's bgpcfgd refuses the route.
        """
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
                yield metric, _Candidate(0, "", None)
            elif vrf == "default" and metric < 255 and (hop := self._resolve(address, interface)):
                yield metric, hop

    def _resolve(self, address: str, interface: str) -> _Candidate | None:
        key = (address, interface)
        if key not in self._known:
            self._known[key] = self._find(address, interface)
        return self._known[key]

    def _find(self, address: str, interface: str) -> _Candidate | None:
        if address in ("", "0.0.0.0"):
            # A route to an interface: its neighbours answer ARP for the destination.
            return (
                _Candidate(0, interface, self._live_ports[interface]) if interface in self._routed else None
            )
        parsed = _parse_prefix(f"{address}/32")
        if parsed is None or parsed[0] in self._own:
            return None
        for subnet in self._subnets:
            if interface in ("", subnet.interface) and parsed[0] & _mask(subnet.length) == subnet.network:
                return _Candidate(parsed[0], subnet.interface, subnet.port)
        return None


_VECTORS = ("nexthop", "ifname", "distance", "blackhole", "nexthop-vrf")


def _mask(length: int) -> int:
    return (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF


def _parse_prefix(text: str) -> tuple[int, int] | None:
    """`10.0.0.1/31` -> (address as an integer, 31); None for IPv6 and for what is no prefix."""
    address, _, length = text.partition("/")
    octets = address.split(".")
    digits = (*octets, length)
    if len(digits) != 5 or not all(part.isascii() and part.isdigit() and len(part) <= 3 for part in digits):
        return None
    a, b, c, d = (int(octet) for octet in octets)
    if max(a, b, c, d) > 255 or int(length) > 32:
        return None
    return a << 24 | b << 16 | c << 8 | d, int(length)
