"""Whether a switch is well: what a push must bring about, and what it must not make worse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.tables import Tables


@dataclass(frozen=True, slots=True)
class Health:
    """What a switch's own daemons say of it.

    Attributes:
        up: ports that are oper up.
        routes: prefixes that are in APPL_DB, which has an address without a length for a host route.
        buffers: priority groups (`Ethernet0:3-4`) that have a buffer profile.
        stormed: queues (`Ethernet0:3`) that the PFC watchdog holds in a storm.
    """

    up: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
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
        missing = sorted(set(_routes(wanted, now.up)) - now.routes)
        if missing:
            return f"{len(missing)} routes are not in APPL_DB ROUTE_TABLE, the first {missing[0]},"
        unbound = sorted({key.replace("|", ":") for key in wanted.get("BUFFER_PG", {})} - now.buffers)
        if unbound:
            return f"{len(unbound)} priority groups have no buffer profile, the first {unbound[0]},"
        storms = sorted(now.stormed - self.stormed)
        return f"the PFC watchdog reports a storm on {storms[0]}" if storms else ""


def _routes(wanted: Tables, up: frozenset[str]) -> Iterator[str]:
    """The wanted routes that have a port which is up, as ROUTE_TABLE spells them."""
    for key, fields in wanted.get("STATIC_ROUTE", {}).items():
        prefix = key.rpartition("|")[2]
        if up & set(fields.get("ifname", "").split(",")):
            yield prefix.removesuffix("/128" if ":" in prefix else "/32")


def read_health(client: GnmiClient) -> Health:
    """Four Gets: ports, routes and buffers in APPL_DB, and the watchdog's view of the queues."""
    appl = client.read_tables("APPL_DB", ("PORT_TABLE", "ROUTE_TABLE", "BUFFER_PG_TABLE"))
    queues = client.read_counters("COUNTERS", "Ethernet*", "Pfcwd")
    return Health(
        up=frozenset(
            port for port, fields in appl["PORT_TABLE"].items() if fields.get("oper_status") == "up"
        ),
        routes=frozenset(appl["ROUTE_TABLE"]),
        buffers=frozenset(appl["BUFFER_PG_TABLE"]),
        stormed=frozenset(
            queue for queue, fields in queues.items() if fields.get("PFC_WD_STATUS") == "stormed"
        ),
    )
