"""What verdicts mean to the reader: findings with a way out, at a line of the fabric file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_interface, ip_network

from raddle.controller.plan.model import Plan
from raddle.controller.plan.outside import exits_of
from raddle.controller.verify.deadlock import Cycle
from raddle.controller.verify.failures import Outcome, Verdict
from raddle.controller.verify.finding import Finding
from raddle.controller.verify.outside import OutsideReach
from raddle.controller.verify.transient import Transient
from raddle.controller.verify.update_scope import UpdateScope, listed
from raddle.errors import Diagnostic
from raddle.topology.model import Fabric
from raddle.topology.yaml.placing import spans_of


def about(verdict: Verdict, when: str) -> Iterator[Finding]:
    place = ("routing",)
    if verdict.looping:
        message = f"{when}: {verdict.looping} pairs can go round for ever; {verdict.example}"
        yield Finding("loop", message, "apply the plan again", place)
    elif verdict.lost:
        message = f"{when}: {verdict.lost} pairs with links between them are not reached; {verdict.example}"
        hint = "only a path down and up again connects them, or a route is missing"
        yield Finding("unreached", message, hint, place)
    if verdict.cycle:
        yield Finding("deadlock", f"{when}: {cycle_text(verdict.cycle)}", mend(verdict.cycle), place)


def about_outside(reach: tuple[OutsideReach, ...]) -> Iterator[Finding]:
    """What is lost or goes round on the way outside."""
    place = ("external",)
    for each in reach:
        for found in about(each.present, f"to {each.prefix} outside, as it stands"):
            yield replace(found, place=place)
        if each.loops_after:
            more = f" (and in {len(each.loops_after) - 1} more states)" if len(each.loops_after) > 1 else ""
            message = f"after {each.loops_after[0]}, packets to {each.prefix} outside can go round{more}"
            hint = "lead longer prefixes over the same links as the shorter ones that hold them"
            yield Finding("loop", message, hint, place)


def about_update(update: Transient) -> Iterator[Finding]:
    """What an update does on its way although both its ends are sound."""
    place, wait = ("routing",), "change it in two steps, by a plan between the two"
    if update.looping:
        message = f"during the update: {update.looping} pairs can go round; {update.example}"
        yield Finding("update-loops", message, wait, place)
    elif update.lost:
        message = f"during the update: {update.lost} pairs can be lost; {update.example}"
        yield Finding("update-drops", message, wait, place)
    if update.cycle:
        message = f"during the update: {cycle_text(update.cycle)}"
        yield Finding("update-deadlocks", message, wait, place)


def about_scope(scope: UpdateScope, fabric: Fabric, earlier: Plan) -> Iterator[Finding]:
    """What an update changes beside routes that stops traffic, or that no Set can do."""
    if scope.readdressed:
        ports = listed(scope.readdressed)
        message = (
            f"{len(scope.readdressed)} ports in use get another address: {ports}; traffic over them stops"
        )
        if scope.stolen:
            message += f"; SONiC refuses those that another port still has: {listed(scope.stolen)}"
        hint = f"{_way_to_keep(scope, fabric, earlier)}; or apply this while no job runs"
        yield Finding("update-readdresses", message, hint, ("fabric",))
    needy = {name: each for name, each in scope.reloads.items() if each.paths}
    if needy:
        entries = sum(len(each.paths) for each in needy.values())
        message = f"{entries} entries of {listed(tuple(needy))} cannot be changed over gNMI"
        hint = f"boot them from 'raddle render --switch {next(iter(needy))} --format sonic --bootstrap'"
        if room := _room_for(scope, fabric, earlier):
            hint += f"; 'reserve: {{{room}}}' keeps ports and buffer for what is still to come"
        yield Finding("update-needs-reload", message, hint, ("fabric",), "warning")


_ROOM = {"leaf": "leaves", "spine": "spines", "superspine": "superspines"}


def _room_for(scope: UpdateScope, fabric: Fabric, earlier: Plan) -> str:
    """Keys of `reserve` that would have kept room for what comes or goes; empty where none would."""
    if fabric.is_listed:
        return ""
    were = {switch.name: switch.role for switch in earlier.switches}
    roles = {fabric.switch_by_name[name].role for name in scope.joining} | {
        were[name] for name in scope.leaving
    }
    if {"leaf", "spine"} <= roles and fabric.superspines:
        return "pods: ..."
    keys = [f"{key}: ..." for role, key in _ROOM.items() if role in roles]
    if not keys and {name for name, _ in earlier.endpoints} != {each.name for each in fabric.endpoints}:
        keys = ["hosts_per_leaf: ..."]
    return ", ".join(keys)


def _way_to_keep(scope: UpdateScope, fabric: Fabric, earlier: Plan) -> str:
    """What keeps the addresses of ports in use, by why they change."""
    moved = {end for cable in scope.recabled for end in cable.split(" - ")}
    others = [port for port in scope.readdressed if port not in moved]
    outside = {str(fabric.links[each.endpoint.link].b) for each in exits_of(fabric)}
    if fabric.is_listed and not others:
        return "leave their cables in the ports where they are"
    if outside.issuperset(others or scope.readdressed):
        return "keep the addresses of 'external'"
    if _is_outside_pools(
        fabric, earlier, [port for port in others or scope.readdressed if port not in outside]
    ):
        return "keep the pools of 'addressing' that the earlier plan has numbers of"
    if fabric.record_file:
        return f"keep them: '{fabric.record_file}' is not the record of the earlier plan, take that one"
    also = ", and leave the other cables in their ports" if fabric.is_listed and moved else ""
    return f"keep them: name a 'record' and write it with 'raddle plan' of the file as it was{also}"


def _is_outside_pools(fabric: Fabric, earlier: Plan, ports: Iterable[str]) -> bool:
    """Whether what one of the ports had is of no pool of the fabric: no record can keep that."""
    own = fabric.addressing
    texts = (own.hosts, own.underlay, own.ipv6_hosts, own.ipv6_underlay)
    pools = [ip_network(text) for text in texts if text]
    had = {
        f"{switch.name}:{each.name}": ip_interface(each.prefix)
        for switch in earlier.switches
        for each in switch.interfaces
        if each.prefix
    }
    numbers = [had[port] for port in ports if port in had]
    return any(not any(number.ip in pool for pool in pools) for number in numbers)


def about_failures(outcomes: tuple[Outcome, ...]) -> Iterator[Finding]:
    """One finding per kind: the first failure that shows it, and how many others do."""
    seen: dict[str, tuple[Finding, int]] = {}
    for outcome in outcomes:
        alone = outcome.alone
        if not alone.looping:  # what is lost until the plan is renewed is told apart
            alone = replace(alone, lost=0)
        found = {f.code: f for f in about(alone, f"after {outcome.failure}, before re-planning")}
        if outcome.replanned and outcome.replanned is not outcome.alone:
            found |= {f.code: f for f in about(outcome.replanned, f"after {outcome.failure}, re-planned")}
        for code, finding in found.items():
            first, count = seen.get(code, (finding, 0))
            seen[code] = first, count + outcome.alike
    for finding, count in seen.values():
        more = f" (and in {count - 1} more states)" if count > 1 else ""
        yield replace(finding, message=finding.message + more)


def cycle_text(cycle: Cycle) -> str:
    """The ring, and the flow and route of each of its steps."""
    ring = " waits for ".join((*cycle.channels, cycle.channels[0]))
    steps = [
        f"{source} to {destination} by {' > '.join(route)}"
        for (source, destination), route in zip(cycle.flows, cycle.routes, strict=True)
    ]
    return f"lossless buffers can deadlock: {ring}; flows: {'; '.join(steps)}"


def mend(cycle: Cycle) -> str:
    """A way out of a cycle: take one of its flows off its route, or let it change its class there."""
    source, destination = cycle.flows[0]
    at = cycle.channels[1 % len(cycle.channels)].partition(":")[0]
    return (
        f"pin {source} to {destination} to a route that does not turn at {at}, or give what has turned there "
        "a second lossless class (Tagger; P4Runtime and OpenFlow switches can, CONFIG_DB cannot)"
    )


def located(fabric: Fabric, found: Iterable[Finding]) -> Iterator[Diagnostic]:
    """Findings with the line of the fabric file that causes them, where the file can still be read."""
    span = spans_of(fabric)
    for each in found:
        yield Diagnostic(each.code, each.message, span(each.place), each.hint, severity=each.severity)
