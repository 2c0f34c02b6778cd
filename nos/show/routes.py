"""`show ip route`, as FRR's vtysh prints it.

Only what the switch forwards with is listed, without the ages that FRR shows.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from nos.db.databases import ConfigDb, Databases
from nos.orch import derive

_CODES = """\
Codes: K - kernel route, C - connected, S - static, R - RIP,
       O - OSPF, I - IS-IS, B - BGP, E - EIGRP, N - NHRP,
       T - Table, v - VNC, V - VNC-Direct, A - Babel, D - SHARP,
       F - PBR, f - OpenFabric,
       > - selected route, * - FIB route, q - queued route, r - rejected route
"""


def ip_route(databases: Databases) -> str:
    """The IPv4 routes of the default VRF, by prefix; a next hop for each line."""
    config = databases.config
    state = derive(dict(config), databases.appl)
    names = [port.name for port in state.ports]
    connected = dict(_connected(config))
    lines = []
    for route in state.routes:
        if route.is_ipv6:
            continue
        prefix = f"{ipaddress.IPv4Address(route.prefix)}/{route.length}"
        if interface := connected.get(prefix):
            lines.append(f"C>*{prefix} is directly connected, {interface}")
        elif hops := _hops(config, prefix):
            used = [names[port] for port in route.ports]
            lines += _static(prefix, [(hops.get(name, ""), name) for name in used])
    return "\n".join([_CODES, *lines])


def _static(prefix: str, hops: list[tuple[str, str]]) -> Iterator[str]:
    head = f"S>*{prefix} [1/0] "
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
            if bar and ":" not in address:
                yield str(ipaddress.IPv4Interface(address).network), name


def _hops(config: ConfigDb, prefix: str) -> dict[str, str]:
    """Interface -> next hop of a static route; `blackhole` for one that drops."""
    table = config.get("STATIC_ROUTE", {})
    entry = table.get(f"default|{prefix}", table.get(prefix))
    if entry is None:
        return {}
    addresses = str(entry.get("nexthop", "")).split(",")
    interfaces = str(entry.get("ifname", "blackhole")).split(",")
    return dict(zip(interfaces, addresses, strict=False))
