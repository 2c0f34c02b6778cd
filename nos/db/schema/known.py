"""What was read and judged before: switches of one kind have most of their tables in common.

Nothing here changes a result. A table is taken for one that is known only where it says the same to the
letter, and for a valid one only where all that was looked up for it says the same, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from operator import eq

from raddle.nos.db.databases import ConfigDb, ConfigTable

_KEPT = 8
"""Tables of a name that are remembered: the kinds of switches that a fabric has at a time."""
_MOST_ENTRIES = 1 << 14
"""Of a table that is remembered, so that no client's giant ones stay."""

_shared: dict[str, deque[ConfigTable]] = {}
_valid: dict[Hashable, deque[tuple[ConfigTable, dict[str, ConfigTable | None]]]] = {}


class Lookups(Mapping[str, ConfigTable]):
    """CONFIG_DB, and which of its tables somebody has looked at."""

    def __init__(self, config: ConfigDb) -> None:
        self._config = config
        self.seen: dict[str, ConfigTable | None] = {}

    def __getitem__(self, name: str) -> ConfigTable:
        self.seen[name] = self._config.get(name)
        return self._config[name]

    def __contains__(self, name: object) -> bool:
        self.seen[str(name)] = self._config.get(str(name))
        return name in self._config

    def __iter__(self) -> Iterator[str]:
        for name in self._config:
            self.seen[name] = self._config[name]
        return iter(self._config)

    def __len__(self) -> int:
        return len(list(iter(self)))


def shared(name: str, table: object) -> ConfigTable | None:
    """The table of before that a document's table equals, in the order of its entries, too; or None.

    Tables that were read have strings and lists of strings alone, and so has what equals one.
    """
    return next((known for known in tuple(_shared.get(name, ())) if _is_same(known, table)), None)


def _is_same(known: ConfigTable, table: object) -> bool:
    return (
        isinstance(table, dict)
        and known == table
        and list(known) == list(table)
        and all(map(eq, map(list, known.values()), map(list, table.values())))
    )


def share(name: str, table: ConfigTable) -> None:
    """Remember a table that was read; nobody changes it afterwards."""
    if len(table) <= _MOST_ENTRIES:
        _shared.setdefault(name, deque(maxlen=_KEPT)).append(table)


def is_known_valid(judge: Hashable, config: ConfigDb, table: ConfigTable) -> bool:
    """Whether a judge, a schema of a table with its severity, has found nothing wrong with this before."""
    return any(
        (known is table or known == table)
        and all(config.get(name) is other or config.get(name) == other for name, other in seen.items())
        for known, seen in tuple(_valid.get(judge, ()))
    )


def remember_valid(judge: Hashable, table: ConfigTable, seen: dict[str, ConfigTable | None]) -> None:
    """Nothing was wrong with a table, given the tables that were looked at."""
    if len(table) <= _MOST_ENTRIES:
        _valid.setdefault(judge, deque(maxlen=_KEPT)).append((table, seen))
