"""A forwarding pipeline as its P4Info describes it, indexed for checking entities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from finsy.proto import p4i, p4r

EXACT, LPM, TERNARY, RANGE, OPTIONAL = (
    p4i.MatchField.EXACT,
    p4i.MatchField.LPM,
    p4i.MatchField.TERNARY,
    p4i.MatchField.RANGE,
    p4i.MatchField.OPTIONAL,
)
WITH_PRIORITY = frozenset((TERNARY, RANGE, OPTIONAL))

_REFERS_TO = re.compile(r"@refers_to\(\s*(\w+)\s*,\s*(\w+)\s*\)")
_ROLE = re.compile(r'@p4runtime_role\("([^"]*)"\)')


class Value(NamedTuple):
    """A match field or action parameter. `bits` is 0 for a string (a translated type of P4Runtime).

    `refers_to` are (table id, field id) that must hold the value (the annotation @refers_to).
    """

    id: int
    name: str
    bits: int
    match: int = 0
    refers_to: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ActionInfo:
    """An action and its parameters, by id."""

    id: int
    name: str
    params: Mapping[int, Value]


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table. `entry_actions` may stand in an entry, `default_actions` in the default entry.

    `profile` is 0 for a table whose entries have actions of their own. `role` is whose table it is, ""
    where anybody's.
    """

    id: int
    name: str
    fields: Mapping[int, Value]
    entry_actions: frozenset[int]
    default_actions: frozenset[int]
    const_default: int
    initial_default: p4r.Action | None
    profile: int
    size: int
    role: str
    counter: int
    meter: int
    has_timeout: bool
    is_const: bool

    @property
    def needs_priority(self) -> bool:
        return any(field.match in WITH_PRIORITY for field in self.fields.values())


@dataclass(frozen=True, slots=True)
class ProfileInfo:
    """An action profile. Sizes are sums of weights, or of members where `counts_members`.

    `max_member_weight` is 0 where a member may have any weight.
    """

    id: int
    name: str
    has_selector: bool
    size: int
    max_group_size: int
    actions: frozenset[int]
    tables: tuple[int, ...]
    counts_members: bool
    max_member_weight: int
    weights_disallowed: bool


class Pipeline:
    """What a P4Info says, by id; `config` is the pipeline as the controller gave it."""

    def __init__(self, config: p4r.ForwardingPipelineConfig) -> None:
        """Index a pipeline.

        Raises:
            ValueError: the P4Info contradicts itself or has no table.
        """
        info = config.p4info
        if not info.tables:
            raise ValueError("the P4Info has no tables")
        self.config = config
        ids = [each.preamble.id for each in (*info.tables, *info.actions, *info.action_profiles)]
        if len(ids) != len(set(ids)):
            raise ValueError("two objects of the P4Info have the same id")
        self.counters = {each.preamble.id: each for each in info.counters}
        self.unsupported = {
            "meter_entry": {each.preamble.id: each.size for each in info.meters},
            "register_entry": {each.preamble.id: each.size for each in info.registers},
            "digest_entry": {each.preamble.id: 0 for each in info.digests},
            "value_set_entry": {each.preamble.id: each.size for each in info.value_sets},
        }
        fields = _field_ids(info)
        bits = _translated(info)
        self.actions = {each.preamble.id: _action(each, fields, bits) for each in info.actions}
        self.tables = {each.preamble.id: self._table(each, info, fields, bits) for each in info.tables}
        self.profiles = {each.preamble.id: self._profile(each) for each in info.action_profiles}
        self.table_names = {table.name: table for table in self.tables.values()}
        self.referred = _referred(self.tables.values(), self.actions.values())

    @property
    def name(self) -> str:
        return str(self.config.p4info.pkg_info.name)

    def _table(
        self,
        table: p4i.Table,
        info: p4i.P4Info,
        fields: Mapping[str, Mapping[str, tuple[int, int]]],
        bits: Mapping[str, int],
    ) -> TableInfo:
        for ref in table.action_refs:
            if ref.id not in self.actions:
                raise ValueError(f"table {table.preamble.alias} has an action {ref.id} that does not exist")
        counters = {each.preamble.id for each in info.direct_counters}
        meters = {each.preamble.id for each in info.direct_meters}
        scopes = [(ref.id, ref.scope) for ref in table.action_refs]
        default = table.initial_default_action if table.HasField("initial_default_action") else None
        return TableInfo(
            id=table.preamble.id,
            name=table.preamble.alias or table.preamble.name,
            fields={each.id: _value(each, fields, bits, each.match_type) for each in table.match_fields},
            entry_actions=frozenset(id for id, scope in scopes if scope != p4i.ActionRef.DEFAULT_ONLY),
            default_actions=frozenset(id for id, scope in scopes if scope != p4i.ActionRef.TABLE_ONLY),
            const_default=table.const_default_action_id,
            initial_default=_initial(table, default),
            profile=table.implementation_id,
            size=table.size,
            role=_annotated(_ROLE, table.preamble.annotations),
            counter=next((each for each in table.direct_resource_ids if each in counters), 0),
            meter=next((each for each in table.direct_resource_ids if each in meters), 0),
            has_timeout=table.idle_timeout_behavior == p4i.Table.NOTIFY_CONTROL,
            is_const=table.is_const_table,
        )

    def _profile(self, profile: p4i.ActionProfile) -> ProfileInfo:
        missing = [table for table in profile.table_ids if table not in self.tables]
        if missing:
            raise ValueError(
                f"action profile {profile.preamble.alias} is for a table {missing[0]} that does not exist"
            )
        return ProfileInfo(
            id=profile.preamble.id,
            name=profile.preamble.alias or profile.preamble.name,
            has_selector=profile.with_selector,
            size=profile.size,
            max_group_size=profile.max_group_size,
            actions=frozenset().union(*(self.tables[table].entry_actions for table in profile.table_ids)),
            tables=tuple(profile.table_ids),
            counts_members=profile.HasField("sum_of_members"),
            max_member_weight=profile.sum_of_members.max_member_weight,
            weights_disallowed=profile.weights_disallowed,
        )


def _initial(table: p4i.Table, default: p4i.TableActionCall | None) -> p4r.Action | None:
    """The program's own default action, as far as the P4Info tells it."""
    if default is None:
        constant = table.const_default_action_id
        return p4r.Action(action_id=constant) if constant else None
    params = [p4r.Action.Param(param_id=each.param_id, value=each.value) for each in default.arguments]
    return p4r.Action(action_id=default.action_id, params=params)


def _translated(info: p4i.P4Info) -> dict[str, int]:
    """Bits of every new type; 0 for those that are strings."""
    widths = {}
    for name, kind in info.type_info.new_types.items():
        if kind.WhichOneof("representation") == "translated_type":
            translated = kind.translated_type
            is_text = translated.WhichOneof("sdn_type") == "sdn_string"
            widths[name] = 0 if is_text else translated.sdn_bitwidth
        else:
            widths[name] = kind.original_type.bitstring.bit.bitwidth
    return widths


def _field_ids(info: p4i.P4Info) -> dict[str, dict[str, tuple[int, int]]]:
    """(table id, field id) by the names that annotations use."""
    return {
        (table.preamble.alias or table.preamble.name): {
            field.name: (table.preamble.id, field.id) for field in table.match_fields
        }
        for table in info.tables
    }


def _value(
    spec: p4i.MatchField | p4i.Action.Param,
    fields: Mapping[str, Mapping[str, tuple[int, int]]],
    bits: Mapping[str, int],
    match: int = 0,
) -> Value:
    width = bits.get(spec.type_name.name, spec.bitwidth) if spec.HasField("type_name") else spec.bitwidth
    found = (each for text in spec.annotations for each in _REFERS_TO.findall(text))
    refers_to = tuple(fields[table][field] for table, field in found if field in fields.get(table, {}))
    return Value(spec.id, spec.name, width, match, refers_to)


def _action(
    action: p4i.Action, fields: Mapping[str, Mapping[str, tuple[int, int]]], bits: Mapping[str, int]
) -> ActionInfo:
    return ActionInfo(
        id=action.preamble.id,
        name=action.preamble.alias or action.preamble.name,
        params={each.id: _value(each, fields, bits) for each in action.params},
    )


def _annotated(pattern: re.Pattern[str], annotations: Iterable[str]) -> str:
    return next((found[1] for text in annotations if (found := pattern.match(text))), "")


def _referred(
    tables: Iterable[TableInfo], actions: Iterable[ActionInfo]
) -> dict[int, frozenset[tuple[int, ...]]]:
    """By table, which of its fields others refer to together (a router interface and its neighbor)."""
    found: dict[int, set[tuple[int, ...]]] = {}
    for values in (*(table.fields for table in tables), *(action.params for action in actions)):
        for table, pairs in references_of(values.values()).items():
            found.setdefault(table, set()).add(tuple(field for field, _ in pairs))
    return {table: frozenset(sets) for table, sets in found.items()}


def references_of(values: Iterable[Value]) -> dict[int, tuple[tuple[int, int], ...]]:
    """By table that is referred to: (its field, the value that must be there), sorted by field."""
    by_table: dict[int, list[tuple[int, int]]] = {}
    for value in values:
        for table, field in value.refers_to:
            by_table.setdefault(table, []).append((field, value.id))
    return {table: tuple(sorted(pairs)) for table, pairs in by_table.items()}
