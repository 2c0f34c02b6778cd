"""Failures that are called alike come out the same, and tables that differ anywhere are not called alike."""

from __future__ import annotations

import runpy
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.controller.verify import failures
from raddle.controller.verify.failures import Outcome
from raddle.controller.verify.network import entries_of_plan, network_of
from raddle.controller.verify.symmetry import find_orbits
from raddle.controller.verify.tables import tables_of
from raddle.lab.verify.model import FailureScope
from raddle.lab.verify.plan import verify_plan
from tests.fabrics import DUAL_TOR, TWO_PLANES

RANDOM = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "verify-random"))["random_fabric"]
SINGLE = FailureScope(together=1, most=200, seed=1, congested_groups=8)

FORMS = {
    "leaf-spine": (
        "raddle: 1\nname: pod\nfabric: {leaves: {count: 3}, spines: {count: 2}, uplinks: {per_pair: 2}}\n"
        "hosts: {per_leaf: 3}\n"
    ),
    "planes": TWO_PLANES,
    "dual-tor": DUAL_TOR,
}


def outcomes(fabric: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch, least: int) -> tuple[Outcome, ...]:
    monkeypatch.setattr(failures, "SYMMETRY_FROM", least)
    return verify_plan(fabric, plan, None, SINGLE, lambda what, share: None).outcomes


def counted(found: tuple[Outcome, ...]) -> Counter[Any]:
    """What the failures come to, as often as they do."""
    result: Counter[Any] = Counter()
    for each in found:
        alone, again = each.alone, each.replanned
        assert again is not None
        facts = each.cut_off, alone.lost, alone.looping, again.lost, round(each.busiest[0], 9)
        result[facts] += each.alike
    return result


@pytest.mark.parametrize("form", FORMS)
def test_a_regular_fabric_has_a_few_kinds_of_failures_that_stand_for_all(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fabric = raddle.loads(FORMS[form])
    plan = make_plan(fabric, "ecmp")
    few, every = (outcomes(fabric, plan, monkeypatch, least) for least in (1, 10**9))
    # A link to a host, one between switches (each of those in parallel), a leaf, a spine.
    assert len(few) == 4 + (form == "leaf-spine")
    assert counted(few) == counted(every)
    assert sum(each.alike for each in few) == len(every) == len(fabric.links) + len(fabric.switches)


@pytest.mark.parametrize("seed", [0, 3, 6, 12])
def test_what_is_alike_in_a_random_fabric_comes_out_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fabric = raddle.loads(RANDOM(seed))
    plan = make_plan(fabric, "ecmp")
    assert counted(outcomes(fabric, plan, monkeypatch, 1)) == counted(
        outcomes(fabric, plan, monkeypatch, 10**9)
    )


def orbits(fabric: Any, plan: Plan) -> Any:
    network = network_of(fabric)
    tables = tables_of(network, {switch.name: entries_of_plan(switch) for switch in plan.switches})
    speed_bps = fabric.arrays.speed_bps
    return find_orbits(network, tables, speed_bps)


def test_one_changed_route_or_slower_link_is_not_alike() -> None:
    text = FORMS["leaf-spine"]
    fabric = raddle.loads(text)
    plan = make_plan(fabric, "ecmp")
    assert orbits(fabric, plan).switch.tolist() == [0, 0, 0, 3, 3]
    first = plan.switches[0]
    route = replace(first.routes[0], next_hops=first.routes[0].next_hops[1:])
    changed = replace(first, routes=(route, *first.routes[1:]))
    other = orbits(fabric, replace(plan, switches=(changed, *plan.switches[1:])))
    # leaf0 has lost a next hop to leaf1: to leaf2 it has all.
    assert len(set(other.switch.tolist())) == 5
    slow = raddle.loads(text + "overrides: {links: [{ends: [host0, leaf0], speed: 100G}]}\n")
    assert orbits(slow, make_plan(slow, "ecmp")).switch.tolist() == [0, 1, 1, 3, 3]
