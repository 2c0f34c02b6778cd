"""What the controller of a scenario makes of what it knows, while a run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from raddle.controller.plan.make import make_plan, route_order
from raddle.controller.plan.model import NextHop, Plan, PolicyRoute, Route
from raddle.controller.plan.update import Routes, peers_of, routes_of, states_on_the_way, update_rounds
from raddle.errors import InputError
from raddle.lab.run.control import Known, Rounds
from raddle.lab.switches.programmed import ReportedSwitch, planned_switch
from raddle.lab.workloads.joined import joined_demand
from raddle.topology.model import Fabric
from raddle.topology.yaml.placing import placed
from raddle.workload import Demand

DemandOf = Sequence[tuple[str, Demand]]
"""What each job asks of the fabric, and the tenant that it comes with; empty: it is there from the start."""


class Replanner:
    """Plans one thing known after the other, pins that still carry left where they are.

    Routes and pins change as `raddle plan` would have it for a fabric whose dead links are drained; ports and
    buffers do not, and a queue pair keeps its UDP source port.
    """

    def __init__(
        self, fabric: Fabric, routing: Literal["ecmp", "pinned"], demands: DemandOf, plan: Plan
    ) -> None:
        carrier = plan.pins.carrier if plan.pins else fabric.routing.pins
        self._fabric = replace(fabric, routing=replace(fabric.routing, pins=carrier))
        self._routing = routing
        self._demands = demands
        self._plan = plan
        self._origin = _origins(plan)
        self._peers = peers_of(plan)
        self._held = {switch.name: switch for switch in plan.switches}

    def __call__(self, known: Known) -> Rounds:
        """The way of the switches to the plan for what is known, in the rounds of `raddle apply`.

        Raises:
            InputError: those of `make_plan`.
        """
        out = known.dead | known.drained
        links = tuple(
            replace(link, is_drained=True) if link.index in out else link for link in self._fabric.links
        )
        fabric = replace(self._fabric, links=links)
        demand = present_demand(self._demands, known.tenants) if self._routing == "pinned" else None
        new = make_plan(fabric, self._routing, demand, self._plan if demand else None)
        policies = {switch.name: switch.policies for switch in new.switches}
        old, self._plan = self._plan, new
        self._origin |= _origins(new)
        return tuple(self._rounds(routes_of(old), routes_of(new), policies))

    def _rounds(
        self, old: Routes, new: Routes, policies: Mapping[str, tuple[PolicyRoute, ...]]
    ) -> Iterator[Mapping[str, ReportedSwitch]]:
        """What changes in each round; policies change with the last."""
        rounds = update_rounds(self._peers, old, new)
        for writes, routes in zip(rounds, states_on_the_way(old, rounds), strict=True):
            names = {write.switch for write in writes}
            yield {name: self._with_routes(name, routes[name]) for name in sorted(names)}
        others = [name for name, own in policies.items() if own != self._held[name].policies]
        for name in others:
            self._held[name] = replace(self._held[name], policies=policies[name])
        if others:
            yield {name: self._reported(name) for name in others}

    def _with_routes(self, name: str, routes: Mapping[str, tuple[NextHop, ...]]) -> ReportedSwitch:
        own = [Route(prefix, hops, self._origin[name, prefix]) for prefix, hops in routes.items()]
        self._held[name] = replace(self._held[name], routes=tuple(sorted(own, key=route_order)))
        return self._reported(name)

    def _reported(self, name: str) -> ReportedSwitch:
        with placed(self._fabric):
            return planned_switch(self._held[name])


def _origins(plan: Plan) -> dict[tuple[str, str], Literal["fabric", "pin"]]:
    """Which part of the plan made each route, by switch and prefix."""
    return {(switch.name, route.prefix): route.origin for switch in plan.switches for route in switch.routes}


def present_demand(demands: DemandOf, tenants: frozenset[str]) -> Demand:
    """What the jobs that are there ask together.

    Raises:
        InputError: `bad-scenario`, none is.
    """
    present = [demand for tenant, demand in demands if not tenant or tenant in tenants]
    if not present:
        message = "every job is of a tenant that is added later, so there is nothing to pin at first"
        raise InputError.of(
            "bad-scenario", message, "take routing: ecmp, or a job that is there from the start"
        )
    return joined_demand(present)
