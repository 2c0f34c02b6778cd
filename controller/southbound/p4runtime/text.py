"""Entities as people read them: `ipv4_route dst=10.0.0.0/29` and `group 17`."""

from __future__ import annotations

from finsy import P4ActionProfileMember, P4Schema, P4TableEntry
from finsy.proto import p4r

from raddle.units import ip_text


def describe_key(schema: P4Schema, entity: p4r.Entity) -> str:
    """What an entity is: its table and match, or its action profile and id."""
    kind = entity.WhichOneof("entity")
    if kind == "action_profile_member":
        member = entity.action_profile_member
        return f"{schema.action_profiles[member.action_profile_id].alias}/member {member.member_id}"
    if kind == "action_profile_group":
        group = entity.action_profile_group
        return f"{schema.action_profiles[group.action_profile_id].alias}/group {group.group_id}"
    if kind == "meter_entry":
        return f"{schema.meters[entity.meter_entry.meter_id].alias}/{entity.meter_entry.index.index}"
    entry = P4TableEntry.decode(without_watch(entity), schema)
    if entry.is_default_action:
        return f"{entry.table_id}/default"
    match = " ".join(f"{name}={ip_text(value)}" for name, value in entry.match_dict(schema).items())
    priority = f" priority={entry.priority}" if entry.priority else ""
    return f"{entry.table_id}/{match}{priority}"


def describe_value(schema: P4Schema, entity: p4r.Entity) -> str:
    """What an entity does: its action with parameters, or its members with weights."""
    kind = entity.WhichOneof("entity")
    if kind == "action_profile_member":
        return ip_text(P4ActionProfileMember.decode(entity, schema).action_str(schema))
    if kind == "action_profile_group":
        return " ".join(
            f"{member.member_id}" + (f"x{member.weight}" if member.weight > 1 else "")
            for member in entity.action_profile_group.members
        )
    action = entity.table_entry.action
    if action.WhichOneof("type") == "action_profile_member_id":
        return f"member {action.action_profile_member_id}"
    if action.WhichOneof("type") == "action_profile_group_id":
        return f"group {action.action_profile_group_id}"
    return ip_text(P4TableEntry.decode(without_watch(entity), schema).action_str(schema))


def without_watch(entity: p4r.Entity) -> p4r.Entity:
    """Without watched ports, which finsy takes for numbers and SONiC names."""
    plain = p4r.Entity()
    plain.CopyFrom(entity)
    for each in plain.table_entry.action.action_profile_action_set.action_profile_actions:
        each.ClearField("watch_port")
    return plain
