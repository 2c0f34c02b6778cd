"""What an OpenFlow switch holds, and how that differs from what it should hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raddle.controller.plan.diff import Change
from raddle.controller.southbound.openflow.rendering import match_fields, rule_order
from raddle.controller.southbound.openflow.tables import (
    CLASSIFY,
    FORWARD,
    Action,
    Admit,
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
    """What a switch holds of raddle's: its tables, the ids of its groups, and matches that `Match` has no
    word for. `others` are the entries of other applications, with their cookies."""

    tables: Tables
    group_ids: Mapping[int, Group | Unknown]
    raw_matches: Mapping[RuleKey, Any]
    others: Mapping[RuleKey, int]

    def of_others(self) -> tuple[str, ...]:
        """The entries of other applications, for the reader, in the order of the tables."""
        keys = sorted(self.others, key=rule_order)
        return tuple(f"cookie={self.others[key]:#x},{_path(key)}" for key in keys)

    def in_the_way(self, wanted: Tables) -> str:
        """Why the tables cannot be had here, as a switch has one entry of a match and priority; or empty."""
        taken = [key for key in wanted.rules if key in self.others]
        if not taken:
            return ""
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        return (
            f"an entry of another application (cookie {self.others[taken[0]]:#x}) is where one of the "
            f"plan's goes: {_path(taken[0])}{more}\n"
            "  hint: remove it there (ovs-ofctl --strict del-flows), or give it another priority"
        )


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


def changes(
    switch: str, wanted: Tables, held: Installed, hops: Mapping[Hop, str] | None = None
) -> tuple[Change, ...]:
    """What makes a switch hold what it should, in the order of its tables.

    Args:
        hops: those of the plan for the reader (`Ethernet0 to spine1`); others are shown by port and address.
    """

    def shown(action: Action | None) -> str:
        return _shown(action, hops or {})

    drift, rules = difference(wanted, held), held.tables.rules
    keys = sorted({*drift.missing, *drift.changed, *drift.extra}, key=rule_order)
    of_rules = [
        Change(switch, _path(key), shown(rules.get(key)), shown(wanted.rules.get(key))) for key in keys
    ]
    of_groups = [
        Change(switch, f"group={number}", shown(held.group_ids[number]), "")
        for number in sorted(drift.stray_groups)
    ]
    return (*of_rules, *of_groups)


def _path(key: RuleKey) -> str:
    fields = ",".join(f"{name}={value}" for name, value in match_fields(key.match).items() if name != "other")
    return ",".join(filter(None, (f"table={key.table},priority={key.priority}", fields, key.match.text)))


def _shown(action: Action | None, names: Mapping[Hop, str]) -> str:
    match action:
        case None:
            return ""
        case SelectGroup(buckets, seed):
            hops = [_shown(to, names) + (f" x{weight}" if weight > 1 else "") for to, weight in buckets]
            return f"select({', '.join(hops)})" + ("" if seed is None else f" by 5-tuple and {seed:#x}")
        case FailoverGroup(first, otherwise):
            return ", else ".join([*(_shown(hop, names) for hop in first), _shown(otherwise, names)])
        case Hop(port, mac):
            return names.get(action) or f"output:{port} to {mac}"
        case Admit(pops):
            return ("pop_vlan " if pops else "") + f"goto_table:{CLASSIFY}"
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
