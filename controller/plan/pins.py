"""Pinned paths: what keeps a collective's flows apart, and what carries them.

The carriers tell flows apart by other keys. A host route knows (switch, destination): a /32 at the source
leaf chooses the spine, one at the spine the superspine, and where links are parallel, which of them. A
policy route knows source and destination too, and a UDP source port belongs to one pair of hosts. Flows that
share a key share a path. Flows between endpoints of one leaf need no pin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from raddle.controller.plan.addresses import AddressPlan
from raddle.controller.plan.assignment import (
    HOPS,
    Decisions,
    Flows,
    KeyOf,
    Paths,
    choose_paths,
    hops_of,
    keep_paths,
)
from raddle.controller.plan.colouring import Ints
from raddle.controller.plan.earlier import earlier_decisions
from raddle.controller.plan.exact import exact_paths
from raddle.controller.plan.loads import summarize
from raddle.controller.plan.model import (
    Carrier,
    LinkLoad,
    NextHop,
    PinReport,
    Plan,
    PolicyRoute,
    Route,
    SourcePort,
)
from raddle.controller.plan.routes import SwitchRoutes
from raddle.controller.plan.source_ports import choose_ports
from raddle.controller.plan.tiers import Tiers, tiers_of
from raddle.errors import Diagnostic, InputError
from raddle.topology.model import Fabric
from raddle.workload import Demand

KnownPins = dict[int, tuple[int, tuple[NextHop, ...], dict[int, Route]]]
"""By way out: the switch, its next hop there, and the routes over it by destination."""

SwitchPolicies = tuple[tuple[PolicyRoute, ...], ...]


@dataclass(frozen=True, eq=False)
class Placement:
    """The paths of a demand's flows and of their acknowledgements."""

    flows: Flows
    data: Paths
    acks: Paths


@dataclass(frozen=True, slots=True)
class Pins:
    """Pins as entries of switches (in order of `Fabric.switches`) and NICs; a carrier fills one of three."""

    routes: SwitchRoutes
    policies: SwitchPolicies
    source_ports: tuple[SourcePort, ...]
    report: PinReport


def plan_pins(
    fabric: Fabric,
    addresses: AddressPlan,
    demand: Demand,
    routes: SwitchRoutes,
    seeds: Sequence[int],
    earlier: Plan | None = None,
) -> Pins:
    """The pins of a demand with the carrier that `Fabric.routing` names.

    Every flow src -> dst implies acknowledgements dst -> src. The data's paths are chosen first; then those
    that only acknowledgements take, from the data's paths backwards. Paths that host routes can carry at the
    lower bound are the same with every carrier.

    Args:
        routes: of every switch, without pins; `seeds`: of their hashes.
        earlier: a plan whose host routes stay where they are as long as they carry; others fit in.

    Raises:
        InputError: `pins-exceed-table`, `carrier-not-supported` or `pin-not-expressible` where the carrier
            cannot do it; `auto` tries the next one.
    """
    carriers: tuple[Carrier, ...] = ("host-route", "policy-route", "udp-source-port")
    if fabric.routing.pin_backups:
        carriers = ("host-route",)
    elif fabric.routing.pins != "auto":
        carriers = (fabric.routing.pins,)
    tiers = tiers_of(fabric)
    placement = place_pins(fabric, addresses, demand, earlier)
    flows = placement.flows
    problems: list[Diagnostic] = []
    loads = _loads(tiers, placement, host_key)
    for carrier in carriers:
        if carrier != "host-route" and any(load.total > load.total_bound for load in loads):
            placement = _place(tiers, flows, pair_key, Decisions())
            loads = _loads(tiers, placement, pair_key)
        try:
            hosts, policies, ports = _carry(fabric, addresses, tiers, placement, carrier, routes, seeds)
        except InputError as error:
            problems += error.diagnostics
            continue
        count = sum(map(len, hosts)) + sum(map(len, policies)) + len(ports)
        report = PinReport(len(demand.src), carrier, count, *loads, placement.data.method)
        return Pins(hosts, policies, ports, report)
    raise InputError(problems)


def _carry(
    fabric: Fabric,
    addresses: AddressPlan,
    tiers: Tiers,
    placement: Placement,
    carrier: Carrier,
    routes: SwitchRoutes,
    seeds: Sequence[int],
) -> tuple[SwitchRoutes, SwitchPolicies, tuple[SourcePort, ...]]:
    """The entries of one carrier; those of the others are empty."""
    hosts: SwitchRoutes = ((),) * len(fabric.switches)
    policies: SwitchPolicies = ((),) * len(fabric.switches)
    ports: tuple[SourcePort, ...] = ()
    if carrier == "host-route":
        hosts = _host_routes(fabric, addresses, tiers, placement, {})
        _check_tables(fabric, [len(own) for own in hosts], "host_routes")
    elif carrier == "policy-route":
        policies = _policy_routes(fabric, addresses, tiers, placement)
        _check_tables(fabric, [len(own) for own in policies], "acl_entries")
    else:
        ports = _source_ports(fabric, addresses, routes, seeds, placement)
    return hosts, policies, ports


def place_pins(
    fabric: Fabric, addresses: AddressPlan, demand: Demand, earlier: Plan | None = None
) -> Placement:
    """The paths of a demand's flows over host routes, those of an `earlier` plan kept."""
    tiers = tiers_of(fabric)
    flows = _flows(tiers, demand)
    kept = earlier_decisions(fabric, addresses, tiers, flows, host_key, earlier) if earlier else Decisions()
    return _place(tiers, flows, host_key, kept)


def repair_pins(
    fabric: Fabric, addresses: AddressPlan, before: Placement, known: KnownPins, plan: Plan
) -> SwitchRoutes:
    """Host routes of every switch after links have failed: only pins that lost a link move, to their backups
    where no other way loads links less.

    Args:
        fabric: as it is now.
        before: the paths when more links were up; `plan` has their pins.
        known: keeps the routes of a way out from one failure of the same fabric to the next.
    """
    tiers = tiers_of(fabric)
    is_up = np.append(fabric.arrays.is_up, True)  # -1, no link, is the last
    kept = Decisions()
    for flows, paths in ((before.flows, before.data), (before.flows.reversed(), before.acks)):
        stays = (paths.spine >= 0) & is_up[paths.link].all(axis=0)
        keep_paths(tiers, flows, paths, host_key, kept, stays)
    placement = None
    if fabric.routing.pin_backups:
        taken = earlier_decisions(fabric, addresses, tiers, before.flows, host_key, plan, is_repair=True)
        placement = _place(tiers, before.flows, host_key, taken)
    if placement is None or not _is_best(tiers, placement):
        other = _place(tiers, before.flows, host_key, kept)
        if placement is None or _totals(tiers, other) < _totals(tiers, placement):
            placement = other
    return _host_routes(fabric, addresses, tiers, placement, known)


def _is_best(tiers: Tiers, placement: Placement) -> bool:
    """Whether host routes can load links no less than this."""
    return all(load.total <= load.total_key_bound for load in _loads(tiers, placement, host_key))


def _totals(tiers: Tiers, placement: Placement) -> tuple[float, float]:
    """Of data and acknowledgements the busiest link, summed over phases."""
    data, acks = _loads(tiers, placement, host_key)
    return data.total, acks.total


def host_key(switch: Ints, src: Ints, dst: Ints) -> Ints:
    """What a host route tells apart."""
    return switch << 32 | dst


def pair_key(switch: Ints, src: Ints, dst: Ints) -> Ints:
    """What a policy route or a source port tells apart."""
    return src << 32 | dst


def _flows(tiers: Tiers, demand: Demand) -> Flows:
    """The flows of a demand between different leaves."""
    src, dst, phase = (column.astype(np.int64) for column in (demand.src, demand.dst, demand.phase))
    remote = tiers.leaf[src] != tiers.leaf[dst]
    return Flows(src[remote], dst[remote], phase[remote])


def _place(tiers: Tiers, flows: Flows, key_of: KeyOf, decided: Decisions) -> Placement:
    data = _best_paths(tiers, flows, key_of, decided)
    return Placement(flows, data, _best_paths(tiers, flows.reversed(), key_of, decided, hints=data))


def _best_paths(
    tiers: Tiers, flows: Flows, key_of: KeyOf, decided: Decisions, hints: Paths | None = None
) -> Paths:
    """Paths tier after tier; where they miss the bound, over all tiers at once if that is small enough."""
    before = Decisions(dict(decided.slots))
    paths = choose_paths(tiers, flows, key_of, decided, hints)
    load = summarize(tiers, flows, paths, key_of)
    better = exact_paths(tiers, flows, key_of, before) if load.total > load.total_key_bound else None
    if better is None or summarize(tiers, flows, better, key_of).total >= load.total:
        return paths
    decided.slots = before.slots
    keep_paths(tiers, flows, better, key_of, decided, better.spine >= 0)
    return better


def _loads(tiers: Tiers, placement: Placement, key_of: KeyOf) -> tuple[LinkLoad, LinkLoad]:
    """How good the paths of the data and of the acknowledgements are."""
    flows = placement.flows
    return (
        summarize(tiers, flows, placement.data, key_of),
        summarize(tiers, flows.reversed(), placement.acks, key_of),
    )


def _entries(fabric: Fabric, tiers: Tiers, placement: Placement, has_source: bool) -> tuple[Ints, Ints, Ints]:
    """(way out of a switch, source, destination) of all pins, sorted; the source is 0 unless asked for.

    There is one for each switch where there is a choice. A way out is 2 * link + 1 up, 2 * link down.
    """
    flows, endpoints = placement.flows, max(len(fabric.endpoints), 1)
    entries = []
    for each, paths in ((flows, placement.data), (flows.reversed(), placement.acks)):
        for place, hop in enumerate(hops_of(tiers, each, paths.spine, paths.superspine)):
            is_up = place < HOPS // 2
            chosen = np.flatnonzero(hop.is_used)
            if not is_up:
                chosen = chosen[(hop.links >= 0).sum(axis=1) > 1]
            src = each.src[chosen] if has_source else 0
            entries.append(
                ((2 * paths.link[place][chosen] + is_up) * endpoints + src) * endpoints + each.dst[chosen]
            )
    entry = np.sort(np.concatenate(entries))
    entry = entry[np.flatnonzero(np.diff(entry, prepend=-1))]
    ends, dst = np.divmod(entry, endpoints)
    out, src = np.divmod(ends, endpoints)
    return out, src, dst


def _host_routes(
    fabric: Fabric, addresses: AddressPlan, tiers: Tiers, placement: Placement, known: KnownPins
) -> SwitchRoutes:
    """Host routes by switch."""
    outs, _, dst = _entries(fabric, tiers, placement, has_source=False)
    routes: list[list[Route]] = [[] for _ in fabric.switches]
    first = np.flatnonzero(np.diff(outs, prepend=-1)).tolist()
    for start, end in pairwise([*first, len(outs)]):
        out = int(outs[start])
        if out not in known:
            at, hop = _next_hop(fabric, addresses, out)
            known[out] = at, (hop,), {}
        switch, hops, made = known[out]
        own = dst[start:end].tolist()
        for to in own:
            if to not in made:
                made[to] = Route(addresses.host_prefix(to), hops, "pin")
        routes[switch] += [made[to] for to in own]
    return tuple(tuple(of_switch) for of_switch in routes)


def _policy_routes(
    fabric: Fabric, addresses: AddressPlan, tiers: Tiers, placement: Placement
) -> SwitchPolicies:
    """Policy routes by switch.

    Raises:
        InputError: `carrier-not-supported`, names the models that do not declare `policy-routing`.
    """
    policies: list[list[PolicyRoute]] = [[] for _ in fabric.switches]
    columns = (column.tolist() for column in _entries(fabric, tiers, placement, has_source=True))
    for out, src, dst in zip(*columns, strict=True):
        switch, hop = _next_hop(fabric, addresses, out)
        text = [addresses.text(addresses.endpoints[end]) for end in (src, dst)]
        policies[switch].append(PolicyRoute(text[0], text[1], hop))
    models = {fabric.switches[i].model for i, own in enumerate(policies) if own}
    lacking = sorted(model.name for model in models if "policy-routing" not in model.features)
    if lacking:
        raise InputError.of(
            "carrier-not-supported",
            f"pins cannot be policy routes: {', '.join(lacking)} does not declare 'policy-routing'",
            "add it to the model's 'features' where the chip has it, or choose other 'routing: {pins: ...}'",
            ("routing", "pins"),
        )
    return tuple(tuple(own) for own in policies)


def _source_ports(
    fabric: Fabric, addresses: AddressPlan, routes: SwitchRoutes, seeds: Sequence[int], placement: Placement
) -> tuple[SourcePort, ...]:
    flows = placement.flows
    data = choose_ports(fabric, addresses, routes, seeds, flows, placement.data)
    acks = choose_ports(fabric, addresses, routes, seeds, flows.reversed(), placement.acks)
    columns = (column.tolist() for column in (flows.src, flows.dst, data, acks))
    found = {
        (src, dst): SourcePort(fabric.endpoints[src].name, fabric.endpoints[dst].name, *ports)
        for src, dst, *ports in zip(*columns, strict=True)
        if min(ports) >= 0
    }
    return tuple(found[pair] for pair in sorted(found))


def _check_tables(fabric: Fabric, entries: Sequence[int], table: str) -> None:
    """Raise InputError `pins-exceed-table` for switches whose model holds fewer entries than they need."""
    problems = [
        Diagnostic(
            "pins-exceed-table",
            f"{switch.name} needs {count} pins in {table}; a {switch.model.name} holds {room}",
            hint="pin fewer flows, or let 'routing: {pins: auto}' choose what carries them",
            place=("routing", "pins"),
        )
        for switch, count in zip(fabric.switches, entries, strict=True)
        if count > (room := int(getattr(switch.model.tables, table))) > 0
    ]
    if problems:
        raise InputError(problems)


def _next_hop(fabric: Fabric, addresses: AddressPlan, out: int) -> tuple[int, NextHop]:
    """The switch that a way out leaves, and its next hop there."""
    link, is_up = divmod(out, 2)
    cable = fabric.links[link]
    near = cable.a if is_up else cable.b
    hop = NextHop(addresses.peer_text(link, is_upper=bool(is_up)), near.port)
    return fabric.switch_by_name[near.device].index, hop
