"""Routes besides those to the blocks of leaves: of bonds that have lost a port, and to the outside."""

from __future__ import annotations

from raddle.controller.plan.addresses import AddressPlan
from raddle.controller.plan.bond_routes import bond_routes
from raddle.controller.plan.outside import outside_routes
from raddle.controller.plan.paths import PathTable
from raddle.controller.plan.routes import SwitchRoutes
from raddle.topology.model import Fabric


def other_routes(fabric: Fabric, families: tuple[AddressPlan, ...], table: PathTable) -> SwitchRoutes:
    """By switch, in order of `Fabric.switches`; `fabric` is without drained and failed links, as `table`."""
    halves = bond_routes(fabric, families, table.graph)
    outside = outside_routes(fabric, families, table)
    return tuple(each + own for each, own in zip(halves, outside, strict=True))
