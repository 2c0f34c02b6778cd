"""The check of a whole CONFIG_DB against the schema, and the reading of a config_db.json document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nos.db.databases import ConfigDb, ConfigEntry, ConfigTable, ConfigValue
from nos.db.schema import buffers, management, ports, qos, routing
from nos.db.schema.model import EntrySchema, Leaf, TableSchema, Violation, scalar

TABLES: Mapping[str, TableSchema] = {
    "DEVICE_METADATA": ports.DEVICE_METADATA,
    "PORT": ports.PORT,
    "CABLE_LENGTH": ports.CABLE_LENGTH,
    "DEVICE_NEIGHBOR": ports.DEVICE_NEIGHBOR,
    "FLEX_COUNTER_TABLE": ports.FLEX_COUNTER_TABLE,
    "GNMI": management.GNMI,
    "GNMI_CLIENT_CERT": management.GNMI_CLIENT_CERT,
    "INTERFACE": routing.INTERFACE,
    "LOOPBACK_INTERFACE": routing.LOOPBACK_INTERFACE,
    "STATIC_ROUTE": routing.STATIC_ROUTE,
    "SWITCH_HASH": routing.SWITCH_HASH,
    "DSCP_TO_TC_MAP": qos.DSCP_TO_TC_MAP,
    "TC_TO_QUEUE_MAP": qos.TC_TO_QUEUE_MAP,
    "TC_TO_PRIORITY_GROUP_MAP": qos.TC_TO_PRIORITY_GROUP_MAP,
    "MAP_PFC_PRIORITY_TO_QUEUE": qos.MAP_PFC_PRIORITY_TO_QUEUE,
    "PORT_QOS_MAP": qos.PORT_QOS_MAP,
    "SCHEDULER": qos.SCHEDULER,
    "WRED_PROFILE": qos.WRED_PROFILE,
    "QUEUE": qos.QUEUE,
    "PFC_WD": qos.PFC_WD,
    "BUFFER_POOL": buffers.BUFFER_POOL,
    "BUFFER_PROFILE": buffers.BUFFER_PROFILE,
    "BUFFER_PG": buffers.BUFFER_PG,
    "BUFFER_QUEUE": buffers.BUFFER_QUEUE,
}
"""The tables of this switch. A table that is not here is refused, in a boot file as well as in a patch."""


def read_config(document: object) -> tuple[ConfigDb, list[Violation]]:
    """A config_db.json document as CONFIG_DB, and what does not have its shape.

    Integers become strings, as sonic-cfggen makes them; `name@` (the form in Redis) becomes a list.
    """
    config: ConfigDb = {}
    violations: list[Violation] = []
    if not isinstance(document, Mapping):
        return config, [Violation("", f"CONFIG_DB is a JSON object, not {_json_kind(document)}")]
    for table_name, table in document.items():
        if not isinstance(table, Mapping):
            violations.append(Violation(str(table_name), f"a table is an object, not {_json_kind(table)}"))
            continue
        entries: ConfigTable = {}
        for key, fields in table.items():
            path = f"{table_name}/{key}"
            if not isinstance(fields, Mapping):
                violations.append(Violation(path, f"an entry is an object, not {_json_kind(fields)}"))
                continue
            entries[str(key)] = _read_entry(path, fields, violations)
        config[str(table_name)] = entries
    return config, violations


def _read_entry(path: str, fields: Mapping[object, object], violations: list[Violation]) -> ConfigEntry:
    entry: ConfigEntry = {}
    for field_name, raw in fields.items():
        name, value = str(field_name), _read_value(raw)
        if name == "NULL":  # How Redis holds an entry without fields.
            continue
        if value is None:
            violations.append(Violation(f"{path}/{name}", f"a field is a string, not {_json_kind(raw)}"))
        elif name.endswith("@") and isinstance(value, str):
            entry[name[:-1]] = value.split(",")
        else:
            entry[name] = value
    return entry


def _read_value(raw: object) -> ConfigValue | None:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, int) and not isinstance(raw, bool):
        return str(raw)
    if isinstance(raw, list):
        items = [_read_value(item) for item in raw]
        texts = [item for item in items if isinstance(item, str)]
        return texts if len(texts) == len(items) else None
    return None


def _json_kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    kinds = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "something else")


def validate(config: ConfigDb) -> list[Violation]:
    """Everything that is wrong with CONFIG_DB, in the order of its tables and keys; [] for a valid one."""
    violations: list[Violation] = []
    for name, table in config.items():
        schema = TABLES.get(name)
        if schema is None:
            violations.append(Violation(name, f"table '{name}' has no YANG model on this switch"))
            continue
        by_parts = {len(entry.key): entry for entry in schema.entries}
        for key, entry in table.items():
            if schema.singletons:
                parts, entry_schema = [key], schema.singletons.get(key)
            else:
                parts = key.split("|")
                entry_schema = by_parts.get(len(parts))
            if entry_schema is None:
                violations.append(Violation(f"{name}/{key}", f'Key "{key}" does not fit table {name}.'))
                continue
            violations.extend(
                Violation(f"{name}/{key}{place}", message)
                for place, message in _entry_problems(entry_schema, parts, entry, config)
            )
    return violations + _shared_lanes(config)


def _entry_problems(
    schema: EntrySchema, parts: Sequence[str], entry: ConfigEntry, config: ConfigDb
) -> Iterator[tuple[str, str]]:
    for leaf, part in zip(schema.key, parts, strict=False):
        if message := _leaf_problem(leaf, part, config):
            yield "", message
    for name, value in entry.items():
        if schema.pairs:
            if message := _leaf_problem(schema.pairs[0], name, config):
                yield f"/{name}", message
            field_leaf: Leaf | None = schema.pairs[1]
        else:
            field_leaf = schema.fields.get(name)
        if field_leaf is None:
            yield f"/{name}", f'Node "{name}" not found as a child of this entry.'
        elif message := _leaf_problem(field_leaf, value, config):
            yield f"/{name}", message
    for name, leaf in schema.fields.items():
        if leaf.mandatory and name not in entry:
            yield "", f'Mandatory node "{name}" instance does not exist.'
    for must in schema.musts:
        if message := must(parts, entry, config):
            yield "", message


def _leaf_problem(leaf: Leaf, value: ConfigValue, config: ConfigDb) -> str | None:
    if isinstance(value, list):
        if not leaf.is_list:
            return "Invalid value: a list where a string is expected."
        return next((message for item in value if (message := leaf.check(item))), None)
    if leaf.is_list:
        return f'Invalid value "{value}": a leaf-list is a JSON list.'
    if value in leaf.literals:
        return None
    if leaf.refs and value not in config.get(leaf.refs, {}):
        return f'Invalid leafref value "{value}" - no target instance in {leaf.refs} with the same value.'
    return leaf.check(value)


def _shared_lanes(config: ConfigDb) -> list[Violation]:
    """SerDes lanes that two ports claim (GCU's lane check; linear in the number of lanes)."""
    owner: dict[str, str] = {}
    violations = []
    for port, entry in config.get("PORT", {}).items():
        for lane in dict.fromkeys(scalar(entry, "lanes").split(",")):
            other = owner.setdefault(lane, port)
            if lane and other != port:
                ports_text = ", ".join(f"'{name}'" for name in sorted({other, port}))
                message = f"'{lane}' lane is used multiple times in PORT: {{{ports_text}}}"
                violations.append(Violation(f"PORT/{port}/lanes", message))
    return violations
