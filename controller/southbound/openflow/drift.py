"""What an OpenFlow switch holds, and how that differs from what it should hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raddle.controller.plan.diff import Change
from raddle.controller.southbound.openflow.rendering import match_fields, rule_order
from raddle.controller.southbound.openflow.tables import (
    FORWARD,
    Action,
    Continue,
    Drop,
    FailoverGroup,
    Group,
    Hop,
    Mark,
    Queue,
    RuleKey,
    SelectGroup,
    Tables,
    Unknown,
)


@dataclass(frozen=True, slots=True)
class Installed:
    """What a switch holds: its tables, the ids of its groups, and matches that `Match` has no word for."""

    tables: Tables
    group_ids: Mapping[int, Group | Unknown]
    raw_matches: Mapping[RuleKey, Any]


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs: flow entries missing on the switch, unplanned on it, or with another action; groups
    that nothing planned uses, by id."""

    missing: tuple[RuleKey, ...]
    extra: tuple[RuleKey, ...]
    changed: tuple[RuleKey, ...]
    stray_groups: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.changed or self.stray_groups)


def difference(wanted: Tables, held: Installed) -> Drift:
    """How what a switch holds differs from what it should hold."""
    rules, used = held.tables.rules, set(wanted.groups)
    return Drift(
        missing=tuple(key for key in wanted.rules if key not in rules),
        extra=tuple(key for key in rules if key not in wanted.rules),
        changed=tuple(key for key, action in wanted.rules.items() if rules.get(key, action) != action),
        stray_groups=tuple(number for number, group in held.group_ids.items() if group not in used),
    )


def changes(switch: str, wanted: Tables, held: Installed) -> tuple[Change, ...]:
    """What makes a switch hold what it should, in the order of its tables."""
    drift, rules = difference(wanted, held), held.tables.rules
    keys = sorted((*drift.missing, *drift.changed, *drift.extra), key=rule_order)
    of_rules = [
        Change(switch, _path(key), _shown(rules.get(key)), _shown(wanted.rules.get(key))) for key in keys
    ]
    of_groups = [
        Change(switch, f"group={number}", _shown(held.group_ids[number]), "")
        for number in sorted(drift.stray_groups)
    ]
    return (*of_rules, *of_groups)


def _path(key: RuleKey) -> str:
    fields = ",".join(f"{name}={value}" for name, value in match_fields(key.match).items() if name != "other")
    return ",".join(filter(None, (f"table={key.table},priority={key.priority}", fields, key.match.text)))


def _shown(action: Action | None) -> str:
    match action:
        case None:
            return ""
        case SelectGroup(buckets):
            hops = [_shown(to) + (f" x{weight}" if weight > 1 else "") for to, weight in buckets]
            return f"select({', '.join(hops)})"
        case FailoverGroup(first, otherwise):
            return f"{_shown(first)}, else {_shown(otherwise)}"
        case Hop(port, mac):
            return f"output:{port} to {mac}"
        case Queue(number):
            return f"set_queue:{number}"
        case Mark(dscp, queue):
            return f"set_field:{dscp}->ip_dscp" + (f" set_queue:{queue}" if queue else "")
        case Continue():
            return f"goto_table:{FORWARD}"
        case Drop():
            return "drop"
        case Unknown(text):
            return text
