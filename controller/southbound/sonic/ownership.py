"""Whose an entry on a SONiC switch is: raddle's, or somebody else's who keeps it.

Three ways are compared: what raddle wrote last, what the switch holds, and what the plan wants. What raddle
never wrote is not deleted unless that is asked for, and never where it is of a port outside the fabric.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from raddle.controller.plan.model import NextHop, SwitchPlan
from raddle.controller.southbound.sonic.port_rows import ALONE
from raddle.controller.southbound.sonic.routes import hops_of, prefix_of
from raddle.controller.southbound.sonic.tables import OWNED_TABLES, Tables, intended

_BY_PORT = ("INTERFACE", "LOOPBACK_INTERFACE")


@dataclass(frozen=True, slots=True)
class Ownership:
    """What of a switch's entries is raddle's.

    Attributes:
        written: entries (`TABLE/KEY`) that raddle has written; None: all of its tables are its own.
        take_over: what it has not written but could have is its own, too.
        ignore: patterns of entries that it never touches, whoever wrote them.
    """

    written: Collection[str] | None = None
    take_over: bool = False
    ignore: tuple[str, ...] = ()

    def foreign(self, switch: SwitchPlan, held: Tables, wanted: Tables) -> frozenset[str]:
        """Entries that raddle leaves although they are not wanted: of its tables those that are somebody
        else's, of its ports' rows and of pools those that are ignored."""
        ignored = (
            path
            for table in ALONE
            for key in held.get(table, {})
            if self.is_ignored(switch.name, path := f"{table}/{key}")
        )
        return frozenset(ignored) | frozenset(
            path
            for table in OWNED_TABLES
            for key in held.get(table, {})
            if key not in wanted.get(table, {}) and self._is_foreign(switch, table, key, held)
            for path in (f"{table}/{key}",)
        )

    def _is_foreign(self, switch: SwitchPlan, table: str, key: str, held: Tables) -> bool:
        path = f"{table}/{key}"
        if key.startswith("mgmt|") or self.is_ignored(switch.name, path):
            return True
        if self.written is None or path in self.written:
            return False
        return not (self.take_over and _is_of_fabric(switch, table, key, held))

    def is_ignored(self, switch: str, path: str) -> bool:
        """A pattern says that the entry is never to be touched."""
        return any(
            fnmatchcase(path, pattern) or fnmatchcase(f"{switch}:{path}", pattern) for pattern in self.ignore
        )

    def wanted(self, switch: SwitchPlan, held: Tables) -> Tables:
        """What the plan wants of the switch, without what is not raddle's to change."""
        outside = frozenset(
            port.name
            for port in switch.ports
            if not port.peer and self.written is not None and f"PORT/{port.name}" not in self.written
        )
        return {
            table: kept
            for table, rows in intended(switch).items()
            if (kept := dict(self._kept(switch, table, rows, held, outside)))
        }

    def _kept(
        self,
        switch: SwitchPlan,
        table: str,
        rows: dict[str, dict[str, str]],
        held: Tables,
        outside: frozenset[str],
    ) -> Iterator[tuple[str, dict[str, str]]]:
        for key, fields in rows.items():
            if self.is_ignored(switch.name, f"{table}/{key}"):
                continue
            if table == "PORT" and key in outside and key in held.get("PORT", {}):
                continue
            if table == "CABLE_LENGTH":
                yield key, {port: length for port, length in fields.items() if port not in outside}
            else:
                yield key, fields


def _is_of_fabric(switch: SwitchPlan, table: str, key: str, held: Tables) -> bool:
    """Whether an entry is of the fabric's ports or the plan's loopbacks, and could be taken over."""
    ports = {port.name for port in switch.ports if port.peer}
    if table in _BY_PORT:
        return key.partition("|")[0] in ports | {each.name for each in switch.interfaces}
    if table == "STATIC_ROUTE":
        return bool(prefix_of(key)) and all(_leaves_by(hop, ports, held) for hop in hops_of(held[table][key]))
    return True


def _leaves_by(hop: NextHop, ports: Collection[str], held: Tables) -> bool:
    """Whether a next hop is at one of these ports: by name, or by their networks where it has none.

    One without an address, or in no network of theirs, may be behind the management port or another of
    somebody's.
    """
    if hop.port:
        return hop.port in ports
    own = (key.partition("|") for key in held.get("INTERFACE", {}))
    return any(port in ports and _is_within(hop.address, network) for port, _, network in own if network)


def _is_within(address: str, network: str) -> bool:
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return False


def written_entries(switch: SwitchPlan) -> tuple[str, ...]:
    """The entries (`TABLE/KEY`) that a push of a plan leaves on a switch as raddle's own."""
    tables = intended(switch)
    paths = [f"{table}/{key}" for table in OWNED_TABLES for key in tables.get(table, {})]
    return tuple(paths + [f"PORT/{port.name}" for port in switch.ports if port.peer])
