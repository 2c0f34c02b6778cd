"""Verification of what running switches report."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import cast

import numpy as np

from raddle.controller.reconcile import read_appl, read_neighbours
from raddle.controller.southbound.channel import RefusedError
from raddle.controller.southbound.sonic.identity import Expected
from raddle.controller.southbound.sonic.tables import Tables
from raddle.controller.strangers import about_strangers, ask_identities, find_strangers, refuse_strangers
from raddle.controller.verify.finding import Finding
from raddle.controller.verify.hashes import check_hashes
from raddle.controller.verify.network import RESERVE, Entry, Network, entries_of_state, network_of
from raddle.controller.verify.reach import ways
from raddle.controller.verify.update_scope import listed
from raddle.errors import Diagnostic, InputError
from raddle.inventory import Inventory
from raddle.lab.switches.learned import TABLES, Rows, learned_routes
from raddle.lab.switches.neighbours import heard_cables
from raddle.lab.switches.programmed import over_p4runtime, read_switches
from raddle.lab.switches.reported import ReportedSwitch
from raddle.lab.verify.findings import located
from raddle.lab.verify.missing import Missing, about_missing, beside_missing, without_missing
from raddle.lab.verify.model import FailureScope, Progress, Verification
from raddle.lab.verify.proofs import Subject, prove
from raddle.state import AclRule, SwitchState
from raddle.topology.model import Fabric, Switch
from raddle.topology.record import mac_text
from raddle.topology.views.cable_mend import mend_cables
from raddle.topology.views.cable_truth import SeenCable, compare_cables, planned_names

_SHOWN_RULES = 5
_IP_ETHER_TYPES = (0x0800, 0x86DD)


def verify_running(
    fabric: Fabric,
    inventory: Inventory,
    scope: FailureScope,
    progress: Progress,
    seen: tuple[SeenCable, ...] | None = None,
    accepted: Collection[str] = (),
) -> Verification:
    """Check what the switches report, and what they do with it on their own when something fails.

    Cables are those that are `seen`, else those of the neighbours that the switches hear over LLDP. Switches
    that are not in the inventory, do not answer, are others than the fabric's (unless `accepted` all the
    same) or hold no route are taken as cut off, and named.

    Raises:
        InputError: the inventory is another fabric's or has none of its switches, `wrong-switch` where no
            other answers, or `policies-not-verified`.
        UnreachableError: a switch refuses to answer, or none answers.
    """
    there, missing, strangers = _there(fabric, inventory, accepted)
    switches = read_switches(there, [name for name in over_p4runtime(fabric) if name in there.addresses])
    appl = read_appl(there, TABLES)
    learned = {name: learned_routes(tables) for name, tables in appl.items()}
    switches = {name: each.with_routes(learned.get(name, {})) for name, each in switches.items()}
    states = {name: each.state() for name, each in switches.items()}
    missing += _about_empty(fabric, switches, states)
    empty = {each.switch for each in missing if not each.is_judged}
    states = {name: state for name, state in states.items() if name not in empty}
    _refuse_policies(states)
    fabric = without_missing(fabric, missing)
    entries = {switch.name: _entries(switch, states.get(switch.name)) for switch in fabric.switches}
    lists = tuple(_about_access_lists(states))
    network = network_of(fabric)
    outside = [*beside_missing(fabric, network, missing, states)]
    outside += [f"access lists: {each.message}" for each in lists]
    if by_daemon := tuple(name for name, rows in learned.items() if _lead_to_hosts(rows, network)):
        outside.append(f"failures: {listed(by_daemon)} learn routes to hosts, which are judged as they stand")
        scope = replace(scope, together=0)
    subject = Subject("running switches", entries, states, outside=tuple(outside))
    result = prove(fabric, network, subject, None, scope, progress)
    found = [*about_missing(missing), *_about_ports(fabric, states), *check_hashes(fabric, states)]
    problems = (*strangers, *result.problems, *lists, *located(fabric, found))
    result = replace(result, missing=tuple(missing), problems=problems)
    if seen is None:
        seen = planned_names(fabric, heard_cables(fabric, read_neighbours(there)))
    return with_cabling(fabric, result, seen)


def _there(
    fabric: Fabric, inventory: Inventory, accepted: Collection[str]
) -> tuple[Inventory, list[Missing], tuple[Diagnostic, ...]]:
    """The inventory of the fabric's switches that answer as themselves, the others, and errors about those
    that answer as another."""
    names = [switch.name for switch in fabric.switches]
    known = [name for name in names if name in inventory.addresses]
    inventory.require(fabric.name, [name for name in names if name in inventory.datapaths or not known])
    said, errors = ask_identities(inventory, known)
    if refused := next((each for each in errors.values() if isinstance(each, RefusedError)), None):
        raise refused
    if not said:
        raise next(iter(errors.values()))
    # What they hear is compared with the cables.
    spoken = {name: replace(each, neighbours={}) for name, each in said.items()}
    doubts = find_strangers(map(_expected, fabric.switches), spoken, {}, accepted)
    there = {name: inventory.addresses[name] for name in known if name in said and name not in doubts}
    if not there:
        refuse_strangers(inventory, doubts)
    missing = [Missing(name, "is not in the inventory") for name in names if name not in known]
    missing += [Missing(name, "does not answer") for name in errors]
    missing += [Missing(name, "is another switch") for name in doubts]
    return replace(inventory, addresses=there), missing, about_strangers(inventory, doubts)


def _expected(switch: Switch) -> Expected:
    return Expected(switch.name, switch.model.hwsku, switch.model.platform, mac_text(switch.mac))


def _about_empty(
    fabric: Fabric, switches: Mapping[str, ReportedSwitch], states: Mapping[str, SwitchState]
) -> Iterator[Missing]:
    """Switches that nobody has programmed, and those that have lost their routes to hosts of others.

    Judged by what they hold: routes without a live port are still routes.
    """
    network = network_of(fabric)
    up = network.is_up[network.host_link]
    leads = ways(network, network.is_up)[:, network.home[up]]
    to_others = (leads & (network.home[up] != np.arange(len(network.switches))[:, None])).any(axis=1)
    for name, switch in switches.items():
        config = cast(Tables, switch.config)
        if switch.is_p4:
            if not states[name].routes:
                yield Missing(name, "holds no route")
        elif not _hold_hosts(config.get("STATIC_ROUTE", {}), network):
            if not any("|" in key for table in _ADDRESSED for key in config.get(table, {})):
                yield Missing(name, "holds no route")
            elif to_others[network.switches.index(name)]:
                yield Missing(name, "holds only its own links")


_ADDRESSED = ("INTERFACE", "PORTCHANNEL_INTERFACE", "VLAN_INTERFACE")


def _entries(switch: Switch, state: SwitchState | None) -> list[Entry]:
    """What a switch reports, with the fabric's numbers of ports: one more for all that the fabric has not."""
    if state is None:
        return []
    numbers = {port.name: number for number, port in enumerate(switch.ports)}
    order = [numbers.get(port.name, len(numbers)) for port in state.ports]
    if order == [*range(len(order))]:
        return entries_of_state(state)
    return [
        (prefix, length, tuple(order[port % RESERVE] + port // RESERVE * RESERVE for port in ports))
        for prefix, length, ports in entries_of_state(state)
    ]


def _about_ports(fabric: Fabric, states: Mapping[str, SwitchState]) -> Iterator[Finding]:
    """A finding for each switch that lacks ports which live cables of the fabric are at."""
    for name, state in states.items():
        held = {port.name for port in state.ports}
        lacking = tuple(
            end.port
            for link in fabric.links
            if link.is_up
            for end in (link.a, link.b)
            if end.device == name and end.port not in held
        )
        if lacking:
            message = f"{name} has no port {listed(lacking)}, where the fabric has a cable"
            hint = "boot it from 'raddle render --bootstrap', or give the fabric file the ports that it has"
            yield Finding("port-missing", message, hint, ("fabric",))


def _lead_to_hosts(rows: Rows, network: Network) -> bool:
    """Whether routes hold a host's address, a default route apart."""
    return _hold_hosts({key: row for key, row in rows.items() if not key.endswith("/0")}, network)


def _hold_hosts(rows: Mapping[str, object], network: Network) -> bool:
    """Whether rows of STATIC_ROUTE hold a host's address in the default VRF."""
    prefixes = [
        _network(prefix) for vrf, _, prefix in (key.rpartition("|") for key in rows) if vrf in ("", "default")
    ]
    return any(
        bool(((network.addresses >= int(each[0])) & (network.addresses <= int(each[-1]))).any())
        for each in prefixes
        if each and each.max_prefixlen == network.bits
    )


def _network(text: str) -> IPv4Network | IPv6Network | None:
    """SONiC takes no route of a prefix that it cannot read."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _about_access_lists(states: Mapping[str, SwitchState]) -> Iterator[Diagnostic]:
    """A warning for each switch that may drop what its routes take."""
    for name, state in states.items():
        dropping = [
            f"{table.name}|{rule.name}"
            for table in state.acl_tables
            for rule in table.rules
            if rule.drops and _is_for_ip(rule)
        ]
        if dropping:
            yield Diagnostic(
                "access-lists-not-verified",
                f"{name} drops what {_rules(len(dropping))}, which the proof leaves out: "
                f"{', '.join(dropping[:_SHOWN_RULES])}{', ...' if len(dropping) > _SHOWN_RULES else ''}",
                hint=f"'raddle switch {name} show acl rule' lists them",
                severity="warning",
            )


def _rules(count: int) -> str:
    return "1 rule of access lists matches" if count == 1 else f"{count} rules of access lists match"


def _is_for_ip(rule: AclRule) -> bool:
    types = [match for match in rule.matches if match.field == "ether_type"]
    return any(all((each.value ^ kind) & each.mask == 0 for each in types) for kind in _IP_ETHER_TYPES)


def _refuse_policies(states: Mapping[str, SwitchState]) -> None:
    """What goes by more than the destination must not be left out of a proof in silence."""
    for name, state in states.items():
        if state.policies:
            raise InputError.of(
                "policies-not-verified",
                f"{name} pins {len(state.policies)} flows by more than the destination: not verified",
                "pin by destination, or remove these entries first",
            )


def with_cabling(fabric: Fabric, result: Verification, seen: tuple[SeenCable, ...]) -> Verification:
    """A verification that also compares the cables that are seen with the fabric."""
    if not seen:
        silence = Diagnostic(
            "no-neighbours",
            "no switch hears a neighbour over LLDP, so the cabling is not checked",
            hint="enable LLDP on the switches, or give a list with --cables",
            severity="warning",
        )
        return replace(result, problems=(*result.problems, silence))
    wrong = compare_cables(fabric, seen)
    return replace(result, problems=(*result.problems, *wrong), cabling=mend_cables(fabric, seen))
