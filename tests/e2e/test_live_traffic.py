"""Traffic on running switches: counters live, and what is changed over gNMI changes the traffic."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from raddle import loads
from raddle.controller.plan import make_plan
from raddle.controller.service.watch.counters import CounterWatch, Reading
from raddle.inventory import Access, Inventory
from raddle.lab import live
from raddle.lab.live import LiveTraffic, TrafficDiedError
from raddle.lab.switches.programmed import program, switch_farm
from raddle.lab.workloads.collective import find_job
from raddle.nos.db.patch import PatchOp
from raddle.nos.farm import SwitchFarm
from raddle.nos.switch import SimulatedSwitch
from raddle.serve.view import LiveView
from raddle.topology import bundled_examples, load
from tests.fabrics import leaf_spine

FABRIC = load(bundled_examples()["leaf-spine-16"])
PLAN = make_plan(FABRIC, "ecmp")
MIB = 2**20
HOSTS = sum(endpoint.leaf == 0 for endpoint in FABRIC.endpoints)
PATIENCE_S = 60


def octets(switch: SimulatedSwitch, port: str) -> int:
    counters = switch.databases.counters
    oid = counters["COUNTERS_PORT_NAME_MAP"][""][port]
    return int(counters["COUNTERS"][oid]["SAI_PORT_STAT_IF_OUT_OCTETS"])


def when(switch: SimulatedSwitch, is_so: Callable[[], bool]) -> None:
    """Wait until a change of the switch makes it so."""
    seen = threading.Event()
    stop = switch.watch(lambda: seen.set() if is_so() else None)
    if not is_so():
        assert seen.wait(PATIENCE_S)
    stop()


@contextmanager
def running(size_bytes: int, pace: float, repeat: int = 1) -> Iterator[tuple[SwitchFarm, list[str]]]:
    told: list[str] = []
    with switch_farm(FABRIC, PLAN) as farm:
        sent = find_job(FABRIC, "all_reduce", None).workload(size_bytes)
        sent = replace(sent, repeat=repeat)
        with LiveTraffic(FABRIC, farm.switches, sent, pace, tell=told.append):
            yield farm, told


@pytest.mark.parametrize("repeat", [1, 3])
def test_traffic_starts_when_the_switches_have_routes_and_counts_to_its_end(repeat: int) -> None:
    with running(4 * MIB, 1e-2, repeat) as (farm, told):
        leaf = farm.switches["leaf0"]
        assert "SIMULATION" not in leaf.databases.state
        program(PLAN, Inventory(FABRIC.name, dict(farm.addresses)))
        when(
            leaf,
            lambda: leaf.databases.state.get("SIMULATION", {}).get("clock", {}).get("is_running") == "false",
        )
        to_hosts = [octets(leaf, f"Ethernet{8 * number}") for number in range(HOSTS)]
        clock = leaf.databases.state["SIMULATION"]["clock"]
    flows = 480 * repeat
    assert told[0] == f"traffic of {flows} flows has started"
    assert told[1].startswith(f"{flows} of {flows} flows done at ")
    assert int(clock["simulated_ps"]) > 0
    assert clock["simulated_s_per_wall_s"] == "0.01"
    # A ring sends 2 (n - 1) / n of its size to each host, and some more with headers and acknowledgements.
    payload = repeat * 2 * 15 / 16 * 4 * MIB
    assert all(payload < sent < 1.05 * payload for sent in to_hosts)


def test_traffic_starts_without_a_switch_that_forwards_nothing_and_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "BARE_S", 0.3)
    told: list[str] = []
    has_started = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        if "has started" in text:
            has_started.set()

    with switch_farm(FABRIC, PLAN) as farm:
        program(PLAN, Inventory(FABRIC.name, dict(farm.addresses)))
        farm.switches["spine3"].apply_patch(
            [PatchOp("remove", (table,)) for table in ("STATIC_ROUTE", "INTERFACE")]
        )
        sent = find_job(FABRIC, "all_reduce", None).workload(MIB)
        with LiveTraffic(FABRIC, farm.switches, sent, 1e-6, tell=tell):
            assert has_started.wait(PATIENCE_S)
    assert told[0] == "no route leads anywhere on spine3; traffic starts without"


def test_an_uplink_that_is_shut_carries_no_more_from_that_instant_on() -> None:
    with running(64 * MIB, pace=1e-4) as (farm, _):
        program(PLAN, Inventory(FABRIC.name, dict(farm.addresses)))
        leaf = farm.switches["leaf0"]
        uplinks = ["Ethernet32", "Ethernet40", "Ethernet48", "Ethernet56"]
        when(leaf, lambda: any(octets(leaf, port) > 0 for port in uplinks))
        used = next(port for port in uplinks if octets(leaf, port) > 0)
        leaf.apply_patch([PatchOp("replace", ("PORT", used, "admin_status"), "down")])
        clock = leaf.databases.state["SIMULATION"]["clock"]["simulated_ps"]
        # The next two updates: the first may still count what was sent before the change.
        when(leaf, lambda: leaf.databases.state["SIMULATION"]["clock"]["simulated_ps"] != clock)
        first, clock = octets(leaf, used), leaf.databases.state["SIMULATION"]["clock"]["simulated_ps"]
        others = sum(octets(leaf, port) for port in uplinks)
        when(leaf, lambda: leaf.databases.state["SIMULATION"]["clock"]["simulated_ps"] != clock)
        assert octets(leaf, used) == first
        assert sum(octets(leaf, port) for port in uplinks) > others


def test_traffic_runs_where_addresses_are_ipv6_alone() -> None:
    fabric = loads(leaf_spine(spines=1, more="addressing: {families: ipv6}\n"))
    plan = make_plan(fabric, "ecmp")
    over = threading.Event()
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if "done" in text:
            over.set()

    with switch_farm(fabric, plan) as farm:
        sent = find_job(fabric, "all_gather", None).workload(MIB)
        with LiveTraffic(fabric, farm.switches, sent, 1e-2, tell=tell):
            program(plan, Inventory(fabric.name, dict(farm.addresses)))
            assert over.wait(PATIENCE_S)
    assert told[1].startswith("12 of 12 flows done at ")


def test_traffic_that_dies_ends_who_waits_for_it_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise OverflowError("too large for a register")

    monkeypatch.setattr(live, "set_up", broken)
    with switch_farm(FABRIC, PLAN) as farm:
        sent = find_job(FABRIC, "all_reduce", None).workload(MIB)
        with LiveTraffic(FABRIC, farm.switches, sent, 1e-2) as traffic:
            program(PLAN, Inventory(FABRIC.name, dict(farm.addresses)))
            with pytest.raises(TrafficDiedError, match="OverflowError: too large for a register"):
                traffic.wait()


def test_rates_are_bytes_a_simulated_second() -> None:
    with running(64 * MIB, pace=1e-4) as (farm, _):
        program(PLAN, Inventory(FABRIC.name, dict(farm.addresses)))
        leaf = farm.switches["leaf0"]
        oid = leaf.databases.counters["COUNTERS_PORT_NAME_MAP"][""]["Ethernet0"]
        when(leaf, lambda: float(leaf.databases.counters["RATES"][oid]["TX_BPS"]) > 0)
        rate = float(leaf.databases.counters["RATES"][oid]["TX_BPS"])
    assert 1e9 < rate <= 50e9  # 400 Gbit/s


@pytest.mark.parametrize("pace", [1e-4, 3e-4])
def test_no_port_is_used_above_100_percent_as_counts_and_clock_are_of_one_instant(pace: float) -> None:
    taken: list[Reading] = []
    view = LiveView(FABRIC, [3])

    def take(reading: Reading) -> None:
        view.take(reading)
        taken.append(reading)
        used = [value[0] for each in view.switches.values() for value in each.values.values()]
        most.extend(value for value in used if value is not None)
        if reading.is_simulated and len(taken) >= 4 and most and max(most) > 0:
            seen.set()

    most: list[float] = []
    seen = threading.Event()
    with running(256 * MIB, pace) as (farm, _):
        program(PLAN, Inventory(FABRIC.name, dict(farm.addresses)))
        leaf = farm.switches["leaf0"]
        when(leaf, lambda: leaf.databases.state.get("SIMULATION", {}).get("clock") is not None)
        names = {
            str(fields.get("alias", port)): port for port, fields in leaf.databases.config["PORT"].items()
        }
        watch = CounterWatch(
            "leaf0", farm.addresses["leaf0"], Access(), [3], lambda: names, take, lambda *_: None, 1.0
        )
        watch.start()
        try:
            assert seen.wait(PATIENCE_S)
        finally:
            watch.stop()
    assert 0.5 < max(most) <= 1.0
