"""What to write so that a switch holds what it must: batches in an order in which every reference holds.

A batch has no order of its own (P4Runtime 1.4, section 12.2), so what refers to an entity is in a later batch
than the entity, and what is referred to goes last.
"""

from __future__ import annotations

from collections.abc import Iterable

from finsy import P4Schema
from finsy.proto import p4r

from raddle.controller.plan.diff import Change
from raddle.controller.southbound.p4runtime.text import describe_key, describe_value

BATCH = 1000
"""Updates of one Write."""

Key = tuple[str, int, bytes]
"""Kind of entity, what holds it, and what tells it from the others there."""

Entities = dict[Key, p4r.Entity]

_PINS_ORDER = (
    "vrf_table",
    "router_interface_table",
    "neighbor_table",
    "nexthop_table",
    "wcmp_group_table",
)
"""Tables of SONiC PINS that others refer to, what is referred to first."""


def by_key(entities: Iterable[p4r.Entity]) -> Entities:
    """Entities by what tells them apart, without counters and with members in order."""
    return {key_of(entity): _plain(entity) for entity in entities}


def key_of(entity: p4r.Entity) -> Key:
    """What tells an entity from all others of a switch."""
    kind = entity.WhichOneof("entity")
    if kind == "action_profile_member":
        member = entity.action_profile_member
        return "member", member.action_profile_id, member.member_id.to_bytes(4, "big")
    if kind == "action_profile_group":
        group = entity.action_profile_group
        return "group", group.action_profile_id, group.group_id.to_bytes(4, "big")
    assert kind == "table_entry", kind
    entry = entity.table_entry
    if entry.is_default_action:
        return "default", entry.table_id, b""
    match = sorted(entry.match, key=lambda each: each.field_id)
    fields = b"".join(each.SerializeToString(deterministic=True) for each in match)
    return "entry", entry.table_id, fields + entry.priority.to_bytes(4, "big")


def _plain(entity: p4r.Entity) -> p4r.Entity:
    plain = p4r.Entity()
    plain.CopyFrom(entity)
    if plain.HasField("action_profile_group"):
        group = plain.action_profile_group
        members = sorted(group.members, key=lambda each: each.member_id)
        del group.members[:]
        group.members.extend(members)
    elif plain.HasField("table_entry"):
        entry = plain.table_entry
        for name in ("counter_data", "time_since_last_hit", "meter_config", "meter_counter_data"):
            entry.ClearField(name)
        match = sorted(entry.match, key=lambda each: each.field_id)
        del entry.match[:]
        entry.match.extend(match)
    return plain


def differ(old: p4r.Entity | None, new: p4r.Entity | None) -> bool:
    """Whether a switch that holds `old` must be told `new`.

    The watched ports of a group are not compared: BMv2 (p4lang/PI) reports the last member's for all of them.
    A member's port follows from its id. Nor is its largest size, which nothing can change.
    """
    if old is None or new is None or not new.HasField("action_profile_group"):
        return old != new
    return _members(old) != _members(new)


def _members(group: p4r.Entity) -> list[tuple[int, int]]:
    return [(member.member_id, member.weight) for member in group.action_profile_group.members]


def plan_batches(schema: P4Schema, current: Entities, wanted: Entities) -> list[list[p4r.Update]]:
    """The least that makes `current` be `wanted`: new before changed before gone, references intact.

    A default entry that is not wanted stays as it is: every table has one.
    """
    steps: dict[int, list[p4r.Update]] = {}
    for key, entity in wanted.items():
        old = current.get(key)
        phase = _phase(schema, key)
        if old is None and key[0] != "default":
            steps.setdefault(phase, []).append(p4r.Update(type=p4r.Update.INSERT, entity=entity))
        elif differ(old, entity):
            steps.setdefault(phase, []).append(_modification(old, entity))
    for key, old in current.items():
        if key not in wanted and key[0] != "default":
            steps.setdefault(100 - _phase(schema, key), []).append(
                p4r.Update(type=p4r.Update.DELETE, entity=old)
            )
    return [
        steps[phase][start : start + BATCH]
        for phase in sorted(steps)
        for start in range(0, len(steps[phase]), BATCH)
    ]


def _modification(old: p4r.Entity | None, new: p4r.Entity) -> p4r.Update:
    """A group keeps the largest size that it was made with."""
    update = p4r.Update(type=p4r.Update.MODIFY, entity=new)
    if old is not None and new.HasField("action_profile_group"):
        update.entity.action_profile_group.max_size = old.action_profile_group.max_size
    return update


def _phase(schema: P4Schema, key: Key) -> int:
    """Its place in the order of writing: members, groups, then tables that others refer to, then the rest."""
    kind, holder, _ = key
    if kind == "member":
        return 0
    if kind == "group":
        return 1
    name = schema.tables[holder].alias
    return 2 + (_PINS_ORDER.index(name) if name in _PINS_ORDER else len(_PINS_ORDER))


def differences(switch: str, schema: P4Schema, current: Entities, wanted: Entities) -> tuple[Change, ...]:
    """How a switch differs from what it must hold, sorted by path."""
    changes = []
    for key in current.keys() | wanted.keys():
        old, new = current.get(key), wanted.get(key)
        if differ(old, new) and not (new is None and key[0] == "default"):
            some = new if new is not None else old
            assert some is not None
            path = describe_key(schema, some)
            changes.append(Change(switch, path, _shown(schema, old), _shown(schema, new)))
    return tuple(sorted(changes))


def _shown(schema: P4Schema, entity: p4r.Entity | None) -> str:
    return describe_value(schema, entity) if entity is not None else ""
