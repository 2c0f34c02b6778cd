"""Get: values of the databases as sonic-gnmi renders them.

Source: sonic-gnmi sonic_data_client/mixed_db_client.go (getDbtablePath, tableData2TypedValue).
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from finsy.proto.gnmi1 import gnmi_pb2

from raddle.nos.db.databases import ConfigValue, Databases
from raddle.nos.server.json_text import GoOn, dump_json, no_matter
from raddle.nos.server.paths import DbPath, RpcError

Entry = Mapping[str, ConfigValue]


def read_value(
    databases: Databases, path: DbPath, encoding: int, go_on: GoOn = no_matter
) -> gnmi_pb2.TypedValue:
    """The value at `path`: a field as a JSON string or list, a key, table or database as an object.

    Tables and keys come in JSON_IETF only, fields in every encoding, as on a switch.

    Raises:
        RpcError: NOT_FOUND for a missing place or an encoding that sonic-db cannot give.
    """
    value = find(databases, path)
    if isinstance(value, Mapping) and encoding != gnmi_pb2.JSON_IETF:
        if encoding == gnmi_pb2.PROTO:
            raise _not_found(f"No proto bytes found in redis at {_text(path)}")
        raise _not_found("Unknown encoding JSON")
    return json_value(value, go_on)


def json_value(value: object, go_on: GoOn = no_matter) -> gnmi_pb2.TypedValue:
    """JSON_IETF as sonic-gnmi sends it."""
    return gnmi_pb2.TypedValue(json_ietf_val=dump_json(value, go_on))


def find(databases: Databases, path: DbPath) -> Mapping[str, object] | ConfigValue:
    """What is at a path.

    Raises:
        RpcError: NOT_FOUND.
    """
    database = databases.by_name(path.database)
    assert database is not None, "parse_paths lets no other database through"
    if not path.elems:
        if path.database == "COUNTERS_DB":
            raise _not_found("Can not read all tables in COUNTERS_DB")
        return database
    table = database.get(path.elems[0])
    if table is None:
        raise _not_found(f"Failed to find {path.database} {path.elems[0]} <nil> []")
    if "" in table:
        # One hash, as COUNTERS_PORT_NAME_MAP is: what follows the table is a field.
        return table[""] if len(path.elems) == 1 else _field(table[""], path, 1)
    if len(path.elems) == 1:
        return {key: dict(entry) for key, entry in table.items()}
    entry = _entry(table, path.elems[1])
    if entry is None:
        raise _missing(path)
    if len(path.elems) == 2:
        return entry
    return _field(entry, path, 2)


def _entry(table: Mapping[str, Entry], key: str) -> Entry | None:
    """The entry; a `/` in its key may be sent as it is or as `~1`."""
    return table.get(key, table.get(key.replace("~1", "/").replace("~0", "~")))


def _field(entry: Entry, path: DbPath, at: int) -> ConfigValue:
    """The field that elem `at` names, or an element of a leaf-list; `name@` is one as Redis holds it."""
    name, *rest = path.elems[at:]
    value = entry.get(name)
    if value is None and name.endswith("@") and isinstance(items := entry.get(name[:-1]), list):
        value = ",".join(items)
    if value is None:
        raise _missing(path)
    if not rest:
        return value
    index = rest[0]
    if len(rest) > 1 or not isinstance(value, list):
        raise _not_found(f"Invalid db table Path {_text(path)}")
    if not (index.isascii() and index.isdigit() and len(index) < 10 and int(index) < len(value)):
        raise _not_found(f"Invalid index {index}")
    return value[int(index)]


def _text(path: DbPath) -> str:
    return "/".join((path.database, *path.elems))


def _missing(path: DbPath) -> RpcError:
    return _not_found(f"No valid entry found for path {_text(path)}")


def _not_found(message: str) -> RpcError:
    return RpcError(grpc.StatusCode.NOT_FOUND, message)
