"""The routes that a switch's CONFIG_DB holds, in one spelling whatever the switch's own is.

Source: sonic-bgpcfgd managers_static_rt.py and its YANG model: a key is `VRF|PREFIX`, or `PREFIX` alone for
the default VRF; FRR masks host bits away.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_network
from itertools import zip_longest

from raddle.controller.plan.model import NextHop
from raddle.controller.southbound.driver import RouteTable
from raddle.controller.southbound.sonic.tables import Tables

TABLE = "STATIC_ROUTE"
VRF = "default|"


def held_routes(tables: Tables) -> RouteTable:
    """The routes of the default VRF by prefix; a key that is none is left out."""
    found = {}
    for key, fields in tables.get(TABLE, {}).items():
        prefix = prefix_of(key)
        if prefix:
            found[prefix] = hops_of(fields)
    return found


def hops_of(fields: Mapping[str, object]) -> tuple[NextHop, ...]:
    """The next hops of a route's entry; one without address and port where it has none."""
    return _hops(*(str(fields.get(name, "")) for name in ("nexthop", "ifname", "distance")))


@lru_cache(maxsize=1 << 16)
def prefix_of(key: str) -> str:
    """The prefix of a route in the default VRF (`10.9.0.0/24` of `default|10.9.0.1/24`); empty for others."""
    vrf, _, prefix = key.rpartition("|")
    if vrf not in ("", "default"):
        return ""
    try:
        return str(ip_network(prefix, strict=False))
    except ValueError:
        return ""


@lru_cache(maxsize=1 << 16)
def _hops(addresses: str, ports: str, distances: str) -> tuple[NextHop, ...]:
    """Equal texts give the same object, which makes it quick to see that nothing changes."""
    rows = zip_longest(addresses.split(","), ports.split(","), distances.split(","), fillvalue="")
    # A distance of 0, or none, is that of every static route (FRR, staticd).
    return tuple(
        NextHop(address, port, distance=int(distance) or 1 if distance.isdigit() else 1)
        for address, port, distance in rows
    )
