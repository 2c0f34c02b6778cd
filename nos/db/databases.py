"""The databases of a switch: CONFIG_DB, APPL_DB, STATE_DB, COUNTERS_DB and ASIC_DB, as values.

Every database is `table -> key -> field -> value`, with the values as strings like in Redis. A snapshot is
never changed in place: a writer makes a new one that shares what it did not touch, and swaps it in, so that
readers in other threads need no lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ConfigValue = str | list[str]
"""A field of CONFIG_DB: a string, or a list for a leaf-list (Redis keeps it as `name@`, comma joined)."""

ConfigEntry = dict[str, ConfigValue]
ConfigTable = dict[str, ConfigEntry]
ConfigDb = dict[str, ConfigTable]
"""CONFIG_DB in the form of config_db.json: keys of several parts are joined with `|`."""

ConfigTables = Mapping[str, ConfigTable]
"""CONFIG_DB, to be read."""

HashTable = Mapping[str, Mapping[str, str]]
HashDb = Mapping[str, HashTable]
"""APPL_DB, STATE_DB or ASIC_DB: table -> key -> hash of strings."""

CountersDb = HashDb
"""COUNTERS_DB. A table that is one hash in Redis, as COUNTERS_PORT_NAME_MAP is, has the one key ``""``."""

Table = Mapping[str, Mapping[str, ConfigValue]]
Database = Mapping[str, Table]
"""Any of the databases, to be read."""

SEPARATORS = {
    "APPL_DB": ":",
    "ASIC_DB": ":",
    "COUNTERS_DB": ":",
    "CONFIG_DB": "|",
    "FLEX_COUNTER_DB": ":",
    "PFC_WD_DB": ":",
    "STATE_DB": "|",
    "CHASSIS_STATE_DB": "|",
}
"""What joins table and key in Redis, by database (sonic-swss-common database_config.json)."""


@dataclass(frozen=True, slots=True)
class Databases:
    """One consistent snapshot of a switch's databases. COUNTERS_DB holds what a simulation reports."""

    config: ConfigDb
    appl: HashDb
    state: HashDb
    counters: CountersDb
    asic: HashDb = field(default_factory=dict)

    def by_name(self, name: str) -> Database | None:
        """The database that SONiC calls `name`; None if this switch has none of that name."""
        databases: dict[str, Database] = {
            "CONFIG_DB": self.config,
            "APPL_DB": self.appl,
            "STATE_DB": self.state,
            "COUNTERS_DB": self.counters,
            "ASIC_DB": self.asic,
        }
        return databases.get(name)
