"""What a switch held when it was adopted, laid over what the plan would have there.

An adopted value stands as long as the plan asks for what it asked for then; where the fabric file has come to
ask for something else, the plan wins. So adoption itself changes nothing, and one changed key just that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from raddle.controller.southbound.sonic.breakout import REFERENCES, Tables
from raddle.controller.southbound.sonic.port_rows import POOLS
from raddle.topology.record import AdoptedEntry

_BY_PORT = ("BUFFER_PG", "BUFFER_QUEUE", "PFC_WD", "PORT_QOS_MAP", "QUEUE")
"""Tables in which all of a fabric port is adopted, whatever its entries are called."""

_NO_EXTRA_FIELDS = ("DEVICE_METADATA", "PORT")
"""Tables whose further fields nothing of raddle's depends on: only those that it would set are adopted."""

_ONE_ENTRY = ("CABLE_LENGTH",)
"""Tables of one entry, whose name nothing refers to."""

Adopted = Mapping[str, AdoptedEntry]
"""By `TABLE|KEY`, with the plan's key."""


def with_adopted(tables: Tables, adopted: Adopted, has_extras: bool = True) -> Tables:
    """The plan's tables with what was adopted.

    Args:
        has_extras: entries that only the switch has are laid over, too.
    """
    if not adopted:
        return tables
    called = {name: entry.called for name, entry in adopted.items() if entry.called}
    laid = _renamed(tables, called)
    for name, entry in adopted.items():
        table, _, key = name.partition("|")
        rows = laid.get(table, {})
        key = entry.called or key
        if entry.planned is not None and key in rows:
            _lay(rows, key, entry.planned, entry.held)
    if has_extras:
        _add_extras(laid, adopted)
    return {table: rows for table, rows in laid.items() if rows}


def _renamed(tables: Tables, called: Mapping[str, str]) -> Tables:
    """A copy in which entries, and the fields that refer to them, have the names that the switch has."""
    return {
        table: {
            called.get(f"{table}|{key}", key): {
                field: called.get(f"{REFERENCES.get((table, field))}|{value}", value)
                if isinstance(value, str)
                else value
                for field, value in fields.items()
            }
            for key, fields in rows.items()
        }
        for table, rows in tables.items()
    }


def _lay(
    rows: dict[str, dict[str, Any]],
    key: str,
    planned: Mapping[str, Any],
    held: Mapping[str, Any] | None,
) -> None:
    if held is None:
        if rows[key] == planned:
            del rows[key]
        return
    for field in planned.keys() | held.keys():
        if rows[key].get(field) != planned.get(field):
            continue
        if field in held:
            rows[key][field] = held[field]
        else:
            rows[key].pop(field)


def _add_extras(laid: Tables, adopted: Adopted) -> None:
    """Entries that only the switch has; not where a planned one of the same port has come to overlap them."""
    extras = [(name, entry.held) for name, entry in adopted.items() if entry.planned is None]
    planned: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for table in _BY_PORT if extras else ():
        for key in laid.get(table, {}):
            port, low, high = _span(key)
            planned.setdefault((table, port), []).append((low, high))
    for name, held in extras:
        table, _, key = name.partition("|")
        port, first, last = _span(key)
        is_taken = any(low <= last and first <= high for low, high in planned.get((table, port), ()))
        if held is not None and not is_taken:
            laid.setdefault(table, {}).setdefault(key, dict(held))


def _span(key: str) -> tuple[str, int, int]:
    """`Ethernet0|3-4` -> Ethernet0, 3, 4; a key without numbers is all of them."""
    port, _, numbers = key.partition("|")
    first, _, last = numbers.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        return port, 0, 1 << 16
    return port, int(first), int(last or first)


def adopt(planned: Tables, held: Tables, ports: Iterable[str]) -> dict[str, AdoptedEntry]:
    """What makes of the planned tables what a switch holds.

    Args:
        ports: the fabric's ports, whose queues and priority groups are adopted as a whole.
    """
    called = dict(_names(planned, held))
    renamed = _renamed(planned, called)
    found: dict[str, AdoptedEntry] = {}
    for table, rows in planned.items():
        for key in rows:
            name = called.get(f"{table}|{key}", "")
            have = held.get(table, {}).get(name or key)
            if have is not None and table in _NO_EXTRA_FIELDS:
                have = {field: value for field, value in have.items() if field in rows[key]}
            if entry := _difference(renamed[table][name or key], have, name):
                found[f"{table}|{key}"] = entry
    own = set(ports)
    for table in _BY_PORT:
        for key, fields in held.get(table, {}).items():
            if key.partition("|")[0] in own and key not in renamed.get(table, {}):
                found[f"{table}|{key}"] = AdoptedEntry(None, fields)
    for key, fields in held.get(POOLS, {}).items():
        if key not in renamed.get(POOLS, {}):
            found[f"{POOLS}|{key}"] = AdoptedEntry(None, fields)
    found |= _referred(with_adopted(planned, found), held)
    return found


def _difference(
    planned: Mapping[str, Any], held: Mapping[str, Any] | None, called: str
) -> AdoptedEntry | None:
    if held is None:
        return AdoptedEntry(dict(planned), None)
    fields = {name for name in planned.keys() | held.keys() if planned.get(name) != held.get(name)}
    if not fields and not called:
        return None
    return AdoptedEntry(
        {name: value for name, value in planned.items() if name in fields},
        {name: value for name, value in held.items() if name in fields},
        called,
    )


def _names(planned: Tables, held: Tables) -> Iterator[tuple[str, str]]:
    """Planned entries that the switch has under another name, by what refers to both."""
    seen: dict[tuple[str, str], set[str]] = {}
    for (table, field), target in REFERENCES.items():
        for key, fields in planned.get(table, {}).items():
            have = held.get(table, {}).get(key, {}).get(field)
            if field in fields and isinstance(have, str):
                seen.setdefault((target, str(fields[field])), set()).add(have)
    for table in _ONE_ENTRY:
        if len(planned.get(table, {})) == len(held.get(table, {})) == 1:
            seen[table, next(iter(planned[table]))] = set(held[table])
    for (target, name), others in seen.items():
        (other, *more) = others
        claims = [each for each, names in seen.items() if each[0] == target and other in names]
        is_free = name not in held.get(target, {}) and other not in planned.get(target, {})
        if not more and len(claims) == 1 and is_free and other in held.get(target, {}):
            yield f"{target}|{name}", other


def _referred(laid: Tables, held: Tables) -> dict[str, AdoptedEntry]:
    """Entries of the switch that what is adopted refers to, and that the plan does not have."""
    found: dict[str, AdoptedEntry] = {}
    todo = [(table, fields) for table, rows in laid.items() for fields in rows.values()]
    while todo:
        table, fields = todo.pop()
        for field, value in fields.items():
            target, name = REFERENCES.get((table, field), ""), str(value)
            path = f"{target}|{name}"
            if name in laid.get(target, {}) or path in found or name not in held.get(target, {}):
                continue
            found[path] = AdoptedEntry(None, held[target][name])
            todo.append((target, held[target][name]))
    return found
