"""The routes among the tables of an OpenFlow switch, and tables between two others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from raddle.controller.plan.model import NextHop
from raddle.controller.plan.update import Write
from raddle.controller.southbound.driver import RouteTable
from raddle.controller.southbound.openflow.tables import (
    Action,
    FailoverGroup,
    Hop,
    SelectGroup,
    Tables,
    route_key,
)


def routes_in(tables: Tables, ports: Mapping[int, str]) -> RouteTable:
    """Next hops by prefix: of a pin its own and its backup; what ends at the switch is left out.

    Args:
        ports: names of the switch's ports by number.
    """
    found = {}
    for key, action in tables.rules.items():
        prefix = key.match.destination
        if prefix and "/" in prefix and key == route_key(prefix) and (hops := _hops(action)):
            found[prefix] = tuple(
                NextHop("", ports.get(hop.port, ""), weight, distance) for hop, weight, distance in hops
            )
    return found


def with_writes(held: Tables, wanted: Tables, writes: Iterable[Write]) -> Tables:
    """Tables that have some routes as wanted, and all else as held."""
    return _mixed(held, wanted, [write.prefix for write in writes])


def with_kept(held: Tables, wanted: Tables, kept: Collection[str]) -> Tables:
    """Tables that have some routes as held, and all else as wanted."""
    return _mixed(wanted, held, kept)


def _mixed(base: Tables, other: Tables, prefixes: Iterable[str]) -> Tables:
    rules = dict(base.rules)
    for key in map(route_key, prefixes):
        rules.pop(key, None)
        if key in other.rules:
            rules[key] = other.rules[key]
    return Tables(base.mac, rules)


def _hops(action: Action) -> tuple[tuple[Hop, int, int], ...]:
    """Hops with weight and distance."""
    match action:
        case SelectGroup(buckets):
            return tuple((hop, weight, 1) for hop, weight in buckets)
        case FailoverGroup(hops, _):
            return tuple((hop, 1, distance) for distance, hop in enumerate(hops, 1))
        case Hop():
            return ((action, 1, 1),)
        case _:
            return ()
