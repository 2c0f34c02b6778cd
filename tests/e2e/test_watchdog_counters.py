"""A PFC storm in the engine is what the switch's watchdog counters and commands tell."""

from __future__ import annotations

import numpy as np

from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.inventory import Inventory
from raddle.lab.switches.counters import switch_counters
from raddle.lab.switches.programmed import program, read_states, switch_farm
from raddle.nos.farm import SwitchFarm
from raddle.nos.show import show
from raddle.nos.switch import SimulatedSwitch
from raddle.sim import Simulation
from raddle.topology import bundled_examples, load
from raddle.topology.model import PortRef
from raddle.traffic import build
from raddle.workload import Schedule, Sent

FABRIC = load(bundled_examples()["leaf-spine-16"])
MS = 10**9
PRIORITY = 1 << 3
WATCHED = ("TX_PACKETS", "TX_DROPPED_PACKETS", "RX_PACKETS", "RX_DROPPED_PACKETS")


def fields(switch: SimulatedSwitch, queue: str) -> dict[str, str]:
    counters = switch.databases.counters
    return dict(counters["COUNTERS"][counters["COUNTERS_QUEUE_NAME_MAP"][""][queue]])


def stormed(farm: SwitchFarm) -> Simulation:
    """All hosts send to each other, one flow later than all, while host0's NIC pauses its leaf for ever."""
    schedule: Schedule = build("all_to_all", "direct", 16, 1 << 20)
    addresses = np.array(endpoint_addresses(FABRIC), np.uint32)
    states = read_states(Inventory(FABRIC.name, dict(farm.addresses)))
    start_ps = np.zeros(schedule.flows, np.int64)
    start_ps[-1] = 5000 * MS  # the engine stops when no flow is left
    placement = np.arange(16, dtype=np.int32)
    simulation = Simulation(FABRIC, addresses, states, Sent.between(schedule, placement), 1, start_ps)
    simulation.set_storm(PortRef("host0", FABRIC.hosts[0].nics[0]), PRIORITY)
    return simulation


def test_a_storm_is_detected_counted_and_restored() -> None:
    plan = make_plan(FABRIC, "ecmp")
    with switch_farm(FABRIC, plan) as farm:
        program(plan, Inventory(FABRIC.name, dict(farm.addresses)))
        leaf = farm.switches["leaf0"]
        simulation = stormed(farm)
        before = fields(leaf, "Ethernet0:3")
        assert (before["PFC_WD_STATUS"], before["PFC_WD_QUEUE_STATS_DEADLOCK_DETECTED"]) == (
            "operational",
            "0",
        )
        detect_ps = int(before["PFC_WD_DETECTION_TIME"]) * 10**6
        poll_ps = 200 * MS
        simulation.advance(detect_ps - 1)
        leaf.set_counters(switch_counters(simulation)["leaf0"])
        assert fields(leaf, "Ethernet0:3")["PFC_WD_STATUS"] == "operational"
        simulation.advance(detect_ps + 2 * poll_ps)
        leaf.set_counters(switch_counters(simulation)["leaf0"])
        during = fields(leaf, "Ethernet0:3")
        assert (during["PFC_WD_STATUS"], during["PFC_WD_QUEUE_STATS_DEADLOCK_DETECTED"]) == ("stormed", "1")
        assert int(during["PFC_WD_QUEUE_STATS_TX_DROPPED_PACKETS"]) > 0
        row = show(leaf.databases, ["pfcwd", "stats"]).splitlines()[2].split()
        stats = [during[f"PFC_WD_QUEUE_STATS_{name}"] for name in WATCHED]
        passed = ["/".join(stats[first : first + 2]) for first in (0, 2)]
        assert row == ["Ethernet0:3", "stormed", "1/0", *passed, *passed], "so far there was one storm"
        assert stats[0] == "0", "the closed queue sends nothing"
        simulation.set_storm(PortRef("host0", FABRIC.hosts[0].nics[0]), 0)
        simulation.advance(simulation.now_ps + int(during["PFC_WD_RESTORATION_TIME"]) * 10**6 + 2 * poll_ps)
        leaf.set_counters(switch_counters(simulation)["leaf0"])
        after = fields(leaf, "Ethernet0:3")
        assert (after["PFC_WD_STATUS"], after["PFC_WD_QUEUE_STATS_DEADLOCK_RESTORED"]) == ("operational", "1")


def test_the_big_red_switch_drops_on_watched_queues_and_goes_off_again() -> None:
    plan = make_plan(FABRIC, "ecmp")
    farm = switch_farm(FABRIC, plan)
    leaf = farm.switches["leaf0"]
    before = leaf.state()
    everywhere = leaf.databases.config["PFC_WD"]["GLOBAL"]
    assert leaf.take_entry("PFC_WD", "GLOBAL", {**everywhere, "BIG_RED_SWITCH": "enable"})
    port = leaf.state().ports[0]
    assert port.pfc_enable == 0
    assert leaf.state().buffer_profiles[port.queues[3].buffer or 0].static_th_bytes == 0
    assert fields(leaf, "Ethernet0:3")["BIG_RED_SWITCH_MODE"] == "enable"
    assert "BIG_RED_SWITCH status is enable" in show(leaf.databases, ["pfcwd", "config"])
    assert leaf.take_entry("PFC_WD", "GLOBAL", everywhere)
    assert leaf.state() == before
