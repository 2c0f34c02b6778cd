"""Reads by target (`COUNTERS_DB`, `STATE_DB`, ..., `OTHERS`): the older, read-only half of sonic-gnmi.

Source: sonic-gnmi sonic_data_client/db_client.go (populateDbtablePath) and non_db_client.go.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from finsy.proto.gnmi1 import gnmi_pb2

from raddle.nos.db.databases import SEPARATORS, ConfigValue, Databases
from raddle.nos.server.json_text import GoOn, no_matter
from raddle.nos.server.paths import RpcError
from raddle.nos.server.read import json_value
from raddle.nos.server.virtual import Found, is_virtual, read_virtual
from raddle.nos.show.system import BUILD_VERSION


def is_target(target: str) -> bool:
    """Whether a prefix's target is one that this module reads: `OTHERS`, or what looks like a database."""
    return target == "OTHERS" or target.partition("/")[0].endswith("_DB")


def read_target(databases: Databases, target: str, elems: tuple[str, ...]) -> Mapping[str, object] | str:
    """What is at a path: a single field as a string, anything else as an object.

    Raises:
        RpcError: NOT_FOUND with sonic-gnmi's text.
    """
    return _read_other(elems) if target == "OTHERS" else _read_database(databases, target, elems)


def typed(found: Mapping[str, object] | str, go_on: GoOn = no_matter) -> gnmi_pb2.TypedValue:
    """A field as string_val, an object as json_ietf_val."""
    if isinstance(found, str):
        return gnmi_pb2.TypedValue(string_val=found)
    return json_value(found, go_on)


def _read_database(databases: Databases, target: str, elems: tuple[str, ...]) -> Mapping[str, object] | str:
    if target not in SEPARATORS:
        raise _not_found(f"Invalid target name {target}")
    if not elems:
        raise _not_found(f"Invalid db table Path [{target}]")
    if target == "COUNTERS_DB" and is_virtual(elems):
        found = read_virtual(databases, elems)
        if found is not None:
            return found
    table = (databases.by_name(target) or {}).get(elems[0], {})
    if len(elems) == 1:
        return table.get("", table)
    found = _below(table, elems[1:], SEPARATORS[target])
    if found is None:
        key = SEPARATORS[target].join(elems)
        raise _not_found(f"No valid entry found on {target} with key {key}")
    return found


def _below(table: Mapping[str, Mapping[str, ConfigValue]], elems: tuple[str, ...], separator: str) -> Found:
    """KEY or FIELD; KEY KEY or KEY FIELD; KEY KEY FIELD. Which of them it is, the table decides."""
    if len(elems) > 3:
        return None
    if "" in table:
        return _text(table[""], elems[0]) if len(elems) == 1 else None
    for parts in (1, 2):
        key = separator.join(elems[:parts])
        rest = elems[parts:]
        if len(elems) >= parts and len(rest) <= 1 and key in table:
            entry = table[key]
            return _text(entry, rest[0]) if rest else entry
    return None


def _text(entry: Mapping[str, ConfigValue], name: str) -> str | None:
    """A field as Redis holds it: a leaf-list is `name@`, comma joined."""
    value = entry.get(name)
    if value is None and name.endswith("@"):
        value = entry.get(name[:-1])
    return ",".join(value) if isinstance(value, list) else value


def _read_other(elems: tuple[str, ...]) -> dict[str, object]:
    if elems == ("osversion", "build"):
        return {"build_version": BUILD_VERSION, "error": ""}
    raise _not_found(f"Non_db path {'/'.join(elems)} is not supported")


def _not_found(message: str) -> RpcError:
    return RpcError(grpc.StatusCode.NOT_FOUND, message)
