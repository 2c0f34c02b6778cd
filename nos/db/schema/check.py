"""The check of a whole CONFIG_DB against the schema, and the reading of a config_db.json document."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from raddle.nos.db.databases import ConfigDb, ConfigEntry, ConfigTable, ConfigTables, ConfigValue
from raddle.nos.db.schema import acl, bgp, buffers, layer2, management, ports, qos, routing, services
from raddle.nos.db.schema.extensions import EXTENSIONS
from raddle.nos.db.schema.known import Lookups, is_known_valid, remember_valid, share, shared
from raddle.nos.db.schema.model import EntrySchema, Leaf, TableSchema, Violation, scalar

_FORWARDED_BY: Mapping[str, TableSchema] = {
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

_HELD: Mapping[str, TableSchema] = {
    "AAA": services.AAA,
    "ACL_RULE": acl.ACL_RULE,
    "ACL_TABLE": acl.ACL_TABLE,
    "ACL_TABLE_TYPE": acl.ACL_TABLE_TYPE,
    "BGP_ALLOWED_PREFIXES": bgp.BGP_ALLOWED_PREFIXES,
    "BGP_MONITORS": bgp.BGP_MONITORS,
    "BGP_NEIGHBOR": bgp.BGP_NEIGHBOR,
    "BGP_PEER_RANGE": bgp.BGP_PEER_RANGE,
    "BGP_SENTINELS": bgp.BGP_SENTINELS,
    "BUFFER_PORT_EGRESS_PROFILE_LIST": buffers.BUFFER_PORT_PROFILE_LIST,
    "BUFFER_PORT_INGRESS_PROFILE_LIST": buffers.BUFFER_PORT_PROFILE_LIST,
    "CRM": services.CRM,
    "DEFAULT_LOSSLESS_BUFFER_PARAMETER": buffers.DEFAULT_LOSSLESS_BUFFER_PARAMETER,
    "DEVICE_NEIGHBOR_METADATA": services.DEVICE_NEIGHBOR_METADATA,
    "DOT1P_TO_TC_MAP": qos.DOT1P_TO_TC_MAP,
    "FG_NHG": layer2.FG_NHG,
    "FG_NHG_MEMBER": layer2.FG_NHG_MEMBER,
    "FG_NHG_PREFIX": layer2.FG_NHG_PREFIX,
    "KUBERNETES_MASTER": services.KUBERNETES_MASTER,
    "LLDP": services.LLDP,
    "LLDP_PORT": services.LLDP_PORT,
    "LOSSLESS_TRAFFIC_PATTERN": buffers.LOSSLESS_TRAFFIC_PATTERN,
    "MGMT_INTERFACE": services.MGMT_INTERFACE,
    "MGMT_PORT": services.MGMT_PORT,
    "MIRROR_SESSION": acl.MIRROR_SESSION,
    "NEIGH": layer2.NEIGH,
    "NTP_KEY": services.NTP_KEY,
    "NTP_SERVER": services.NTP_SERVER,
    "PFC_PRIORITY_TO_PRIORITY_GROUP_MAP": qos.PFC_PRIORITY_TO_PRIORITY_GROUP_MAP,
    "POLICER": acl.POLICER,
    "PORTCHANNEL": layer2.PORTCHANNEL,
    "PORTCHANNEL_INTERFACE": layer2.PORTCHANNEL_INTERFACE,
    "PORTCHANNEL_MEMBER": layer2.PORTCHANNEL_MEMBER,
    "SYSLOG_SERVER": services.SYSLOG_SERVER,
    "TACPLUS": services.TACPLUS,
    "TACPLUS_SERVER": services.TACPLUS_SERVER,
    "TC_TO_DSCP_MAP": qos.TC_TO_DSCP_MAP,
    "VLAN": layer2.VLAN,
    "VLAN_INTERFACE": layer2.VLAN_INTERFACE,
    "VLAN_MEMBER": layer2.VLAN_MEMBER,
    "VRF": layer2.VRF,
}
"""Tables that the switch checks, holds and shows, and whose services it does not simulate."""

TABLES: Mapping[str, TableSchema] = {**_FORWARDED_BY, **_HELD}
"""The tables that this switch checks. Any other that a switch boots with is held as it is."""

_ACTED_ON = frozenset(_FORWARDED_BY) | {"ACL_RULE", "ACL_TABLE", "ACL_TABLE_TYPE"}


def read_config(document: object, keeps_null: bool = False) -> tuple[ConfigDb, list[Violation]]:
    """A config_db.json document as CONFIG_DB, and what does not have its shape.

    Integers become strings, as sonic-cfggen makes them; `name@` (the form in Redis) becomes a list. A field
    `NULL`, which is how Redis holds an entry without fields, is dropped unless it `keeps_null`.
    """
    config: ConfigDb = {}
    violations: list[Violation] = []
    if not isinstance(document, Mapping):
        return config, [Violation("", f"CONFIG_DB is a JSON object, not {_json_kind(document)}")]
    for table_name, table in document.items():
        if not isinstance(table, Mapping):
            violations.append(Violation(str(table_name), f"a table is an object, not {_json_kind(table)}"))
            continue
        if known := shared(str(table_name), table):
            config[str(table_name)] = known
            continue
        entries: ConfigTable = {}
        before = len(violations)
        for key, fields in table.items():
            path = f"{table_name}/{key}"
            if not isinstance(fields, Mapping):
                violations.append(Violation(path, f"an entry is an object, not {_json_kind(fields)}"))
                continue
            entries[str(key)] = _read_entry(path, fields, violations, keeps_null)
        config[str(table_name)] = entries
        if len(violations) == before and not keeps_null:
            share(str(table_name), entries)
    return config, violations


def _read_entry(
    path: str, fields: Mapping[object, object], violations: list[Violation], keeps_null: bool
) -> ConfigEntry:
    entry: ConfigEntry = {}
    for field_name, raw in fields.items():
        name, value = str(field_name), _read_value(raw)
        if name == "NULL" and not keeps_null:
            continue
        if value is None:
            violations.append(Violation(f"{path}/{name}", _no_value(raw)))
        elif name.endswith("@") and isinstance(value, str):
            entry[name[:-1]] = value.split(",")
        else:
            entry[name] = value
    return entry


def _read_value(raw: object) -> ConfigValue | None:
    if not isinstance(raw, list):
        return _read_text(raw)
    texts = [text for item in raw if (text := _read_text(item)) is not None]
    return texts if len(texts) == len(raw) else None


def _read_text(raw: object) -> str | None:
    if isinstance(raw, str):
        return raw
    return str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else None


def _no_value(raw: object) -> str:
    """Why a field has no value that CONFIG_DB can hold."""
    if isinstance(raw, list):
        odd = next(item for item in raw if _read_text(item) is None)
        return f"an item of a list is a string, not {_json_kind(odd)}"
    return f"a field is a string, not {_json_kind(raw)}"


def _json_kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    kinds = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "something else")


def tables_of(features: Collection[str] = ()) -> Mapping[str, TableSchema]:
    """The tables of a switch whose model declares these features."""
    more = {name: table for each in features for name, table in EXTENSIONS.get(each, {}).items()}
    return {**TABLES, **more} if more else TABLES


def validate(
    config: ConfigDb, tables: Mapping[str, TableSchema] = TABLES, boots: bool = False
) -> list[Violation]:
    """Everything that is wrong with CONFIG_DB, in the order of its tables and keys; [] for a valid one.

    A table without a schema here is not looked into. A switch that `boots` is not judged by YANG: wrong is
    then only what it could not act on, and neither a field that its schema lacks nor a table that it holds.
    """
    violations: list[Violation] = []
    for name, table in config.items():
        schema = tables.get(name)
        if schema is None or (boots and name in TABLES and name not in _ACTED_ON):
            continue
        judge = id(schema), boots  # Schemas live as long as the process.
        if is_known_valid(judge, config, table):
            continue
        lookups = Lookups(config)
        found = list(_table_problems(name, table, schema, lookups, boots))
        if not found:
            remember_valid(judge, table, lookups.seen)
        violations += found
    return violations + _shared_lanes(config)


def _table_problems(
    name: str, table: ConfigTable, schema: TableSchema, config: ConfigTables, boots: bool
) -> Iterator[Violation]:
    judged = _Judged(config)
    if schema.max_entries and len(table) > schema.max_entries:
        yield Violation(name, f'Too many "{name}_LIST" instances.')
    by_parts = {len(entry.key): entry for entry in schema.entries}
    for key, entry in table.items():
        if schema.singletons:
            parts, entry_schema = [key], schema.singletons.get(key)
        else:
            parts = key.split("|")
            entry_schema = by_parts.get(len(parts))
        if entry_schema is None:
            yield Violation(f"{name}/{key}", f'Key "{key}" does not fit table {name}.')
            continue
        for place, message in _entry_problems(entry_schema, parts, entry, judged, boots):
            yield Violation(f"{name}/{key}{place}", message)


def _entry_problems(
    schema: EntrySchema, parts: Sequence[str], entry: ConfigEntry, judged: _Judged, boots: bool
) -> Iterator[tuple[str, str]]:
    for leaf, part in zip(schema.key, parts, strict=False):
        if message := judged.problem(leaf, part):
            yield "", message
    for name, value in entry.items():
        if schema.pairs:
            if message := judged.problem(schema.pairs[0], name):
                yield f"/{name}", message
            field_leaf: Leaf | None = schema.pairs[1]
        else:
            field_leaf = schema.fields.get(name)
        if field_leaf is None and boots:
            continue
        if field_leaf is None:
            yield f"/{name}", f'Node "{name}" not found as a child of this entry.'
        elif message := judged.problem(field_leaf, value):
            yield f"/{name}", message
    for name, leaf in schema.fields.items():
        if leaf.mandatory and name not in entry:
            yield "", f'Mandatory node "{name}" instance does not exist.'
    for must in schema.musts:
        if message := must(parts, entry, judged.config):
            yield "", message


class _Judged:
    """What is wrong with values in one CONFIG_DB, of which many stand in several entries."""

    def __init__(self, config: ConfigTables) -> None:
        self.config = config
        self._found: dict[tuple[int, str], str | None] = {}

    def problem(self, leaf: Leaf, value: ConfigValue) -> str | None:
        if isinstance(value, list):
            return _leaf_problem(leaf, value, self.config)
        place = id(leaf), value
        if place not in self._found:
            self._found[place] = _leaf_problem(leaf, value, self.config)
        return self._found[place]


def _leaf_problem(leaf: Leaf, value: ConfigValue, config: ConfigTables) -> str | None:
    if leaf.is_joined and isinstance(value, str):
        value = value.split(",")
    if isinstance(value, list):
        if not leaf.is_list:
            return "Invalid value: a list where a string is expected."
        return next((message for item in value if (message := _item_problem(leaf, item, config))), None)
    if leaf.is_list:
        return f'Invalid value "{value}": a leaf-list is a JSON list.'
    return _item_problem(leaf, value, config)


def _item_problem(leaf: Leaf, value: str, config: ConfigTables) -> str | None:
    if value in leaf.literals:
        return None
    if not leaf.refs:
        return leaf.check(value)
    if any(value in config.get(table, {}) for table in leaf.tables):
        return leaf.check(value) if not leaf.is_union else None
    if leaf.is_union:
        return leaf.check(value)
    names = " or ".join(leaf.tables)
    return f'Invalid leafref value "{value}" - no target instance in {names} with the same value.'


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
