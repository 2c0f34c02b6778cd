"""Switches as they stand -> a fabric file and its record, by which nothing on the switches changes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from raddle.controller.plan.growth import record_of
from raddle.controller.plan.make import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.southbound.sonic.adopted import adopt
from raddle.controller.southbound.sonic.ownership import Ownership
from raddle.controller.southbound.sonic.sets import differences
from raddle.controller.southbound.sonic.tables import OWNED_TABLES, Tables, planned
from raddle.errors import InputError
from raddle.peers.importing import exact_rate
from raddle.peers.sonic.cables import Cabling, find_cables
from raddle.peers.sonic.findings import Finding
from raddle.peers.sonic.numbers import Link, Numbers, find_numbers
from raddle.peers.sonic.panel import Models, find_models
from raddle.peers.sonic.policy import hash_line, hash_start, roce_lines
from raddle.peers.sonic.reading import HeldSwitch
from raddle.peers.sonic.tiers import ROLES, Seats, seat
from raddle.topology.load import load
from raddle.topology.model import PortRef
from raddle.topology.naming import natural
from raddle.topology.record import AdoptedEntry, record_json
from raddle.topology.views.cable_truth import SeenCable

_CABLE_M = {"host": 3.0, "switch": 30.0}


@dataclass(frozen=True)
class Adoption:
    """The two files, and what a person should know of them."""

    fabric: str
    record: str
    switches: int
    hosts: int
    cables: int
    findings: tuple[Finding, ...]


def adopt_switches(
    name: str, record_name: str, switches: Sequence[HeldSwitch], listed: Sequence[SeenCable] = ()
) -> Adoption:
    """A fabric file by which a first apply changes nothing.

    Args:
        record_name: what the fabric file calls its record.
        listed: cables of a list, which count before what the switches say.

    Raises:
        InputError: `not-in-tiers`, or what is wrong with the fabric that the switches make.
    """
    found = _Sketch(name, record_name, sorted(switches, key=lambda each: natural(each.name)), listed)
    with tempfile.TemporaryDirectory(prefix="raddle-import-") as folder:
        try:
            return found.settle(Path(folder))
        except InputError as error:
            # Its places are in a file that nobody has.
            raise InputError(
                replace(
                    each, span=None, related=None, message=f"the fabric of these switches: {each.message}"
                )
                for each in error.diagnostics
            ) from None


class _Sketch:
    """A fabric on its way from what the switches say to files that load."""

    def __init__(
        self, name: str, record_name: str, switches: Sequence[HeldSwitch], listed: Sequence[SeenCable]
    ) -> None:
        self._name, self._record_name, self._switches = name, record_name, switches
        self._held = {switch.name: switch for switch in switches}
        self._cabling: Cabling = find_cables(switches, listed)
        self._seats: Seats = seat(switches, self._cabling)
        self._models: Models = find_models(switches)
        self._drop_portless()
        self._hosts = dict(_named_hosts(self._cabling, self._held))
        self._links = list(self._oriented())
        if not self._links:
            raise self._no_links()
        self._numbers: Numbers = find_numbers(name, switches, self._seats, self._links)
        self._roce = tuple(roce_lines(switches, [link.upper for link in self._links]))
        self._ignore = list(self._unmanaged())
        unknown = self._ungiven_hash()
        self._findings = [*unknown, *self._cabling.findings, *self._models.findings, *self._numbers.findings]

    def _no_links(self) -> InputError:
        """Why there is no cable between two of the switches or to a host."""
        outside = [each.text for each in self._cabling.findings if each.text.endswith("outside the fabric")]
        if outside:
            more = f"; and {len(outside) - 4} more" if len(outside) > 4 else ""
            return InputError.of(
                "no-cables",
                f"all cables lead to what is outside the fabric: {'; '.join(outside[:4])}{more}",
                "import the configurations of these neighbours, too"
                if "not among the switches read" in outside[0]
                else "of a minigraph, give the port_config.ini of the switch itself",
            )
        return InputError.of(
            "no-cables",
            "nothing tells who is cabled to whom: no DEVICE_NEIGHBOR, LLDP or two addresses of one link",
            "list the cables: --cables CABLES.csv with a_device,a_port,b_device,b_port",
        )

    def _ungiven_hash(self) -> Iterator[Finding]:
        """That seed and offset of the hash are SONiC's own where the switches do not tell others."""
        if hash_start(self._switches, self._seats.tier):
            return
        if any(switch.hashing for switch in self._switches):
            self._ignore.append("SWITCH_TABLE/*")
            text = (
                "seeds and offsets that no fabric file says; simulations take those that SONiC sets by itself"
            )
            yield Finding("not adopted", "", "SWITCH_TABLE", text)
        else:
            text = "the hash's seed and offset are in no config_db.json: SONiC's own, by the switches' types"
            yield Finding("assumed", "", "SWITCH_TABLE", text)

    def _drop_portless(self) -> None:
        """Cables at ports that the models do not have, for which `find_models` has told why."""
        lost = self._models.lost
        for link in [each for each in self._cabling.links if lost.intersection(each)]:
            self._cabling.links.remove(link)
            end = next(each for each in link if each in lost)
            text = f"the cable between {link[0]} and {link[1]} is outside the fabric"
            self._cabling.findings.append(Finding("not adopted", end.device, str(end), text))
        for host, nics in list(self._cabling.hosts.items()):
            for _, port in [nic for nic in nics if nic[1] in lost]:
                text = f"the cable of {host} at {port} is outside the fabric"
                self._cabling.findings.append(Finding("not adopted", port.device, str(port), text))
            nics[:] = [nic for nic in nics if nic[1] not in lost]
            if not nics:
                del self._cabling.hosts[host]

    def _oriented(self) -> Iterator[Link]:
        for host, nics in self._hosts.items():
            for nic, (_, port) in zip(_nic_names(nics), nics, strict=True):
                yield Link(PortRef(host, nic), port, is_host=True)
        for a, b in self._cabling.links:
            lower, upper = sorted((a, b), key=lambda end: self._seats.tier[end.device])
            yield Link(lower, upper, is_host=False)

    def _unmanaged(self) -> Iterator[str]:
        """Patterns of addresses and routes that stay others'."""
        if self._numbers.is_mixed:
            yield from ("INTERFACE/*", "LOOPBACK_INTERFACE/*")
        for end in self._numbers.unrouted:
            yield from (f"{end.device}:INTERFACE/{end.port}", f"{end.device}:INTERFACE/{end.port}|*")

    def settle(self, folder: Path) -> Adoption:
        """Load what is known, plan, and take over what the switches have otherwise."""
        file, record_file = folder / f"{self._name}.yaml", folder / self._record_name
        file.write_text(self._text(), "utf-8")
        record_file.write_text(record_json(self._numbers.record), "utf-8")
        fabric = load(file)
        plan = make_plan(fabric, "ecmp")
        if self._routes_are_others(plan):
            self._ignore.append("STATIC_ROUTE/*")
        adopted = self._adopted(plan)
        record = replace(record_of(fabric), adopted=adopted)
        record_file.write_text(record_json(record), "utf-8")
        self._settle_rest(make_plan(load(file), "ecmp"))
        self._tell(plan, adopted)
        text = self._text()
        file.write_text(text, "utf-8")
        load(file)
        return Adoption(
            text,
            record_json(record),
            len(self._switches),
            len(self._hosts),
            len(self._links),
            tuple(sorted(set(self._findings))),
        )

    def _routes_are_others(self, plan: Plan) -> bool:
        """Whether the switches have their routes from elsewhere (BGP), or raddle could not give them."""
        missing, total = 0, 0
        for switch in plan.switches:
            held = self._held[switch.name].tables.get("STATIC_ROUTE", {})
            total += len(switch.routes)
            missing += sum(f"default|{r.prefix}" not in held and r.prefix not in held for r in switch.routes)
        unfit = bool(self._numbers.unrouted) or self._numbers.is_mixed
        if not unfit and 2 * missing <= total:
            return False
        has_bgp = any("BGP_NEIGHBOR" in switch.tables for switch in self._switches)
        why = "BGP gives them" if has_bgp else "there are none"
        why = "not all addresses are adopted" if unfit else why
        count = f"{missing} of {total} routes of the plan are not in STATIC_ROUTE" if total else "no routes"
        text = (
            f"{count} ({why}): raddle leaves routes "
            "alone until 'STATIC_ROUTE/*' is taken out of 'ignore'; a simulation has the plan's"
        )
        self._findings.append(Finding("not adopted", "", "STATIC_ROUTE", text))
        return True

    def _adopted(self, plan: Plan) -> dict[str, AdoptedEntry]:
        found: dict[str, AdoptedEntry] = {}
        for switch in plan.switches:
            wanted = self._without_ignored(switch.name, planned(switch))
            ports = [port.name for port in switch.ports if port.peer]
            own = adopt(wanted, self._held[switch.name].tables, ports)
            found |= {f"{switch.name} {name}": entry for name, entry in own.items()}
        return found

    def _without_ignored(self, switch: str, tables: Tables) -> Tables:
        rules = Ownership(ignore=tuple(self._ignore))
        return {
            table: {key: row for key, row in rows.items() if not rules.is_ignored(switch, f"{table}/{key}")}
            for table, rows in tables.items()
        }

    def _settle_rest(self, plan: Plan) -> None:
        """What would still change is left alone, and said."""
        for switch in plan.switches:
            held = self._held[switch.name]
            ownership = Ownership(frozenset(), ignore=tuple(self._ignore))
            wanted = ownership.wanted(switch, held.tables)
            foreign = ownership.foreign(switch, held.tables, wanted)
            for change in differences(switch.name, held.tables, wanted, foreign=foreign):
                table, _, key = change.path.partition("/")
                self._ignore.append(f"{switch.name}:{change.path}")
                text = f"raddle would have '{change.after}'; it is left as it is"
                self._findings.append(Finding("not adopted", switch.name, held.at(table, key), text))
            for path in sorted(foreign):
                table, _, key = path.partition("/")
                if table == "SWITCH_HASH":
                    row = _fields(held.tables[table][key])
                    text = f"it stays {row}, and simulations hash as the fabric file says"
                    self._findings.append(Finding("not adopted", switch.name, held.at(table, key), text))
                    continue
                text = "not of the plan; it stays as long as nobody asks raddle to take it over"
                self._findings.append(Finding("left alone", switch.name, held.at(table, key), text))

    def _tell(self, plan: Plan, adopted: dict[str, AdoptedEntry]) -> None:
        for place, entry in adopted.items():
            name, _, path = place.partition(" ")
            table, _, key = path.partition("|")
            self._findings.append(
                Finding("recorded", name, self._held[name].at(table, key), _recorded(entry))
            )
        known = {table for switch in plan.switches for table in planned(switch)} | set(OWNED_TABLES)
        for switch in self._switches:
            for table, rows in sorted(switch.tables.items()):
                if table not in known:
                    text = f"{len(rows)} entr{'ies' if len(rows) != 1 else 'y'} of no concern to raddle"
                    self._findings.append(Finding("left alone", switch.name, switch.at(table), text))

    def _text(self) -> str:
        sources = ", ".join(Path(each.source).name for each in self._switches[:4])
        more = f" and {len(self._switches) - 4} more" if len(self._switches) > 4 else ""
        models = ["models:", *self._models.lines] if self._models.lines else []
        routing = ["policy: ecmp"]
        routing += [f"as_numbers: {self._numbers.as_numbers}"] if self._numbers.as_numbers else []
        routing += [hash_line(self._switches, self._seats.tier)]
        ignore = ["ignore:", *(f'  - "{each}"' for each in self._ignore)] if self._ignore else []
        lines = [
            f"# Adopted from {sources}{more}. {self._record_name} has their numbers.",
            "raddle: 1",
            f"name: {self._name}",
            f"record: {self._record_name}",
            *models,
            "devices:",
            *self._devices(),
            "links:",
            *self._link_lines(),
            *self._roce,
            f"routing: {{{', '.join(routing)}}}",
            *self._numbers.addressing,
            *ignore,
        ]
        return "\n".join(lines) + "\n"

    def _devices(self) -> Iterator[str]:
        has_pods, has_planes = (any(each.values()) for each in (self._seats.pod, self._seats.plane))
        for switch in self._switches:
            name, tier = switch.name, self._seats.tier[switch.name]
            seats = f", pod: {self._seats.pod[name]}" if has_pods and tier < 2 else ""
            seats += f", plane: {self._seats.plane[name]}" if has_planes else ""
            breakout = self._models.breakouts[name]
            cut = f", breakout: [{breakout}]" if breakout else ""
            yield f"  {name}: {{role: {ROLES[tier]}, model: {self._models.of[name]}{seats}{cut}}}"
        for host, nics in self._hosts.items():
            speed_bps = max(self._speed(port) for _, port in nics)
            ports = _ports_per_nic(nics)
            count = f"count: {len(nics) // ports}, " if len(nics) > ports else ""
            count += f"ports: {ports}, " if ports > 1 else ""
            yield f"  {host}: {{role: host, nics: {{{count}speed: {exact_rate(speed_bps)}}}}}"

    def _link_lines(self) -> Iterator[str]:
        for link in self._links:
            ends = (link.upper,) if link.is_host else (link.lower, link.upper)
            speed_bps = min(self._speed(end) for end in ends)
            lengths = [length for end in ends if (length := self._length(end))]
            length = max(lengths, default=_CABLE_M["host" if link.is_host else "switch"])
            is_up = all(self._port(end).get("admin_status") == "up" for end in ends)
            state = "" if is_up else ", state: down"
            yield (
                f'  - {{ends: ["{link.lower}", "{link.upper}"], speed: {exact_rate(speed_bps)}, '
                f"cable: {length:g}m{state}}}"
            )

    def _port(self, end: PortRef) -> dict[str, object]:
        return self._held[end.device].ports[end.port]

    def _speed(self, end: PortRef) -> int:
        text = str(self._port(end).get("speed", ""))
        if not text.isdecimal() or not int(text):
            place = self._held[end.device].at("PORT", end.port)
            raise InputError.of("bad-config-db", f"{place}: the speed is '{text}'", "it is a number of Mb/s")
        return int(text) * 10**6

    def _length(self, end: PortRef) -> float:
        """By CABLE_LENGTH; 0 where it does not say."""
        for row in self._held[end.device].tables.get("CABLE_LENGTH", {}).values():
            found = re.fullmatch(r"(\d+(?:\.\d+)?)m", str(row.get(end.port, "")))
            if found:
                return float(found[1])
        return 0.0


def _ports_per_nic(nics: Sequence[tuple[str, PortRef]]) -> int:
    """Ports of each NIC, by names such as `eth0p0`, `eth0p1`; 1 where they are others."""
    ports = 1 + max(
        (int(name.rpartition("p")[2]) for name, _ in nics if re.fullmatch(r"eth\d+p\d+", name)), default=0
    )
    return ports if [name for name, _ in nics] == _grid(len(nics) // ports, ports) else 1


def _grid(count: int, ports: int) -> list[str]:
    return [f"eth{nic}p{port}" for nic in range(count) for port in range(ports)]


def _nic_names(nics: Sequence[tuple[str, PortRef]]) -> list[str]:
    """What a fabric file calls the ports of a host's NICs."""
    ports = _ports_per_nic(nics)
    return _grid(len(nics) // ports, ports) if ports > 1 else [f"eth{number}" for number in range(len(nics))]


def _recorded(entry: AdoptedEntry) -> str:
    name = f"called '{entry.called}' there; " if entry.called else ""
    if entry.held is None:
        return f"{name}not there"
    if entry.planned is None:
        return f"{name}an entry more"
    fields = sorted(entry.planned.keys() | entry.held.keys())
    pairs = [
        f"{field} is {_value(entry.held, field)}, not {_value(entry.planned, field)}" for field in fields
    ]
    return name + "; ".join(pairs[:6]) + (f"; and {len(pairs) - 6} more" if len(pairs) > 6 else "")


def _fields(row: dict[str, str | list[str]]) -> str:
    return " ".join(
        f"{name}={value if isinstance(value, str) else ','.join(value)}" for name, value in row.items()
    )


def _value(fields: dict[str, str | list[str]], name: str) -> str:
    value = fields.get(name)
    return "absent" if value is None else f"'{value if isinstance(value, str) else ','.join(value)}'"


def _named_hosts(
    cabling: Cabling, held: dict[str, HeldSwitch]
) -> Iterator[tuple[str, list[tuple[str, PortRef]]]]:
    """Hosts by names that a fabric file takes, in natural order."""
    used = set(held)
    for host in sorted(cabling.hosts, key=natural):
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", host).strip("-.")[:63] or "host"
        while name in used:
            name = f"{name[:60]}-h"
        used.add(name)
        yield name, cabling.hosts[host]
