"""What `ignore` names: entries of tables and switches that there are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

from raddle.errors import Diagnostic
from raddle.sonic_tables import YANG_TABLES
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.schema import FabricFile
from raddle.topology.yaml.source import Place, Source

_TABLES = YANG_TABLES | {"SWITCH_TABLE"}
"""Those of CONFIG_DB, and the one of APPL_DB that a push compares."""

_BY_PORT = frozenset(("BUFFER_PG", "BUFFER_QUEUE", "PORT", "PORT_QOS_MAP"))
_PORTS = (*(f"Ethernet{number}" for number in range(1024)), "global")
"""What keys of those begin with; a switch may have more ports than its model here."""

_FIELD = re.compile("[a-z][a-z0-9_]*")


def check_ignored(spec: FabricFile, switches: Collection[str], source: Source) -> Iterator[Diagnostic]:
    """Patterns that no entry can match, as they name a table, switch or port that there is not, or a field.

    Args:
        switches: names of all; empty where there are more than those that are at hand.
    """
    for number, pattern in enumerate(spec.ignore):
        place: Place = ("ignore", number)
        where, _, key = pattern.partition("/")
        switch, _, table = where.rpartition(":")
        if switch and switches and not any(fnmatchcase(name, switch) for name in switches):
            hint = did_you_mean(switch, switches, "write SWITCH:TABLE/KEY, with * and ?")
            yield source.error("unknown-device", f"no switch is called '{switch}'", place, hint)
        if not any(fnmatchcase(name, table) for name in _TABLES):
            hint = did_you_mean(table, sorted(_TABLES), "no push touches other tables; leave it out")
            yield source.error("unknown-table", f"SONiC has no table '{table}' in CONFIG_DB", place, hint)
        entry, slash, field = key.rpartition("/")
        if slash and _FIELD.fullmatch(field):
            message = f"'{field}' is a field of {table}/{entry}, and entries are left alone as a whole"
            yield source.error("bad-pattern", message, place, f"write '{where}/{entry}'")
        elif table in _BY_PORT and not any(fnmatchcase(name, key.partition("|")[0]) for name in _PORTS):
            message = f"no key of {table} begins with '{key.partition('|')[0]}'"
            yield source.error("bad-pattern", message, place, "ports are called Ethernet0, Ethernet8, ...")
