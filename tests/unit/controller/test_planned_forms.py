"""What the planner makes of the forms that fabrics come in; what it cannot do ends with a clear error."""

from __future__ import annotations

import numpy as np
import pytest

from raddle import InputError, load, loads
from raddle.controller.plan import make_plan
from raddle.controller.plan.lossless_check import check_lossless
from raddle.topology import find
from raddle.workload import Demand
from tests.fabrics import SMALL_POD, leaf_spine

SHARED_TOP = """
raddle: 1
name: shared-top
devices:
  leaf0: {role: leaf}
  spine0: {role: spine}
  spine1: {role: spine}
  top0: {role: superspine}
  host0: {role: host}
links:
  - {ends: ["host0:eth0", "leaf0:Ethernet0"]}
  - {ends: ["leaf0:Ethernet8", "spine0:Ethernet0"]}
  - {ends: ["leaf0:Ethernet16", "spine1:Ethernet0"]}
  - {ends: ["spine0:Ethernet8", "top0:Ethernet0"]}
  - {ends: ["spine1:Ethernet8", "top0:Ethernet8"]}
"""


def test_pinning_is_refused_where_two_spines_of_a_pod_share_superspines() -> None:
    with pytest.raises(InputError, match="two spines of one pod share superspines") as caught:
        make_plan(loads(SHARED_TOP), "pinned", Demand(*np.zeros((3, 1), np.int32)))
    assert [item.code for item in caught.value.diagnostics] == ["form-not-planned"]


@pytest.mark.parametrize("name", ["rail-256-h100", "npu-128-910b", "failed-links"])
def test_two_tier_form_is_planned_and_every_leaf_reaches_every_other(name: str) -> None:
    fabric = load(find(name))
    plan = make_plan(fabric, "ecmp")
    leaves = len(fabric.leaves)
    assert all(len(switch.routes) == leaves - 1 for switch in plan.switches if switch.role == "leaf")
    ports = {port.name: port for port in plan.switches[0].ports}
    if name == "npu-128-910b":
        # Both halves of a broken-out port have the front panel's number (SONiC PORT.index).
        assert (ports["Ethernet4"].index, ports["Ethernet4"].lanes) == (0, (5, 6, 7, 8))


def test_validate_tells_once_of_headroom_that_alike_switches_cannot_hold() -> None:
    text = leaf_spine(8) + (
        "roce: {lossless: [{priority: 3, dscp: 26}, {priority: 4, dscp: 28}]}\n"
        "models: {small: {ports: 32, port_speed: 400G, buffer: 1MiB}}\n"
    )
    problems = check_lossless(loads(text.replace("{count: 8}", "{count: 8, model: small}")))
    assert [problem.code for problem in problems] == ["headroom-exceeds-buffer"]
    assert problems[0].message.startswith("leaf0: lossless headroom leaves no shared buffer")
    assert check_lossless(loads(text)) == ()


def test_validate_tells_of_a_speed_without_a_known_reaction_time() -> None:
    text = SMALL_POD.replace("{count: 2}", "{count: 2, model: fast}") + (
        "models: {fast: {ports: 8, port_speed: 3.2T, buffer: 256MiB}}\n"
    )
    with pytest.raises(InputError, match=r"3:1: error\[unknown-pause-delay\].*3\.2T"):
        loads(text)
    check_lossless(loads(f"{text}roce: {{pfc: false}}\n"))  # nothing is paused
