"""What the switches are to hold: a fabric, its plan, what is drained, and what dead links make of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from raddle.controller.plan.backup import Backup, backup_of, inner_links
from raddle.controller.plan.held import HeldPlan
from raddle.controller.plan.model import NextHop, Plan, Route, SwitchPlan
from raddle.controller.plan.replan import replanner, with_links
from raddle.controller.plan.routes import SwitchRoutes
from raddle.controller.plan.update import Write, by_prefix, writes_between
from raddle.controller.service.congestion.jobs import JobFlow
from raddle.controller.service.records import Drain, Material
from raddle.errors import InputError
from raddle.topology.model import Fabric, PortRef
from raddle.topology.views.cut_off import Lost, lost_ways
from raddle.topology.views.uplinks import with_tracked_uplinks
from raddle.workload import Demand


@dataclass(frozen=True, slots=True)
class CutOff:
    """What dead or drained links have left without a way, by name.

    Attributes:
        endpoints: nothing but their own leaf reaches them.
        leaves: pairs between whose hosts no way leads, while others reach both: `leaf0 - leaf1`.
    """

    endpoints: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()

    @classmethod
    def of(cls, fabric: Fabric, lost: Lost) -> CutOff:
        names = [each.name for each in fabric.switches]
        return cls(
            tuple(fabric.endpoints[index].name for index in np.flatnonzero(lost.endpoints)),
            tuple(f"{names[one]} - {names[other]}" for one, other in lost.leaves),
        )

    @property
    def names(self) -> tuple[str, ...]:
        return self.endpoints + self.leaves


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

    def unplugged(self, down: Mapping[str, Collection[str]]) -> frozenset[str]:
        """The endpoints whose own link has an end among the ports that are `down`, by switch."""
        links = self.fabric.links
        return frozenset(
            each.name
            for each in self.fabric.endpoints
            if any(end.port in down.get(end.device, ()) for end in (links[each.link].a, links[each.link].b))
        )

    def cut_off(self, down: Mapping[str, Collection[str]]) -> CutOff:
        """Whom nothing reaches while these ports are down, by switch, and who has no way to some others.

        Of hosts' own links, too.
        """
        by_port = self.fabric.link_by_port
        ends = (PortRef(switch, port) for switch, names in down.items() for port in names)
        dead = {by_port[end].index for end in ends if end in by_port}
        if not dead:
            return CutOff()
        left = [link.is_up and link.index not in dead for link in self.fabric.links]
        return CutOff.of(self.fabric, lost_ways(self.fabric, with_links(self.fabric, left)))

    def backup(self, dead: Collection[str]) -> Backup:
        """What switches and the controller do about dead links."""
        return backup_of(self.fabric, self.held.plan, self.replan, "", [self.links[name] for name in dead])

    def repaired(self, backup: Backup) -> Desired:
        """This, with the routes that the controller writes after a failure; ports that it shuts are down."""
        plan = without_ports(with_writes(self.held.plan, backup.controller), backup.shut)
        return replace(self, held=replace(self.held, plan=plan))

    def switches_beside(self, other: Desired) -> frozenset[str]:
        """The switches that hold something else than in another state of the same plan."""
        if self is other:
            return frozenset()
        return frozenset(name for name, plan in self.switches.items() if plan is not other.switches[name])

    def ports_to(self, other: Desired) -> frozenset[str]:
        """The switches of which other ports are up in another state."""
        return frozenset(
            name
            for name, new in other.switches.items()
            if self.switches[name] is not new and self.switches[name].ports != new.ports
        )

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

    def jobs(self, material: Material, fabric: Fabric) -> tuple[JobFlow, ...]:
        """Who sends to whom, as far as that was said."""
        ...

    def repinned(self, material: Material) -> Material | None:
        """The same with the flows of the jobs pinned; None where they are, or are not known."""
        ...

    def problems(self, desired: Desired) -> tuple[str, ...]:
        """What keeps a plan from being proven (`raddle verify`); empty where it is."""
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


def without_ports(plan: Plan, shut: Collection[PortRef]) -> Plan:
    """The plan with some ports down."""
    if not shut:
        return plan
    at = {end.device for end in shut}

    def narrowed(switch: SwitchPlan) -> SwitchPlan:
        ports = (
            replace(port, is_enabled=False) if PortRef(switch.name, port.name) in shut else port
            for port in switch.ports
        )
        return replace(switch, ports=tuple(ports))

    return replace(
        plan, switches=tuple(narrowed(each) if each.name in at else each for each in plan.switches)
    )


def _rewritten(routes: Iterable[Route], after: Mapping[str, tuple[NextHop, ...]]) -> tuple[Route, ...]:
    known = {route.prefix for route in routes}
    kept = (
        replace(route, next_hops=after[route.prefix]) if route.prefix in after else route
        for route in routes
        if after.get(route.prefix, (True,))  # one without next hops that stays discards
    )
    new = (
        Route(prefix, hops, "pin" if hops[-1].distance > 1 else "fabric")  # none but a pin's is in reserve
        for prefix, hops in after.items()
        if hops and prefix not in known
    )
    return (*kept, *new)


def with_drains(fabric: Fabric, drains: Iterable[Drain]) -> Fabric:
    """The fabric without what is drained: all links between switches of a switch, or the link at a port.

    Raises:
        InputError: `unknown-device`; `no-link-there`; `drain-cuts-off`, hosts that nothing else reaches then.
    """
    given = tuple(drains)
    drained: set[int] = set()
    for each in given:
        if not each.is_shut:
            drained |= _links_of(fabric, each.switch)
    shut = {_link_at(fabric, each.switch) for each in given if each.is_shut}
    if not given:
        return fabric
    led_around = with_tracked_uplinks(with_links_drained(fabric, drained))
    lost = CutOff.of(fabric, lost_ways(fabric, led_around))
    if lost.names:
        says = "nothing reaches" if lost.endpoints else "no way leads between hosts of"
        more = f" and {len(lost.names) - 1} more" if len(lost.names) > 1 else ""
        raise InputError.of(
            "drain-cuts-off",
            f"without {', '.join(sorted(each.switch for each in given))} {says} {lost.names[0]}{more}",
            "drain fewer switches at a time; a leaf without a second one beside it takes its hosts along",
        )
    return with_links(led_around, [link.is_up and link.index not in shut for link in led_around.links])


def bearable_drains(fabric: Fabric, drains: Iterable[Drain]) -> tuple[Drain, ...]:
    """The drains that can stay with the links that are up; where not all can, the earlier ones."""
    kept: tuple[Drain, ...] = ()
    for each in drains:
        with suppress(InputError):
            with_drains(fabric, (*kept, each))
            kept = (*kept, each)
    return kept


def without_links(fabric: Fabric, dead: Collection[str]) -> Fabric:
    """The fabric with links down that are named as `Desired.links` names them."""
    gone = {index for index, name in inner_links(fabric).items() if name in dead}
    return with_links(fabric, [link.is_up and link.index not in gone for link in fabric.links])


def with_links_drained(fabric: Fabric, drained: Collection[int]) -> Fabric:
    """The fabric with these links, by index, led around."""
    links = tuple(replace(link, is_drained=True) if link.index in drained else link for link in fabric.links)
    return replace(fabric, links=links)


def _links_of(fabric: Fabric, place: str) -> set[int]:
    """The links between switches of a switch; or the link at a port."""
    if ":" in place:
        link = fabric.links[_link_at(fabric, place)]
        if not {link.a.device, link.b.device} <= fabric.switch_by_name.keys():
            raise InputError.of(
                "no-link-there",
                f"the cable at '{place}' leads to a host, and no route leads around it",
                "name a switch, or a port that leads to another switch",
            )
        return {link.index}
    if place not in fabric.switch_by_name:
        raise InputError.of("unknown-device", f"no switch '{place}' in fabric '{fabric.name}'")
    return {
        link.index
        for link in fabric.links
        if place in (link.a.device, link.b.device)
        and {link.a.device, link.b.device} <= fabric.switch_by_name.keys()
    }


def place_of(fabric: Fabric, named: str) -> str:
    """The one name of what is drained: of a link, its first port at a switch, whichever end was named."""
    device, _, port = named.partition(":")
    link = fabric.link_by_port.get(PortRef(device, port))
    if link is None:
        return named
    return str(link.a if link.a.device in fabric.switch_by_name else link.b)


def _link_at(fabric: Fabric, place: str) -> int:
    device, _, port = place.partition(":")
    link = fabric.link_by_port.get(PortRef(device, port))
    if link is None:
        raise InputError.of(
            "no-link-there",
            f"no cable is at '{place}'",
            "name a switch, or a cabled port of it: leaf0:Ethernet32",
        )
    return link.index
