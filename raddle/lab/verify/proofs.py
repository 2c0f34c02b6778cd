"""The proofs of a set of forwarding tables, wherever they are from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from raddle.controller.verify.certificate import certificate
from raddle.controller.verify.columns import Routes, columns_of
from raddle.controller.verify.deadlock import Cycle, rank_by_name, ranks, smallest_cycle
from raddle.controller.verify.equal_routes import stands_for
from raddle.controller.verify.failures import Outcome, Replan, Verdict, failures, judge, survey
from raddle.controller.verify.finding import Finding
from raddle.controller.verify.half_bonds import placed_at_bonds
from raddle.controller.verify.load import busiest_link
from raddle.controller.verify.lossless import check_lossless
from raddle.controller.verify.network import Ints, Network
from raddle.controller.verify.outside import judge_outside, waiting_pairs, ways_out
from raddle.controller.verify.own_addresses import about_own_addresses, leaves_themselves, routed_beside
from raddle.controller.verify.parts import judge_parts
from raddle.controller.verify.reach import cut_off_pairs, pairs_of
from raddle.controller.verify.tables import Tables, tables_of
from raddle.lab.verify.findings import about, about_failures, about_outside, located
from raddle.lab.verify.model import FailureScope, Progress, Verification
from raddle.state import SwitchState
from raddle.topology.model import Fabric
from raddle.topology.views.bisection import bisection_bps, bisection_is_estimate
from raddle.topology.views.capacity import tier_oversubscription
from raddle.topology.views.polarisation import polarisation
from raddle.topology.yaml.placing import in_file


@dataclass(frozen=True, slots=True)
class Subject:
    """What is verified: the switches' routes and states, and what they have that no proof covers."""

    name: str
    entries: Mapping[str, Routes]
    states: dict[str, SwitchState]
    policies: int = 0
    outside: tuple[str, ...] = ()


def prove(
    fabric: Fabric,
    network: Network,
    subject: Subject,
    replan: Replan | None,
    scope: FailureScope,
    progress: Progress,
) -> Verification:
    entries = {name: columns_of(network, own) for name, own in subject.entries.items()}
    routed = routed_beside(fabric, network, entries)
    subject = replace(subject, outside=(*subject.outside, *about_own_addresses(routed)))
    stands = stands_for(network, entries)
    tables = tables_of(network, entries, stands)
    beyond = ways_out(fabric, network, entries)
    # Numbers of channels are to hold after a failure, too, when next hops in reserve are used.
    widest = {name: own.with_reserve_in_use() for name, own in entries.items()}
    in_use = tables_of(network, widest, stands) if widest != entries else tables
    itself = leaves_themselves(fabric, network, widest)
    edges = waiting_pairs(network, in_use, beyond, *([itself] if itself else []))
    rank = ranks(network, edges)
    present = judge(network, tables, network.is_up, rank)
    speed_bps = fabric.arrays.speed_bps
    outcomes, total = _under_failures(network, subject, rank, replan, scope, speed_bps, progress)
    singles = failures(network, 1, 0, 0)[0] if beyond and scope.together else []
    outside = judge_outside(beyond, rank, singles)
    found = [
        *about(present, "as it stands"),
        *(_about_reserve(network, in_use) if rank is None and in_use is not tables else ()),
        *(_about_leaves(*itself, len(network.endpoints)) if itself else ()),
        *about_outside(outside),
        *placed_at_bonds(fabric, about_failures(outcomes)),
        *check_lossless(fabric, subject.states, scope.congested_groups),
    ]
    proof = None
    if rank is None and not any(each.code == "deadlock" for each in found):
        others = [*((way.network, way.tables) for way in beyond), *([itself] if itself else [])]
        found += _about_ring(smallest_cycle(network, in_use, network.is_up, edges, *others))
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
        is_single_tier=not fabric.spines,
        bisection_bps=bisection_bps(fabric),
        bisection_is_estimate=bisection_is_estimate(fabric),
        problems=(*fabric.warnings, *in_file(fabric, polarisation(fabric)), *located(fabric, found)),
        proof=proof,
        outside=tuple(_outside(fabric, subject, found)),
        external=outside,
        is_adaptive=any(state.is_adaptive for state in subject.states.values()),
        has_lossless=bool(fabric.roce.lossless),
    )


def _about_leaves(network: Network, tables: Tables, endpoints: int) -> Iterator[Finding]:
    """What goes round for ever on its way from endpoints to a leaf itself.

    Args:
        endpoints: how many of the network's are not leaves.
    """
    senders = np.arange(len(network.endpoints)) < endpoints
    verdict = judge(network, tables, network.is_up, None, senders=senders)
    yield from about(replace(verdict, lost=0, cycle=None), "to switches themselves, as it stands")


def _about_ring(cycle: Cycle) -> Iterator[Finding]:
    """A ring that packets between endpoints alone do not close."""
    when = "with packets to switches themselves, outside or over next hops in reserve"
    for each in about(Verdict(0, 0, "", cycle), when):
        yield replace(each, hint="take the routes of these flows off the ring; 'raddle plan' makes none such")


def _about_reserve(network: Network, tables: Tables) -> Iterator[Finding]:
    """A ring of buffers that wait for each other while next hops in reserve are in use."""
    verdict = judge(network, tables, network.is_up, None)
    yield from about(replace(verdict, lost=0, looping=0), "with next hops in reserve in use")


def _under_failures(
    network: Network,
    subject: Subject,
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


def _outside(fabric: Fabric, subject: Subject, found: list[Finding]) -> Iterator[str]:
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
    if any(finding.code == "lossless-beside" for finding in found):
        yield "traffic of lossless priority groups that no class of the fabric has"
    if any(finding.code == "headroom-shared" for finding in found):
        yield "loss where more priority groups are in headroom at once than their pool has room for"
    if any(finding.code == "headroom-beside" for finding in found):
        yield "loss where lossless packets come in at ports that the fabric has no cable at, too"
    if (share := fabric.roce.headroom.small_packet_share) < 1:
        yield f"loss where more than {100 * share:g} % of lossless packets are of 64 bytes"
