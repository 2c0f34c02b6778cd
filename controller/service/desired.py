"""What the switches are to hold: a fabric, its plan, what is drained, and what dead links make of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from raddle.controller.plan.backup import Backup, backup_of, inner_links
from raddle.controller.plan.held import HeldPlan
from raddle.controller.plan.model import NextHop, Plan, Route, SwitchPlan
from raddle.controller.plan.replan import replanner
from raddle.controller.plan.routes import SwitchRoutes
from raddle.controller.plan.update import Write, by_prefix, writes_between
from raddle.controller.service.records import Material
from raddle.errors import InputError
from raddle.topology.model import Fabric, PortRef
from raddle.topology.views.cut_off import cut_off_endpoints
from raddle.workload import Demand


@dataclass(frozen=True)
class Desired:
    """A state of the switches that was asked for.

    Attributes:
        fabric: with what is drained.
        demand: the flows that the plan pins.
    """

    fabric: Fabric
    held: HeldPlan
    demand: Demand | None = None

    @cached_property
    def replan(self) -> Callable[[Fabric], SwitchRoutes]:
        """The routes of the plan's switches on the links that are left."""
        return replanner(self.fabric, self.held.plan, self.demand)

    @cached_property
    def switches(self) -> Mapping[str, SwitchPlan]:
        """The plan's switches by name."""
        return {each.name: each for each in self.held.plan.switches}

    @cached_property
    def links(self) -> Mapping[str, int]:
        """Indices of the links between switches that are up: `leaf0:Ethernet0 - spine0:Ethernet8`."""
        return {name: index for index, name in inner_links(self.fabric).items()}

    def dead_links(self, down: Mapping[str, Collection[str]]) -> frozenset[str]:
        """The links of which an end is among the ports that are `down`, by switch."""
        ports = {PortRef(switch, port) for switch, names in down.items() for port in names}
        links = self.fabric.links
        return frozenset(
            name for name, index in self.links.items() if {links[index].a, links[index].b} & ports
        )

    def backup(self, dead: Collection[str]) -> Backup:
        """What switches and the controller do about dead links."""
        return backup_of(self.fabric, self.held.plan, self.replan, "", [self.links[name] for name in dead])

    def repaired(self, writes: Iterable[Write]) -> Desired:
        """This, with the routes that the controller writes after a failure."""
        return replace(self, held=replace(self.held, plan=with_writes(self.held.plan, writes)))

    def writes_to(self, other: Desired) -> dict[str, tuple[Write, ...]]:
        """The routes that differ in another state of the same switches, by switch."""
        changed = {
            name: (self.switches[name].routes, new.routes)
            for name, new in other.switches.items()
            if self.switches[name] is not new
        }
        writes = {
            name: writes_between({name: by_prefix(old)}, {name: by_prefix(new)})
            for name, (old, new) in changed.items()
        }
        return {name: own for name, own in writes.items() if own}


class Planner(Protocol):
    """Where fabrics and plans come from; `raddle.cli` has it, as it knows the options."""

    def read(self) -> Material:
        """The fabric as it stands in its file, folder or git checkout now.

        Raises:
            InputError: it cannot be used.
        """
        ...

    def fabric(self, material: Material) -> tuple[Fabric, Demand | None]:
        """The fabric, and the flows that its options pin."""
        ...

    def plan(self, material: Material, fabric: Fabric, earlier: Plan | None) -> HeldPlan:
        """A plan for a fabric, whose pins stay where an earlier one has them."""
        ...


def with_writes(plan: Plan, writes: Iterable[Write]) -> Plan:
    """The plan with other routes."""
    after: dict[str, dict[str, tuple[NextHop, ...]]] = {}
    for write in writes:
        after.setdefault(write.switch, {})[write.prefix] = write.after
    switches = (
        replace(each, routes=_rewritten(each.routes, after[each.name])) if each.name in after else each
        for each in plan.switches
    )
    return replace(plan, switches=tuple(switches))


def _rewritten(routes: Iterable[Route], after: Mapping[str, tuple[NextHop, ...]]) -> tuple[Route, ...]:
    known = {route.prefix for route in routes}
    changed = (
        replace(route, next_hops=after.get(route.prefix, route.next_hops))
        for route in routes
        if after.get(route.prefix, route.next_hops)
    )
    new = (Route(prefix, hops, "fabric") for prefix, hops in after.items() if hops and prefix not in known)
    return (*changed, *new)


def with_drains(fabric: Fabric, switches: Collection[str]) -> Fabric:
    """The fabric with all links between switches drained that end at these switches.

    Raises:
        InputError: `unknown-device`; `drain-cuts-off`, hosts that nothing else reaches then.
    """
    unknown = sorted(set(switches) - fabric.switch_by_name.keys())
    if unknown:
        raise InputError.of("unknown-device", f"no switch '{unknown[0]}' in fabric '{fabric.name}'")
    if not switches:
        return fabric
    links = tuple(
        replace(link, is_drained=True)
        if {link.a.device, link.b.device} & set(switches)
        and {link.a.device, link.b.device} <= fabric.switch_by_name.keys()
        else link
        for link in fabric.links
    )
    drained = replace(fabric, links=links)
    lost = np.flatnonzero(cut_off_endpoints(drained) & ~cut_off_endpoints(fabric))
    if len(lost):
        names = [fabric.endpoints[index].name for index in lost]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise InputError.of(
            "drain-cuts-off",
            f"without {', '.join(sorted(switches))} nothing reaches {names[0]}{more}",
            "drain fewer switches at a time; a leaf without a second one beside it takes its hosts along",
        )
    return drained
