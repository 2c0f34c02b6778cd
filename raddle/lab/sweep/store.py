"""The results of a campaign: one DuckDB file, a row for each run that is finished.

A row is there when its run has finished and the transaction that wrote it is done, so that a campaign that
was killed goes on where it was. DuckDB keeps what it has written last in a second file beside it, `.wal`,
until that is moved over, with the first run that finishes a second after the last time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_type_hints

from raddle.errors import InputError
from raddle.lab.sweep.model import Row, Sweep

_MOVE_S = 1.0
"""How long rows stay in the file beside, at least."""

_TYPES = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE"}


@dataclass(frozen=True, slots=True)
class About:
    """The campaign that a file is of."""

    name: str
    digest: str
    runs: int
    raddle_version: str


class Store:
    """An open file."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._moved_s = time.monotonic()

    def finished(self) -> set[str]:
        """Numbers of the runs that are there."""
        return {number for (number,) in self._connection.execute("SELECT run_id FROM runs").fetchall()}

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows, all or none."""
        marks = ", ".join("?" * len(fields(Row)))
        self._connection.execute("BEGIN")
        self._connection.executemany(f"INSERT INTO runs VALUES ({marks})", [astuple(row) for row in rows])
        self._connection.execute("COMMIT")
        if time.monotonic() - self._moved_s >= _MOVE_S:
            self._connection.execute("CHECKPOINT")
            self._moved_s = time.monotonic()

    def rows(self) -> list[Row]:
        """All rows, by their numbers."""
        return [
            Row(*cells) for cells in self._connection.execute("SELECT * FROM runs ORDER BY run_id").fetchall()
        ]

    def about(self) -> About:
        """What it is of."""
        return About(*self._connection.execute("SELECT * FROM sweep").fetchone())


@contextmanager
def opened(path: Path, sweep: Sweep | None = None) -> Iterator[Store]:
    """A file of results: one that is there, or where a campaign is given, that one's, which is made.

    Raises:
        InputError: `no-results`, it cannot be opened, or is none; `other-sweep`, it is of other runs.
    """
    import duckdb

    is_new = not path.exists()
    if is_new and sweep is None:
        raise InputError.of(
            "no-results", f"there is no file '{path}'", "name the one that raddle sweep wrote"
        )
    try:
        connection = duckdb.connect(str(path), read_only=sweep is None)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise InputError.of(
            "no-results", f"cannot open '{path}': {reason}", "is another sweep writing it?"
        ) from None
    try:
        yield _checked(Store(connection), connection, path, sweep)
    finally:
        connection.close()


def _checked(store: Store, connection: Any, path: Path, sweep: Sweep | None) -> Store:
    if sweep is not None:
        kinds = get_type_hints(Row)
        columns = ", ".join(f"{each.name} {_sql(kinds[each.name])}" for each in fields(Row))
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE IF NOT EXISTS runs ({columns}, PRIMARY KEY (run_id))")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS sweep"
            " (name VARCHAR, digest VARCHAR, runs BIGINT, raddle_version VARCHAR)"
        )
        if not connection.execute("SELECT * FROM sweep").fetchall():
            values = (sweep.name, sweep.digest, len(sweep.runs), version("raddle"))
            connection.execute("INSERT INTO sweep VALUES (?, ?, ?, ?)", values)
        connection.execute("COMMIT")
    try:
        about = store.about()
    except Exception:
        raise InputError.of("no-results", f"'{path}' holds no results of a sweep") from None
    if sweep is not None and about.digest != sweep.digest:
        message = f"'{path}' has results of '{about.name}' with {about.runs} other runs"
        raise InputError.of("other-sweep", message, "write to another file with -o")
    return store


def _sql(kind: Any) -> str:
    """A column's type; what may be None is nullable."""
    optional = getattr(kind, "__args__", None)
    return _TYPES[optional[0]] if optional else f"{_TYPES[kind]} NOT NULL"
