"""Which entities a Read names: an id or field that is left out stands for all.

Source: P4Runtime specification 1.4, sections 9 and 11 (wildcard reads).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from finsy.proto import p4r

from raddle.nos.p4rt.check import check_match, check_priority, find_table, invalid
from raddle.nos.p4rt.pipeline import Pipeline, TableInfo
from raddle.nos.p4rt.store import EntityStore, entry_key

_T = TypeVar("_T")


def select(store: EntityStore, wanted: p4r.Entity) -> Iterator[p4r.Entity]:
    """The entities that `wanted` stands for.

    Raises:
        UpdateError: it names what the P4Info does not have.
    """
    kind = wanted.WhichOneof("entity")
    if kind == "table_entry":
        yield from (p4r.Entity(table_entry=entry) for entry in _entries(store, wanted.table_entry))
    elif kind == "direct_counter_entry":
        yield from _direct_counters(store, wanted.direct_counter_entry.table_entry)
    elif kind == "counter_entry":
        yield from _counters(store, wanted.counter_entry)
    elif kind == "action_profile_member":
        member = wanted.action_profile_member
        for found in _of_profile(store.pipeline, store.members, member.action_profile_id, member.member_id):
            yield p4r.Entity(action_profile_member=found)
    elif kind == "action_profile_group":
        group = wanted.action_profile_group
        for one in _of_profile(store.pipeline, store.groups, group.action_profile_id, group.group_id):
            yield p4r.Entity(action_profile_group=one)
    elif kind is None:
        invalid("the read names no kind of entity")
    # Of all other kinds this switch holds none.


def _of_profile(
    pipeline: Pipeline, by_profile: dict[int, dict[int, _T]], profile_id: int, id: int
) -> list[_T]:
    if profile_id and profile_id not in by_profile:
        invalid(f"action profile id 0x{profile_id:08x} is not in the P4Info of {pipeline.name}")
    profiles = [by_profile[profile_id]] if profile_id else list(by_profile.values())
    return [found for rows in profiles for key, found in rows.items() if id in (0, key)]


def _tables(pipeline: Pipeline, table_id: int) -> list[TableInfo]:
    return [find_table(pipeline, table_id)] if table_id else list(pipeline.tables.values())


def _entries(store: EntityStore, wanted: p4r.TableEntry) -> Iterator[p4r.TableEntry]:
    """Entries with what the request asks for besides: counters are not sent unasked."""
    for table in _tables(store.pipeline, wanted.table_id):
        for entry in _rows(store, table, wanted):
            if not (table.counter and wanted.HasField("counter_data")):
                yield entry
                continue
            counted = p4r.TableEntry()
            counted.CopyFrom(entry)
            counted.counter_data.CopyFrom(store.counted_at(entry))
            yield counted


def _rows(store: EntityStore, table: TableInfo, wanted: p4r.TableEntry) -> Iterator[p4r.TableEntry]:
    if wanted.is_default_action:
        if default := store.default_of(table):
            yield default
    elif wanted.match:
        key = p4r.TableEntry(match=check_match(table, wanted.match), priority=wanted.priority)
        check_priority(table, wanted.priority)
        if found := store.entries[table.id].get(entry_key(key)):
            yield found
    else:
        rows = store.entries[table.id].values()
        yield from (entry for entry in rows if wanted.priority in (0, entry.priority))


def _direct_counters(store: EntityStore, wanted: p4r.TableEntry) -> Iterator[p4r.Entity]:
    for table in _tables(store.pipeline, wanted.table_id):
        if not table.counter:
            if wanted.table_id:
                invalid(f"{table.name} has no direct counter")
            continue
        for entry in _rows(store, table, wanted):
            key = p4r.TableEntry(table_id=table.id, match=entry.match, priority=entry.priority)
            data = store.counted_at(entry)
            yield p4r.Entity(direct_counter_entry=p4r.DirectCounterEntry(table_entry=key, data=data))


def _counters(store: EntityStore, wanted: p4r.CounterEntry) -> Iterator[p4r.Entity]:
    known = store.pipeline.counters
    if wanted.counter_id and wanted.counter_id not in known:
        invalid(f"counter id 0x{wanted.counter_id:08x} is not in the P4Info of {store.pipeline.name}")
    for id, counter in known.items():
        if wanted.counter_id not in (0, id):
            continue
        indices = [wanted.index.index] if wanted.HasField("index") else range(counter.size)
        for index in indices:
            if not 0 <= index < counter.size:
                invalid(f"{counter.preamble.alias}: index {index} is not in 0..{counter.size - 1}")
            data = store.counted(id, index)
            entry = p4r.CounterEntry(counter_id=id, index=p4r.Index(index=index), data=data)
            yield p4r.Entity(counter_entry=entry)
