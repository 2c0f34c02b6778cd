"""Small fabrics whose switches are programmed over P4Runtime, served in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import Plan
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.farm import SwitchFarm
from raddle.topology.model import Fabric

MIDDLEBLOCK = Path(__file__).parents[4] / "shared/sonic/middleblock.p4info.pb.txt"

needs_middleblock = pytest.mark.skipif(
    not MIDDLEBLOCK.exists(), reason="middleblock.p4info.pb.txt of sonic-pins is not in ../shared/sonic"
)


def two_tier(
    leaf: str, spine: str, leaves: int = 2, spines: int = 2, per_leaf: int = 2, more: str = ""
) -> Fabric:
    """A leaf-spine fabric; `leaf` and `spine` are what the switches run: sonic, p4 or pins.

    `more` are lines at the end of the file.
    """
    return raddle.loads(
        f"""
raddle: 1
name: pod
models:
  a-leaf: {{ports: 8, port_speed: 400G, buffer: 64MB, nos: {leaf}}}
  a-spine: {{ports: 8, port_speed: 400G, buffer: 64MB, nos: {spine}}}
fabric:
  leaves: {{count: {leaves}, model: a-leaf}}
  spines: {{count: {spines}, model: a-spine}}
hosts: {{per_leaf: {per_leaf}}}
{more}
"""
    )


@contextmanager
def running(fabric: Fabric) -> Iterator[tuple[Plan, SwitchFarm, Inventory]]:
    """The fabric's plan and its simulated switches, not programmed."""
    plan = make_plan(fabric, "ecmp")
    p4info = MIDDLEBLOCK if any(switch.model.nos == "pins" for switch in fabric.switches) else None
    with switch_farm(fabric, plan) as farm:
        yield plan, farm, Inventory(fabric.name, dict(farm.addresses), p4info=p4info)
