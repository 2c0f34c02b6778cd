"""A plan without most of its routes says of the rest what the whole plan says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raddle import load
from raddle.controller.plan import make_plan
from raddle.controller.plan.make import outline_plan
from raddle.topology import find


@pytest.mark.parametrize("name", ["failed-links", "npu-128-910b"])
def test_outline_is_the_plan_with_the_routes_of_one_switch(name: str) -> None:
    fabric = load(find(name))
    whole = make_plan(fabric, "ecmp")
    outline, counts = outline_plan(fabric, {"leaf1"})
    assert counts == [len(switch.routes) for switch in whole.switches]
    kept = (each if each.name == "leaf1" else replace(each, routes=()) for each in whole.switches)
    assert outline == replace(whole, switches=tuple(kept))
