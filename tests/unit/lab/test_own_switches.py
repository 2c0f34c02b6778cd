"""Switches that a run starts for itself: pushed to in one go, and judged by what they report."""

import pytest

from raddle.controller.plan import make_plan
from raddle.errors import UnreachableError
from raddle.inventory import Inventory
from raddle.lab.switches.prepared import OWN_SWITCHES, SwitchSource, prepare_switches
from raddle.lab.switches.programmed import read_switches, require_planned, switch_farm
from raddle.topology.model import Fabric
from tests.fabrics import pod_running

POD = pod_running("sonic", "sonic")


@pytest.mark.parametrize("fabric", [POD, pod_running("sonic", "p4")])
def test_what_they_report_is_what_running_switches_report(fabric: Fabric) -> None:
    plan = make_plan(fabric, "ecmp")
    own = prepare_switches(fabric, plan, OWN_SWITCHES)
    with switch_farm(fabric, plan) as farm:
        running = prepare_switches(fabric, plan, SwitchSource(Inventory(fabric.name, dict(farm.addresses))))
    assert own.states == running.states


def test_a_difference_from_the_plan_is_an_error() -> None:
    plan = make_plan(POD, "ecmp")
    with switch_farm(POD, plan) as farm:
        reported = read_switches(Inventory(POD.name, dict(farm.addresses)))
    with pytest.raises(UnreachableError, match="after the push, not"):
        require_planned(plan, reported)
