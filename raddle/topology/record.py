"""The allocation record: what every switch, host and cable was given, so that it stays when others come.

A JSON file beside the fabric file, one line per entry, made for `git diff`. What is gone from the fabric
stays in it, marked, so that its numbers are nobody else's while there are others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.topology.allocation import overlaps
from raddle.topology.devices import PortRef, Role

SCHEMA_VERSION = 1

Slot = tuple[int, ...]
"""Place in a form: of a leaf (plane, pod, group, member), of a spine (plane, pod, n), of a superspine
(plane, n of the spines below, n), of a host (pod, group, kind, n); empty in an explicit fabric."""


@dataclass(frozen=True, slots=True)
class SwitchEntry:
    """What a switch was given: MAC and AS number, loopbacks (one per family), a leaf's host prefixes."""

    role: Role
    slot: Slot
    mac: str
    asn: int
    loopbacks: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class HostEntry:
    slot: Slot
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class CableEntry:
    """The prefixes of a cable, one per family; none if unnumbered.

    The upper end has the even address, or with `lower_is_even` the lower one.
    """

    prefixes: tuple[str, ...]
    is_gone: bool = False
    lower_is_even: bool = False


Fields = dict[str, str | list[str]]
"""Fields of an entry of a switch's configuration."""


@dataclass(frozen=True, slots=True)
class AdoptedEntry:
    """What a switch held when it was adopted, where it was not what the plan would have.

    Attributes:
        planned: the plan's fields of then that differ; None where it had no such entry.
        held: the switch's; None where it had none.
        called: the entry's name on the switch, where the plan calls it otherwise.
    """

    planned: Fields | None
    held: Fields | None
    called: str = ""


@dataclass(frozen=True)
class Record:
    """Entries by name; those of cables by their ends, lower first: `leaf0:Ethernet8 spine1:Ethernet0`.
    What was adopted is by switch and entry: `leaf0 PORT|Ethernet0`.

    `templates` are the naming templates that names were made by: of `leaf`, `spine`, `superspine`, and of
    `host0`, `host1` for each kind of hosts; None where the file gives none.
    """

    fabric: str
    templates: dict[str, str | None] = field(default_factory=dict)
    switches: dict[str, SwitchEntry] = field(default_factory=dict)
    hosts: dict[str, HostEntry] = field(default_factory=dict)
    cables: dict[str, CableEntry] = field(default_factory=dict)
    adopted: dict[str, AdoptedEntry] = field(default_factory=dict)

    @cached_property
    def adopted_by_switch(self) -> dict[str, dict[str, AdoptedEntry]]:
        """What was adopted of each switch, by `TABLE|KEY`."""
        found: dict[str, dict[str, AdoptedEntry]] = {}
        for place, entry in self.adopted.items():
            switch, _, name = place.partition(" ")
            found.setdefault(switch, {})[name] = entry
        return found

    @cached_property
    def ends_by_pair(self) -> dict[tuple[str, str], list[tuple[PortRef, PortRef]]]:
        """The cables between two devices, lower and upper: those that are there first, then those gone."""
        pairs: dict[tuple[str, str], list[tuple[PortRef, PortRef]]] = {}
        for key in sorted(self.cables, key=lambda key: self.cables[key].is_gone):
            a, b = ends_of(key)
            pairs.setdefault((a.device, b.device), []).append((a, b))
        return pairs

    @property
    def gone(self) -> int:
        """Entries of what is gone."""
        devices = [each.is_gone for part in (self.switches, self.hosts) for each in part.values()]
        return sum(devices) + sum(each.is_gone for each in self.cables.values())

    def renamed(self, names: Mapping[str, str]) -> Record:
        """The record with other names of devices."""
        if all(old == new for old, new in names.items()):
            return self

        def end(ref: PortRef) -> PortRef:
            return PortRef(names.get(ref.device, ref.device), ref.port)

        cables = {}
        for key, cable in self.cables.items():
            a, b = ends_of(key)
            cables[cable_key(end(a), end(b))] = cable
        # What is there comes last, and so wins over what is gone, where a name comes back for another device.
        switches = sorted(self.switches.items(), key=lambda item: not item[1].is_gone)
        adopted = {}
        for place, entry in self.adopted.items():
            switch, _, name = place.partition(" ")
            adopted[f"{names.get(switch, switch)} {name}"] = entry
        hosts = sorted(self.hosts.items(), key=lambda item: not item[1].is_gone)
        return replace(
            self,
            switches={names.get(name, name): switch for name, switch in switches},
            hosts={names.get(name, name): host for name, host in hosts},
            cables=cables,
            adopted=adopted,
        )

    def released(self) -> Record:
        """The record without what is gone."""
        return replace(
            self,
            switches={name: entry for name, entry in self.switches.items() if not entry.is_gone},
            hosts={name: entry for name, entry in self.hosts.items() if not entry.is_gone},
            cables={key: entry for key, entry in self.cables.items() if not entry.is_gone},
        )


def cable_key(lower: PortRef, upper: PortRef) -> str:
    return f"{lower} {upper}"


def ends_of(key: str) -> tuple[PortRef, PortRef]:
    """The lower and upper end of a cable's key."""
    a, _, b = key.partition(" ")
    return PortRef(*a.split(":", 1)), PortRef(*b.split(":", 1))


def mac_text(mac: int) -> str:
    """2199023255552 -> `02:00:00:00:00:00`."""
    return ":".join(f"{octet:02x}" for octet in mac.to_bytes(6))


def mac_number(text: str) -> int:
    return int(text.replace(":", ""), 16)


def record_json(record: Record) -> str:
    """The record as JSON, an entry a line, in natural order; the same bytes for equal records."""
    sections = []
    for name in ("switches", "hosts", "cables", *(("adopted",) if record.adopted else ())):
        entries: dict[str, Any] = getattr(record, name)
        lines = [f"  {json.dumps(key)}: {_line(entries[key])}" for key in sorted(entries, key=_natural)]
        sections.append(f' "{name}": {{\n' + ",\n".join(lines) + "\n }")
    head = f' "schema_version": {SCHEMA_VERSION},\n "fabric": {json.dumps(record.fabric)},'
    head += f'\n "templates": {json.dumps(record.templates, sort_keys=True)},\n'
    return "{\n" + head + ",\n".join(sections) + "\n}\n"


def read_record(path: Path) -> Record | None:
    """The record in a file; None where there is no file yet.

    Raises:
        InputError: `bad-record` or `record-clash`, at the line that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.unreadable("bad-record", path, error) from None
    return parse_record(text, str(path))


def parse_record(text: str, file: str) -> Record:
    """Read a record that `record_json` wrote and somebody may have edited; `file` is its name in messages."""
    hint = "restore it from version control; without it everything is numbered anew"
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InputError.no_json("bad-record", text, file, error, hint) from None
    except _TwiceError as error:
        span = _place(text, file, str(error))
        message = f"'{error}' is there twice"
        raise InputError([Diagnostic("bad-record", message, span, "delete one of the two")]) from None
    version = document.pop("schema_version", None) if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        message = f"'{file}' is no allocation record of version {SCHEMA_VERSION}"
        raise InputError([Diagnostic("bad-record", message, SourceSpan.within(text, file, 1, 1), hint)])
    try:
        record = _ADAPTER.validate_python(document)
    except ValidationError as error:
        raise InputError(
            Diagnostic(
                "bad-record", _problem_text(problem), _place(text, file, *map(str, problem["loc"])), hint
            )
            for problem in error.errors(include_url=False)[:20]
        ) from None
    if problems := list(_bad_texts(record, text, file)) or list(_clashes(record, text, file)):
        raise InputError(problems[:20])
    return record


_ADAPTER = TypeAdapter(Record)
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


class _TwiceError(Exception):
    """A key that a mapping has twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in keys if keys.count(key) > 1))
    return found


_LEFT_OUT = ("is_gone", "lower_is_even", "called")
"""Fields that are not written where they are false or empty."""


def _line(entry: SwitchEntry | HostEntry | CableEntry | AdoptedEntry) -> str:
    values = {key: value for key, value in asdict(entry).items() if key not in _LEFT_OUT or value}
    return json.dumps(values)


def _natural(key: str) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", key)]


def _problem_text(problem: Any) -> str:
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def _clashes(record: Record, text: str, file: str) -> Iterator[Diagnostic]:
    """Numbers that two have."""
    owner: dict[object, str] = {}
    claims: list[tuple[object, str]] = [(entry.mac, name) for name, entry in record.switches.items()]
    claims += [(address, name) for name, entry in record.switches.items() for address in entry.loopbacks]
    claims += [(end, key) for key in _standing(record) for end in ends_of(key)]
    for what, name in claims:
        first = owner.setdefault(what, name)
        if first != name:
            yield _clash(str(what), first, name, text, file)
    blocks = [(prefix, name) for name, entry in record.switches.items() for prefix in entry.hosts]
    yield from _overlaps(blocks, text, file)
    blocks = [(prefix, key) for key, entry in record.cables.items() for prefix in entry.prefixes]
    yield from _overlaps(blocks, text, file)


def _standing(record: Record) -> Iterable[str]:
    return (key for key, entry in record.cables.items() if not entry.is_gone)


def _bad_texts(record: Record, text: str, file: str) -> Iterator[Diagnostic]:
    def bad(what: str, name: str) -> Diagnostic:
        return Diagnostic("bad-record", what, _place(text, file, name), "mend it, or delete the entry")

    for name, switch in record.switches.items():
        if not _MAC.fullmatch(switch.mac):
            yield bad(f"'{switch.mac}' of '{name}' is not a MAC address such as 02:00:00:00:00:01", name)
        for prefix in switch.hosts:
            if not _size(prefix):
                yield bad(f"'{prefix}' of '{name}' is not a prefix", name)
        for address in switch.loopbacks:
            if _size(address) != 1:
                yield bad(f"'{address}' of '{name}' is not an address", name)
    for place in record.adopted:
        if not re.fullmatch(r"\S+ [^|\s]+\|.+", place):
            yield bad(f"'{place}' does not name a switch and an entry of it", place)
    for key, cable in record.cables.items():
        if not re.fullmatch(r"[^ :]+:[^ :]+ [^ :]+:[^ :]+", key):
            yield bad(f"'{key}' does not name two ports", key)
        for prefix in cable.prefixes:
            if _size(prefix) != 2:
                yield bad(f"'{prefix}' of '{key}' is not a prefix of two addresses", key)


def _size(prefix: str) -> int:
    """Addresses of a prefix; 0 of what is none."""
    try:
        return ip_network(prefix).num_addresses
    except ValueError:
        return 0


def _overlaps(prefixes: list[tuple[str, str]], text: str, file: str) -> Iterator[Diagnostic]:
    """Prefixes of two entries that overlap."""
    for version in (4, 6):
        blocks = []
        for prefix, name in prefixes:
            network = ip_network(prefix)
            if network.version == version:
                blocks.append(((int(network.network_address), network.num_addresses), prefix, name))
        blocks.sort()
        for i in range(1, len(blocks)):
            (before, _, first), (block, prefix, name) = blocks[i - 1], blocks[i]
            if overlaps(block, [before]):
                yield _clash(prefix, first, name, text, file)


def _clash(what: str, first: str, second: str, text: str, file: str) -> Diagnostic:
    related = (_place(text, file, first), f"'{first}' has it here")
    message = f"'{what}' is given to both '{first}' and '{second}'"
    hint = "delete one entry; what has none is given a new one"
    return Diagnostic("record-clash", message, _place(text, file, second), hint, related)


def _place(text: str, file: str, *keys: str) -> SourceSpan:
    """Where the last of some nested keys stands in the text that is found by its name alone."""
    at = 0
    for key in keys:
        found = text.find(f"{json.dumps(key)}:", at)
        at = found if found >= 0 else at
    return SourceSpan.within(text, file, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
