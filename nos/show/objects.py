"""Ports, queues and priority groups of COUNTERS_DB by name, and SONiC's way to print tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tabulate import tabulate

from raddle.nos.db.databases import Databases
from raddle.nos.orch.ports import front_panel_order
from raddle.state import PRIORITIES

Hash = Mapping[str, str]
_NOTHING: Hash = {}


def ports(databases: Databases) -> list[str]:
    """The ports in front-panel order."""
    return front_panel_order(databases.config)


def of_port(databases: Databases, port: str) -> Hash:
    """A port's counters."""
    return _object(databases, "COUNTERS_PORT_NAME_MAP", port)


def of_queue(databases: Databases, port: str, queue: int, table: str = "COUNTERS") -> Hash:
    """A queue's counters, or what another table has of it."""
    return _object(databases, "COUNTERS_QUEUE_NAME_MAP", f"{port}:{queue}", table)


def of_group(databases: Databases, port: str, group: int, table: str = "COUNTERS") -> Hash:
    """A priority group's counters, or what another table has of it."""
    return _object(databases, "COUNTERS_PG_NAME_MAP", f"{port}:{group}", table)


def pools(databases: Databases) -> list[str]:
    """The buffer pools that have counters."""
    return sorted(databases.counters.get("COUNTERS_BUFFER_POOL_NAME_MAP", {}).get("", _NOTHING))


def of_pool(databases: Databases, pool: str, table: str) -> Hash:
    """What a table has of a buffer pool."""
    return _object(databases, "COUNTERS_BUFFER_POOL_NAME_MAP", pool, table)


def rates_of(databases: Databases, port: str) -> Hash:
    """A port's rates."""
    return _object(databases, "COUNTERS_PORT_NAME_MAP", port, "RATES")


def _object(databases: Databases, names: str, name: str, table: str = "COUNTERS") -> Hash:
    oid = databases.counters.get(names, {}).get("", _NOTHING).get(name, "")
    return databases.counters.get(table, {}).get(oid, _NOTHING)


def count(entry: Hash, name: str) -> str:
    """A counter with thousands commas, `N/A` where it is not kept."""
    value = entry.get(name, "")
    return f"{int(value):,}" if value.isdigit() else "N/A"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Right-aligned columns under a dashed line, as SONiC's utilities print them."""
    return tabulate(list(rows), headers=headers, tablefmt="simple", stralign="right", disable_numparse=True)


def per_priority(first: str, label: str, rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A table with one row for each port and one column for each priority: `PFC0` to `PFC7`."""
    headers = [first, *(f"{label}{number}" for number in range(PRIORITIES))]
    return table(headers, ((port, *values) for port, values in rows))
