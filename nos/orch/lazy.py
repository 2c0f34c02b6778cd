"""Tables that are made when they are first read: most snapshots of a switch are never read whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Generic, TypeVar

Table = TypeVar("Table")


def _not_at_all() -> None:
    """Nobody has to be told."""


before_waiting: ContextVar[Callable[[], None]] = ContextVar("before_waiting", default=_not_at_all)
"""Called by a thread that is about to wait for a table that another one makes."""


class LazyTables(Mapping[str, Table], Generic[Table]):
    """Table name -> table. Threads that want one that is being made wait for it."""

    def __init__(self, makers: Mapping[str, Callable[[], Table]]) -> None:
        self._makers = dict(makers)
        self._made: dict[str, Table] = {}
        self._lock = threading.RLock()

    def __getitem__(self, name: str) -> Table:
        if name not in self._made:
            if not self._lock.acquire(blocking=False):
                before_waiting.get()()
                self._lock.acquire()
            try:
                if name not in self._made:
                    self._made[name] = self._makers[name]()
            finally:
                self._lock.release()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def with_tables(self, tables: Mapping[str, Table]) -> LazyTables[Table]:
        """The same with some tables as given."""
        return LazyTables(self._makers | {name: _given(table) for name, table in tables.items()})


def _given(table: Table) -> Callable[[], Table]:
    return lambda: table
