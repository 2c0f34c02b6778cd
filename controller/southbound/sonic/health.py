"""Whether a switch is well: what a push must bring about, and what it must not make worse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from raddle.controller.plan.model import NextHop
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.routes import TABLE, hops_of, prefix_of
from raddle.controller.southbound.sonic.tables import Tables

Hops = frozenset[tuple[str, str]]
"""Address and port of each next hop; none of what is discarded."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a switch's own daemons say of it.

    Attributes:
        up: ports that are oper up.
        routes: next hops by prefix in APPL_DB, which has an address without a length for a host route.
        buffers: priority groups (`Ethernet0:3-4`) that have a buffer profile.
        stormed: queues (`Ethernet0:3`) that the PFC watchdog holds in a storm.
    """

    up: frozenset[str] = frozenset()
    routes: Mapping[str, Hops] = field(default_factory=dict)
    buffers: frozenset[str] = frozenset()
    stormed: frozenset[str] = frozenset()

    def worse(self, now: Health, wanted: Tables) -> str:
        """What is not as `wanted`, or worse `now` than it was, in words; empty if all is well.

        A port that the plan takes down may be down, and so may be routes whose ports are all down.
        """
        ports = wanted.get("PORT", {})
        lost = sorted(
            port for port in self.up - now.up if ports.get(port, {}).get("admin_status", "up") == "up"
        )
        if lost:
            return f"{len(lost)} ports that were up are down, the first {lost[0]},"
        planned = dict(_routes(wanted, now.up))
        missing = sorted(prefix for prefix, (live, _) in planned.items() if live and prefix not in now.routes)
        if missing:
            return f"{len(missing)} routes are not in APPL_DB ROUTE_TABLE, the first {missing[0]},"
        led = (
            (prefix, live, every, now.routes.get(prefix, live)) for prefix, (live, every) in planned.items()
        )
        other = sorted(prefix for prefix, live, every, hops in led if not live <= hops <= every)
        if other:
            return (
                f"{len(other)} routes in APPL_DB have other next hops than the plan's, the first {other[0]},"
            )
        unbound = sorted({key.replace("|", ":") for key in wanted.get("BUFFER_PG", {})} - now.buffers)
        if unbound:
            return f"{len(unbound)} priority groups have no buffer profile, the first {unbound[0]},"
        storms = sorted(now.stormed - self.stormed)
        return f"the PFC watchdog reports a storm on {storms[0]}" if storms else ""


def moved_routes(now: Tables, wanted: Tables) -> str:
    """Wanted routes whose next hops or distances in CONFIG_DB are others `now`, in words; empty if none."""
    held = _held(now)
    moved = [prefix for prefix, hops in _held(wanted).items() if held.get(prefix) != hops]
    return (
        f"{len(moved)} routes in CONFIG_DB are others than the plan's, the first {moved[0]}," if moved else ""
    )


def _held(tables: Tables) -> dict[str, tuple[tuple[NextHop, ...], bool]]:
    """Next hops by prefix, and whether the packets to it are discarded."""
    return {
        prefix: (hops_of(fields), "true" in str(fields.get("blackhole", "")))
        for key, fields in tables.get(TABLE, {}).items()
        if (prefix := prefix_of(key))
    }


def _routes(wanted: Tables, up: frozenset[str]) -> Iterator[tuple[str, tuple[Hops, Hops]]]:
    """The wanted routes as ROUTE_TABLE spells them: the next hops that it must have, and all that it may.

    It must have those of the least distance at ports that are up; that others go may take a moment.
    """
    for key, fields in wanted.get("STATIC_ROUTE", {}).items():
        prefix = key.rpartition("|")[2]
        hops = [hop for hop in hops_of(fields) if hop.port]
        live = [hop for hop in hops if hop.port in up]
        least = min((hop.distance for hop in live), default=0)
        yield (
            prefix.removesuffix("/128" if ":" in prefix else "/32"),
            (
                frozenset(_hop(hop.address, hop.port) for hop in live if hop.distance == least),
                frozenset(_hop(hop.address, hop.port) for hop in hops),
            ),
        )


def _hop(address: str, port: str) -> tuple[str, str]:
    """In one spelling; the address is empty where the port alone says the way."""
    found = ip_address(address) if address else None
    return "" if found is None or found.is_unspecified else str(found), port


def _installed(fields: Mapping[str, str]) -> Hops:
    addresses, ports = (str(fields.get(name, "")).split(",") for name in ("nexthop", "ifname"))
    return frozenset(_hop(address, port) for address, port in zip(addresses, ports, strict=False) if port)


def read_health(client: GnmiClient) -> Health:
    """Ports, routes and buffers in APPL_DB, and the watchdog's view of the queues, a Get each; one more where
    routes name groups of next hops."""
    appl = client.read_tables("APPL_DB", ("PORT_TABLE", "ROUTE_TABLE", "BUFFER_PG_TABLE"))
    routes, groups = appl["ROUTE_TABLE"], {}
    if any("nexthop_group" in fields for fields in routes.values()):
        groups = client.read_tables("APPL_DB", ("NEXTHOP_GROUP_TABLE",))["NEXTHOP_GROUP_TABLE"]
    queues = client.read_counters("COUNTERS", "Ethernet*", "Pfcwd")
    return Health(
        up=frozenset(
            port for port, fields in appl["PORT_TABLE"].items() if fields.get("oper_status") == "up"
        ),
        routes={
            prefix: _installed(groups.get(str(fields.get("nexthop_group", "")), fields))
            for prefix, fields in routes.items()
        },
        buffers=frozenset(appl["BUFFER_PG_TABLE"]),
        stormed=frozenset(
            queue for queue, fields in queues.items() if fields.get("PFC_WD_STATUS") == "stormed"
        ),
    )
