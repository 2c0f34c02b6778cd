"""Pinned paths: host routes that keep a collective's flows apart.

A host route tells apart (switch, destination): a /32 at the source leaf chooses the spine, one at the spine
the superspine, and where links are parallel, which of them. Flows between endpoints of one leaf need none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from controller.plan.addresses import AddressPlan
from controller.plan.assignment import HOPS, Decisions, Flows, Paths, choose_paths, hops_of, keep_paths
from controller.plan.colouring import Ints, distinct
from controller.plan.loads import summarize
from controller.plan.model import NextHop, PinReport, Route
from controller.plan.routes import SwitchRoutes
from controller.plan.tiers import Tiers, tiers_of
from raddle.topology.model import Fabric
from raddle.workload import Demand


@dataclass(frozen=True, eq=False)
class Placement:
    """The paths of a demand's flows and of their acknowledgements."""

    flows: Flows
    data: Paths
    acks: Paths


def plan_pins(fabric: Fabric, addresses: AddressPlan, demand: Demand) -> tuple[SwitchRoutes, PinReport]:
    """Host routes of every switch, in order of `Fabric.switches`, and how good they are.

    Every flow src -> dst implies acknowledgements dst -> src. The data's paths are chosen first; then those
    that only acknowledgements take, from the data's paths backwards.
    """
    tiers = tiers_of(fabric)
    placement = _place(tiers, _flows(tiers, demand), Decisions())
    routes = _routes(fabric, addresses, tiers, placement)
    flows = placement.flows
    return routes, PinReport(
        flows=len(demand.src),
        pins=sum(len(of_switch) for of_switch in routes),
        data=summarize(tiers, flows, placement.data, host_key),
        acks=summarize(tiers, flows.reversed(), placement.acks, host_key),
        method=placement.data.method,
    )


def place_pins(fabric: Fabric, demand: Demand) -> Placement:
    """The paths that `plan_pins` gives to a demand."""
    tiers = tiers_of(fabric)
    return _place(tiers, _flows(tiers, demand), Decisions())


def repair_pins(fabric: Fabric, addresses: AddressPlan, before: Placement) -> SwitchRoutes:
    """Host routes of every switch after links have failed: only pins that lost a link move.

    Args:
        fabric: as it is now.
        before: the paths when more links were up.
    """
    tiers = tiers_of(fabric)
    is_up = np.append(fabric.arrays.is_up, True)  # -1, no link, is the last
    kept = Decisions()
    for flows, paths in ((before.flows, before.data), (before.flows.reversed(), before.acks)):
        stays = (paths.spine >= 0) & is_up[paths.link].all(axis=0)
        keep_paths(tiers, flows, paths, host_key, kept, stays)
    return _routes(fabric, addresses, tiers, _place(tiers, before.flows, kept))


def host_key(switch: Ints, src: Ints, dst: Ints) -> Ints:
    """What a host route tells apart."""
    return switch << 32 | dst


def _flows(tiers: Tiers, demand: Demand) -> Flows:
    """The flows of a demand between different leaves."""
    src, dst, phase = (column.astype(np.int64) for column in (demand.src, demand.dst, demand.phase))
    remote = tiers.leaf[src] != tiers.leaf[dst]
    return Flows(src[remote], dst[remote], phase[remote])


def _place(tiers: Tiers, flows: Flows, decided: Decisions) -> Placement:
    data = choose_paths(tiers, flows, host_key, decided)
    return Placement(flows, data, choose_paths(tiers, flows.reversed(), host_key, decided, hints=data))


def _routes(fabric: Fabric, addresses: AddressPlan, tiers: Tiers, placement: Placement) -> SwitchRoutes:
    """Host routes by switch: one for each switch, destination and link where there is a choice."""
    flows, endpoints = placement.flows, max(len(fabric.endpoints), 1)
    entries = []
    for each, paths in ((flows, placement.data), (flows.reversed(), placement.acks)):
        for place, hop in enumerate(hops_of(tiers, each, paths.spine, paths.superspine)):
            is_up = place < HOPS // 2
            link, dst = paths.link[place][hop.is_used], each.dst[hop.is_used]
            if not is_up:
                has_choice = (hop.links >= 0).sum(axis=1) > 1
                link, dst = link[has_choice], dst[has_choice]
            entries.append((2 * link + is_up) * endpoints + dst)
    entry = np.sort(np.concatenate(entries))
    port, dst = np.divmod(entry[np.flatnonzero(np.diff(entry, prepend=-1))], endpoints)
    prefixes = {number: addresses.host_prefix(number) for number in distinct(dst)[0].tolist()}
    routes: list[list[Route]] = [[] for _ in fabric.switches]
    first = np.flatnonzero(np.diff(port, prepend=-1))
    for start, end in pairwise([*first.tolist(), len(port)]):
        out = int(port[start])
        switch, hops = _out(fabric, addresses, out // 2, out % 2 == 1)
        routes[switch] += [Route(prefixes[to], hops, "pin") for to in dst[start:end].tolist()]
    return tuple(tuple(of_switch) for of_switch in routes)


def _out(fabric: Fabric, addresses: AddressPlan, link: int, is_up: bool) -> tuple[int, tuple[NextHop]]:
    """The switch that sends on a link in a direction, and its next hop there."""
    cable = fabric.links[link]
    near = cable.a if is_up else cable.b
    hop = NextHop(addresses.peer_text(link, is_upper=is_up), near.port)
    return fabric.switch_by_name[near.device].index, (hop,)
