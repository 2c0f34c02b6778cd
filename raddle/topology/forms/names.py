"""The names of the devices that an intent makes: those of the record, then by template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from raddle.topology.forms.layout import Fields, Layout
from raddle.topology.model import Role
from raddle.topology.naming import name_of
from raddle.topology.record import HostEntry, Record, Slot, SwitchEntry
from raddle.topology.yaml.schema import FormSpec, HostsSpec

ROLES: tuple[tuple[str, Role], ...] = (("leaves", "leaf"), ("spines", "spine"), ("superspines", "superspine"))
"""Key of each tier in the file, and the role of its switches."""


@dataclass(frozen=True)
class Names:
    """Names by place, and the record under these names."""

    switches: dict[tuple[Role, Slot], str]
    hosts: dict[Slot, str]
    record: Record | None


def templates_of(form: FormSpec, hosts: Sequence[HostsSpec]) -> dict[str, str | None]:
    """The naming templates that a file gives, as the record has them."""
    tiers = {role: getattr(form, key).name for key, role in ROLES if getattr(form, key) is not None}
    return tiers | {f"host{kind}": spec.name for kind, spec in enumerate(hosts)}


def natural_switch_names(form: FormSpec, layout: Layout) -> Iterator[tuple[str, Role, Slot, Fields, str]]:
    """(tier's key, role, place, fields, name) of every switch of a form, as if there were no record."""
    for key, role in ROLES:
        if getattr(form, key) is None:
            continue
        template = _template(form, layout, key, role)
        for slot, fields in layout.switches(role):
            yield key, role, slot, fields, name_of(template, fields)


def natural_host_names(hosts: Sequence[HostsSpec], layout: Layout) -> Iterator[tuple[int, Slot, Fields, str]]:
    """(kind, place, fields, name) of every host of a form, as if there were no record."""
    for slot, fields in layout.host_slots():
        yield slot[2], slot, fields, name_of(hosts[slot[2]].name or "host{i}", fields)


def resolve_names(form: FormSpec, hosts: Sequence[HostsSpec], layout: Layout, record: Record | None) -> Names:
    """The name of every device: what the record has for its place, else what its template makes of its place
    or, where that is another's, of the next number that nobody has.

    Where the file has another template than the record, names are made anew and the record follows them.
    """
    if record is None:
        return Names(
            {(role, slot): name for _, role, slot, _, name in natural_switch_names(form, layout)},
            {slot: name for _, slot, _, name in natural_host_names(hosts, layout)},
            None,
        )
    templates = templates_of(form, hosts)
    kept = {key for key, template in templates.items() if record.templates.get(key, "") == template}
    entries: dict[tuple[Role, Slot], str] = {}
    host_entries: dict[Slot, str] = {}
    for gone in (True, False):  # what stands wins
        for name, switch in record.switches.items():
            if switch.slot and switch.is_gone == gone:
                entries[switch.role, switch.slot] = name
        for name, host in record.hosts.items():
            if host.slot and host.is_gone == gone:
                host_entries[host.slot] = name
    used = _kept_names(record, kept)
    switches: dict[tuple[Role, Slot], str] = {}
    for key, role in ROLES:
        if getattr(form, key) is not None:
            known = {slot: name for (of, slot), name in entries.items() if of == role and role in kept}
            template = _template(form, layout, key, role)
            given = _named(template, layout.switches(role), known, used)
            switches |= {(role, slot): name for slot, name in given.items()}
    names: dict[Slot, str] = {}
    slots = list(layout.host_slots())
    for kind, spec in enumerate(hosts):
        known = {slot: name for slot, name in host_entries.items() if f"host{kind}" in kept}
        mine = ((slot, fields) for slot, fields in slots if slot[2] == kind)
        names |= _named(spec.name or "host{i}", mine, known, used)
    names = {slot: names[slot] for slot, _ in slots}
    renamed = {old: switches[place] for place, old in entries.items() if place in switches}
    renamed |= {old: names[slot] for slot, old in host_entries.items() if slot in names}
    return Names(switches, names, record.renamed(renamed))


def _template(form: FormSpec, layout: Layout, key: str, role: Role) -> str:
    default = role + "{i}" if layout.planes == 1 else "p{plane}-" + role + "{i}"
    return getattr(form, key).name or default


def _kept_names(record: Record, kept: set[str]) -> set[str]:
    """Names that are somebody's, there or gone."""
    entries: Mapping[str, SwitchEntry | HostEntry] = {**record.switches, **record.hosts}
    return {
        name
        for name, entry in entries.items()
        if not entry.slot
        or (entry.role if isinstance(entry, SwitchEntry) else f"host{entry.slot[2]}") in kept
    }


def _named(
    template: str, slots: Iterable[tuple[Slot, Fields]], known: Mapping[Slot, str], used: set[str]
) -> dict[Slot, str]:
    """A name for every slot, which nobody else has: the known one; else by its fields; else by the lowest
    number that is free. A template without numbers may give a name that somebody has."""
    places = list(slots)
    names = {slot: known[slot] for slot, _ in places if slot in known}
    for slot, fields in places:
        if slot not in names and (name := name_of(template, fields)) not in used:
            names[slot] = name
            used.add(name)
    numbers = count()
    for slot, fields in places:
        if slot not in names:
            names[slot] = _next_name(template, fields, used, numbers)
    return {slot: names[slot] for slot, _ in places}


def _next_name(template: str, fields: Fields, used: set[str], numbers: Iterator[int]) -> str:
    def numbered(number: int) -> str:
        return name_of(template, {**fields, "i": number, "n": number, "k": number, "group": number})

    has_numbers = numbered(0) != numbered(1)
    name = next(name for number in numbers if (name := numbered(number)) not in used or not has_numbers)
    used.add(name)
    return name
