"""Verification of a plan, or of what running switches report: reachability, deadlock, losslessness."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from raddle.controller.plan.model import NextHop, Plan, Route
from raddle.controller.plan.replan import replanner, with_links
from raddle.controller.plan.update import peers_of, update_rounds
from raddle.controller.reconcile import read_neighbours
from raddle.controller.verify.certificate import certificate
from raddle.controller.verify.deadlock import Cycle, rank_by_name, ranks
from raddle.controller.verify.equal_routes import stands_for
from raddle.controller.verify.failures import Outcome, Replan, Verdict, failures, judge, survey
from raddle.controller.verify.finding import Finding
from raddle.controller.verify.half_bonds import placed_at_bonds
from raddle.controller.verify.hashes import check_hashes
from raddle.controller.verify.load import busiest_link
from raddle.controller.verify.lossless import check_lossless
from raddle.controller.verify.network import (
    Bools,
    Entry,
    Ints,
    Network,
    entries_of_plan,
    entries_of_state,
    entry_of,
    network_of,
    ports_through,
)
from raddle.controller.verify.outside import OutsideReach, judge_outside, waiting_pairs, ways_out
from raddle.controller.verify.parts import Part, judge_parts
from raddle.controller.verify.reach import cut_off_pairs, pairs_of
from raddle.controller.verify.tables import Changes, LookUp, Prefix, Tables, tables_of
from raddle.controller.verify.transient import Transient, judge_update
from raddle.controller.verify.update_scope import UpdateScope, listed, scope_of, wire_routes
from raddle.errors import Diagnostic, InputError
from raddle.inventory import Inventory
from raddle.lab.planned_states import state_of, states_without_routes
from raddle.lab.switches.neighbours import heard_cables
from raddle.lab.switches.programmed import over_p4runtime, read_states
from raddle.state import AclRule, SwitchState
from raddle.topology.model import Fabric
from raddle.topology.views.cable_mend import CableWork, mend_cables
from raddle.topology.views.cable_truth import SeenCable, compare_cables, planned_names
from raddle.topology.views.capacity import bisection_bps, tier_oversubscription
from raddle.topology.views.polarisation import polarisation
from raddle.topology.yaml.placing import in_file, spans_of
from raddle.workload import Demand

_SHOWN_RULES = 5
_IP_ETHER_TYPES = (0x0800, 0x86DD)

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class FailureScope:
    """What to check: up to `together` links and switches failing at once, sets of two or more sampled
    (`most` of them, with `seed`) where there are more; `congested_groups` for ECN before PFC."""

    together: int
    most: int
    seed: int
    congested_groups: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        subject: "plan" or "running switches".
        endpoints: how many there are; `pairs`: ordered pairs of them within planes.
        cut_off: pairs that no way up and down connects, as the fabric stands.
        parts: planes, rails and tenants, each judged on its own.
        present: the fabric as it stands; `dependencies` is the number of waiting pairs of buffers.
        outcomes: of every failure checked, out of `total_failures`.
        busiest: load and port of the busiest fabric link under uniform all-to-all traffic.
        oversubscription: the worst ratio of bandwidth below to above, by tier (`leaves`, `spines`).
        bisection_bps: what an even split of the fabric lets through each way.
        problems: all that is wrong, for the reader.
        proof: writes the certificate of deadlock freedom; None where there is a cycle.
        outside: what the proofs leave out, in a reader's words.
        update: the way from an earlier plan to this one; None where none was given.
        scope: what that changes beside routes.
        cabling: the work that makes the cables what the fabric says; None where none were seen.
        external: the prefixes that links to the outside lead to.
        is_adaptive: switches choose by load among the paths that were checked.
    """

    fabric: str
    subject: str
    endpoints: int
    pairs: int
    cut_off: int
    parts: tuple[Part, ...]
    present: Verdict
    dependencies: int
    outcomes: tuple[Outcome, ...]
    total_failures: int
    busiest: tuple[float, str]
    oversubscription: dict[str, float]
    bisection_bps: int
    problems: tuple[Diagnostic, ...]
    proof: Callable[[], str] | None = field(compare=False)
    outside: tuple[str, ...] = ()
    update: Transient | None = None
    scope: UpdateScope | None = None
    cabling: tuple[CableWork, ...] | None = None
    external: tuple[OutsideReach, ...] = ()
    is_adaptive: bool = False

    @property
    def is_good(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)


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
    subject = _Subject("plan", entries, states, policies)
    result = _verify(fabric, network, subject, replan, scope, progress)
    if policies:
        beside = Diagnostic(
            "policies-not-verified",
            f"{policies} policy routes of this plan are no part of the proof, which is of its routes",
            hint="'routing: {pins: host-route}' makes pins that are proven under failures",
            severity="warning",
            place=("routing", "pins"),
        )
        result = replace(result, problems=(*result.problems, *in_file(fabric, [beside])))
    return result if earlier is None else _with_update(fabric, network, result, earlier, plan)


def _with_update(
    fabric: Fabric, network: Network, result: Verification, earlier: Plan, plan: Plan
) -> Verification:
    """The verification with the way from an earlier plan to this one."""
    update, scope = _update(network, earlier, plan), scope_of(earlier, plan)
    found = [*_about_update(update), *_about_scope(scope)]
    return replace(
        result,
        update=update,
        scope=scope,
        problems=(*result.problems, *_located(fabric, found)),
        outside=(*result.outside, *scope.outside()),
    )


def verify_running(
    fabric: Fabric,
    inventory: Inventory,
    scope: FailureScope,
    progress: Progress,
    seen: tuple[SeenCable, ...] | None = None,
) -> Verification:
    """Check what the switches report, and what they do with it on their own when something fails.

    Cables are those that are `seen`, else those of the neighbours that the switches hear over LLDP.

    Raises:
        InputError: the inventory is another fabric's, or `policies-not-verified`. UnreachableError: a switch
            does not answer.
    """
    inventory.require(fabric.name, (switch.name for switch in fabric.switches))
    states = read_states(inventory, over_p4runtime(fabric))
    _refuse_policies(states)
    entries = {name: entries_of_state(state) for name, state in states.items()}
    lists = tuple(_about_access_lists(states))
    subject = _Subject(
        "running switches", entries, states, outside=tuple(f"access lists: {each.message}" for each in lists)
    )
    result = _verify(fabric, network_of(fabric), subject, None, scope, progress)
    result = replace(
        result, problems=(*result.problems, *lists, *_located(fabric, list(check_hashes(fabric, states))))
    )
    if seen is None:
        seen = planned_names(fabric, heard_cables(fabric, read_neighbours(inventory)))
    return with_cabling(fabric, result, seen)


def _about_access_lists(states: Mapping[str, SwitchState]) -> Iterator[Diagnostic]:
    """A warning for each switch that may drop what its routes take."""
    for name, state in states.items():
        dropping = [
            f"{table.name}|{rule.name}"
            for table in state.acl_tables
            for rule in table.rules
            if rule.drops and _is_for_ip(rule)
        ]
        if dropping:
            yield Diagnostic(
                "access-lists-not-verified",
                f"{name} drops what {len(dropping)} rules of access lists match, which the proof leaves out: "
                f"{', '.join(dropping[:_SHOWN_RULES])}{', ...' if len(dropping) > _SHOWN_RULES else ''}",
                hint=f"'raddle switch {name} show acl rule' lists them",
                severity="warning",
            )


def _is_for_ip(rule: AclRule) -> bool:
    types = [match for match in rule.matches if match.field == "ether_type"]
    return any(all((each.value ^ kind) & each.mask == 0 for each in types) for kind in _IP_ETHER_TYPES)


def _refuse_policies(states: Mapping[str, SwitchState]) -> None:
    """What goes by more than the destination must not be left out of a proof in silence."""
    for name, state in states.items():
        if state.policies:
            raise InputError.of(
                "policies-not-verified",
                f"{name} pins {len(state.policies)} flows by more than the destination: not verified",
                "pin by destination, or remove these entries first",
            )


def with_cabling(fabric: Fabric, result: Verification, seen: tuple[SeenCable, ...]) -> Verification:
    """A verification that also compares the cables that are seen with the fabric."""
    if not seen:
        silence = Diagnostic(
            "no-neighbours",
            "no switch hears a neighbour over LLDP, so the cabling is not checked",
            hint="enable LLDP on the switches, or give a list with --cables",
            severity="warning",
        )
        return replace(result, problems=(*result.problems, silence))
    wrong = compare_cables(fabric, seen)
    return replace(result, problems=(*result.problems, *wrong), cabling=mend_cables(fabric, seen))


def planned_state(fabric: Fabric, plan: Plan, name: str) -> SwitchState:
    """What a switch forwards with once it holds its part of a plan."""
    return state_of(fabric, next(each for each in plan.switches if each.name == name))


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

    def replan(links: Bools) -> Tables:
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
        return look_up.changed(changes)

    return replan


def _is_same(old: tuple[NextHop, ...], new: tuple[NextHop, ...]) -> bool:
    """Most equal next hops are one object, which saves comparing them."""
    return old is new or old == new


def _update(network: Network, earlier: Plan, plan: Plan) -> Transient:
    """The way from one plan's routes to another's, on the links of today, in the order of a rollout.

    A switch that leaves is told nothing, one that joins holds nothing before.
    """
    held = {switch.name: wire_routes(switch) for switch in earlier.switches}
    old = {switch.name: held.get(switch.name, {}) for switch in plan.switches}
    new = {switch.name: wire_routes(switch) for switch in plan.switches}
    rounds = update_rounds(peers_of(plan), old, new)
    own = {switch.name: entries_of_plan(replace(switch, routes=())) for switch in plan.switches}
    ports = {
        switch.name: {port.name: number for number, port in enumerate(switch.ports)}
        for switch in plan.switches
    }
    replacing = {switch.name for switch in plan.switches if switch.nos == "sonic"}
    return judge_update(network, own, ports, old, rounds, network.is_up, replacing)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is verified: the switches' routes and states, and what they have that no proof covers."""

    name: str
    entries: dict[str, list[Entry]]
    states: dict[str, SwitchState]
    policies: int = 0
    outside: tuple[str, ...] = ()


def _verify(
    fabric: Fabric,
    network: Network,
    subject: _Subject,
    replan: Replan | None,
    scope: FailureScope,
    progress: Progress,
) -> Verification:
    tables = tables_of(network, subject.entries, stands_for(network, subject.entries))
    beyond = ways_out(fabric, network, subject.entries)
    edges = waiting_pairs(network, tables, beyond)
    rank = ranks(network, edges)
    present = judge(network, tables, network.is_up, rank)
    speed_bps = fabric.arrays.speed_bps
    outcomes, total = _under_failures(network, subject, rank, replan, scope, speed_bps, progress)
    singles = failures(network, 1, 0, 0)[0] if beyond and scope.together else []
    outside = judge_outside(beyond, rank, singles)
    found = [
        *_about(present, "as it stands"),
        *_about_outside(outside),
        *placed_at_bonds(fabric, _about_failures(outcomes)),
        *check_lossless(fabric, subject.states, scope.congested_groups),
    ]
    proof = None
    if rank is not None:
        ranked = rank_by_name(network, rank, edges)
        addresses = network.addresses[network.of_endpoint].tolist()
        proof = partial(
            certificate, fabric, addresses, subject.entries, ranked, subject.policies, subject.outside
        )
    return Verification(
        fabric=fabric.name,
        subject=subject.name,
        endpoints=len(network.endpoints),
        pairs=pairs_of(network),
        cut_off=cut_off_pairs(network, network.is_up),
        parts=judge_parts(fabric, network, tables, speed_bps, not present.lost),
        present=present,
        dependencies=len(edges),
        outcomes=outcomes,
        total_failures=total,
        busiest=busiest_link(network, tables, network.is_up, speed_bps),
        oversubscription=tier_oversubscription(fabric),
        bisection_bps=bisection_bps(fabric),
        problems=(*fabric.warnings, *in_file(fabric, polarisation(fabric)), *_located(fabric, found)),
        proof=proof,
        outside=tuple(_outside(fabric, subject, found)),
        external=outside,
        is_adaptive=any(state.is_adaptive for state in subject.states.values()),
    )


def _under_failures(
    network: Network,
    subject: _Subject,
    rank: Ints | None,
    replan: Replan | None,
    scope: FailureScope,
    speed_bps: Ints,
    progress: Progress,
) -> tuple[tuple[Outcome, ...], int]:
    """The outcomes of the failures that are to be checked, and how many there are in all."""
    if not scope.together:
        return (), 0
    chosen, total = failures(network, scope.together, scope.most, scope.seed)
    tables = tables_of(network, subject.entries)
    told = survey(network, tables, chosen, rank, replan, speed_bps, lambda share: progress("failures", share))
    return tuple(told), total


def _outside(fabric: Fabric, subject: _Subject, found: list[Finding]) -> Iterator[str]:
    """What the proofs leave out."""
    yield from subject.outside
    if fabric.servers < len(fabric.hosts):
        yield "what routers outside do, their BGP sessions, and ways to them that are planned anew"
    if subject.policies:
        yield f"{subject.policies} policy routes"
    if not fabric.roce.lossless:
        yield "loss and deadlock by pauses: no class of the fabric is lossless"
    if any(finding.code == "cnp-droppable" for finding in found):
        yield "loss of CNPs, which have no buffer of their own"
    if any(finding.code == "headroom-shared" for finding in found):
        yield "loss where more priority groups are in headroom at once than their pool has room for"
    if any(finding.code == "headroom-beside" for finding in found):
        yield "loss where lossless packets come in at ports that the fabric has no cable at, too"
    if (share := fabric.roce.headroom.small_packet_share) < 1:
        yield f"loss where more than {100 * share:g} % of lossless packets are of 64 bytes"


def _about(verdict: Verdict, when: str) -> Iterator[Finding]:
    place = ("routing",)
    if verdict.looping:
        message = f"{when}: {verdict.looping} pairs can go round for ever; {verdict.example}"
        yield Finding("loop", message, "apply the plan again", place)
    elif verdict.lost:
        message = f"{when}: {verdict.lost} pairs with links between them are not reached; {verdict.example}"
        hint = "only a path down and up again connects them, or a route is missing"
        yield Finding("unreached", message, hint, place)
    if verdict.cycle:
        yield Finding("deadlock", f"{when}: {cycle_text(verdict.cycle)}", mend(verdict.cycle), place)


def _about_outside(reach: tuple[OutsideReach, ...]) -> Iterator[Finding]:
    """What is lost or goes round on the way outside."""
    place = ("external",)
    for each in reach:
        for found in _about(each.present, f"to {each.prefix} outside, as it stands"):
            yield replace(found, place=place)
        if each.loops_after:
            more = f" (and in {len(each.loops_after) - 1} more states)" if len(each.loops_after) > 1 else ""
            message = f"after {each.loops_after[0]}, packets to {each.prefix} outside can go round{more}"
            hint = "lead longer prefixes over the same links as the shorter ones that hold them"
            yield Finding("loop", message, hint, place)


def _about_update(update: Transient) -> Iterator[Finding]:
    """What an update does on its way although both its ends are sound."""
    place, wait = ("routing",), "change it in two steps, by a plan between the two"
    if update.looping:
        message = f"during the update: {update.looping} pairs can go round; {update.example}"
        yield Finding("update-loops", message, wait, place)
    elif update.lost:
        message = f"during the update: {update.lost} pairs can be lost; {update.example}"
        yield Finding("update-drops", message, wait, place)
    if update.cycle:
        message = f"during the update: {cycle_text(update.cycle)}"
        yield Finding("update-deadlocks", message, wait, place)


def _about_scope(scope: UpdateScope) -> Iterator[Finding]:
    """What an update changes beside routes that stops traffic, or that no Set can do."""
    if scope.readdressed:
        ports = listed(scope.readdressed)
        message = (
            f"{len(scope.readdressed)} ports in use get another address: {ports}; traffic over them stops"
        )
        if scope.stolen:
            message += f"; SONiC refuses those that another port still has: {listed(scope.stolen)}"
        hint = (
            "keep them: name a 'record' and write it with 'raddle plan' of the file as it was; or apply this "
            "while no job runs"
        )
        yield Finding("update-readdresses", message, hint, ("fabric",))
    needy = {name: each for name, each in scope.reloads.items() if each.paths}
    if needy:
        entries = sum(len(each.paths) for each in needy.values())
        message = f"{entries} entries of {listed(tuple(needy))} cannot be changed over gNMI"
        hint = (
            f"boot them from 'raddle render --switch {next(iter(needy))} --format sonic --bootstrap'; "
            "'reserve' keeps buffer for what is still to come"
        )
        yield Finding("update-needs-reload", message, hint, ("fabric",), "warning")


def _about_failures(outcomes: tuple[Outcome, ...]) -> Iterator[Finding]:
    """One finding per kind: the first failure that shows it, and how many others do."""
    seen: dict[str, tuple[Finding, int]] = {}
    for outcome in outcomes:
        alone = outcome.alone
        if not alone.looping:  # what is lost until the plan is renewed is told apart
            alone = replace(alone, lost=0)
        found = {f.code: f for f in _about(alone, f"after {outcome.failure}, before re-planning")}
        if outcome.replanned and outcome.replanned is not outcome.alone:
            found |= {f.code: f for f in _about(outcome.replanned, f"after {outcome.failure}, re-planned")}
        for code, finding in found.items():
            first, count = seen.get(code, (finding, 0))
            seen[code] = first, count + outcome.alike
    for finding, count in seen.values():
        more = f" (and in {count - 1} more states)" if count > 1 else ""
        yield replace(finding, message=finding.message + more)


def cycle_text(cycle: Cycle) -> str:
    """The ring, and the flow and route of each of its steps."""
    ring = " waits for ".join((*cycle.channels, cycle.channels[0]))
    steps = [
        f"{source} to {destination} by {' > '.join(route)}"
        for (source, destination), route in zip(cycle.flows, cycle.routes, strict=True)
    ]
    return f"lossless buffers can deadlock: {ring}; flows: {'; '.join(steps)}"


def mend(cycle: Cycle) -> str:
    """A way out of a cycle: take one of its flows off its route, or let it change its class there."""
    source, destination = cycle.flows[0]
    at = cycle.channels[1 % len(cycle.channels)].partition(":")[0]
    return (
        f"pin {source} to {destination} to a route that does not turn at {at}, or give what has turned there "
        "a second lossless class (Tagger; P4Runtime and OpenFlow switches can, CONFIG_DB cannot)"
    )


def _located(fabric: Fabric, found: list[Finding]) -> Iterator[Diagnostic]:
    """Findings with the line of the fabric file that causes them, where the file can still be read."""
    span = spans_of(fabric)
    for each in found:
        yield Diagnostic(each.code, each.message, span(each.place), each.hint, severity=each.severity)
