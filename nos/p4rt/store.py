"""The entities that a switch holds, and what INSERT, MODIFY and DELETE do to them.

Source: P4Runtime specification 1.4, section 9; referential integrity as annotated with @refers_to (SONiC
PINS).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from finsy.proto import p4r, rpc_code

from raddle.nos.p4rt.check import (
    UpdateError,
    check_action,
    check_entry,
    check_group_size,
    check_match,
    find_table,
    invalid,
)
from raddle.nos.p4rt.entity_tables import entry_label
from raddle.nos.p4rt.pipeline import Pipeline, ProfileInfo, TableInfo, Value, references_of

INSERT, MODIFY, DELETE = p4r.Update.INSERT, p4r.Update.MODIFY, p4r.Update.DELETE

Undo = Callable[[], None]
EntryKey = tuple[bytes, int]
"""Match fields as they travel, and the priority."""

IndexedCounts = Callable[[str, int], tuple[int, int]]
"""(packets, bytes) that the switch itself has counted, by a counter's name and index."""

DirectCounts = Callable[[str, str], tuple[int, int]]
"""(packets, bytes) that the switch itself has counted, by the name of a table and the label of an entry."""

_Reference = tuple[Hashable, ...]


class EntityStore:
    """Everything a controller has written. Entities are kept in canonical form and never changed in place.

    Attributes:
        entries: by table id and key.
        defaults: default entries that a controller has set, by table id.
        members, groups: by action profile and their own id.
    """

    def __init__(self, pipeline: Pipeline, counts: IndexedCounts, direct_counts: DirectCounts) -> None:
        self.pipeline = pipeline
        self._counts, self._direct_counts = counts, direct_counts
        self.entries: dict[int, dict[EntryKey, p4r.TableEntry]] = {id: {} for id in pipeline.tables}
        self.defaults: dict[int, p4r.TableEntry] = {}
        self.members: dict[int, dict[int, p4r.ActionProfileMember]] = {id: {} for id in pipeline.profiles}
        self.groups: dict[int, dict[int, p4r.ActionProfileGroup]] = {id: {} for id in pipeline.profiles}
        self._counter_bases: dict[tuple[int, int], tuple[int, int]] = {}
        self._direct_bases: dict[tuple[int, EntryKey], tuple[int, int]] = {}
        self._is_there: Counter[_Reference] = Counter()
        self._is_used: Counter[_Reference] = Counter()
        self._fill: Counter[int] = Counter()

    def update(self, update: p4r.Update) -> Undo:
        """Carry out one update; the result takes it back.

        Raises:
            UpdateError: it is refused, and nothing has changed.
        """
        entity = update.entity
        kind = entity.WhichOneof("entity")
        if update.type not in (INSERT, MODIFY, DELETE):
            invalid("an update is an INSERT, a MODIFY or a DELETE")
        if kind == "table_entry":
            return self._update_entry(update.type, entity.table_entry)
        if kind == "action_profile_member":
            return self._update_member(update.type, entity.action_profile_member)
        if kind == "action_profile_group":
            return self._update_group(update.type, entity.action_profile_group)
        if kind == "counter_entry":
            return self._update_counter(update.type, entity.counter_entry)
        if kind == "direct_counter_entry":
            return self._update_direct(update.type, entity.direct_counter_entry)
        if kind is None:
            invalid("the update has no entity")
        raise UpdateError(rpc_code.UNIMPLEMENTED, f"this switch has no {kind}")

    def default_of(self, table: TableInfo) -> p4r.TableEntry | None:
        """The default entry of a table: what a controller has set, or what the program says."""
        if table.id in self.defaults:
            return self.defaults[table.id]
        if table.initial_default is None:
            return None
        action = p4r.TableAction(action=table.initial_default)
        return p4r.TableEntry(table_id=table.id, is_default_action=True, action=action)

    def _update_entry(self, how: int, entry: p4r.TableEntry) -> Undo:
        table = find_table(self.pipeline, entry.table_id)
        if table.is_const:
            raise UpdateError(rpc_code.PERMISSION_DENIED, f"{table.name}: its entries are constant")
        kept = check_entry(self.pipeline, entry)
        if entry.is_default_action:
            return self._update_default(how, table, kept)
        rows = self.entries[table.id]
        key = entry_key(kept)
        if how != DELETE and not entry.HasField("action"):
            invalid(f"{table.name}: an entry needs an action")
        _check_presence(how, key in rows, lambda: f"{table.name}: {_describe(table, kept)}")
        if how == INSERT and len(rows) >= table.size > 0:
            raise UpdateError(
                rpc_code.RESOURCE_EXHAUSTED, f"{table.name} is full: it holds {table.size} entries"
            )
        undo = self._replace(rows, key, None if how == DELETE else kept)
        if how != MODIFY:
            self._direct_bases.pop((table.id, key), None)
        if how != DELETE and table.counter and entry.HasField("counter_data"):
            self._direct_bases[table.id, key] = self._base_for(kept, entry.counter_data)
        return undo

    def _update_default(self, how: int, table: TableInfo, kept: p4r.TableEntry) -> Undo:
        if how != MODIFY:
            invalid(f"{table.name}: a default entry can only be modified")
        if table.const_default:
            raise UpdateError(rpc_code.PERMISSION_DENIED, f"{table.name}: its default action is constant")
        return self._replace(self.defaults, table.id, kept if kept.HasField("action") else None)

    def _update_member(self, how: int, member: p4r.ActionProfileMember) -> Undo:
        profile = self._profile(member.action_profile_id)
        if not member.member_id:
            invalid(f"{profile.name}: member id 0 is reserved")
        rows = self.members[profile.id]
        _check_presence(how, member.member_id in rows, lambda: f"{profile.name}: member {member.member_id}")
        if how == DELETE:
            return self._replace(rows, member.member_id, None)
        if how == INSERT and len(rows) >= profile.size > 0:
            raise UpdateError(
                rpc_code.RESOURCE_EXHAUSTED, f"{profile.name} is full: it holds {profile.size} members"
            )
        kept = p4r.ActionProfileMember(
            action_profile_id=profile.id,
            member_id=member.member_id,
            action=check_action(self.pipeline, member.action, profile.actions, profile.name),
        )
        return self._replace(rows, member.member_id, kept)

    def _update_group(self, how: int, group: p4r.ActionProfileGroup) -> Undo:
        profile = self._profile(group.action_profile_id)
        if not profile.has_selector:
            invalid(f"{profile.name} has no selector, so it has no groups")
        if not group.group_id:
            invalid(f"{profile.name}: group id 0 is reserved")
        rows = self.groups[profile.id]
        old = rows.get(group.group_id)
        _check_presence(how, old is not None, lambda: f"{profile.name}: group {group.group_id}")
        if how == DELETE:
            return self._replace(rows, group.group_id, None)
        if old is not None and group.max_size not in (0, old.max_size):
            invalid(f"{profile.name}: the largest size of group {group.group_id} cannot be changed")
        ids = [each.member_id for each in group.members]
        if len(ids) != len(set(ids)):
            invalid(f"{profile.name}: group {group.group_id} has a member twice; give it a weight")
        light = [each for each in group.members if each.weight <= 0]
        if light:
            invalid(f"{profile.name}: weight {light[0].weight} of member {light[0].member_id} is not above 0")
        most = group.max_size or profile.max_group_size
        check_group_size(profile.name, most, sum(each.weight for each in group.members))
        kept = p4r.ActionProfileGroup()
        kept.CopyFrom(group)
        return self._replace(rows, group.group_id, kept)

    def _update_counter(self, how: int, entry: p4r.CounterEntry) -> Undo:
        counter = self.pipeline.counters.get(entry.counter_id)
        if counter is None:
            invalid(f"counter id 0x{entry.counter_id:08x} is not in the P4Info of {self.pipeline.name}")
        name = counter.preamble.alias
        if how != MODIFY:
            invalid(f"{name}: a counter can only be modified")
        if not entry.HasField("index") or not 0 <= entry.index.index < counter.size:
            invalid(f"{name}: a write needs an index in 0..{counter.size - 1}")
        packets, octets = self._counts(name, entry.index.index)
        base = (entry.data.packet_count - packets, entry.data.byte_count - octets)
        return self._replace(self._counter_bases, (entry.counter_id, entry.index.index), base)

    def counted(self, counter_id: int, index: int) -> p4r.CounterData:
        """An indexed counter's value, counted on from what a controller has set it to."""
        packets, octets = self._counts(self.pipeline.counters[counter_id].preamble.alias, index)
        base = self._counter_bases.get((counter_id, index), (0, 0))
        return p4r.CounterData(packet_count=packets + base[0], byte_count=octets + base[1])

    def _update_direct(self, how: int, entry: p4r.DirectCounterEntry) -> Undo:
        named = entry.table_entry
        table = find_table(self.pipeline, named.table_id)
        if how != MODIFY:
            invalid(f"{table.name}: a counter can only be modified")
        if not table.counter:
            invalid(f"{table.name} has no direct counter")
        key = entry_key(p4r.TableEntry(match=check_match(table, named.match), priority=named.priority))
        held = self.entries[table.id].get(key)
        if held is None:
            raise UpdateError(rpc_code.NOT_FOUND, f"{table.name}: the entry of the counter does not exist")
        return self._replace(self._direct_bases, (table.id, key), self._base_for(held, entry.data))

    def _base_for(self, entry: p4r.TableEntry, data: p4r.CounterData) -> tuple[int, int]:
        """What to add to the switch's own counts of an entry so that they read as `data` now."""
        packets, octets = self._counted_there(entry)
        return data.packet_count - packets, data.byte_count - octets

    def counted_at(self, entry: p4r.TableEntry) -> p4r.CounterData:
        """An entry's direct counter, counted on from what a controller has set it to."""
        packets, octets = self._counted_there(entry)
        base = self._direct_bases.get((entry.table_id, entry_key(entry)), (0, 0))
        return p4r.CounterData(packet_count=packets + base[0], byte_count=octets + base[1])

    def _counted_there(self, entry: p4r.TableEntry) -> tuple[int, int]:
        table = self.pipeline.tables[entry.table_id].name
        return self._direct_counts(table, entry_label(self.pipeline, entry))

    def _profile(self, profile_id: int) -> ProfileInfo:
        profile = self.pipeline.profiles.get(profile_id)
        if profile is None:
            invalid(f"action profile id 0x{profile_id:08x} is not in the P4Info of {self.pipeline.name}")
        return profile

    def _replace(self, rows: dict[Any, Any], key: Any, new: Any) -> Undo:
        """Put `new` in place of what `rows` has under `key` (None: nothing), if all references hold."""
        old = rows.get(key)
        self._account(old, -1)
        self._account(new, +1)
        try:
            self._check_references(old, new)
            self._check_fill(new)
        except UpdateError:
            self._account(new, -1)
            self._account(old, +1)
            raise
        _put(rows, key, new)

        def undo() -> None:
            self._account(new, -1)
            self._account(old, +1)
            _put(rows, key, old)

        return undo

    def _account(self, entity: Any, sign: int) -> None:
        if entity is None:
            return
        for reference in self._offers(entity):
            self._is_there[reference] += sign
        for reference, _ in self._needs(entity):
            self._is_used[reference] += sign
        if isinstance(entity, p4r.TableEntry) and (profile := self.pipeline.tables[entity.table_id].profile):
            actions = entity.action.action_profile_action_set.action_profile_actions
            self._fill[profile] += sign * sum(each.weight for each in actions)

    def _check_references(self, old: Any, new: Any) -> None:
        """What `new` needs must be there; what `old` offered must not be missed by others."""
        if new is not None:
            for reference, name in self._needs(new):
                if not self._is_there[reference]:
                    raise UpdateError(rpc_code.NOT_FOUND, f"{name} does not exist")
        if old is not None:
            for reference in self._offers(old):
                if self._is_used[reference] and not self._is_there[reference]:
                    raise UpdateError(
                        rpc_code.FAILED_PRECONDITION,
                        f"{self._name(reference)} is in use by {self._is_used[reference]} others",
                    )

    def _check_fill(self, new: Any) -> None:
        if isinstance(new, p4r.TableEntry) and (profile := self.pipeline.tables[new.table_id].profile):
            info = self.pipeline.profiles[profile]
            if self._fill[profile] > info.size > 0:
                raise UpdateError(
                    rpc_code.RESOURCE_EXHAUSTED, f"{info.name} is full: it holds weights up to {info.size}"
                )

    def _offers(self, entity: Any) -> Iterator[_Reference]:
        """What others may refer to."""
        if isinstance(entity, p4r.ActionProfileMember):
            yield "member", entity.action_profile_id, entity.member_id
        elif isinstance(entity, p4r.ActionProfileGroup):
            yield "group", entity.action_profile_id, entity.group_id
        elif isinstance(entity, p4r.TableEntry):
            values = {each.field_id: each.exact.value for each in entity.match}
            for fields in self.pipeline.referred.get(entity.table_id, ()):
                yield "entry", entity.table_id, tuple((field, values.get(field, b"")) for field in fields)

    def _needs(self, entity: Any) -> Iterator[tuple[_Reference, str]]:
        """What an entity refers to, with its name for messages."""
        if isinstance(entity, p4r.ActionProfileGroup):
            for each in entity.members:
                yield (
                    ("member", entity.action_profile_id, each.member_id),
                    f"group {entity.group_id}: member {each.member_id}",
                )
        elif isinstance(entity, p4r.ActionProfileMember):
            yield from self._action_needs(entity.action)
        elif isinstance(entity, p4r.TableEntry):
            table = self.pipeline.tables[entity.table_id]
            values = {each.field_id: each.exact.value for each in entity.match if each.HasField("exact")}
            yield from self._value_needs(table.name, table.fields, values)
            yield from self._table_action_needs(table, entity.action)

    def _table_action_needs(
        self, table: TableInfo, action: p4r.TableAction
    ) -> Iterator[tuple[_Reference, str]]:
        kind = action.WhichOneof("type")
        if kind == "action":
            yield from self._action_needs(action.action)
        elif kind == "action_profile_member_id":
            id = action.action_profile_member_id
            yield ("member", table.profile, id), f"{table.name}: member {id}"
        elif kind == "action_profile_group_id":
            id = action.action_profile_group_id
            yield ("group", table.profile, id), f"{table.name}: group {id}"
        elif kind == "action_profile_action_set":
            for each in action.action_profile_action_set.action_profile_actions:
                yield from self._action_needs(each.action)

    def _action_needs(self, action: p4r.Action) -> Iterator[tuple[_Reference, str]]:
        info = self.pipeline.actions[action.action_id]
        values = {param.param_id: param.value for param in action.params}
        yield from self._value_needs(info.name, info.params, values)

    def _value_needs(
        self, where: str, specs: Any, values: dict[int, bytes]
    ) -> Iterator[tuple[_Reference, str]]:
        known: list[Value] = [spec for spec in specs.values() if values.get(spec.id)]
        for table, pairs in references_of(known).items():
            reference = ("entry", table, tuple((field, values[id]) for field, id in pairs))
            yield reference, f"{where}: {self._name(reference)}"

    def _name(self, reference: _Reference) -> str:
        kind, holder, key = reference
        if kind != "entry":
            return f"{kind} {key}"
        assert isinstance(holder, int)
        assert isinstance(key, tuple)
        table = self.pipeline.tables[holder]
        shown = ", ".join(
            f"{table.fields[field].name} {_text(table.fields[field], value)}" for field, value in key
        )
        return f"{table.name} entry with {shown}"


def entry_key(entry: p4r.TableEntry) -> EntryKey:
    """What tells an entry (in canonical form) from the others of its table."""
    return b"".join(each.SerializeToString(deterministic=True) for each in entry.match), entry.priority


def _put(rows: dict[Any, Any], key: Any, new: Any) -> None:
    if new is None:
        rows.pop(key, None)
    else:
        rows[key] = new


def _check_presence(how: int, is_there: bool, name: Callable[[], str]) -> None:
    if how == INSERT and is_there:
        raise UpdateError(rpc_code.ALREADY_EXISTS, f"{name()} already exists")
    if how != INSERT and not is_there:
        raise UpdateError(rpc_code.NOT_FOUND, f"{name()} does not exist")


def _describe(table: TableInfo, entry: p4r.TableEntry) -> str:
    parts = []
    for match in entry.match:
        field = table.fields[match.field_id]
        kind = match.WhichOneof("field_match_type")
        assert kind is not None
        value = getattr(match, kind)
        shown = _text(field, getattr(value, "value", b"") or getattr(value, "low", b""))
        parts.append(f"{field.name}={shown}{f'/{match.lpm.prefix_len}' if kind == 'lpm' else ''}")
    return f"entry {' '.join(parts)}" + (f" priority {entry.priority}" if entry.priority else "")


def _text(field: Value, value: bytes) -> str:
    return f"0x{value.hex()}" if field.bits else repr(value.decode("utf-8", "replace"))
