"""What switches forward with once they hold their plan, worked out once for those that are alike."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields, replace
from operator import attrgetter

from raddle.controller.plan.model import Plan, PortPlan, SwitchPlan
from raddle.lab.switches.reported import planned_switch
from raddle.state import SwitchState
from raddle.topology.model import Fabric
from raddle.topology.yaml.placing import placed

_OF_PORT = attrgetter(*(each.name for each in fields(PortPlan) if each.name != "peer"))
"""All of a port but what it is cabled to."""


def planned_state(fabric: Fabric, plan: Plan, name: str) -> SwitchState:
    """What a switch forwards with once it holds its part of a plan."""
    return state_of(fabric, next(each for each in plan.switches if each.name == name))


def state_of(fabric: Fabric, switch: SwitchPlan) -> SwitchState:
    """What a switch forwards with once it holds its plan."""
    with placed(fabric):
        return planned_switch(switch).state()


def states_without_routes(fabric: Fabric, plan: Plan) -> dict[str, SwitchState]:
    """By name, the states of all switches of a plan, with routes only where groups choose by load.

    Switches whose plans differ in names, addresses, AS numbers and hash seeds alone have one state, in which
    they share ports, buffers and profiles as objects. Of routes a state tells then whether any group chooses
    by load, which it does for all of its kind or for none.
    """
    known: dict[Hashable, SwitchState] = {}
    states = {}
    for switch in plan.switches:
        kind = _kind_of(switch)
        if kind not in known:
            plain = replace(switch, policies=())
            known[kind] = state_of(
                fabric, plain if switch.adaptive else replace(plain, routes=(), interfaces=())
            )
        states[switch.name] = replace(known[kind], name=switch.name, hash_seed=switch.hash_seed)
    return states


def _kind_of(switch: SwitchPlan) -> Hashable:
    """What switches with equal states have in common; of an adopted one its name."""
    if switch.adopted:
        return switch.name
    ports = tuple((_OF_PORT(port), bool(port.peer)) for port in switch.ports)
    hops = {id(route.next_hops): route.next_hops for route in switch.routes} if switch.adaptive else {}
    groups = frozenset(frozenset(hop.port for hop in each) for each in hops.values())
    alike = replace(
        switch, name="", mac="", hash_seed=0, asn=0, ports=(), interfaces=(), routes=(), policies=()
    )
    return alike, ports, groups
