"""Fabrics whose switches are programmed over P4Runtime, served in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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


@contextmanager
def running(fabric: Fabric) -> Iterator[tuple[Plan, SwitchFarm, Inventory]]:
    """The fabric's plan and its simulated switches, not programmed."""
    plan = make_plan(fabric, "ecmp")
    p4info = MIDDLEBLOCK if any(switch.model.nos == "pins" for switch in fabric.switches) else None
    with switch_farm(fabric, plan) as farm:
        yield plan, farm, Inventory(fabric.name, dict(farm.addresses), p4info=p4info)
