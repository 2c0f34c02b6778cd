"""The entities that a switch holds, and what INSERT, MODIFY and DELETE do to them.

Source: P4Runtime specification 1.4, section 9; referential integrity as annotated with @refers_to (SONiC
PINS).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from finsy.proto import p4i, p4r, rpc_code

from raddle.nos.p4rt.check import (
    UpdateError,
    check_action,
    check_match,
    find_table,
    invalid,
)
from raddle.nos.p4rt.check_entry import check_entry, check_key
from raddle.nos.p4rt.check_selectors import HasPort, check_group, size_of
from raddle.nos.p4rt.entity_tables import entry_label
from raddle.nos.p4rt.lacking import cells, refusal_of_write
from raddle.nos.p4rt.pipeline import Pipeline, ProfileInfo, TableInfo
from raddle.nos.p4rt.references import References, value_text

INSERT, MODIFY, DELETE = p4r.Update.INSERT, p4r.Update.MODIFY, p4r.Update.DELETE

Undo = Callable[[], None]
EntryKey = tuple[bytes, int]
"""Match fields as they travel, and the priority."""

IndexedCounts = Callable[[str, int], tuple[int, int]]
"""(packets, bytes) that the switch itself has counted, by a counter's name and index."""

DirectCounts = Callable[[str, str], tuple[int, int]]
"""(packets, bytes) that the switch itself has counted, by the name of a table and the label of an entry."""


class EntityStore:
    """Everything a controller has written. Entities are kept in canonical form and never changed in place.

    Attributes:
        entries: by table id and key.
        defaults: default entries that a controller has set, by table id.
        members, groups: by action profile and their own id.
    """

    def __init__(
        self, pipeline: Pipeline, counts: IndexedCounts, direct_counts: DirectCounts, has_port: HasPort
    ) -> None:
        self.pipeline, self._has_port = pipeline, has_port
        self._counts, self._direct_counts = counts, direct_counts
        self.entries: dict[int, dict[EntryKey, p4r.TableEntry]] = {id: {} for id in pipeline.tables}
        self.defaults: dict[int, p4r.TableEntry] = {}
        self.members: dict[int, dict[int, p4r.ActionProfileMember]] = {id: {} for id in pipeline.profiles}
        self.groups: dict[int, dict[int, p4r.ActionProfileGroup]] = {id: {} for id in pipeline.profiles}
        self._counter_bases: dict[tuple[int, int], tuple[int, int]] = {}
        self._direct_bases: dict[tuple[int, EntryKey], tuple[int, int]] = {}
        self._references = References(pipeline)
        self._fill: Counter[int] = Counter()
        self._one_shots: Counter[int] = Counter()

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
        raise refusal_of_write(self.pipeline, update)

    def default_of(self, table: TableInfo) -> p4r.TableEntry:
        """The default entry of a table: what a controller has set, or what the program says.

        It has no action where the P4Info does not tell the program's.
        """
        if table.id in self.defaults:
            return self.defaults[table.id]
        entry = p4r.TableEntry(table_id=table.id, is_default_action=True)
        if table.initial_default is not None:
            entry.action.action.CopyFrom(table.initial_default)
        return entry

    def _update_entry(self, how: int, entry: p4r.TableEntry) -> Undo:
        table = find_table(self.pipeline, entry.table_id)
        if table.is_const and not entry.is_default_action and (how != MODIFY or entry.HasField("action")):
            raise UpdateError(rpc_code.PERMISSION_DENIED, f"{table.name}: its entries are constant")
        kept = check_key(table, entry) if how == DELETE else check_entry(self.pipeline, entry, self._has_port)
        if entry.is_default_action:
            return self._update_default(how, table, kept)
        if how == INSERT and not table.fields:
            invalid(f"{table.name} has no match fields, so it has its default entry alone")
        rows = self.entries[table.id]
        key = entry_key(kept)
        if how == INSERT and not entry.HasField("action"):
            invalid(f"{table.name}: an entry needs an action")
        _check_presence(how, key in rows, lambda: f"{table.name}: {_describe(table, kept)}")
        if how == MODIFY and not entry.HasField("action"):
            kept.action.CopyFrom(rows[key].action)
        if how == INSERT and len(rows) >= table.size > 0:
            raise UpdateError(
                rpc_code.RESOURCE_EXHAUSTED, f"{table.name} is full: it holds {table.size} entries"
            )
        undo = self._replace(rows, key, None if how == DELETE else kept)
        return self._count_from(how, table, key, kept, entry, undo)

    def _count_from(
        self,
        how: int,
        table: TableInfo,
        key: EntryKey,
        kept: p4r.TableEntry,
        entry: p4r.TableEntry,
        undo: Undo,
    ) -> Undo:
        """Start or set the direct counter of an entry that has just been written."""
        place = table.id, key
        before = self._direct_bases.get(place)
        if how != MODIFY:
            self._direct_bases.pop(place, None)
        if how != DELETE and entry.HasField("counter_data"):
            self._direct_bases[place] = self._base_for(kept, entry.counter_data)

        def undo_both() -> None:
            undo()
            _put(self._direct_bases, place, before)

        return undo_both

    def _update_default(self, how: int, table: TableInfo, kept: p4r.TableEntry) -> Undo:
        if how != MODIFY:
            invalid(f"{table.name}: a default entry can only be modified")
        if table.const_default or table.profile:  # section 9.1.3: NoAction where actions are indirect
            raise UpdateError(rpc_code.PERMISSION_DENIED, f"{table.name}: its default action is constant")
        return self._replace(self.defaults, table.id, kept if kept.HasField("action") else None)

    def _update_member(self, how: int, member: p4r.ActionProfileMember) -> Undo:
        profile = self._profile(member.action_profile_id)
        if not member.member_id:
            invalid(f"{profile.name}: member id 0 is reserved")
        self._refuse_mixing(profile, self._one_shots[profile.id], "one-shot groups")
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
        self._refuse_mixing(profile, self._one_shots[profile.id], "one-shot groups")
        rows = self.groups[profile.id]
        old = rows.get(group.group_id)
        _check_presence(how, old is not None, lambda: f"{profile.name}: group {group.group_id}")
        if how == DELETE:
            return self._replace(rows, group.group_id, None)
        check_group(profile, group, self._has_port)
        if old is not None and group.max_size != old.max_size:
            invalid(
                f"{profile.name}: the max_size of group {group.group_id} is {old.max_size} and stays it, "
                f"not {group.max_size}"
            )
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
        indices = indices_of(counter, entry)
        if not entry.HasField("data"):
            return lambda: None
        undos = [self._count_on(entry.counter_id, name, index, entry.data) for index in indices]

        def undo() -> None:
            for each in undos:
                each()

        return undo

    def _count_on(self, counter_id: int, name: str, index: int, data: p4r.CounterData) -> Undo:
        packets, octets = self._counts(name, index)
        base = (data.packet_count - packets, data.byte_count - octets)
        return self._replace(self._counter_bases, (counter_id, index), base)

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
        if not entry.HasField("data"):
            return lambda: None
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

    @staticmethod
    def _refuse_mixing(profile: ProfileInfo, others: int, what: str) -> None:
        """A selector is programmed in one style (section 9.2.3)."""
        if others:
            invalid(f"{profile.name} has {others} {what}; the two styles are not mixed")

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
            self._references.check(old, new)
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
        self._references.account(entity, sign)
        if isinstance(entity, p4r.TableEntry) and entity.action.HasField("action_profile_action_set"):
            profile = self.pipeline.profiles[self.pipeline.tables[entity.table_id].profile]
            actions = entity.action.action_profile_action_set.action_profile_actions
            self._fill[profile.id] += sign * size_of(profile, actions)
            self._one_shots[profile.id] += sign

    def _check_fill(self, new: Any) -> None:
        """A one-shot group has room in its selector, which has no groups of members."""
        if isinstance(new, p4r.TableEntry) and new.action.HasField("action_profile_action_set"):
            info = self.pipeline.profiles[self.pipeline.tables[new.table_id].profile]
            if self._fill[info.id] > info.size > 0:
                what = "members" if info.counts_members else "weights"
                raise UpdateError(
                    rpc_code.RESOURCE_EXHAUSTED, f"{info.name} is full: it holds {what} up to {info.size}"
                )
            self._refuse_mixing(
                info, len(self.members[info.id]) + len(self.groups[info.id]), "members and groups"
            )


def indices_of(counter: p4i.Counter, entry: p4r.CounterEntry) -> Sequence[int]:
    """The cells that a counter entry means: all of them without an index.

    Raises:
        UpdateError: INVALID_ARGUMENT below 0, OUT_OF_RANGE above the last.
    """
    if not entry.HasField("index"):
        return range(counter.size)
    return cells(counter.preamble.alias, entry.index.index, counter.size)


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
        shown = value_text(field, getattr(value, "value", b"") or getattr(value, "low", b""))
        parts.append(f"{field.name}={shown}{f'/{match.lpm.prefix_len}' if kind == 'lpm' else ''}")
    return f"entry {' '.join(parts)}" + (f" priority {entry.priority}" if entry.priority else "")
