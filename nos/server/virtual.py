"""The virtual paths of COUNTERS_DB: port names, aliases and wildcards in place of object ids.

Source: sonic-gnmi sonic_data_client/virtual_db.go (the path trie and its translators).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from raddle.nos.db.databases import ConfigDb, ConfigValue, Databases
from raddle.nos.orch.watchdog import pfc_queues

Hash = Mapping[str, ConfigValue]
Found = Mapping[str, object] | str | None

_PORT_TABLES = ("COUNTERS", "RATES", "PORT_PHY_ATTR")
_OBJECT_MAPS = {
    "PORT": ("COUNTERS_FABRIC_PORT_NAME_MAP", ""),
    "SWITCH": ("COUNTERS_DEBUG_NAME_SWITCH_STAT_MAP", ""),
    "SID": ("COUNTERS_SRV6_NAME_MAP", "SID:"),
    "ACL_RULE": ("ACL_COUNTER_RULE_MAP", "ACL_RULE:"),
}
"""What a key of COUNTERS begins with -> the map that has its oid, and what is in front of the map's keys."""


def is_virtual(elems: tuple[str, ...]) -> bool:
    """Whether a path below COUNTERS_DB names objects by what they are called, not by oid."""
    if elems == ("INTERFACE_COUNTERS",):
        return True
    if len(elems) < 2 or elems[1].startswith("oid:"):
        return False
    is_watermark = elems[0] == "PERIODIC_WATERMARKS" and len(elems) == 3
    return elems[0] in _PORT_TABLES or is_watermark


def read_virtual(databases: Databases, elems: tuple[str, ...]) -> Found:
    """What a virtual path shows; None where it names nothing.

    `Ethernet*` gives `{name: fields}` of the ports that have an entry; names are the vendor's aliases where
    ports have them, as in all answers to a request by alias or wildcard.
    """
    names = _Names.of(databases)
    if elems == ("INTERFACE_COUNTERS",):
        return dict(_ports(databases, names, "COUNTERS", "Ethernet*"))
    table, key, *rest = elems
    if table == "COUNTERS" and (found := _other_object(databases, key, rest)) is not None:
        return found
    if table == "COUNTERS" and rest == ["VoQs"]:
        return _voqs(databases, key)
    is_wild = key.endswith("*")
    if not is_wild and names.sonic(key) is None:
        return None
    if rest and rest[0] in ("Queues", "Pfcwd", "PriorityGroups"):
        if len(rest) > 1:
            return None
        return dict(_slots(databases, names, table, key, rest[0]))
    if len(rest) > 1:
        return None
    hashes = dict(_ports(databases, names, table, key))
    if not is_wild:
        found_hash = next(iter(hashes.values()), None)
        if found_hash is None or not rest:
            return found_hash
        value = found_hash.get(rest[0])
        return value if isinstance(value, str) else None
    shown = {names.shown(port, table): entry for port, entry in hashes.items()}
    if rest:
        return {port: {rest[0]: entry[rest[0]]} for port, entry in shown.items() if rest[0] in entry}
    return shown


@dataclass(frozen=True, slots=True)
class _Names:
    """SONiC's names of the ports that have counters, and the vendor's aliases of them."""

    oids: Mapping[str, str]
    alias_of: Mapping[str, str]
    name_of: Mapping[str, str]

    @classmethod
    def of(cls, databases: Databases) -> _Names:
        oids = _map(databases, "COUNTERS_PORT_NAME_MAP")
        aliases = _aliases(databases.config)
        return cls(oids, aliases, {alias: name for name, alias in aliases.items()})

    def sonic(self, key: str) -> str | None:
        """The SONiC name that a key stands for."""
        return key if key in self.oids else self.name_of.get(key)

    def shown(self, port: str, table: str) -> str:
        """How an answer to a wildcard calls a port. PORT_PHY_ATTR keeps SONiC's names."""
        return port if table == "PORT_PHY_ATTR" else self.alias_of.get(port, port)

    def chosen(self, key: str) -> Iterator[str]:
        """The ports that a key names; `Ethernet*` is all of them."""
        if key.endswith("*"):
            yield from (port for port in self.oids if port.startswith(key[:-1]))
        elif port := self.sonic(key):
            yield port


def _aliases(config: ConfigDb) -> dict[str, str]:
    return {
        name: alias
        for name, entry in config.get("PORT", {}).items()
        if isinstance(alias := entry.get("alias"), str) and alias
    }


def _map(databases: Databases, table: str) -> Mapping[str, str]:
    return databases.counters.get(table, {}).get("", {})


def _ports(databases: Databases, names: _Names, table: str, key: str) -> Iterator[tuple[str, Hash]]:
    """The ports that `key` names, by SONiC name, with their hashes in a table."""
    entries = databases.counters.get(table, {})
    for port in names.chosen(key):
        entry = entries.get(names.oids.get(port, ""))
        if entry:
            yield port, entry


def _other_object(databases: Databases, key: str, rest: list[str]) -> Found:
    """A fabric port, the switch, an SRv6 SID or an ACL rule, or all of a kind; None for another key."""
    counters = databases.counters.get("COUNTERS", {})
    for start, (table, prefix) in _OBJECT_MAPS.items():
        if not key.startswith(start):
            continue
        oids = _map(databases, table)
        if key == f"{start}*" and not rest:
            return {name: counters[oid] for name, oid in oids.items() if counters.get(oid)}
        oid = oids.get(key.removeprefix(prefix)) if key.startswith(prefix) else None
        entry = counters.get(oid) if oid else None
        if entry is not None and len(rest) <= 1:
            return entry.get(rest[0]) if rest else entry
    return None


def _slots(
    databases: Databases, names: _Names, table: str, key: str, kind: str
) -> Iterator[tuple[str, Hash]]:
    """`Ethernet0:3` -> hash, of the queues, watched queues or priority groups of the chosen ports.

    Among `Queues`, `Ethernet0:3:periodic` is the queue's periodic watermark.
    """
    oids = _map(databases, "COUNTERS_PG_NAME_MAP" if kind == "PriorityGroups" else "COUNTERS_QUEUE_NAME_MAP")
    is_alias = names.sonic(key) != key
    by_port: dict[str, list[tuple[str, str]]] = {}
    for slot, oid in oids.items():
        port, _, number = slot.rpartition(":")
        by_port.setdefault(port, []).append((number, oid))
    entries = databases.counters.get(table, {})
    periodic = databases.counters.get("PERIODIC_WATERMARKS", {})
    choose = _watched if kind == "Pfcwd" else _all
    for port in names.chosen(key):
        shown = names.alias_of.get(port, port) if is_alias else port
        for number, oid in choose(databases.config, port, by_port.get(port, [])):
            if entry := entries.get(oid):
                yield f"{shown}:{number}", entry
            if kind == "Queues" and table == "COUNTERS" and (watermark := periodic.get(oid)):
                yield f"{shown}:{number}:periodic", watermark


def _all(config: ConfigDb, port: str, slots: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return slots


def _watched(config: ConfigDb, port: str, slots: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The queues that the PFC watchdog watches: of a port in PFC_WD, those that PFC may pause."""
    if port not in config.get("PFC_WD", {}):
        return []
    queues = {str(queue) for queue in pfc_queues(config, port)}
    return [(number, oid) for number, oid in slots if number in queues]


def _voqs(databases: Databases, key: str) -> dict[str, Hash] | None:
    """The virtual output queues towards a system port, or all those of a switch; `*` ends a wildcard."""
    counters = databases.counters.get("COUNTERS", {})
    found: dict[str, Hash] = {}
    for name, oid in _map(databases, "COUNTERS_VOQ_NAME_MAP").items():
        port = name.rpartition(":")[0]
        is_chosen = port.startswith(key[:-1]) if key.endswith("*") else f"{port}|".startswith(f"{key}|")
        if is_chosen and counters.get(oid):
            found[name] = counters[oid]
    return found or None
