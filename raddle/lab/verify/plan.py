"""Verification of a plan, before and after re-planning in every state of failure."""

from __future__ import annotations

from dataclasses import replace

from raddle.controller.plan.balance import WORTH_IT
from raddle.controller.plan.make import Outline
from raddle.controller.plan.model import NextHop, Plan, Route
from raddle.controller.plan.replan import ports_to_shut, replanner, with_links
from raddle.controller.verify.columns import LeafColumns
from raddle.controller.verify.failures import Replan
from raddle.controller.verify.network import (
    Bools,
    Network,
    entries_of_plan,
    entry_of,
    network_of,
    ports_through,
)
from raddle.controller.verify.tables import Changes, LookUp, Prefix, Tables
from raddle.errors import Diagnostic
from raddle.lab.planned_states import states_without_routes
from raddle.lab.verify.model import FailureScope, Progress, Verification
from raddle.lab.verify.proofs import Subject, prove
from raddle.lab.verify.update import with_update
from raddle.topology.model import Fabric
from raddle.topology.yaml.placing import in_file
from raddle.workload import Demand


def verify_plan(
    fabric: Fabric,
    plan: Plan,
    demand: Demand | None,
    scope: FailureScope,
    progress: Progress,
    earlier: Plan | None = None,
) -> Verification:
    """Check what a plan makes of the switches, before and after re-planning in every state of failure.

    With an `earlier` plan also what can happen while its routes are changed to this plan's.
    """
    network = network_of(fabric)
    entries = {switch.name: entries_of_plan(switch) for switch in plan.switches}
    # Of routes the states are asked only whether they choose by load; the proof is of `entries`.
    states = states_without_routes(fabric, plan)
    replan = _replan(fabric, plan, demand, network) if scope.together else None
    policies = sum(len(switch.policies) for switch in plan.switches)
    subject = Subject("plan", entries, states, policies)
    result = replace(prove(fabric, network, subject, replan, scope, progress), best_load=_best_load(plan))
    if policies:
        beside = Diagnostic(
            "policies-not-verified",
            f"{policies} policy routes of this plan are no part of the proof, which is of its routes",
            hint="'routing: {pins: host-route}' makes pins that are proven under failures",
            severity="warning",
            place=("routing", "pins"),
        )
        result = replace(result, problems=(*result.problems, *in_file(fabric, [beside])))
    return result if earlier is None else with_update(fabric, network, result, earlier, plan)


def verify_outline(outline: Outline, scope: FailureScope, progress: Progress) -> Verification:
    """As `verify_plan`, of an ECMP plan as it stands, without its millions of routes in memory."""
    fabric, plan = outline.fabric, outline.plan
    network = network_of(fabric)
    leaves = LeafColumns(network)
    entries = {
        switch.name: leaves.columns(switch, shared, entries_of_plan(replace(switch, routes=own)))
        for switch, shared, own in zip(plan.switches, outline.leaf_routes(), outline.around, strict=True)
    }
    subject = Subject("plan", entries, states_without_routes(fabric, plan))
    return replace(prove(fabric, network, subject, None, scope, progress), best_load=_best_load(plan))


def _best_load(plan: Plan) -> float | None:
    """What the best shares would make of the busiest link, where the plan's are worth less; pins apart."""
    balance = plan.weights.balance if plan.weights and not plan.pins else None
    return balance.best if balance and balance.held > balance.best * WORTH_IT else None


def _replan(fabric: Fabric, plan: Plan, demand: Demand | None, network: Network) -> Replan:
    routes_after = replanner(fabric, plan, demand)
    ports = [{port.name: number for number, port in enumerate(switch.ports)} for switch in plan.switches]

    def planned(links: Bools) -> list[dict[str, Route]]:
        routes = routes_after(with_links(fabric, links[: len(fabric.links)].tolist()))
        return [{route.prefix: route for route in own} for own in routes]

    before = planned(network.is_up)
    entries = {
        switch.name: entries_of_plan(replace(switch, routes=tuple(each.values())))
        for switch, each in zip(plan.switches, before, strict=True)
    }
    look_up = LookUp(network, entries)

    def replan(links: Bools) -> tuple[Tables, Bools]:
        shut = ports_to_shut(with_links(fabric, links[: len(fabric.links)].tolist()))
        stay = links.copy()
        stay[[fabric.link_by_port[port].index for port in shut]] = False
        changes: dict[int, Changes] = {}
        for number, (old, new) in enumerate(zip(before, planned(links), strict=True)):
            own: dict[Prefix, tuple[int, ...] | None] = {
                entry_of(prefix, ())[:2]: None for prefix in old.keys() - new.keys()
            }
            for prefix, route in new.items():
                if prefix not in old or not _is_same(old[prefix].next_hops, route.next_hops):
                    through = ports_through(plan.switches[number], ports[number], route.next_hops)
                    own[entry_of(prefix, ())[:2]] = through
            if own:
                changes[number] = own
        return look_up.changed(changes), stay

    return replan


def _is_same(old: tuple[NextHop, ...], new: tuple[NextHop, ...]) -> bool:
    """Most equal next hops are one object, which saves comparing them."""
    return old is new or old == new
