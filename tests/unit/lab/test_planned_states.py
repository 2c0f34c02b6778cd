"""States that equal switches share are those that each would have alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import SwitchPlan
from raddle.controller.verify.lossless import check_lossless
from raddle.lab import planned_states
from raddle.lab.planned_states import state_of, states_without_routes
from raddle.state import SwitchState
from raddle.topology.model import Fabric

MIXED = """\
raddle: 1
name: mixed
fabric: {leaves: {count: 4}, spines: {count: 4}, uplinks: {per_pair: 2}}
hosts: [{per_leaf: 2}, {per_leaf: 2, name: "old{i}", nics: {speed: 100G, cable: 2m}}]
overrides:
  links:
    - {ends: [leaf1, spine2], state: down}
    - {ends: [leaf2, spine0], cable: 300m}
"""


@pytest.mark.parametrize("families", ["ipv4", "dual"])
def test_a_shared_state_is_the_switchs_own_but_for_routes(families: str) -> None:
    fabric = raddle.loads(f"{MIXED}addressing: {{families: {families}}}\n")
    plan = make_plan(fabric, "ecmp")
    found = states_without_routes(fabric, plan)
    for switch in plan.switches:
        assert found[switch.name] == replace(state_of(fabric, switch), routes=())


def test_switches_that_are_alike_are_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fabric = raddle.loads(MIXED)
    derived: list[str] = []

    def counted(fabric: Fabric, switch: SwitchPlan) -> SwitchState:
        derived.append(switch.name)
        return state_of(fabric, switch)

    monkeypatch.setattr(planned_states, "state_of", counted)
    states_without_routes(fabric, make_plan(fabric, "ecmp"))
    assert derived == ["leaf0", "leaf1", "leaf2", "spine0", "spine1", "spine2"]


def test_an_adaptive_fabric_says_of_all_states_that_groups_choose_by_load() -> None:
    text = MIXED.replace("count: 4}", "count: 4, model: spectrum4-64x800g}")
    fabric = raddle.loads(f"{text}routing: {{adaptive: {{mode: packet}}}}\n")
    plan = make_plan(fabric, "ecmp")
    found = states_without_routes(fabric, plan)
    alone = {switch.name: state_of(fabric, switch).is_adaptive for switch in plan.switches}
    assert {name: state.is_adaptive for name, state in found.items()} == alone
    assert alone["leaf0"]


def test_what_is_wrong_with_a_shared_state_is_told_of_every_switch_that_has_it() -> None:
    fabric = raddle.loads(MIXED.replace("overrides:", "roce: {ecn: {kmin: 5MB, kmax: 30MB}}\noverrides:"))
    states = states_without_routes(fabric, make_plan(fabric, "ecmp"))
    alone = {switch.name: state_of(fabric, switch) for switch in make_plan(fabric, "ecmp").switches}
    assert check_lossless(fabric, states) == check_lossless(fabric, alone)
    assert "and 7 more" in check_lossless(fabric, states)[0].message
