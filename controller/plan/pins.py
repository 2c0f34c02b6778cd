"""Pinned paths: host routes that keep a collective's flows apart.

A pin is a pair (source leaf, destination endpoint), which is what plain destination routing can tell
apart: a /32 at the source leaf chooses the uplink and thereby the spine. With parallel links a /32 at the
spine chooses the downlink. Flows between endpoints of one leaf need no pin.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from controller.plan.addresses import AddressPlan
from controller.plan.assignment import Assignment, Problem, assign, cost
from controller.plan.model import PinReport, Route
from controller.plan.wiring import Wiring
from raddle.topology.model import Fabric
from raddle.workload import Demand


def plan_pins(
    fabric: Fabric, wiring: Wiring, addresses: AddressPlan, demand: Demand
) -> tuple[tuple[tuple[Route, ...], ...], PinReport]:
    """Host routes of every switch (leaves first, then spines), and how good they are.

    Every flow src -> dst implies acknowledgements dst -> src. The data's pins are placed first; pins that
    only acknowledgements use come next, around the acknowledgements that share a pin with data.
    """
    data, acks = _problems(fabric, wiring, demand)
    placed, every = _place(data, acks)
    routes = _routes(wiring, addresses, acks, every)
    return routes, PinReport(
        flows=len(demand.src),
        pins=sum(len(of_switch) for of_switch in routes),
        max_data_load=cost(data, placed)[0],
        data_bound=data.bound(),
        max_ack_load=cost(acks, every)[0],
        ack_bound=acks.bound(),
        method=placed.method,
    )


def pin_placement(fabric: Fabric, wiring: Wiring, demand: Demand) -> Assignment:
    """The slots that `plan_pins` gives to the pins of a demand."""
    return _place(*_problems(fabric, wiring, demand))[1]


def repair_pins(
    fabric: Fabric, wiring: Wiring, addresses: AddressPlan, demand: Demand, before: Assignment
) -> tuple[tuple[Route, ...], ...]:
    """Host routes of every switch after links have failed: only pins that lost a link move.

    Args:
        fabric, wiring: as they are now.
        before: the pins' slots when more links were up, for the same demand.
    """
    data, acks = _problems(fabric, wiring, demand)
    alive = wiring.is_alive
    stays = (before.up >= 0) & alive[data.source, before.up] & alive[data.target, before.down]
    data = replace(
        data,
        fixed_up=np.where(stays, before.up, -1),
        fixed_down=np.where(stays, before.down, -1),
        is_wanted=data.is_wanted & ~stays,
    )
    acks = replace(acks, is_wanted=acks.is_wanted & ~stays)
    return _routes(wiring, addresses, acks, _place(data, acks)[1])


def _place(data: Problem, acks: Problem) -> tuple[Assignment, Assignment]:
    """The data's pins, and all pins: those that only acknowledgements use are placed around the others."""
    placed = assign(data)
    return placed, assign(replace(acks, fixed_up=placed.up, fixed_down=placed.down))


def _problems(fabric: Fabric, wiring: Wiring, demand: Demand) -> tuple[Problem, Problem]:
    """The demand's data and its acknowledgements as placement problems over one list of pins."""
    leaf = np.array([endpoint.leaf for endpoint in fabric.endpoints], dtype=np.int64)
    place = np.array(_places(fabric), dtype=np.int64)
    src, dst, phase = (column.astype(np.int64) for column in (demand.src, demand.dst, demand.phase))
    remote = leaf[src] != leaf[dst]
    src, dst, phase = src[remote], dst[remote], phase[remote]
    _, phase = np.unique(phase, return_inverse=True)

    endpoints = len(leaf)
    data_keys, ack_keys = leaf[src] * endpoints + dst, leaf[dst] * endpoints + src
    keys = np.unique(np.concatenate((data_keys, ack_keys)))
    source, destination = keys // max(endpoints, 1), keys % max(endpoints, 1)
    is_data = np.isin(keys, data_keys)
    unplaced = np.full(len(keys), -1, dtype=np.int64)
    data = Problem(
        is_alive=wiring.is_alive,
        width=wiring.width,
        source=source,
        target=leaf[destination],
        destination=destination,
        place=place[destination],
        pin=np.searchsorted(keys, data_keys),
        phase=phase,
        phases=int(phase.max(initial=0)) + 1,
        is_wanted=is_data,
        fixed_up=unplaced,
        fixed_down=unplaced,
    )
    return data, replace(data, pin=np.searchsorted(keys, ack_keys), is_wanted=~is_data)


def _places(fabric: Fabric) -> list[int]:
    """The place of every endpoint among those of its leaf."""
    seen = Counter[int]()
    places = []
    for endpoint in fabric.endpoints:
        places.append(seen[endpoint.leaf])
        seen[endpoint.leaf] += 1
    return places


def _routes(
    wiring: Wiring, addresses: AddressPlan, problem: Problem, assignment: Assignment
) -> tuple[tuple[Route, ...], ...]:
    """Host routes by switch. A pin without a path has none."""
    leaf_routes: list[list[Route]] = [[] for _ in range(wiring.leaves)]
    spine_routes: list[list[Route]] = [[] for _ in range(wiring.spines)]
    seen: set[tuple[int, int]] = set()
    columns = (problem.source, problem.target, problem.destination, assignment.up, assignment.down)
    for source, target, destination, up, down in zip(*(column.tolist() for column in columns), strict=True):
        if up < 0:
            continue
        prefix = addresses.host_prefix(destination)
        leaf_routes[source].append(Route(prefix, (wiring.by_slot[source, up].up,), "pin"))
        spine = down // wiring.width
        if wiring.width > 1 and (spine, destination) not in seen:
            seen.add((spine, destination))
            spine_routes[spine].append(Route(prefix, (wiring.by_slot[target, down].down,), "pin"))
    return tuple(tuple(routes) for routes in (*leaf_routes, *spine_routes))
