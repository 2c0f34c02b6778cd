"""Routes that a routing protocol has given switches: CONFIG_DB has none of them, APPL_DB has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from math import gcd

from raddle.controller.southbound.sonic.tables import Tables

TABLES = ("ROUTE_TABLE", "NEXTHOP_GROUP_TABLE")
"""Of APPL_DB; the second only where switches keep next-hop groups apart."""

_OTHERS = ("", "static", "connected", "kernel", "local")
"""Protocols of routes that CONFIG_DB says."""

Rows = dict[str, dict[str, str]]


def learned_routes(appl: Tables) -> Rows:
    """The routes of the default VRF that bgpd or another daemon has given fpmsyncd, as rows of STATIC_ROUTE.

    STATIC_ROUTE has no weights: a next hop stands there as often as its weight says.
    """
    groups = appl.get("NEXTHOP_GROUP_TABLE", {})
    rows: Rows = {}
    for key, fields in appl.get("ROUTE_TABLE", {}).items():
        if str(fields.get("protocol", "")) in _OTHERS:
            continue
        try:
            prefix = str(ip_network(key))
        except ValueError:  # of another VRF: `Vrf_red:10.0.0.0/24`
            continue
        group = groups.get(str(fields.get("nexthop_group", "")), {})
        rows[f"default|{prefix}"] = dict(_row({**group, **fields}))
    return rows


def _row(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    if fields.get("blackhole") == "true":
        yield "blackhole", "true"
        return
    times = [int(each) for each in str(fields.get("weight", "")).split(",") if each.isdecimal()]
    for name in ("nexthop", "ifname"):
        hops = str(fields.get(name, "")).split(",")
        if len(times) == len(hops) and min(times) > 0:
            hops = [hop for hop, count in zip(hops, times, strict=True) for _ in range(count // gcd(*times))]
        yield name, ",".join(hops)
