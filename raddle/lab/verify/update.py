"""Verification of the way from one plan to another, in the order of a rollout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from raddle.controller.plan.model import Plan
from raddle.controller.plan.update import (
    PortChange,
    Update,
    Write,
    peers_of,
    plan_update,
    ports_between,
)
from raddle.controller.verify.network import Bools, Network, entries_of_plan
from raddle.controller.verify.transient import Step, Transient, judge_update
from raddle.controller.verify.update_scope import scope_of, wire_routes
from raddle.lab.verify.findings import about_scope, about_update, located
from raddle.lab.verify.model import Verification
from raddle.topology.model import Fabric


def with_update(
    fabric: Fabric, network: Network, result: Verification, earlier: Plan, plan: Plan
) -> Verification:
    """The verification with the way from an earlier plan to this one."""
    update, scope = _judged(network, earlier, plan), scope_of(earlier, plan)
    found = [*about_update(update), *about_scope(scope, fabric, earlier)]
    return replace(
        result,
        update=update,
        scope=scope,
        problems=(*result.problems, *located(fabric, found)),
        outside=(*result.outside, *scope.outside()),
    )


def _judged(network: Network, earlier: Plan, plan: Plan) -> Transient:
    """The way from one plan's routes to another's, in the order of a rollout.

    A switch that leaves is told nothing, one that joins holds nothing before. Links are those of today, but
    for the ports of bonds that the rollout sets up or down: as if they worked until they are shut, and as if
    they had been dead before.
    """
    held = {switch.name: wire_routes(switch) for switch in earlier.switches}
    old = {switch.name: held.get(switch.name, {}) for switch in plan.switches}
    new = {switch.name: wire_routes(switch) for switch in plan.switches}
    up = {
        switch.name: {port.name for port in switch.ports if port.is_enabled}
        for switch in earlier.switches
        if switch.nos == "sonic"
    }
    update = plan_update(peers_of(plan), old, new, ports_between(up, plan))
    ports = {
        switch.name: {port.name: number for number, port in enumerate(switch.ports)}
        for switch in plan.switches
    }
    cabled = (
        replace(
            switch,
            routes=(),
            ports=tuple(replace(port, is_enabled=bool(port.peer)) for port in switch.ports),
        )
        for switch in plan.switches
    )
    own = {switch.name: entries_of_plan(switch) for switch in cabled}
    replacing = {switch.name for switch in plan.switches if switch.nos == "sonic"}
    ways = [_steps(network, update, ports)]
    if update.ports:
        ways.append([replace(each, links=network.is_up) for each in ways[0]])
    found = [judge_update(network, own, ports, old, way, replacing) for way in ways]
    return next((each for each in found if not each.is_good), found[0])


def _steps(network: Network, update: Update, ports: dict[str, dict[str, int]]) -> list[Step]:
    """What is done one after the other, and which links are up then; the first is how it stands before."""
    links = network.is_up
    for change in update.ports:
        links = _with(network, links, change, ports, is_up=not change.opens)
    steps = [Step((), links)]
    for places in update.rounds:
        done = [update.at(place) for place in places]
        for each in done:
            if isinstance(each, PortChange):
                links = _with(network, links, each, ports, is_up=each.opens)
        steps.append(Step(tuple(each for each in done if isinstance(each, Write)), links))
    return steps


def _with(
    network: Network, links: Bools, change: PortChange, ports: dict[str, dict[str, int]], is_up: bool
) -> Bools:
    """The links with those at some ports up or down."""
    switch = network.switches.index(change.switch)
    channels = [network.channel[switch, ports[change.switch][port]] for port in change.ports]
    changed = links.copy()
    changed[network.link[np.array(channels)]] = is_up
    return changed
