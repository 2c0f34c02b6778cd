"""Whether a table entry is one that its table can hold.

Source: P4Runtime specification 1.4, section 9.1.
"""

from __future__ import annotations

from finsy.proto import p4r, rpc_code

from raddle.nos.p4rt.check import (
    UpdateError,
    check_action,
    check_match,
    check_priority,
    find_table,
    invalid,
)
from raddle.nos.p4rt.check_selectors import HasPort, check_action_set
from raddle.nos.p4rt.pipeline import Pipeline, TableInfo


def check_entry(pipeline: Pipeline, entry: p4r.TableEntry, has_port: HasPort) -> p4r.TableEntry:
    """The canonical form of a table entry with its action.

    Raises:
        UpdateError: it is not one that its table can hold.
    """
    table = find_table(pipeline, entry.table_id)
    kept = check_key(table, entry)
    _check_extras(table, entry)
    kept.controller_metadata, kept.metadata = entry.controller_metadata, entry.metadata
    if entry.HasField("action"):
        kept.action.CopyFrom(_check_table_action(pipeline, table, entry, has_port))
    return kept


def check_key(table: TableInfo, entry: p4r.TableEntry) -> p4r.TableEntry:
    """What tells an entry from the others of its table, in canonical form: all that a DELETE looks at.

    Raises:
        UpdateError: no entry of the table can have it.
    """
    kept = p4r.TableEntry(
        table_id=table.id, priority=entry.priority, is_default_action=entry.is_default_action
    )
    if entry.is_default_action:
        if entry.match or entry.priority:
            invalid(f"{table.name}: a default entry has no match and no priority")
    else:
        kept.match.extend(check_match(table, entry.match))
        check_priority(table, entry.priority)
    return kept


def _check_extras(table: TableInfo, entry: p4r.TableEntry) -> None:
    """What an entry may say besides key and action (sections 9.1, 9.1.7 and 9.1.8)."""
    if entry.is_const:
        invalid(f"{table.name}: a controller writes no constant entry")
    if entry.HasField("time_since_last_hit"):
        invalid(f"{table.name}: the time since the last hit is not written")
    if entry.idle_timeout_ns:
        if not table.has_timeout or entry.is_default_action:
            invalid(f"{table.name}: this entry can have no idle timeout")
        raise UpdateError(rpc_code.UNIMPLEMENTED, f"{table.name}: this switch watches no idle timeouts")
    if entry.HasField("counter_data") and not table.counter:
        invalid(f"{table.name} has no direct counter")
    if entry.HasField("meter_config") or entry.HasField("meter_counter_data"):
        if not table.meter:
            invalid(f"{table.name} has no direct meter")
        raise UpdateError(rpc_code.UNIMPLEMENTED, f"{table.name}: this switch has no meters")


def _check_table_action(
    pipeline: Pipeline, table: TableInfo, entry: p4r.TableEntry, has_port: HasPort
) -> p4r.TableAction:
    action = entry.action
    kind = action.WhichOneof("type")
    allowed = table.default_actions if entry.is_default_action else table.entry_actions
    if kind == "action":
        if table.profile and not entry.is_default_action:
            invalid(f"{table.name}: an entry takes a member, a group or an action set, not an action")
        others = table.default_actions | table.entry_actions
        if action.action.action_id in others - allowed:
            name = pipeline.actions[action.action.action_id].name
            where = "in the default entry" if entry.is_default_action else "in an entry"
            raise UpdateError(
                rpc_code.PERMISSION_DENIED, f"{table.name}: action '{name}' may not stand {where}"
            )
        return p4r.TableAction(action=check_action(pipeline, action.action, allowed, table.name))
    if not table.profile or entry.is_default_action:
        invalid(f"{table.name}: an entry takes an action, not {kind}")
    profile = pipeline.profiles[table.profile]
    if kind == "action_profile_action_set":
        actions = action.action_profile_action_set
        return p4r.TableAction(
            action_profile_action_set=check_action_set(pipeline, table, profile, actions, has_port)
        )
    if kind == "action_profile_group_id" and not profile.has_selector:
        invalid(f"{table.name}: its action profile has no selector, so it takes no group")
    kept = p4r.TableAction()
    kept.CopyFrom(action)
    return kept
