"""The routes of a fabric after failures: what the controller makes of the links that are left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from controller.plan.addresses import plan_addresses
from controller.plan.pins import pin_placement, repair_pins
from controller.plan.routes import SwitchRoutes, fabric_routes
from controller.plan.wiring import wire
from raddle.topology.model import Fabric
from raddle.workload import Demand


def replanner(
    fabric: Fabric, routing: Literal["ecmp", "pinned"], demand: Demand | None
) -> Callable[[Fabric], SwitchRoutes]:
    """A function from the fabric with failed links to the routes of its switches, in order of `switches`.

    Routes are those of `make_plan` for the failed fabric. Pins that a failure leaves intact stay where
    `make_plan` has put them in the whole fabric; the others take the least loaded path that is left.
    """
    addresses = plan_addresses(fabric)
    wiring = wire(fabric, addresses)
    is_pinned = routing == "pinned" and demand is not None
    before = pin_placement(fabric, wiring, demand) if is_pinned and demand else None

    def routes(failed: Fabric) -> SwitchRoutes:
        shared = fabric_routes(failed)
        if before is None or demand is None:
            return shared
        left = wire(failed, addresses)
        pins = repair_pins(failed, left, addresses, demand, before)
        return tuple(both + own for both, own in zip(shared, pins, strict=True))

    return routes


def with_links(fabric: Fabric, is_up: list[bool]) -> Fabric:
    """The fabric with other links up."""
    links = tuple(
        link if link.is_up == up else replace(link, is_up=up)
        for link, up in zip(fabric.links, is_up, strict=True)
    )
    return replace(fabric, links=links)
