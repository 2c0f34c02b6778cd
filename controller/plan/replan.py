"""The routes of a fabric after failures: what the controller makes of the links that are left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from raddle.controller.plan.addresses import address_families
from raddle.controller.plan.balance import balanced
from raddle.controller.plan.graph import graph_of
from raddle.controller.plan.model import Plan
from raddle.controller.plan.other_routes import other_routes
from raddle.controller.plan.paths import find_paths, update_paths
from raddle.controller.plan.pin_backups import PinBackups
from raddle.controller.plan.pins import KnownPins, place_pins, repair_pins
from raddle.controller.plan.routes import KnownHops, SwitchRoutes, leaf_routes, routes_of
from raddle.topology.model import Fabric, PortRef
from raddle.topology.views.uplinks import ports_without_uplinks
from raddle.workload import Demand


def replanner(fabric: Fabric, plan: Plan, demand: Demand | None) -> Callable[[Fabric], SwitchRoutes]:
    """A function from the fabric with failed links to the routes of its switches, in order of `switches`.

    Routes are those of `make_plan` for the failed fabric. Pins that a failure leaves intact stay where the
    plan has them, and so do backups; the others take the least loaded path that is left. Pins that are no
    host routes are not in routes, and not in these. Shared next hops that are equal in two calls are the same
    object.
    """
    families = address_families(fabric)
    addresses = families[0]
    fabric = without_drained(fabric)
    table = find_paths(graph_of(fabric))
    known: KnownHops = {}
    known_pins: KnownPins = {}
    is_pinned = plan.pins is not None and plan.pins.carrier == "host-route"
    before = place_pins(fabric, addresses, demand, plan) if is_pinned and demand else None
    in_reserve = PinBackups(fabric, plan)
    for _ in leaf_routes(fabric, table, families, range(len(fabric.switches)), known):
        pass
    if before:
        repair_pins(fabric, addresses, before, known_pins, plan)
    # One object for equal next hops before and after a failure is quick to compare.
    planned = {route.next_hops: route.next_hops for switch in plan.switches for route in switch.routes}
    known.update((key, planned.get(hops, hops)) for key, hops in known.items())
    known_pins.update((key, (at, planned.get(hops, hops), {})) for key, (at, hops, _) in known_pins.items())

    def routes(left_over: Fabric) -> SwitchRoutes:
        failed = without_drained(left_over)
        arrays = failed.arrays
        speeds_bps = np.where(arrays.is_up, arrays.speed_bps, 0)
        inner = np.flatnonzero(arrays.tier > 0)
        graph = table.graph.with_speeds(inner, speeds_bps[inner])
        found = balanced(failed, update_paths(table, graph))
        shared = routes_of(fabric, found, families, known)
        around = other_routes(failed, families, found)
        shared = tuple(each + own for each, own in zip(shared, around, strict=True))
        if before is None or demand is None:
            return shared
        pins = repair_pins(failed, addresses, before, known_pins, plan)
        return in_reserve.added(tuple(both + own for both, own in zip(shared, pins, strict=True)))

    return routes


def ports_to_shut(fabric: Fabric) -> tuple[PortRef, ...]:
    """Ports of bonds on leaves without a way up, where the controller sets ports: on SONiC."""
    ends = (fabric.links[index].b for index in ports_without_uplinks(fabric) if fabric.links[index].is_up)
    return tuple(end for end in ends if fabric.switch_by_name[end.device].model.nos == "sonic")


def without_drained(fabric: Fabric) -> Fabric:
    """The fabric as routes see it: drained links are not there."""
    if not any(link.is_drained for link in fabric.links):
        return fabric
    return with_links(fabric, [link.is_up and not link.is_drained for link in fabric.links])


def with_links(fabric: Fabric, is_up: list[bool]) -> Fabric:
    """The fabric with other links up."""
    links = tuple(
        link if link.is_up == up else replace(link, is_up=up)
        for link, up in zip(fabric.links, is_up, strict=True)
    )
    return replace(fabric, links=links)
