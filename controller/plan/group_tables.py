"""What a plan asks of the switches' tables of next-hop groups: whether they fit, and what weights lose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from raddle.controller.plan.balance import WORTH_IT
from raddle.controller.plan.model import Balance, SwitchKind, WeightCarrier, WeightReport
from raddle.controller.plan.paths import PathTable
from raddle.controller.plan.routes import groups_of
from raddle.controller.plan.weights import Group, equal_weights, fits, loss_of
from raddle.errors import Diagnostic
from raddle.topology.catalog import place_of_model
from raddle.topology.model import Fabric, Switch

_CARRIERS: tuple[tuple[SwitchKind, str, bool], ...] = (
    ("p4runtime", "weights of the action profile's group members", True),
    ("openflow", "weights of the select group's buckets", True),
    ("sonic-appl-db", "field 'weight' of ROUTE_TABLE, written by a routing daemon", True),
    ("sonic-bgp", "link bandwidth community, which FRR turns into weights", True),
    ("sonic-config-db", "none in STATIC_ROUTE: rounded to equal next hops", False),
)
"""Kinds of switches, what carries a group's weights there, and whether it can.

Sources: P4Runtime specification 1.4, 9.2.3 (weight); OpenFlow 1.3.5, 7.3.4.2 (weight of a bucket); SONiC
sonic-swss-common, schema of ROUTE_TABLE (weight); draft-ietf-idr-link-bandwidth and FRR, "Weighted ECMP using
BGP link bandwidth"; sonic-static-route.yang, which has no weight.
"""

Used = tuple[Switch, int, Group, tuple[float, ...]]
"""A switch, a pattern that it uses, the group made of it, and the exact shares."""


def check_group_tables(fabric: Fabric, table: PathTable) -> Iterator[Diagnostic]:
    """`table-too-small`, for a switch of every model whose tables cannot hold its routes and groups."""
    told = set()
    for switch in fabric.switches:
        budget = switch.model.tables
        if switch.model.name in told or not (budget.groups or budget.group_members or budget.prefix_routes):
            continue
        groups = [group for _, _, group, _ in _of_switch(table, switch)]
        sizes = [group.size for group in groups if group.size > 1]
        routes = int(np.count_nonzero(table.pattern[switch.index] >= 0))
        if fits(groups, budget) and not 0 < budget.prefix_routes < routes:
            continue
        told.add(switch.model.name)
        yield Diagnostic(
            "table-too-small",
            f"{switch.name} needs {routes} prefix routes and {len(sizes)} next-hop groups of {sum(sizes)} "
            f"entries; {switch.model.name} holds {budget.prefix_routes or 'any number of'} routes, "
            f"{budget.groups or 'any number of'} groups, {budget.group_members or 'any number of'} entries",
            hint="take a switch model with larger tables, or correct 'tables' of the model",
            place=place_of_model(fabric, switch, "tables"),
        )


def report_weights(fabric: Fabric, table: PathTable, balance: Balance | None) -> WeightReport | None:
    """How the groups with unequal shares are carried; None where there are none and none would be better."""
    unequal = [
        used
        for switch in fabric.switches
        for used in _of_switch(table, switch)
        if max(used[3]) > min(used[3]) * (1 + 1e-6)
    ]
    is_near = balance is None or balance.held <= balance.best * WORTH_IT
    if not unequal and is_near:
        return None
    return WeightReport(
        groups=len(unequal),
        switches=len({used[0].name for used in unequal}),
        most_entries=max((used[2].size for used in unequal), default=0),
        carriers=tuple(
            _carrier(fabric, table, unequal, switches, carrier, has_weights)
            for switches, carrier, has_weights in _CARRIERS
            if unequal
        ),
        balance=balance,
    )


def _of_switch(table: PathTable, switch: Switch) -> Iterator[Used]:
    """Every group of a switch."""
    numbers = np.unique(table.pattern[switch.index])
    groups = groups_of(table, numbers[numbers >= 0].tolist(), switch.model.tables)
    for number, group in groups.items():
        yield switch, number, group, table.patterns[number].shares


def _carrier(
    fabric: Fabric,
    table: PathTable,
    unequal: Iterable[Used],
    switches: SwitchKind,
    carrier: str,
    has_weights: bool,
) -> WeightCarrier:
    losses = [
        (loss_of(group.weights if has_weights else equal_weights(group.weights), shares), switch, number)
        for switch, number, group, shares in unequal
    ]
    # Shares come from single precision: what differs by less is equal, and the first switch is named.
    loss, switch, number = max(losses, key=lambda each: round(each[0], 6))
    leaf = fabric.switches[int(np.flatnonzero(table.pattern[switch.index] == number)[0])]
    return WeightCarrier(switches, carrier, round(loss, 6), f"{switch.name} to {leaf.name}")
