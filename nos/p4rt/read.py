"""Which entities a Read names: an id or field that is left out stands for all.

Source: P4Runtime specification 1.4, sections 9 and 11 (wildcard reads).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from finsy.proto import p4r, rpc_code

from raddle.nos.p4rt.check import UpdateError, check_match, check_priority, find_table, invalid
from raddle.nos.p4rt.lacking import refusal_of
from raddle.nos.p4rt.pipeline import Pipeline, TableInfo
from raddle.nos.p4rt.store import EntityStore, entry_key, indices_of

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
    elif not is_everything(wanted):
        raise refusal_of(store.pipeline, wanted)


def is_everything(wanted: p4r.Entity) -> bool:
    """Whether a request of a kind that this switch holds none of names no id."""
    kind = wanted.WhichOneof("entity")
    assert kind
    asked = getattr(wanted, kind)
    if kind == "direct_meter_entry":
        return not asked.table_entry.table_id
    if kind == "packet_replication_engine_entry":
        return True
    return not getattr(asked, "extern_type_id" if kind == "extern_entry" else kind.replace("_entry", "_id"))


def table_of_others(pipeline: Pipeline, entity: p4r.Entity, role: str) -> TableInfo | None:
    """The table (its own, or its profile's) that makes an entity another role's; None where none does."""
    kind = entity.WhichOneof("entity")
    if not role or kind is None:
        return None
    part = getattr(entity, kind)
    ids: Iterable[int] = ()
    if kind in ("action_profile_member", "action_profile_group"):
        profile = pipeline.profiles.get(part.action_profile_id)
        ids = profile.tables if profile else ()
    elif kind in ("table_entry", "direct_counter_entry", "direct_meter_entry"):
        ids = (part.table_id if kind == "table_entry" else part.table_entry.table_id,)
    tables = [pipeline.tables[each] for each in ids if each in pipeline.tables]
    return tables[0] if tables and all(table.role not in ("", role) for table in tables) else None


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
    if wanted.table_id and wanted.HasField("time_since_last_hit"):
        table = find_table(store.pipeline, wanted.table_id)
        if not table.has_timeout:
            invalid(f"{table.name} has no idle timeout")
        raise UpdateError(rpc_code.UNIMPLEMENTED, f"{table.name}: this switch watches no idle timeouts")
    if not wanted.table_id and (wanted.match or wanted.priority or wanted.HasField("action")):
        invalid("a read of all tables has no other filter")
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
        yield store.default_of(table)
    elif wanted.match:
        key = p4r.TableEntry(match=check_match(table, wanted.match), priority=wanted.priority)
        check_priority(table, wanted.priority)
        if found := store.entries[table.id].get(entry_key(key)):
            yield found
    else:
        rows = store.entries[table.id].values()
        yield from (entry for entry in rows if _fits(entry, wanted))


def _fits(entry: p4r.TableEntry, wanted: p4r.TableEntry) -> bool:
    """Whether an entry has what a wildcard read filters by (section 9.1.6)."""
    return (
        wanted.priority in (0, entry.priority)
        and wanted.controller_metadata in (0, entry.controller_metadata)
        and wanted.metadata in (b"", entry.metadata)
        and wanted.action.action.action_id in (0, entry.action.action.action_id)
    )


def _direct_counters(store: EntityStore, wanted: p4r.TableEntry) -> Iterator[p4r.Entity]:
    for table in _tables(store.pipeline, wanted.table_id):
        if not table.counter:
            if wanted.table_id:
                invalid(f"{table.name} has no direct counter")
            continue
        rows = list(_rows(store, table, wanted))
        if wanted.match and not rows:
            raise UpdateError(rpc_code.NOT_FOUND, f"{table.name}: the entry of the counter does not exist")
        for entry in rows:
            key = p4r.TableEntry(
                table_id=table.id, match=entry.match, priority=entry.priority,
                is_default_action=entry.is_default_action,
            )  # fmt: skip
            data = store.counted_at(entry)
            yield p4r.Entity(direct_counter_entry=p4r.DirectCounterEntry(table_entry=key, data=data))


def _counters(store: EntityStore, wanted: p4r.CounterEntry) -> Iterator[p4r.Entity]:
    known = store.pipeline.counters
    if wanted.counter_id and wanted.counter_id not in known:
        invalid(f"counter id 0x{wanted.counter_id:08x} is not in the P4Info of {store.pipeline.name}")
    for id, counter in known.items():
        if wanted.counter_id not in (0, id):
            continue
        for index in indices_of(counter, wanted):
            data = store.counted(id, index)
            entry = p4r.CounterEntry(counter_id=id, index=p4r.Index(index=index), data=data)
            yield p4r.Entity(counter_entry=entry)
