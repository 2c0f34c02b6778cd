"""From what a switch holds to what it should hold: the smallest Sets that SONiC accepts.

An update replaces the node at its path; a node can only be added below one that exists, so a missing table is
created by updating the whole table; a table may not be left empty, so it is deleted as a table.

Source: sonic-gnmi mixed_db_client.go; sonic-utilities generic_config_updater: patch_sorter.py
(what makes it take a port down first) and field_operation_validators.py (what it refuses).
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from finsy.proto import gnmi

from raddle.controller.plan.diff import Change
from raddle.controller.southbound.sonic.breakout import (
    REFERENCES,
    Breakout,
    breakout,
    dangling,
    updater_of,
    without,
)
from raddle.controller.southbound.sonic.port_rows import POOLS, surplus
from raddle.controller.southbound.sonic.tables import OWNED_TABLES, Tables
from raddle.hwsku import Updater
from raddle.topology.naming import natural

MOVES_PER_SET = 500
"""Changes that go into one Set, so that a switch is done within SONiC's 600 s even if it is slow."""

SECONDS_PER_MOVE = 0.4
"""How long a switch takes for one change. Measured with the Generic Config Updater of 2026 on a 64-port
configuration: 0.25 to 0.55 s for a patch of one move, 1.35 s for three, 1.44 s for four."""

FLAPPING_TABLES = (
    "BUFFER_PG",
    "BUFFER_PORT_EGRESS_PROFILE_LIST",
    "BUFFER_PORT_INGRESS_PROFILE_LIST",
    "BUFFER_QUEUE",
    "PORT_QOS_MAP",
    "QUEUE",
)
"""Tables whose entries of a port are changed with the port taken down before and up after."""

_FLAP_MOVES = 2
_REFERRED = frozenset(REFERENCES.values())
_LIVE_PORT_FIELDS = ("admin_status", "mtu", "fec", "speed")
_FLAPPING_PORT_FIELDS = ("admin_status", "fec", "speed")


@dataclass(frozen=True, slots=True)
class _Step:
    """One gNMI operation: of a table (no key), an entry (no field) or a field; None deletes."""

    table: str
    key: str = ""
    field: str = ""
    value: object = None

    def add_to(self, request: gnmi.SetRequest) -> None:
        path = db_path("CONFIG_DB", "localhost", *filter(None, (self.table, self.key, self.field)))
        if self.value is None:
            request.delete.append(path)
            return
        request.update.append(gnmi.Update(path=path, val=json_value(self.value)))


@dataclass(frozen=True, slots=True)
class Push:
    """What takes a switch from what it holds to what it should hold.

    Attributes:
        requests: Sets, in order.
        flaps: ports that are up and go down on the way, or with a breakout; not those that are to be down.
        bootstrap: paths (`BUFFER_POOL/egress_lossless_pool`) that no Set can change on a running switch;
            they come with a new config_db.json.
        moves: changes that the switch makes one after the other.
    """

    requests: tuple[gnmi.SetRequest, ...] = ()
    flaps: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    moves: int = 0

    @property
    def estimate_s(self) -> float:
        """About how long SONiC hardware takes for it."""
        return self.moves * SECONDS_PER_MOVE


def plan_push(
    current: Tables,
    wanted: Tables,
    owned_tables: Iterable[str] = OWNED_TABLES,
    foreign: Container[str] = (),
    build: str = "",
) -> Push:
    """The smallest Sets that take a switch from `current` to `wanted`.

    Every entry of an owned table is the plan's, so what is not wanted there is deleted, except what belongs
    to the management VRF and what is `foreign` (`TABLE/KEY`). Of other tables only the wanted fields of the
    wanted entries are touched, and of cabled ports what is `surplus` goes. Ports that come, go or get other
    lanes are changed in the first Set, with all that names them; changes that flap a port are in a Set of
    their own for each port, after all others. After every Set, nothing refers to what is not there. What the
    updater of the switch's chip and `build` refuses, and buffer pools, are left to config_db.json.
    """
    owned = set(owned_tables)
    broken = breakout(current, wanted, build)
    if broken.faster:
        return _in_two(current, wanted, owned, foreign, broken, build)
    first: list[_Step] = []
    steps: list[_Step] = []
    by_port: dict[str, list[_Step]] = {}
    live, bootstrap = _live(current, wanted, broken, updater_of(current, build))
    for table in sorted(wanted.keys() | owned):
        if not live.get(table) and wanted.get(table):
            continue
        have, want = current.get(table, {}), live.get(table, {})
        if have == want:
            continue
        is_owned = table in owned
        gone = (
            _ours(table, have, foreign) if is_owned else surplus(table, have, wanted, foreign)
        ) - want.keys()
        if table == POOLS:  # which no running switch gives up
            bootstrap += [f"{table}/{key}" for key in gone]
            gone = set()
        for step in _table_steps(table, have, want, is_owned, gone):
            port = _flapped_port(step)
            if broken.ports and (broken.names(table, step.key, step.field) or table in _REFERRED):
                first.append(step)
            elif port:
                by_port.setdefault(port, []).append(step)
            else:
                steps.append(step)
    first += [step for step in _going(current, live, broken) if step not in first]
    steps.sort(key=_order)
    requests = [_request(first)] if first else []
    requests += [
        _request(steps[start : start + MOVES_PER_SET]) for start in range(0, len(steps), MOVES_PER_SET)
    ]
    requests += [_request(port_steps) for port_steps in by_port.values()]
    ports = current.get("PORT", {})
    shut = {port for port, fields in wanted.get("PORT", {}).items() if fields.get("admin_status") == "down"}
    touched = [*sorted(broken.ports), *(port for port in by_port if port not in shut)]
    flaps = tuple(port for port in touched if ports.get(port, {}).get("admin_status") == "up")
    moves = len(first) + len(steps) + sum(map(len, by_port.values())) + _FLAP_MOVES * len(flaps)
    return Push(tuple(requests), flaps, tuple(sorted(bootstrap)), moves)


def _in_two(
    current: Tables, wanted: Tables, owned: set[str], foreign: Container[str], broken: Breakout, build: str
) -> Push:
    """Take the ports away that must go before they come, with all that names them; then the rest."""
    away = Breakout(gone=broken.gone | broken.faster)
    steps = list(_going(current, {}, away))
    rest = plan_push(without(current, away.leftovers(current)), wanted, owned, foreign, build)
    up = {port for port in away.gone if current["PORT"][port].get("admin_status") == "up"}
    return Push(
        (_request(steps), *rest.requests),
        tuple(sorted(up | set(rest.flaps))),
        rest.bootstrap,
        len(steps) + rest.moves,
    )


def _live(current: Tables, wanted: Tables, broken: Breakout, updater: Updater) -> tuple[Tables, list[str]]:
    """What of the wanted a running switch takes, and the paths of the rest with all that refers to it."""
    live: Tables = {
        table: {
            key: fields
            for key, fields in rows.items()
            if not _needs_bootstrap(table, key, fields, current, broken, updater)
        }
        if rows != current.get(table)
        else dict(rows)
        for table, rows in wanted.items()
    }
    lost = [(table, key) for table, rows in wanted.items() for key in rows if key not in live[table]]
    absent: set[tuple[str, str]] = set()
    while new := {(table, key) for table, key in lost if key not in current.get(table, {})} - absent:
        absent |= new
        lost = [
            (table, key)
            for table, rows in live.items()
            for key, fields in rows.items()
            if dangling(table, key, fields, absent)
        ]
        for table, key in lost:
            del live[table][key]
    return live, [
        f"{table}/{key}" for table, rows in wanted.items() for key in rows if key not in live[table]
    ]


def _going(current: Tables, live: Tables, broken: Breakout) -> Iterator[_Step]:
    """Deletes of what goes with ports; a table that would be empty goes as a whole."""
    left = list(broken.leftovers(current))
    for table in dict.fromkeys(table for table, _, _ in left):
        own = [(key, field) for each, key, field in left if each == table]
        if {key for key, field in own if not field} == current[table].keys() and not live.get(table):
            yield _Step(table)
        else:
            yield from (_Step(table, key, field) for key, field in own)


def differences(
    switch: str,
    current: Tables,
    wanted: Tables,
    owned_tables: Iterable[str] = OWNED_TABLES,
    foreign: Container[str] = (),
    build: str = "",
) -> Iterator[Change]:
    """How `current` differs from `wanted`, entry by entry (`STATIC_ROUTE/default|10.0.1.0/27`).

    Of an entry in a table that is not owned, only the wanted fields count and are told; of others what is
    `surplus`.
    """
    owned = set(owned_tables)
    for table in sorted(wanted.keys() | owned):
        have, want = current.get(table, {}), wanted.get(table, {})
        if have == want:
            continue
        more = _ours(table, have, foreign) if table in owned else surplus(table, have, wanted, foreign)
        changed = [
            key
            for key in want.keys() | more
            if _changed_fields(have.get(key), want.get(key), table in owned) is not None
        ]
        for key in sorted(changed, key=natural):
            before, after = have.get(key), want.get(key)
            if before and after is not None and table not in owned:
                before = {name: value for name, value in before.items() if name in after}
            yield Change(switch, f"{table}/{key}", entry_text(before), entry_text(after))
    for table, key, field in breakout(current, wanted, build).leftovers(current):
        if not field and table not in owned:
            yield Change(switch, f"{table}/{key}", entry_text(current[table][key]), "")


def with_ports(current: Tables, wanted: Tables, ports: Container[str]) -> Tables:
    """The tables that flap a port, with entries of some ports as wanted, and what is new and referred to."""
    tables = {
        table: {
            key: fields for key, fields in wanted.get(table, {}).items() if key not in current.get(table, {})
        }
        for table in _REFERRED
    }
    for table in FLAPPING_TABLES:
        own = {key: each for key, each in wanted.get(table, {}).items() if key.partition("|")[0] in ports}
        rest = current.get(table, {}).items()
        tables[table] = {key: each for key, each in rest if key.partition("|")[0] not in ports} | own
    return tables


def restored(before: Tables, now: Tables, wanted: Tables, paths: Iterable[str]) -> Tables:
    """Tables of `now` with the entries at `paths` (`TABLE/KEY`) as they were in `before`.

    An entry of which a field is neither as it was nor as `wanted` is left alone: someone else has written it.
    """
    tables: Tables = {}
    for path in paths:
        table, _, key = path.partition("/")
        sides = before.get(table, {}).get(key), wanted.get(table, {}).get(key)
        if not _is_between(now.get(table, {}).get(key), *sides):
            continue
        entries = tables.setdefault(table, dict(now.get(table, {})))
        entries.pop(key, None)
        if key in before.get(table, {}):
            entries[key] = before[table][key]
    return tables


def _is_between(
    now: dict[str, str] | None, before: dict[str, str] | None, want: dict[str, str] | None
) -> bool:
    """Whether a push from `before` to `want`, broken off anywhere, can have left an entry as it is now."""
    if now is None:
        return before is None or want is None
    old, new = before or {}, want or {}
    return all(
        now.get(name) in (old.get(name), new.get(name)) for name in now.keys() | old.keys() | new.keys()
    )


def db_path(*elems: str) -> gnmi.Path:
    """A path; SONiC joins the elements to a JSON pointer, so `~` and `/` are escaped (RFC 6901)."""
    escaped = (elem.replace("~", "~0").replace("/", "~1") for elem in elems)
    return gnmi.Path(origin="sonic-db", elem=[gnmi.PathElem(name=name) for name in escaped])


def json_value(value: object) -> gnmi.TypedValue:
    """JSON_IETF, the one encoding that SONiC takes in a Set."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return gnmi.TypedValue(json_ietf_val=text.encode())


def _request(steps: list[_Step]) -> gnmi.SetRequest:
    request = gnmi.SetRequest()
    for step in steps:
        step.add_to(request)
    return request


def _table_steps(
    table: str,
    have: dict[str, dict[str, str]],
    want: dict[str, dict[str, str]],
    is_owned: bool,
    gone: set[str],
) -> Iterator[_Step]:
    """Updates before deletes, and children (`Ethernet0|10.0.0.0/31`) deleted before what they hang on, so
    that the table is valid and not empty wherever a long list of steps is cut."""
    if have and not want and len(gone) == len(have):
        yield _Step(table)
        return
    if want and not have:
        yield from _new_table(table, want)
        return
    for key, fields in sorted(want.items()):
        changed = _changed_fields(have.get(key), fields, is_owned)
        if changed is None:
            continue
        if is_owned or key not in have or changed.keys() == fields.keys() == have[key].keys():
            yield _Step(table, key, value=fields)
        else:
            yield from (_Step(table, key, name, value) for name, value in sorted(changed.items()))
    for key in sorted(gone, reverse=True):
        yield _Step(table, key)


def _new_table(table: str, want: dict[str, dict[str, str]]) -> Iterator[_Step]:
    """One step; where it would flap all ports at once, the first entry makes the table."""
    if table not in FLAPPING_TABLES:
        yield _Step(table, value=want)
        return
    (first, fields), *rest = sorted(want.items())
    yield _Step(table, value={first: fields})
    yield from (_Step(table, key, value=fields) for key, fields in rest)


def _changed_fields(
    have: dict[str, str] | None, want: dict[str, str] | None, is_owned: bool
) -> dict[str, str] | None:
    """The wanted fields that differ; None where the entry is as wanted."""
    if have is None or want is None:
        return None if have == want else (want or {})
    changed = {name: value for name, value in want.items() if have.get(name) != value}
    return changed if changed or (is_owned and have.keys() != want.keys()) else None


def _order(step: _Step) -> int:
    """What others refer to comes first and goes last."""
    if step.table in _REFERRED:
        return 2 if step.value is None else 0
    return 1


def _flapped_port(step: _Step) -> str:
    """The port that a step takes down and up; empty if none."""
    key = step.key
    if step.table in FLAPPING_TABLES:
        if not key and isinstance(step.value, dict):
            key = next(iter(step.value))
        port = key.partition("|")[0]
        return "" if port == "global" else port
    return key if step.table == "PORT" and step.field in _FLAPPING_PORT_FIELDS else ""


def _needs_bootstrap(
    table: str, key: str, want: dict[str, str], current: Tables, broken: Breakout, updater: Updater
) -> bool:
    """Whether an entry differs in a way that only a new config_db.json can bring."""
    have = current.get(table, {}).get(key)
    changed = _changed_fields(have, want, is_owned=False)
    if changed is None:
        return False
    match table:
        case "BUFFER_POOL" | "DEVICE_METADATA":
            return True
        case "PORT":
            return key not in broken.made and (have is None or not changed.keys() <= set(_LIVE_PORT_FIELDS))
        case "BUFFER_PROFILE" | "PFC_WD":
            return not _is_allowed(table, key, have, changed, current, updater)
    return False


def _is_allowed(
    table: str,
    key: str,
    have: dict[str, str] | None,
    changed: dict[str, str],
    current: Tables,
    updater: Updater,
) -> bool:
    """Whether the updater takes what its own difference makes of a change: of a table, an entry or fields."""
    if table not in current:
        return updater.allows("add", (table,), {key: changed})
    if have is None:
        return updater.allows("add", (table, key), changed)
    return all(
        updater.allows("replace" if name in have else "add", (table, key, name), value)
        for name, value in changed.items()
    )


def _ours(table: str, entries: Iterable[str], foreign: Container[str]) -> set[str]:
    """Entries of an owned table without the operator's: routes of the management VRF, and what is foreign."""
    return {key for key in entries if not key.startswith("mgmt|") and f"{table}/{key}" not in foreign}


def entry_text(fields: dict[str, str] | None) -> str:
    """An entry as one line; an entry without fields is `{}`, an absent one empty."""
    if fields is None:
        return ""
    return " ".join(f"{name}={_text(value)}" for name, value in sorted(fields.items())) or "{}"


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ",".join(value)
