"""A plan without most of its routes says of the rest what the whole plan says."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from raddle import InputError, load, loads
from raddle.controller.plan import balance, make, make_plan
from raddle.controller.plan.lossless_check import check_lossless
from raddle.controller.plan.make import outline_plan, plan_around
from raddle.topology import find


@pytest.mark.parametrize("name", ["failed-links", "npu-128-910b"])
def test_outline_is_the_plan_without_routes(name: str) -> None:
    fabric = load(find(name))
    whole = make_plan(fabric, "ecmp")
    outline = outline_plan(fabric)
    assert outline.counts() == [len(switch.routes) for switch in whole.switches]
    assert outline.plan == replace(whole, switches=tuple(replace(each, routes=()) for each in whole.switches))


@pytest.mark.parametrize("name", ["failed-links", "npu-128-910b"])
def test_the_plan_around_a_switch_has_it_and_its_neighbours_as_the_plan_has_them(name: str) -> None:
    fabric = load(find(name))
    whole = make_plan(fabric, "ecmp")
    near = {port.peer.partition(":")[0] for port in whole.switches[1].ports} | {"leaf1"}
    kept = (each for each in whole.switches if each.name in near)
    kept = (each if each.name == "leaf1" else replace(each, routes=()) for each in kept)
    assert whole.switches[1].name == "leaf1"
    assert plan_around(fabric, "leaf1") == replace(whole, switches=tuple(kept))


@pytest.mark.parametrize("name", ["failed-links", "npu-128-910b", "dual-tor-1024"])
@pytest.mark.parametrize("role", ["leaf", "spine"])
def test_paths_of_one_switch_alone_are_those_among_all(
    monkeypatch: pytest.MonkeyPatch, name: str, role: str
) -> None:
    for limit in ("MOST_TOLD", "MOST_PARTS"):  # as in a fabric too large to be balanced
        monkeypatch.setattr(balance, limit, 0)
    fabric = load(find(name))
    for switch in [each for each in fabric.switches if each.role == role][:2]:
        whole = make_plan(fabric, "ecmp").switches[switch.index]
        alone = plan_around(fabric, switch.name)
        assert whole in alone.switches
        assert whole.routes


def test_plan_refuses_buffers_as_validate_does_before_it_looks_for_paths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_soon(*arguments: object) -> None:
        raise AssertionError("paths were looked for")

    monkeypatch.setattr(make, "find_paths", too_soon)
    fabric = loads(
        "raddle: 1\nname: far\n"
        "models: {small: {ports: 8, port_speed: 400G, lanes_per_port: 8, buffer: 1MiB}}\n"
        "fabric: {leaves: {count: 2, model: small}, spines: {count: 2}}\nhosts: {per_leaf: 2}\n"
    )
    problems = check_lossless(fabric)
    assert {each.code for each in problems} == {"headroom-exceeds-buffer"}
    for plan in (
        lambda: make_plan(fabric, "ecmp"),
        lambda: outline_plan(fabric),
        lambda: plan_around(fabric, "leaf0"),
    ):
        with pytest.raises(InputError) as raised:
            plan()
        assert raised.value.diagnostics == problems


@pytest.mark.parametrize("plan", [outline_plan, partial(make_plan, routing="ecmp")])
def test_planning_tells_what_it_does_and_goes_on(plan: Any) -> None:
    told: list[tuple[str, float]] = []
    plan(load(find("failed-links")), progress=lambda what, share: told.append((what, share)))
    assert list(dict.fromkeys(what for what, _ in told)) == ["finding paths", "planning switches"]
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert 0 <= told[0][1] < told[-1][1] < 1
