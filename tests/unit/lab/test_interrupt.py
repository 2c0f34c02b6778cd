"""An interrupt of a long run."""

import signal
import time

import pytest

import raddle
from raddle.lab.run.settings import RunSettings
from raddle.lab.run.watch import Watch
from raddle.lab.simulate import SimulateRequest, simulate
from raddle.lab.workloads.flow_file import read_flows
from tests.fabrics import leaf_spine

FABRIC = leaf_spine(more="roce: {congestion_control: none}\n")


def test_interrupt_ends_a_run_within_a_second_and_keeps_what_there_is(tmp_path):
    (tmp_path / "pair.yaml").write_text(FABRIC)
    (tmp_path / "flows.csv").write_text("src,dst,bytes\nhost0,host2,4096\nhost1,host3,100000000000000\n")
    fabric = raddle.load(tmp_path / "pair.yaml")
    workload = read_flows(fabric, tmp_path / "flows.csv")
    is_running = False
    due = 0.0

    def interrupt_soon(what: str, share: float, left_s: float | None) -> None:
        nonlocal is_running, due
        if "simulated" in what and not is_running:
            is_running = True
            due = time.monotonic() + 0.05
            signal.setitimer(signal.ITIMER_REAL, 0.05)

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        result = simulate(
            fabric,
            SimulateRequest(workload, "ecmp", settings=RunSettings(fidelity="packet")),
            watch=Watch(interrupt_soon),
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert is_running
    assert time.monotonic() - due < 1
    assert result.is_interrupted
    assert [flow.status for flow in result.flows] == ["done", "active"]
    assert result.time_ps > 0


def test_progress_ends_at_the_whole(tmp_path):
    (tmp_path / "pair.yaml").write_text(FABRIC)
    (tmp_path / "flows.csv").write_text("src,dst,bytes\nhost0,host2,100000000\n")
    fabric = raddle.load(tmp_path / "pair.yaml")
    shares: list[float] = []
    workload = read_flows(fabric, tmp_path / "flows.csv")
    told = Watch(lambda what, share, left_s: shares.append(share) if "simulated" in what else None)
    simulate(fabric, SimulateRequest(workload, "ecmp"), watch=told)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_an_interrupt_after_the_last_event_loses_no_row(tmp_path):
    (tmp_path / "pair.yaml").write_text(FABRIC)
    (tmp_path / "flows.csv").write_text("src,dst,bytes\nhost0,host2,4096\n")
    fabric = raddle.load(tmp_path / "pair.yaml")
    workload = read_flows(fabric, tmp_path / "flows.csv")

    def interrupt(what: str, share: float, left_s: float | None) -> None:
        if what.startswith("collecting"):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = simulate(fabric, SimulateRequest(workload, "ecmp"), watch=Watch(interrupt))
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.is_interrupted
    assert [flow.status for flow in result.flows] == ["done"]
