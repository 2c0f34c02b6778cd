"""What goes wrong during a run: from a file or an option to events at simulated times.

FAULTS.csv has a header and a row per fault: `what,where,from,until,value`.

| what | where | value |
|---|---|---|
| `down` | a link by a port, its devices or an endpoint for its NIC; a switch or a host: all of its links | |
| `up` | where a `down` above it has no `until`: it ends | |
| `flap` | a link | period: down for the first half, up for the second |
| `errors` | a link | bit error ratio, such as 1e-9, on top of the fabric's |
| `storm` | an endpoint, whose NIC pauses its switch | priority (default: first lossless); `3@6kpps*1000` |
| `slow` | an endpoint, whose host takes data no faster | rate, such as 100G |
| `slow-link` | a link that has come up slower, both ways | rate |
| `straggler` | a host, which sends each message so much later than it could | time, such as 20us |

Of parallel links between two devices, `leaf0:spine1#2` is the third, counted in the order of leaf0's ports.
Times are such as `20us`; without `until` a fault stays.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from raddle.errors import Diagnostic, InputError, SourceSpan, why_unreadable, with_hint
from raddle.lab.workloads.csv_columns import did_you_mean, header_problems, open_csv
from raddle.sim import NEVER
from raddle.topology.model import Fabric, PortRef
from raddle.topology.naming import natural
from raddle.topology.yaml.parsers import parse_error_ratio
from raddle.units import format_rate, parse_rate_bps, parse_time_ps

What = Literal["down", "up", "flap", "errors", "storm", "slow", "slow-link", "straggler"]

WHATS: tuple[What, ...] = get_args(What)
_COLUMNS = ("what", "where", "from", "until", "value")
_ON_LINKS = ("down", "up", "flap", "errors", "slow-link")
_MOST_FLAPS = 10_000
_MOST_QUANTA = 65535
_MOST_FRAMES_PER_S = 10**9
_VALUES: dict[What, str] = {
    "flap": "a period, such as 1ms", "errors": "a bit error ratio, such as 1e-9",
    "slow": "a rate, such as 100G", "slow-link": "a rate, such as 100G", "straggler": "a time, such as 20us",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """`port` is a port of the link, the NIC's, or the first of a host; `until_ps` NEVER: for good. `value` is
    the period or the delay in ps, the bit error ratio, the priority or the rate in bit/s. A storm of single
    PFC frames has their period, and the quanta of 512 bit times for which each halts."""

    what: What
    port: PortRef
    from_ps: int
    until_ps: int
    value: float = 0.0
    period_ps: int = 0
    quanta: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """A fault begins or ends."""

    time_ps: int
    fault: Fault
    is_start: bool


def changes(faults: tuple[Fault, ...]) -> list[Change]:
    """All beginnings and ends in order of time, flaps taken apart; at one time ends come first."""
    found = []
    for fault in _single(faults):
        found.append(Change(fault.from_ps, fault, True))
        if fault.until_ps != NEVER:
            found.append(Change(fault.until_ps, fault, False))
    return sorted(found, key=lambda change: (change.time_ps, change.is_start))


def _single(faults: tuple[Fault, ...]) -> Iterator[Fault]:
    for fault in faults:
        if fault.what != "flap":
            yield fault
            continue
        period = int(fault.value)
        for start in range(fault.from_ps, fault.until_ps, period):
            yield Fault("down", fault.port, start, min(start + period // 2, fault.until_ps))


def read_faults(fabric: Fabric, path: Path) -> tuple[Fault, ...]:
    """Read a fault file.

    Raises:
        InputError: everything that is wrong with it, by line.
    """
    problems: list[Diagnostic] = []
    faults: list[Fault] = []
    try:
        with open_csv(path) as rows:
            first = next(iter(rows), [])
            if wrong := list(header_problems(path, first, _COLUMNS, _COLUMNS[:3])):
                raise InputError(replace(each, code="bad-faults") for each in wrong)
            header = [name.strip() for name in first]
            for cells in rows:
                if not any(cells):
                    continue
                row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
                try:
                    if len(cells) != len(header):
                        raise ValueError(f"{len(cells)} cells, the header has {len(header)}")
                    faults = with_faults(fabric, faults, row)
                except ValueError as error:
                    problems.append(_problem(error, SourceSpan(str(path), rows.line_num, 1)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        what = f"cannot read the file: {why_unreadable(error)}"
        problems.append(Diagnostic("bad-faults", what, SourceSpan(str(path), 1, 1)))
    if problems:
        raise InputError(problems)
    return tuple(faults)


def _problem(error: ValueError, place: SourceSpan | None) -> Diagnostic:
    message, hint = with_hint(error)
    return Diagnostic("bad-faults", message, place, hint)


def parse_failure(fabric: Fabric, text: str) -> tuple[Fault, ...]:
    """`leaf0:Ethernet64@20us..1ms`: the link at that port is down from and until then; `@20us`: for good.

    Of a switch or a host, all links are.

    Raises:
        InputError: it is not of that form, or names no link.
    """
    where, at, span = text.partition("@")
    start, _, end = span.partition("..")
    try:
        if not at:
            raise ValueError(f"'{text}' names no time; write it as leaf0:Ethernet64@20us..1ms")
        return tuple(with_faults(fabric, [], {"what": "down", "where": where, "from": start, "until": end}))
    except ValueError as error:
        raise InputError([_problem(error, None)]) from None


def find_link_port(fabric: Fabric, option: str, text: str) -> PortRef:
    """A cabled port, or the NIC of an endpoint.

    Raises:
        InputError: `text` names none.
    """
    try:
        return link_port(fabric, text)
    except ValueError as error:
        message, hint = with_hint(error)
        raise InputError.of("bad-option", f"{option}: {message}", hint) from None


def with_faults(fabric: Fabric, faults: Sequence[Fault], row: Mapping[str, str]) -> list[Fault]:
    """The faults that there are, and those of a row, its columns by name; `up` ends some.

    Raises:
        ValueError: it is none, or names no part of the fabric; behind "; " is a way out.
    """
    what = next((each for each in WHATS if each == row["what"]), None)
    if what is None:
        raise ValueError(f"'{row['what']}' is no fault; {', '.join(WHATS)} are")
    start = parse_time_ps(row["from"])
    end = parse_time_ps(row["until"]) if row.get("until") else NEVER
    if end <= start:
        raise ValueError(f"it ends at '{row['until']}', not after '{row['from']}' when it begins")
    if what == "flap" and end == NEVER:
        raise ValueError("a flap needs an end; give it an 'until'")
    ports = _ports(fabric, what, row["where"])
    if what == "up":
        return _mended(fabric, faults, ports, row, start)
    if what == "storm":
        return [*faults, *(_storm(fabric, port, start, end, row.get("value", "")) for port in ports)]
    value = _value(what, row, end - start)
    if what in ("slow", "slow-link"):
        _check_speed(fabric, ports[0], value)
    return [*faults, *(Fault(what, port, start, end, value) for port in ports)]


def _ports(fabric: Fabric, what: What, text: str) -> tuple[PortRef, ...]:
    if what in ("down", "up"):
        return ports_at(fabric, text)
    if what == "straggler":
        return (_host_port(fabric, text),)
    return (link_port(fabric, text) if what in _ON_LINKS else _nic_port(fabric, text),)


def ports_at(fabric: Fabric, text: str) -> tuple[PortRef, ...]:
    """The cabled ports of a switch or a host, or the port that names a link.

    Raises:
        ValueError: it is none of them; behind "; " is a way out.
    """
    is_host = any(host.name == text for host in fabric.hosts)
    if text not in fabric.switch_by_name and not is_host:
        return (link_port(fabric, text),)
    ports = tuple(port for port in fabric.link_by_port if port.device == text)
    if not ports:
        raise ValueError(f"{text} has no link")
    return ports


def _mended(
    fabric: Fabric, faults: Sequence[Fault], ports: Sequence[PortRef], row: Mapping[str, str], at_ps: int
) -> list[Fault]:
    """The faults with the last open cut of each link ended."""
    for key in ("until", "value"):
        if row.get(key):
            raise ValueError(f"'{key}' says nothing of an 'up'; leave it out")
    kept = list(faults)
    for port in ports:
        link = fabric.link_by_port[port].index
        for place in reversed(range(len(kept))):
            cut = kept[place]
            is_open = cut.what == "down" and cut.until_ps == NEVER and cut.from_ps < at_ps
            if is_open and fabric.link_by_port[cut.port].index == link:
                kept[place] = replace(cut, until_ps=at_ps)
                break
        else:
            raise ValueError(f"no 'down' above has cut {port} for good before '{row['from']}'; leave it out")
    return kept


def _check_speed(fabric: Fabric, port: PortRef, bps: float) -> None:
    link = fabric.link_by_port[port]
    if bps >= link.speed_bps:
        has = f"{link.a} - {link.b} has, {format_rate(link.speed_bps)}"
        raise ValueError(f"{format_rate(int(bps))} is no less than {has}, and slows nothing; give it less")


def _storm(fabric: Fabric, port: PortRef, start: int, end: int, text: str) -> Fault:
    """`3`: without a gap; `3@6kpps`: frames of 65535 quanta; `3@6kpps*1000`: of 1000 quanta.

    Source: pause_time, IEEE 802.1Q-2022, 36.1.3.2.
    """
    priority, at, frames = text.partition("@")
    default = fabric.roce.lossless[0].priority if fabric.roce.lossless else 0
    if priority and not (priority.isascii() and priority.isdigit() and int(priority) < 8):
        raise ValueError(f"'{priority}' is not a priority from 0 to 7")
    value = float(priority or default)
    if not at:
        return Fault("storm", port, start, end, value)
    if not fabric.roce.pause_quanta:
        raise ValueError(
            "'roce: {pause_quanta: 0}' has pauses that no time ends; give it a value for a storm of frames"
        )
    rate, star, quanta = frames.partition("*")
    if star and not (quanta.isascii() and quanta.isdigit() and int(quanta) <= _MOST_QUANTA):
        raise ValueError(f"'{quanta}' is not a number of pause quanta from 0 to {_MOST_QUANTA}")
    period_ps = round(10**12 / parse_frame_rate(rate))
    return Fault("storm", port, start, end, value, period_ps, int(quanta) if star else _MOST_QUANTA)


def parse_frame_rate(text: str) -> float:
    """`6kpps` as frames per second.

    Raises:
        ValueError: it is no rate from 1pps to 1000Mpps.
    """
    for unit, scale in (("kpps", 10**3), ("Mpps", 10**6), ("pps", 1)):
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit() and number.isascii():
            rate = float(number) * scale
            if 1 <= rate <= _MOST_FRAMES_PER_S:
                return rate
    raise ValueError(f"'{text}' is not a rate of frames from 1pps to 1000Mpps; write it as 6kpps")


def _value(what: What, row: Mapping[str, str], span_ps: int) -> float:
    text = row.get("value", "")
    if what == "down":
        if text:
            raise ValueError(f"a cut has no value such as '{text}'; leave it out")
        return 0.0
    if not text:
        raise ValueError(f"'{what}' needs a value; {_VALUES[what]}")
    if what in ("slow", "slow-link"):
        rate = parse_rate_bps(text)
        if rate <= 0:
            raise ValueError(f"'{text}' is not a rate above 0")
        return float(rate)
    if what == "errors":
        return parse_error_ratio(text)
    if what == "straggler":
        return float(parse_time_ps(text))
    period = parse_time_ps(text)
    if period < 2 or span_ps // period > _MOST_FLAPS:
        raise ValueError(f"a period of '{text}' flaps more than {_MOST_FLAPS} times; take a longer one")
    return float(period)


def link_port(fabric: Fabric, text: str) -> PortRef:
    """A port of the link that is named by a port, by its two devices, or by an endpoint.

    Raises:
        ValueError: none is; behind "; " is a way out.
    """
    device, colon, port = text.partition(":")
    ref = PortRef(device, port) if colon else _nic_port(fabric, text)
    if ref in fabric.link_by_port:
        return ref
    far, _, number = port.partition("#")
    ports = sorted((end.port for end in _ends_towards(fabric, device, far)), key=natural)
    if not ports:
        raise ValueError(
            f"'{text}' is at no link; name a cabled port (leaf0:Ethernet64), two devices (leaf0:spine1) or an"
            " endpoint"
        )
    if not number and len(ports) > 1:
        raise ValueError(f"'{text}' has {len(ports)} links; name one, as in {device}:{far}#0")
    if number and not (number.isascii() and number.isdigit() and int(number) < len(ports)):
        raise ValueError(f"'{text}' is none of the {len(ports)} links; they count from {device}:{far}#0")
    return PortRef(device, ports[int(number or 0)])


def _ends_towards(fabric: Fabric, device: str, far: str) -> Iterator[PortRef]:
    for link in fabric.links:
        for near, other in ((link.a, link.b), (link.b, link.a)):
            if (near.device, other.device) == (device, far):
                yield near


def _host_port(fabric: Fabric, text: str) -> PortRef:
    for endpoint in fabric.endpoints:
        if fabric.hosts[endpoint.host].name == text:
            return PortRef(text, endpoint.nic)
    guess = did_you_mean(text, [host.name for host in fabric.hosts])
    raise ValueError(f"'{text}' is no host; {guess or 'write it as host3'}")


def _nic_port(fabric: Fabric, text: str) -> PortRef:
    for endpoint in fabric.endpoints:
        if endpoint.name == text or f"{fabric.hosts[endpoint.host].name}:{endpoint.nic}" == text:
            return PortRef(fabric.hosts[endpoint.host].name, endpoint.nic)
    guess = did_you_mean(text, [endpoint.name for endpoint in fabric.endpoints])
    raise ValueError(f"'{text}' is no endpoint; {guess or 'write it as host3 or host3:eth0'}")
