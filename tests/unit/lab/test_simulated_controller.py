"""A controller in a simulated run: stuck flows go on, when all stages of its repair are over."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from raddle.cli.run_options import RunOptions
from raddle.controller.plan.make import make_plan
from raddle.errors import InputError
from raddle.lab.run.control import Control, ControllerDelays
from raddle.lab.run.controller import check_controller
from raddle.lab.run.drive import Outcome, drive
from raddle.lab.run.faults import with_faults
from raddle.lab.run.settings import RunSettings
from raddle.lab.switches.prepared import OWN_SWITCHES, PreparedSwitches, prepare_switches
from raddle.lab.workloads.demand import demand_of
from raddle.lab.workloads.flow_file import read_flows
from raddle.sim import FLOW_STATUS
from raddle.topology import loads
from raddle.workload import Workload
from tests.fabrics import BONDED, leaf_spine, pod_running

MS = 10**9
FABRIC = loads(leaf_spine(leaves=3, spines=2, per_leaf=2))
DELAYS = ControllerDelays(notification_ps=2 * MS, computation_ps=3 * MS, push_ps=4 * MS, hardware_ps=5 * MS)
SETTINGS = RunSettings(detection_ps=MS, controller=Control(DELAYS))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """All hosts of leaf0 and leaf2 to those of leaf1: some are hashed to spine0, whichever way it hashes."""
    file = tmp_path_factory.mktemp("flows") / "flows.csv"
    rows = [f"host{src},host{2 + src % 2},40000000" for src in (0, 1, 4, 5)] * 3
    file.write_text("src,dst,bytes\n" + "\n".join(rows) + "\n")
    return read_flows(FABRIC, file)


@cache
def switches(routing: str) -> PreparedSwitches:
    return prepare_switches(FABRIC, make_plan(FABRIC, routing, None), OWN_SWITCHES)  # type: ignore[arg-type]


def cut(start: str, end: str = "", where: str = "leaf1:spine0") -> dict[str, str]:
    return {"what": "down", "where": where, "from": start, "until": end}


def run(work: Workload, settings: RunSettings, *faults: dict[str, str]) -> Outcome:
    made = tuple(fault for each in faults for fault in with_faults(FABRIC, [], each))
    return drive(switches("ecmp"), work, replace(settings, faults=made))


def is_done(outcome: Outcome) -> bool:
    return bool((outcome.run.messages().status == FLOW_STATUS.index("done")).all())


def test_flows_behind_a_dead_link_are_stuck_without_a_controller_and_end_with_one(work: Workload) -> None:
    assert not is_done(run(work, replace(SETTINGS, controller=None), cut("100us")))
    outcome = run(work, SETTINGS, cut("100us"))
    assert is_done(outcome)
    [repair] = outcome.repairs
    assert repair.lost == ("leaf1:Ethernet16 - spine0:Ethernet8",)
    assert repair.heard_ps == MS // 10 + (1 + 2) * MS
    assert repair.done_ps == MS // 10 + (1 + 2 + 3 + 4 + 5) * MS
    last_ps = int(outcome.run.messages().finish_ps.max())
    assert repair.done_ps < last_ps  # what was stuck went on after the repair, and not before


def test_each_stage_costs_what_it_is_said_to(work: Workload) -> None:
    slower = replace(SETTINGS, controller=Control(replace(DELAYS, hardware_ps=105 * MS)))
    outcome = run(work, slower, cut("100us"))
    assert outcome.repairs[0].done_ps == MS // 10 + 115 * MS
    assert int(outcome.run.messages().finish_ps.max()) > 115 * MS


def test_links_that_die_together_are_one_repair_and_later_ones_wait_for_it(work: Workload) -> None:
    together = run(work, SETTINGS, cut("100us"), cut("100us", where="leaf2:spine1"))
    assert [len(each.lost) for each in together.repairs] == [2]
    later = run(work, SETTINGS, cut("100us"), cut("200us", where="leaf2:spine1"))
    first, second = later.repairs
    # Heard of 0.1 ms later, decided on when the controller is free: 3 + 4 ms after it has heard of the first.
    assert second.heard_ps == first.heard_ps + MS // 10
    assert second.done_ps - (first.heard_ps + 7 * MS) == 12 * MS


def test_a_link_that_is_back_is_used_again_when_it_has_stayed_for_two_seconds(tmp_path: Path) -> None:
    file = tmp_path / "late.csv"
    file.write_text("src,dst,bytes,start_ns\nhost0,host2,1000,0\nhost0,host2,1000,2200000000\n")
    outcome = run(read_flows(FABRIC, file), SETTINGS, cut("100us", "20ms"))
    lost, back = outcome.repairs
    assert (lost.back, back.back) == ((), lost.lost)
    assert 0 <= back.heard_ps - (20 + 1 + 2 + 2000) * MS < 10**6
    assert back.routes == lost.routes


def test_who_cannot_be_held_to_a_plan_has_no_controller() -> None:
    with pytest.raises(InputError, match=r"(?s)no-controller.*give --push"):
        check_controller(FABRIC, is_programmed=False)
    with pytest.raises(InputError, match="does not know the flows"):
        check_controller(FABRIC, is_programmed=True, has_own_pins=True)
    with pytest.raises(InputError, match="switches here run p4"):
        check_controller(pod_running("p4", "sonic"), is_programmed=True)


def test_pins_are_planned_anew(work: Workload) -> None:
    demand = demand_of(FABRIC, work.seats, work.schedule)
    plan = make_plan(FABRIC, "pinned", demand)
    pinned = prepare_switches(FABRIC, plan, OWN_SWITCHES)
    (fault,) = with_faults(FABRIC, [], cut("100us"))
    outcome = drive(pinned, work, replace(SETTINGS, faults=(fault,)), demand=demand)
    assert is_done(outcome)
    assert outcome.repairs[0].routes > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"controller_delay": ["push=1ms"]}, "--controller-delay is about --controller, which is not given"),
        ({"controller": True}, "--controller has nothing to do: no link dies in this run"),
        ({"controller": True, "controller_delay": ["pull=1ms"]}, "'pull=1ms' is no STAGE=TIME; stages are"),
        (
            {"controller": True, "controller_delay": ["push=soon"]},
            "--controller-delay push: 'soon' is not a time",
        ),
    ],
)
def test_options_that_would_have_no_effect_are_refused(options: dict[str, Any], message: str) -> None:
    fail = ["leaf1:spine0@1us"] if len(options) > 1 else None
    with pytest.raises(InputError, match=re.escape(message)):
        RunOptions(fail=fail, **options).settings(FABRIC)


def test_a_stage_may_take_no_time() -> None:
    options = RunOptions(fail=["leaf1:spine0@1us"], controller=True, controller_delay=["push=0ms"])
    assert options.settings(FABRIC).controller == Control(replace(ControllerDelays(), push_ps=0))


def test_ports_of_bonds_that_a_controller_would_shut_are_named_as_not_simulated(tmp_path: Path) -> None:
    bonded = loads(BONDED)
    file = tmp_path / "flows.csv"
    file.write_text("src,dst,bytes\nhost0:eth0p0,host2:eth0p0,4000000\n")
    uplinks = [
        {"what": "down", "where": f"leaf0:spine{number}", "from": "10us", "until": ""} for number in (0, 1)
    ]
    made = tuple(fault for each in uplinks for fault in with_faults(bonded, [], each))
    held = prepare_switches(bonded, make_plan(bonded, "ecmp", None), OWN_SWITCHES)
    outcome = drive(held, read_flows(bonded, file), replace(SETTINGS, faults=made))
    repair = outcome.repairs[0]
    assert repair.ports_left == ("leaf0",)
    assert str(repair).endswith("; not simulated: ports of bonds that it sets on leaf0")
