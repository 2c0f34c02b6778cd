"""Checkpoints: a run that ends again and again, and goes on from its file, ends as one in one piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from raddle.controller.plan.make import make_plan
from raddle.errors import InputError
from raddle.lab.run.checkpoint import Checkpoints
from raddle.lab.run.control import Control, ControllerDelays
from raddle.lab.run.drive import Outcome, drive
from raddle.lab.run.faults import Fault, read_faults
from raddle.lab.run.fingerprint import fingerprint
from raddle.lab.run.flow_rows import flow_rows, port_rows
from raddle.lab.run.settings import RunSettings
from raddle.lab.switches.prepared import PreparedSwitches
from raddle.lab.switches.reported import planned_switch
from raddle.lab.workloads.flow_file import read_flows
from raddle.sim import simulation
from raddle.sim.simulation import Columns
from raddle.topology import find, load
from raddle.workload import Workload

FABRIC = load(find("leaf-spine-16"))
FLOWS = "src,dst,bytes,after\n" + "".join(
    f"{i},{(i + 5) % 16},400000,\n{i},0,100000,\n" for i in range(1, 16)
)
FAULTS = """what,where,from,until,value
down,leaf0:spine1,5us,60us,
flap,leaf1:spine0,10us,80us,20us
storm,host3,20us,50us,3@100kpps*2000
slow,host0,15us,45us,100G
errors,leaf0:spine0,0us,70us,1e-7
slow-link,leaf1:spine1,12us,,100G
straggler,host2,0us,,3us
"""
US = 10**6


class _KilledError(Exception):
    """In place of a SIGKILL."""


@pytest.fixture(scope="module")
def switches() -> PreparedSwitches:
    plan = make_plan(FABRIC, "ecmp", None)
    reported = {switch.name: planned_switch(switch) for switch in plan.switches}
    states = {name: switch.state() for name, switch in reported.items()}
    return PreparedSwitches(FABRIC, reported, states, plan)


@pytest.fixture(autouse=True)
def short_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "_EVENTS_PER_CALL", 3_000)


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    (tmp_path / "flows.csv").write_text(FLOWS)
    return read_flows(FABRIC, tmp_path / "flows.csv")


@pytest.fixture
def faults(tmp_path: Path) -> tuple[Fault, ...]:
    (tmp_path / "faults.csv").write_text(FAULTS)
    return read_faults(FABRIC, tmp_path / "faults.csv")


def told(outcome: Outcome) -> tuple[object, ...]:
    """All that a result has of a run."""
    run = outcome.run.simulation
    return (run.now_ps, run.packets, run.is_stalled, tuple(flow_rows(outcome.run)), tuple(port_rows(run)),
            run.watchdog_events(), outcome.series, outcome.repairs)  # fmt: skip


def killed(
    switches: PreparedSwitches, workload: Workload, settings: RunSettings, path: Path
) -> tuple[Outcome, int]:
    """The outcome of a run of which nothing but the checkpoint is left after some calls of the engine."""
    written, write = count(1), Checkpoints.write

    def write_and_die(self: Checkpoints, saved: Columns, of: Mapping[str, str]) -> None:
        write(self, saved, of)
        if next(written) % 5 in (1, 3):
            raise _KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "write", write_and_die)
        for kills in range(1000):
            checkpoints = Checkpoints(path, every_s=0, resumes=True)
            again = replace(settings, checkpoints=checkpoints, threads=1 + kills % 2)
            try:
                return drive(switches, workload, again), kills
            except _KilledError:
                continue
    raise AssertionError("the run does not get on")


def cases(faults: tuple[Fault, ...]) -> Iterator[RunSettings]:
    yield RunSettings(fidelity="packet", series_ps=9 * US)
    yield RunSettings(faults=faults, detection_ps=3 * US, series_ps=7 * US, until_ps=150 * US)
    yield RunSettings(faults=faults, detection_ps=2 * US, until_ps=90 * US)
    delays = ControllerDelays(*[2 * US] * 4)
    cuts = tuple(fault for fault in faults if fault.what == "down")
    yield RunSettings(faults=cuts, detection_ps=2 * US, controller=Control(delays), until_ps=200 * US)


@pytest.mark.parametrize("case", range(4), ids=["samples", "faults", "until", "controller"])
def test_a_run_that_is_killed_many_times_ends_as_another(
    switches: PreparedSwitches, workload: Workload, faults: tuple[Fault, ...], tmp_path: Path, case: int
) -> None:
    settings = list(cases(faults))[case]
    whole = drive(switches, workload, settings)
    outcome, kills = killed(switches, workload, settings, tmp_path / "run.npz")
    assert kills > 3
    assert told(outcome) == told(whole)
    assert case != 3 or whole.repairs


def checkpoint(switches: PreparedSwitches, workload: Workload, path: Path) -> None:
    written = replace(RunSettings(fidelity="packet"), checkpoints=Checkpoints(path, every_s=0))
    drive(switches, workload, written)


def test_a_checkpoint_of_another_run_says_what_differs(
    switches: PreparedSwitches, workload: Workload, tmp_path: Path
) -> None:
    path = tmp_path / "run.npz"
    checkpoint(switches, workload, path)
    same = RunSettings(fidelity="packet", checkpoints=Checkpoints(path, resumes=True))
    drive(switches, workload, replace(same, threads=2))
    with pytest.raises(InputError) as refused:
        drive(switches, workload, replace(same, seed=2))
    assert str(refused.value) == (
        f"error[other-checkpoint]: {path} is of another run: --seed differs\n"
        "  hint: give what that run was given, or another file"
    )
    cut = (Fault("down", FABRIC.links[0].a, 10**6, 2 * 10**6),)
    with pytest.raises(InputError, match="is of another run: --seed, --fail or --faults and --until differ"):
        drive(switches, workload, replace(same, seed=2, faults=cut, until_ps=10**12))
    leaf = replace(switches.states["leaf0"], hash_seed=12345)
    others = replace(switches, states={**switches.states, "leaf0": leaf})
    with pytest.raises(InputError, match="is of another run: switches differ"):
        drive(others, workload, same)
    (tmp_path / "flows.csv").write_text(FLOWS.replace("400000", "400001"))
    with pytest.raises(InputError, match="is of another run: flows differ"):
        drive(switches, read_flows(FABRIC, tmp_path / "flows.csv"), same)


def test_a_checkpoint_that_cannot_be_written_ends_no_run(
    switches: PreparedSwitches, workload: Workload, tmp_path: Path
) -> None:
    path, heard = tmp_path / "gone/run.npz", []
    settings = RunSettings(fidelity="packet", checkpoints=Checkpoints(path, every_s=0))
    outcome = drive(switches, workload, settings, notice=heard.append)
    assert outcome.run.simulation.is_done
    assert heard[0] == f"the run goes on without a new checkpoint: {path}: No such file or directory"


def test_a_directory_is_refused_before_anything_runs(tmp_path: Path) -> None:
    for resumes in (False, True):
        with pytest.raises(InputError) as refused:
            Checkpoints(tmp_path, resumes=resumes).check()
        assert str(refused.value) == (
            f"error[cannot-write]: {tmp_path} is a directory\n  hint: give a file for checkpoints"
        )


def test_a_torn_checkpoint_is_told(switches: PreparedSwitches, workload: Workload, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    checkpoint(switches, workload, path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    settings = RunSettings(fidelity="packet", checkpoints=Checkpoints(path, resumes=True))
    for torn in (b"", whole[:1000], whole[:-1], bytes(flipped), whole + b"x", b"src,dst,bytes\n"):
        path.write_bytes(torn)
        with pytest.raises(InputError) as refused:
            drive(switches, workload, settings)
        assert str(refused.value).startswith(f"error[bad-checkpoint]: {path} is no whole checkpoint: ")
        assert str(refused.value).endswith("hint: remove it, and the run begins anew")


def test_a_fingerprint_goes_by_what_values_hold() -> None:
    assert fingerprint({"a": 1, "b": {2, 3}}) == fingerprint({"b": {3, 2}, "a": 1})
    assert fingerprint(FABRIC) == fingerprint(load(find("leaf-spine-16")))
    assert len({fingerprint(value) for value in (1, "1", 1.0, b"1", (1,), ((1,),), {1}, {1: 1}, None)}) == 9
    with pytest.raises(TypeError, match="a fingerprint of object"):
        fingerprint(object())
