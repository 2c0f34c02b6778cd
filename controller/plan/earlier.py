"""What an earlier plan's pins decide for a new one, so that only what must move moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raddle.controller.plan.addresses import AddressPlan
from raddle.controller.plan.assignment import HOPS, Decisions, Flows, KeyOf, Paths, hops_of, keep_paths
from raddle.controller.plan.colouring import Ints
from raddle.controller.plan.model import Plan
from raddle.controller.plan.tiers import Tiers
from raddle.topology.model import Fabric, PortRef


def earlier_decisions(
    fabric: Fabric,
    addresses: AddressPlan,
    tiers: Tiers,
    flows: Flows,
    key_of: KeyOf,
    earlier: Plan,
    is_repair: bool = False,
) -> Decisions:
    """The slots of the host routes of an earlier plan, for flows whose path is up and as fast as before.

    Flows that the earlier plan pins otherwise or not at all are decided anew. In a repair the plan is of this
    fabric when more links were up: pins whose link is down take their backups.
    """
    ways = _ways(fabric, addresses, earlier, takes_backups=is_repair)
    is_slower = np.zeros(len(fabric.links), np.bool_) if is_repair else _is_slower(fabric, earlier)
    is_whole_link = np.append(fabric.arrays.is_up & ~is_slower, True)  # -1 is no link
    decided = Decisions()
    for each in (flows, flows.reversed()):
        paths = _paths(fabric, tiers, each, ways)
        is_far = tiers.pod[tiers.leaf[each.src]] != tiers.pod[tiers.leaf[each.dst]]
        is_whole = (paths.spine >= 0) & (~is_far | (paths.superspine >= 0))
        keep_paths(tiers, each, paths, key_of, decided, is_whole & is_whole_link[paths.link].all(axis=0))
    return decided


def _is_slower(fabric: Fabric, earlier: Plan) -> NDArray[np.bool_]:
    """bool[links], those that the earlier plan had faster."""
    is_slower = np.zeros(len(fabric.links), np.bool_)
    for switch in earlier.switches:
        for port in switch.ports:
            link = fabric.link_by_port.get(PortRef(switch.name, port.name)) if port.peer else None
            if link and link.speed_bps < port.speed_bps:
                is_slower[link.index] = True
    return is_slower


def _ways(fabric: Fabric, addresses: AddressPlan, earlier: Plan, takes_backups: bool) -> tuple[Ints, Ints]:
    """int[N], int[N]: switch * endpoints + endpoint of every pin, sorted, and the link that it leads to."""
    prefixes = {addresses.host_prefix(endpoint.index): endpoint.index for endpoint in fabric.endpoints}
    switches = {switch.name: switch.index for switch in fabric.switches}
    ways = {}
    for switch in earlier.switches:
        for route in switch.routes:
            if route.origin != "pin":
                continue
            link = None
            for hop in route.next_hops if takes_backups else route.next_hops[:1]:
                link = fabric.link_by_port.get(PortRef(switch.name, hop.port))
                if link and link.is_up:
                    break
            if link and switch.name in switches and route.prefix in prefixes:
                place = switches[switch.name] * len(prefixes) + prefixes[route.prefix]
                ways[place] = link.index
    places = np.array(sorted(ways), np.int64)
    return places, np.array([ways[place] for place in places.tolist()], np.int64)


def _paths(fabric: Fabric, tiers: Tiers, flows: Flows, ways: tuple[Ints, Ints]) -> Paths:
    """The paths that pins at switches give to flows; slots are -1 where a pin is missing."""
    endpoints = len(fabric.endpoints)

    def way(switch: Ints) -> Ints:
        places, links = ways
        wanted = switch * endpoints + flows.dst
        if not len(places):
            return np.full(len(wanted), -1, np.int64)
        at = np.minimum(np.searchsorted(places, wanted), len(places) - 1)
        found: Ints = np.where((places[at] == wanted) & (switch >= 0), links[at], -1)
        return found

    source = tiers.leaf[flows.src]
    spine = _slot_of(fabric, tiers.lower.link)[way(source)]
    is_far = (tiers.pod[source] != tiers.pod[tiers.leaf[flows.dst]]) & (spine >= 0)
    up = np.where(is_far, tiers.leaves + tiers.spine_at[tiers.pod[source], spine], -1)
    superspine = np.where(is_far, _slot_of(fabric, tiers.upper.link)[way(up)], -1)
    link = np.full((HOPS, len(flows)), -1, np.int64)
    first = {"leaf-link": 0, "superspine-link": tiers.leaves + tiers.spines}
    for i, hop in enumerate(hops_of(tiers, flows, spine, superspine)):
        pinned = way(hop.switch + first.get(hop.name, tiers.leaves))[hop.is_used]
        is_there = (hop.links == pinned[:, None]).any(axis=1)
        link[i, hop.is_used] = np.where(is_there, pinned, hop.links[:, 0])
    return Paths(spine, superspine, link, "earlier plan")


def _slot_of(fabric: Fabric, links: Ints) -> Ints:
    """int[links + 1], the slot of every link at its lower switch, -1 for others and for no link (-1)."""
    slot = np.full(len(fabric.links) + 1, -1, np.int64)
    low, place, parallel = np.nonzero(links >= 0)
    slot[links[low, place, parallel]] = place
    return slot
