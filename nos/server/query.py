"""What a path of a Get or Subscribe reads, whichever of the server's two halves it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import grpc
from finsy.proto.gnmi1 import gnmi_pb2

from raddle.nos.db.databases import Databases
from raddle.nos.server.json_text import GoOn
from raddle.nos.server.paths import ORIGIN, RpcError, elem_names, parse_paths, request_origin
from raddle.nos.server.read import find, json_value
from raddle.nos.server.telemetry import is_target, read_target, typed
from raddle.nos.server.work import MAX_PATHS

_QUICK_PATHS = 8
_QUICK_ENTRIES = 256

Value = Mapping[str, object] | Sequence[str] | str


@dataclass(frozen=True, slots=True)
class Place:
    """What a request opens: the service that roles speak of, and the tables of the database (`""`: all)."""

    service: str
    database: str = ""
    tables: tuple[str, ...] = ()
    paths: int = 0

    def is_quick(self, databases: Databases) -> bool:
        """Whether it is read in less time than others would notice."""
        if self.database != "CONFIG_DB" or self.paths > _QUICK_PATHS or "" in self.tables:
            return False
        return sum(len(databases.config.get(table, {})) for table in self.tables) <= _QUICK_ENTRIES


def opened(prefix: gnmi_pb2.Path, paths: Sequence[gnmi_pb2.Path], others: str = "gnmi_other") -> Place:
    """What a Get or Subscribe opens; `others` is what roles call target OTHERS.

    Raises:
        RpcError: RESOURCE_EXHAUSTED for more paths than a switch reads at once; else as `parse_paths`.
    """
    if len(paths) > MAX_PATHS:
        raise RpcError(
            grpc.StatusCode.RESOURCE_EXHAUSTED, f"{len(paths)} paths; ask for at most {MAX_PATHS} at once"
        )
    origin = request_origin(prefix, paths)
    if origin == ORIGIN:
        places = parse_paths(prefix, paths)
        tables = {place.elems[0] if place.elems else "" for place in places}
        return _place(places[0].database, tables, len(paths))
    if not origin and prefix.target == "OTHERS":
        return Place(others, paths=len(paths))
    if not origin and is_target(prefix.target):
        elems = [(*elem_names(prefix), *elem_names(path)) for path in paths]
        return _place(
            prefix.target.partition("/")[0], {each[0] if each else "" for each in elems}, len(paths)
        )
    return Place("gnmi", paths=len(paths))


def _place(database: str, tables: Iterable[str], paths: int) -> Place:
    return Place(f"gnmi_{database.lower()}", database, tuple(sorted(tables)), paths)


@dataclass(frozen=True, slots=True)
class Query:
    """One path of a request: how it is echoed, and what it reads from a snapshot of the databases.

    `is_native` tells origin `sonic-db`, whose single fields are JSON strings in answers to a poll, from
    a read by target.
    """

    path: gnmi_pb2.Path
    read: Callable[[Databases], Value]
    is_native: bool

    def look(self, databases: Databases) -> Value | None:
        """What is there now; None where nothing is."""
        try:
            value = self.read(databases)
        except RpcError as error:
            if error.code != grpc.StatusCode.NOT_FOUND:
                raise
            return None
        return dict(value) if isinstance(value, Mapping) else value

    def encode(self, value: Value, is_stream: bool, go_on: GoOn) -> gnmi_pb2.TypedValue:
        """The value as it travels; a stream's single fields come without quotes."""
        if isinstance(value, str) and (is_stream or not self.is_native):
            return typed(value)
        return json_value(value, go_on)


def parse_queries(prefix: gnmi_pb2.Path, paths: Sequence[gnmi_pb2.Path]) -> list[Query]:
    """The queries of a subscription.

    Raises:
        RpcError: UNIMPLEMENTED for an origin or target that cannot be subscribed to, NOT_FOUND for a path
            that cannot be.
    """
    origin = request_origin(prefix, paths)
    if origin == ORIGIN:
        places = parse_paths(prefix, paths)
        return [
            Query(path, lambda databases, place=place: find(databases, place), is_native=True)  # type: ignore[misc]
            for path, place in zip(paths, places, strict=True)
        ]
    if origin:
        raise RpcError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported origin: {origin}")
    if prefix.target == "SHOW":
        raise RpcError(grpc.StatusCode.UNIMPLEMENTED, "SHOW does not support subscribe operations")
    if not prefix.target:
        raise RpcError(grpc.StatusCode.UNIMPLEMENTED, "Empty target data not supported")
    if not is_target(prefix.target):
        raise RpcError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported target: {prefix.target}")
    return [_by_target(prefix, path) for path in paths]


def _by_target(prefix: gnmi_pb2.Path, path: gnmi_pb2.Path) -> Query:
    elems = (*elem_names(prefix), *elem_names(path))
    return Query(path, lambda databases: read_target(databases, prefix.target, elems), is_native=False)
