"""Where the controller's state lives: keys and values, written together or not at all.

desired            number of the revision that the switches are to hold
update             the update that is under way, if one is
controls           what operators have set: whether it is paused, which switches may be replaced
revision/00000007  what was asked for, and what came of it
audit/00000042     who did what, why, and with what outcome; entries are only ever added
text/SHA-256       what is large: fabric files and plans
applied            the record of what was applied (`raddle.controller.ledger`), where others read the store
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from raddle.errors import InputError, RaddleError


class StoreError(RaddleError):
    """The store does not answer, or somebody else leads: nothing was written."""

    exit_code = 3


class Store(Protocol):
    """Keys and values. Calls may come from any thread.

    Attributes:
        shared_as: the name by which controllers on other machines read it, too; empty: none do.
    """

    @property
    def shared_as(self) -> str: ...

    def get(self, key: str) -> bytes | None:
        """What is under a key."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """The keys with a prefix, sorted."""
        ...

    def commit(self, values: Mapping[str, bytes | None]) -> None:
        """Write all or nothing; None deletes. What is written stays, whatever happens next.

        Raises:
            StoreError: it was not written.
        """
        ...

    def close(self) -> None: ...


class SqliteStore:
    """A file on this machine (SQLite in WAL mode, synchronous FULL), that only its owner can read.

    Raises:
        InputError: `bad-store`, the file is something else or cannot be opened.
    """

    shared_as = ""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._open = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            self._open.execute("PRAGMA journal_mode=WAL")
            self._open.execute("PRAGMA synchronous=FULL")
            self._open.execute("CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError.of(
                "bad-store",
                f"cannot use '{path}' as the controller's store: {reason}",
                "name another --store",
            ) from None

    def get(self, key: str) -> bytes | None:
        with self._lock:
            row = self._open.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def keys(self, prefix: str) -> list[str]:
        with self._lock:
            rows = self._open.execute(
                "SELECT key FROM state WHERE key >= ? AND key < ? ORDER BY key", (prefix, prefix + "\x7f")
            ).fetchall()
        return [str(key) for (key,) in rows]

    def commit(self, values: Mapping[str, bytes | None]) -> None:
        with self._lock:
            try:
                self._open.execute("BEGIN IMMEDIATE")
                try:
                    for key, value in values.items():
                        if value is None:
                            self._open.execute("DELETE FROM state WHERE key = ?", (key,))
                        else:
                            self._open.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))
                    self._open.execute("COMMIT")
                except BaseException:
                    self._open.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                hint = "is its disk full, or another program at it?"
                raise StoreError(f"cannot write '{self._path}': {error}\n  hint: {hint}") from None

    def close(self) -> None:
        with self._lock:
            self._open.close()
