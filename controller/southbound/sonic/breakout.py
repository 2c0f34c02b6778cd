"""Ports that come, go or get other lanes on a running switch, and all that hangs on them.

SONiC cannot have two ports on one lane, and nothing may refer to a port that is not there: so a port that
changes is changed with all that names it in one Set.

Source: sonic-utilities generic_config_updater/patch_sorter.py (CreateOnlyMoveValidator: `lanes` comes with a
new port only); sonic-yang-models sonic-port.yang.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from raddle.hwsku import Updater

Tables = dict[str, dict[str, dict[str, Any]]]
"""CONFIG_DB: table -> key -> field -> value: strings, and lists of strings where YANG has a leaf-list."""

_FIELDS_BY_PORT = ("CABLE_LENGTH",)
"""Tables whose entries have a field for each port."""

REFERENCES = {
    ("BUFFER_PROFILE", "pool"): "BUFFER_POOL",
    ("BUFFER_PG", "profile"): "BUFFER_PROFILE",
    ("BUFFER_QUEUE", "profile"): "BUFFER_PROFILE",
    ("QUEUE", "scheduler"): "SCHEDULER",
    ("QUEUE", "wred_profile"): "WRED_PROFILE",
    ("PORT_QOS_MAP", "dscp_to_tc_map"): "DSCP_TO_TC_MAP",
    ("PORT_QOS_MAP", "tc_to_queue_map"): "TC_TO_QUEUE_MAP",
    ("PORT_QOS_MAP", "tc_to_pg_map"): "TC_TO_PRIORITY_GROUP_MAP",
    ("PORT_QOS_MAP", "pfc_to_queue_map"): "MAP_PFC_PRIORITY_TO_QUEUE",
}
"""Fields that name an entry of another table (leafrefs of SONiC's YANG models)."""


@dataclass(frozen=True, slots=True)
class Breakout:
    """Ports that change as wholes.

    Attributes:
        made: those that come, or get other lanes.
        gone: those that give up their lanes for them.
        faster: those of `made` that are there with other lanes and a lower speed. A switch checks a new speed
            by what it knows of the old port, so that they have to go before they come.
    """

    made: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    faster: frozenset[str] = frozenset()

    @property
    def ports(self) -> frozenset[str]:
        return self.made | self.gone

    def names(self, table: str, key: str, field: str = "") -> bool:
        """Whether an entry, or a field of it, is of one of the ports."""
        if table in _FIELDS_BY_PORT:
            return field in self.ports
        return not self.ports.isdisjoint(key.split("|"))

    def leftovers(self, current: Tables) -> Iterator[tuple[str, str, str]]:
        """(table, key, field) of all that goes with the ports that go; the field is empty for entries."""
        for table in sorted(current) if self.gone else ():
            for key, fields in sorted(current[table].items(), reverse=True):
                if table in _FIELDS_BY_PORT:
                    yield from ((table, key, port) for port in sorted(self.gone & fields.keys()))
                elif not self.gone.isdisjoint(key.split("|")):
                    yield table, key, ""


def breakout(current: Tables, wanted: Tables, build: str = "") -> Breakout:
    """What of the front panel can change while a switch of a SONiC build runs.

    Nothing on a switch without ports, which gets its first ones with config_db.json; and nothing where the
    updater would refuse to take a port's watchdog away, as it does on all chips that it does not know.
    """
    have, want = current.get("PORT", {}), wanted.get("PORT", {})
    if not have:
        return Breakout()
    made = {
        port
        for port, fields in want.items()
        if "lanes" in fields and (port not in have or _lanes(have[port]) != _lanes(fields))
    }
    taken = {lane for port in made for lane in _lanes(want[port])}
    gone = {port for port, fields in have.items() if port not in want and taken & _lanes(fields)}
    faster = {port for port in made & have.keys() if _speed(want[port]) > _speed(have[port])}
    updater = updater_of(current, build)
    watched = (gone | faster) & current.get("PFC_WD", {}).keys()
    if not all(updater.allows("remove", ("PFC_WD", port)) for port in watched):
        return Breakout()
    return Breakout(frozenset(made), frozenset(gone), frozenset(faster))


def updater_of(current: Tables, build: str) -> Updater:
    """The updater of the switch that holds these tables, with what it calls its build."""
    return Updater.of(current.get("DEVICE_METADATA", {}).get("localhost", {}), build)


def without(current: Tables, leftovers: Iterable[tuple[str, str, str]]) -> Tables:
    """Tables after the deletes of leftovers."""
    tables = {table: {key: dict(fields) for key, fields in rows.items()} for table, rows in current.items()}
    for table, key, field in leftovers:
        if field:
            del tables[table][key][field]
        else:
            del tables[table][key]
    return {table: rows for table, rows in tables.items() if rows}


def dangling(table: str, key: str, fields: dict[str, str], absent: Container[tuple[str, str]]) -> bool:
    """Whether an entry names a port or another entry, as (table, key), that will not be there."""
    if table != "PORT" and ("PORT", key.partition("|")[0]) in absent:
        return True
    return any(
        (REFERENCES[table, name], value) in absent
        for name, value in fields.items()
        if (table, name) in REFERENCES
    )


def _lanes(fields: dict[str, str]) -> frozenset[str]:
    return frozenset(str(fields.get("lanes", "")).split(","))


def _speed(fields: dict[str, str]) -> int:
    text = str(fields.get("speed", "0"))
    return int(text) if text.isdecimal() else 0
