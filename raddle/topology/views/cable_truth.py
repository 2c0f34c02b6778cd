"""Cable truth: what is plugged in where (from LLDP, say), compared with what the fabric file says."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.topology.model import Fabric, PortRef
from raddle.topology.yaml.reading import did_you_mean
from raddle.topology.yaml.source import MAX_PROBLEMS, read_text, refuse_all

COLUMNS = ("a_device", "a_port", "b_device", "b_port")
"""Columns that a list of cables must have, those of `raddle show FABRIC cables --format csv`."""


@dataclass(frozen=True, slots=True)
class SeenCable:
    """A cable as it was seen from its end `a`, and where a list says so."""

    a: PortRef
    b: PortRef
    span: SourceSpan | None


def read_cables(path: Path) -> tuple[SeenCable, ...]:
    """The cables of a CSV file with the columns `COLUMNS` (others are ignored), one row per end or per cable.

    Raises:
        InputError: the file cannot be read, lacks a column, or has rows without values.
    """
    lines = read_text(path).splitlines()
    rows = csv.DictReader(lines)
    missing = [name for name in COLUMNS if name not in _columns(rows, path, lines)]
    if missing:
        span = SourceSpan(str(path), 1, 1, text=lines[0] if lines else "")
        hint = f"its first line must name {', '.join(COLUMNS)}"
        message = f"the list of cables has no column '{missing[0]}'"
        raise InputError([Diagnostic("bad-cable-list", message, span, hint)])
    cables, problems = [], []
    for row in _rows(rows, path, lines):
        span = SourceSpan(str(path), rows.line_num, 1, text=lines[rows.line_num - 1])
        values = [row[name] or "" for name in COLUMNS]
        if all(values):
            cables.append(SeenCable(PortRef(*values[:2]), PortRef(*values[2:]), span))
        else:
            problems.append(Diagnostic("bad-cable-list", "a cable needs two devices and two ports", span))
    refuse_all(problems)
    return tuple(cables)


def _columns(rows: csv.DictReader[str], path: Path, lines: list[str]) -> Sequence[str]:
    try:
        return rows.fieldnames or ()
    except csv.Error as error:
        raise _no_csv(error, 1, path, lines) from None


def _rows(rows: csv.DictReader[str], path: Path, lines: list[str]) -> Iterator[dict[str, str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise _no_csv(error, rows.line_num, path, lines) from None


def _no_csv(error: csv.Error, line: int, path: Path, lines: list[str]) -> InputError:
    span = SourceSpan(str(path), line, 1, text=lines[line - 1] if 0 < line <= len(lines) else "")
    return InputError([Diagnostic("bad-cable-list", f"this is no row of a CSV file: {error}", span)])


def planned_names(fabric: Fabric, seen: Iterable[SeenCable]) -> tuple[SeenCable, ...]:
    """Cables with the fabric's own names of devices and ports.

    A switch says over LLDP which port it is by its alias, and devices by their host name: in any case, and
    perhaps with a domain. What the fabric has no name for is left as it is.
    """
    names = [*fabric.switch_by_name, *(host.name for host in fabric.hosts)]
    devices = {name.lower(): name for name in names}
    ports = {(switch.name, port.name): port.name for switch in fabric.switches for port in switch.ports}
    aliases = {(switch.name, port.alias): port.name for switch in fabric.switches for port in switch.ports}

    def named(end: PortRef) -> PortRef:
        said = end.device.lower()
        device = devices.get(said) or devices.get(said.partition(".")[0], end.device)
        port = ports.get((device, end.port)) or aliases.get((device, end.port), end.port)
        return PortRef(device, port)

    return tuple(SeenCable(named(cable.a), named(cable.b), cable.span) for cable in seen)


def compare_cables(fabric: Fabric, seen: tuple[SeenCable, ...]) -> tuple[Diagnostic, ...]:
    """What is plugged in otherwise than the fabric says, up to `MAX_PROBLEMS`.

    A cable at a wrong port is told once, with the port where it should be; a link that is up and that no
    row shows is missing. Links that are down may be seen or not.
    """
    problems = list(dict.fromkeys(_seen_problems(fabric, seen)))
    told = {end for cable in seen for end in (cable.a, cable.b)}
    for link in fabric.links:
        if link.is_up and link.a not in told and link.b not in told:
            message = f"no cable is seen between {link.a} and {link.b}"
            problems.append(Diagnostic("cable-missing", message, hint="plug it in, or set its state to down"))
    return tuple(problems[:MAX_PROBLEMS])


def _seen_problems(fabric: Fabric, seen: tuple[SeenCable, ...]) -> Iterator[Diagnostic]:
    should = {end: other for link in fabric.links for end, other in ((link.a, link.b), (link.b, link.a))}
    devices = {*fabric.switch_by_name, *(host.name for host in fabric.hosts)}
    told: set[frozenset[PortRef]] = set()
    for cable in seen:
        ends = frozenset((cable.a, cable.b))
        if ends in told or should.get(cable.a) == cable.b:
            continue
        told.add(ends)
        unknown = [end.device for end in (cable.a, cable.b) if end.device not in devices]
        if unknown:
            hint = did_you_mean(unknown[0], devices)
            yield Diagnostic("cable-unknown", f"the fabric has no device '{unknown[0]}'", cable.span, hint)
        else:
            yield _misplaced(cable, should)


def _misplaced(cable: SeenCable, should: Mapping[PortRef, PortRef]) -> Diagnostic:
    expected_b, expected_a = should.get(cable.a), should.get(cable.b)
    if expected_b is None and expected_a is None:
        message = f"{cable.a} and {cable.b} should have no cable"
        return Diagnostic("cable-unknown", message, cable.span, "unplug it, or list it")
    if expected_b is None:
        message, hint = (
            f"{cable.a} should have no cable",
            f"move it to {expected_a}, which {cable.b} leads to",
        )
    else:
        message = f"{cable.a} leads to {cable.b}; it should lead to {expected_b}"
        hint = f"move that end to {expected_b}"
    return Diagnostic("cable-wrong", message, cable.span, hint)
