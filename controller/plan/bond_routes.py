"""Host routes of bonds that have lost a port: around the leaf that still announces their block."""

from __future__ import annotations

from dataclasses import replace

from raddle.controller.plan.addresses import AddressPlan
from raddle.controller.plan.graph import SwitchGraph
from raddle.controller.plan.model import NextHop, Route
from raddle.controller.plan.paths import find_paths
from raddle.controller.plan.routes import SwitchRoutes, groups_of, next_hops
from raddle.topology.model import Fabric
from raddle.topology.views.uplinks import half_bonds


def bond_routes(fabric: Fabric, families: tuple[AddressPlan, ...], graph: SwitchGraph) -> SwitchRoutes:
    """By switch, in order of `Fabric.switches`: to each bond with one live port, over that port's leaf alone.

    The leaf itself needs none, its own link leads there. Where both ports are live, both leaves deliver; and
    to a leaf without a way up nothing is sent anyhow.
    """
    own: list[list[Route]] = [[] for _ in fabric.switches]
    halves = half_bonds(fabric)
    if halves:
        table = find_paths(replace(graph, twins=graph.twins[:0]))
        for switch in fabric.switches:
            numbers = {int(table.pattern[switch.index, each.leaf]) for each in halves} - {-1}
            groups = groups_of(table, sorted(numbers), switch.model.tables)
            for family in families:
                hops: dict[int, tuple[NextHop, ...]] = {
                    number: next_hops(fabric, table, family, switch.index, number, group)
                    for number, group in groups.items()
                }
                own[switch.index] += [
                    Route(family.host_prefix(each.index), hops[number], "fabric")
                    for each in halves
                    if (number := int(table.pattern[switch.index, each.leaf])) >= 0
                ]
    return tuple(tuple(routes) for routes in own)
