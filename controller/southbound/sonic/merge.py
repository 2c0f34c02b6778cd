"""What a switch boots with, laid over what it holds: everything that is not raddle's stays.

Its chassis stays, too: MAC address, and the alias, index and lanes of its ports, which only its own device
folder knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from raddle.controller.southbound.sonic.breakout import Tables, breakout, without

_OF_CHASSIS = ("alias", "index", "lanes")
_BY_PORT = ("BUFFER_PG", "BUFFER_QUEUE", "PFC_WD", "QUEUE")
"""Tables in which a fabric port has the plan's entries and no others, whose ranges would overlap."""


def merged(own: Tables, planned: Tables, ports: Iterable[str]) -> Tables:
    """A switch's own configuration with the plan's entries in it.

    Args:
        ports: the fabric's ports. What refers to a port that a breakout takes away goes with it.
    """
    planned = {**planned, "PORT": _fitted(own.get("PORT", {}), planned.get("PORT", {}))}
    tables = _copy(own)
    gone = breakout(_without_watchdog(own), planned)
    tables = without(tables, gone.leftovers(own))
    fabric = set(ports)
    for table in _BY_PORT:
        for key in [key for key in tables.get(table, {}) if key.partition("|")[0] in fabric]:
            if key not in planned.get(table, {}):
                del tables[table][key]
    for table, rows in planned.items():
        for key, fields in rows.items():
            held = tables.setdefault(table, {}).get(key, {})
            kept = ("mac",) if table == "DEVICE_METADATA" and held.get("mac") else ()
            wanted = {name: value for name, value in fields.items() if name not in kept}
            tables[table][key] = {**held, **wanted}
    return {table: rows for table, rows in tables.items() if rows}


def _copy(tables: Tables) -> Tables:
    return {table: {key: dict(fields) for key, fields in rows.items()} for table, rows in tables.items()}


def _without_watchdog(own: Tables) -> Tables:
    """The switch as one whose ports may all go, as they may before it boots."""
    return {table: rows for table, rows in own.items() if table != "PFC_WD"}


def _fitted(
    own: Mapping[str, Mapping[str, Any]], planned: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The plan's ports with the chassis' lanes and, where they are whole as before, its aliases."""
    lanes = _chassis_lanes(own, planned)
    fitted = {}
    for port, fields in planned.items():
        held = own.get(port, {})
        if held and len(_lanes(held)) == len(_lanes(fields)):
            fields = fields | {name: held[name] for name in _OF_CHASSIS if name in held}
        elif port in lanes:
            fields = fields | {"lanes": ",".join(lanes[port])}
        fitted[port] = fields
    return fitted


def _chassis_lanes(
    own: Mapping[str, Mapping[str, Any]], planned: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """The chassis' lanes of planned ports that are cut otherwise than its own: those of a front-panel port,
    in order, are dealt out anew."""
    cages: dict[str, list[str]] = {}
    for port, fields in planned.items():
        cages.setdefault(str(fields.get("index", port)), []).append(port)
    found = {}
    for members in cages.values():
        wanted = [len(_lanes(planned[port])) for port in members]
        first = _number(members[0])
        here = sorted((p for p in own if first <= _number(p) < first + sum(wanted)), key=_number)
        pool = [lane for port in here for lane in _lanes(own[port])]
        if len(pool) != sum(wanted):
            continue
        for port, count in zip(members, wanted, strict=True):
            found[port], pool = pool[:count], pool[count:]
    return found


def _lanes(fields: Mapping[str, Any]) -> list[str]:
    return [lane for lane in str(fields.get("lanes", "")).split(",") if lane]


def _number(port: str) -> int:
    digits = port.removeprefix("Ethernet")
    return int(digits) if digits.isdecimal() else -1


def json_patch(before: Tables, after: Tables) -> list[dict[str, Any]]:
    """The operations of RFC 6902 from one configuration to another, of tables, entries and fields."""
    return list(_operations((), before, after, depth=3))


def _operations(
    place: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any], depth: int
) -> Iterator[dict[str, Any]]:
    for key in sorted(before.keys() - after.keys()):
        yield {"op": "remove", "path": _pointer(*place, key)}
    for key in sorted(after):
        path = _pointer(*place, key)
        if key not in before:
            yield {"op": "add", "path": path, "value": after[key]}
        elif before[key] != after[key] and depth > 1:
            yield from _operations((*place, key), before[key], after[key], depth - 1)
        elif before[key] != after[key]:
            yield {"op": "replace", "path": path, "value": after[key]}


def _pointer(*parts: str) -> str:
    """RFC 6901."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
