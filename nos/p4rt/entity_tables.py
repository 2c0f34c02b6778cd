"""Entities by table and by the names that the P4Info gives to their fields and parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from finsy.proto import p4r

from raddle.nos.p4rt.check_selectors import watched_port
from raddle.nos.p4rt.pipeline import Pipeline, TableInfo


@dataclass(frozen=True, slots=True)
class Call:
    """An action with its parameters by name."""

    action: str
    params: dict[str, bytes]

    def number(self, name: str) -> int:
        """A parameter as an unsigned integer."""
        return int.from_bytes(self.params[name], "big")

    def text(self, name: str) -> str:
        """A parameter of a translated type as a string."""
        return self.params[name].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the actions that an entry may take: its part of the packets, and the port that must be up."""

    call: Call
    weight: int = 1
    watch_port: bytes = b""


@dataclass(frozen=True, slots=True)
class Row:
    """A table entry: exact and optional values, (LPM value, prefix length) and (ternary value, mask) by field
    name; its choices, and its priority."""

    exact: dict[str, bytes]
    lpm: dict[str, tuple[bytes, int]]
    choices: tuple[Choice, ...]
    ternary: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    optional: dict[str, bytes] = field(default_factory=dict)
    priority: int = 0

    @property
    def label(self) -> str:
        """What tells the entry from others of its table: its priority and its match."""
        fields = {name: value.hex() for name, value in {**self.exact, **self.optional}.items()}
        fields |= {name: f"{value.hex()}/{length}" for name, (value, length) in self.lpm.items()}
        fields |= {name: f"{value.hex()}&&&{mask.hex()}" for name, (value, mask) in self.ternary.items()}
        return " ".join(
            [f"priority {self.priority}", *(f"{name}={text}" for name, text in sorted(fields.items()))]
        )


@dataclass
class EntityTables:
    """All tables of a switch by name; `defaults` are the default entries' actions."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    defaults: dict[str, Call] = field(default_factory=dict)

    @classmethod
    def of(cls, pipeline: Pipeline, entities: Iterable[p4r.Entity]) -> EntityTables:
        """Sort out entities, whichever order they are in."""
        tables = cls({table.name: [] for table in pipeline.tables.values()})
        reader = _Reader(pipeline)
        entries = [entry for each in entities if (entry := reader.take(each))]
        for entry in entries:
            table = pipeline.tables[entry.table_id]
            if entry.is_default_action:
                tables.defaults[table.name] = reader.call(entry.action.action)
                continue
            tables.rows[table.name].append(reader.row(table, entry))
        return tables


def entry_label(pipeline: Pipeline, entry: p4r.TableEntry) -> str:
    """`Row.label` of a table entry whose actions do not matter."""
    table = pipeline.tables[entry.table_id]
    bare = p4r.TableEntry(table_id=entry.table_id, match=entry.match, priority=entry.priority)
    return _Reader(pipeline).row(table, bare).label


class _Reader:
    """Resolves members and groups."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._members: dict[tuple[int, int], p4r.Action] = {}
        self._groups: dict[tuple[int, int], p4r.ActionProfileGroup] = {}

    def take(self, entity: p4r.Entity) -> p4r.TableEntry | None:
        """Remember a member or a group; a table entry is given back."""
        kind = entity.WhichOneof("entity")
        if kind == "action_profile_member":
            member = entity.action_profile_member
            self._members[member.action_profile_id, member.member_id] = member.action
        elif kind == "action_profile_group":
            group = entity.action_profile_group
            self._groups[group.action_profile_id, group.group_id] = group
        return entity.table_entry if kind == "table_entry" else None

    def row(self, table: TableInfo, entry: p4r.TableEntry) -> Row:
        """A table entry by names."""
        fields = [(table.fields[each.field_id].name, each) for each in entry.match]
        return Row(
            {name: each.exact.value for name, each in fields if each.HasField("exact")},
            {name: (each.lpm.value, each.lpm.prefix_len) for name, each in fields if each.HasField("lpm")},
            tuple(self.choices(table.profile, entry.action)),
            {
                name: (each.ternary.value, each.ternary.mask)
                for name, each in fields
                if each.HasField("ternary")
            },
            {name: each.optional.value for name, each in fields if each.HasField("optional")},
            entry.priority,
        )

    def call(self, action: p4r.Action) -> Call:
        info = self._pipeline.actions[action.action_id]
        return Call(info.name, {info.params[param.param_id].name: param.value for param in action.params})

    def choices(self, profile: int, action: p4r.TableAction) -> Iterator[Choice]:
        """The actions of an entry; members of a group in the order of their ids, as BMv2 keeps them."""
        kind = action.WhichOneof("type")
        if kind == "action":
            yield Choice(self.call(action.action))
        elif kind == "action_profile_member_id":
            yield Choice(self.call(self._members[profile, action.action_profile_member_id]))
        elif kind == "action_profile_group_id":
            group = self._groups[profile, action.action_profile_group_id]
            for member in sorted(group.members, key=lambda each: each.member_id):
                called = self.call(self._members[profile, member.member_id])
                yield Choice(called, member.weight, watched_port(member))
        elif kind == "action_profile_action_set":
            for each in action.action_profile_action_set.action_profile_actions:
                yield Choice(self.call(each.action), each.weight, watched_port(each))
