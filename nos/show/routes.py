"""`show ip route` and `show ipv6 route`, as FRR's vtysh prints them.

Only what the switch forwards with is listed, without the ages that FRR shows.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from itertools import zip_longest

from raddle.nos.db.databases import ConfigDb, Databases
from raddle.nos.orch import derive
from raddle.nos.orch.routes import Prefix
from raddle.units import ip_text

_CODES = """\
Codes: K - kernel route, C - connected, S - static, R - RIP,
       O - OSPF, I - IS-IS, B - BGP, E - EIGRP, N - NHRP,
       T - Table, v - VNC, V - VNC-Direct, A - Babel, D - SHARP,
       F - PBR, f - OpenFabric,
       > - selected route, * - FIB route, q - queued route, r - rejected route
"""


def ip_route(databases: Databases) -> str:
    """The IPv4 routes of the default VRF, by prefix; a next hop for each line."""
    return _routes(databases, is_ipv6=False, codes=_CODES)


def ipv6_route(databases: Databases) -> str:
    """The IPv6 routes of the default VRF, in the same way; RIPng and OSPFv3 have other names there."""
    codes = _CODES.replace("R - RIP,", "R - RIPng,").replace("O - OSPF,", "O - OSPFv3,")
    return _routes(databases, is_ipv6=True, codes=codes)


def _routes(databases: Databases, *, is_ipv6: bool, codes: str) -> str:
    config = databases.config
    state = derive(dict(config), databases.appl)
    names = [port.name for port in state.ports]
    connected, static = dict(_connected(config)), _hops(config)
    lines = []
    for route in state.routes:
        if route.is_ipv6 != is_ipv6:
            continue
        prefix = str(Prefix(route.is_ipv6, route.prefix, route.length))
        if interface := connected.get(prefix):
            lines.append(f"C>*{prefix} is directly connected, {interface}")
        elif hops := static.get(prefix):
            used = [(names[port], *hops.get(names[port], ("", "1"))) for port in route.ports]
            distance = used[0][2] if used else "1"
            lines += _static(prefix, distance, [(address, name) for name, address, _ in used])
    return "\n".join([codes, *lines])


def _static(prefix: str, distance: str, hops: list[tuple[str, str]]) -> Iterator[str]:
    head = f"S>*{prefix} [{distance}/0] "
    if not hops:
        yield f"{head}unreachable (blackhole)"
    for place, (address, interface) in enumerate(hops):
        start = head if place == 0 else f"{'  *':<{len(head)}}"
        yield (
            f"{start}via {address}, {interface}" if address else f"{start}is directly connected, {interface}"
        )


def _connected(config: ConfigDb) -> Iterator[tuple[str, str]]:
    """(network, interface) of the addresses of interfaces and loopbacks."""
    for table in ("INTERFACE", "LOOPBACK_INTERFACE"):
        for key in config.get(table, {}):
            name, bar, address = key.partition("|")
            if bar:
                yield ip_text(ipaddress.ip_interface(address).network), name


def _hops(config: ConfigDb) -> dict[str, dict[str, tuple[str, str]]]:
    """Prefix -> interface -> next hop and distance of the static routes; `blackhole` for one that drops."""
    hops = {}
    for key, entry in config.get("STATIC_ROUTE", {}).items():
        vrf, _, prefix = key.rpartition("|")
        if vrf not in ("", "default"):
            continue
        addresses = str(entry.get("nexthop", "")).split(",")
        interfaces = str(entry.get("ifname", "blackhole")).split(",")
        distances = str(entry.get("distance", "")).split(",")
        network = ip_text(ipaddress.ip_network(prefix, strict=False))
        hops[network] = {
            interface: (address, distance.lstrip("0") or "1")
            for interface, address, distance in zip_longest(interfaces, addresses, distances, fillvalue="")
        }
    return hops
