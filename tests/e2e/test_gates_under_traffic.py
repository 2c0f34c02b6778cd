"""A field that gates others gates the traffic: each is switched on a leaf, and its counters tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.inventory import Inventory
from raddle.lab.switches.counters import switch_counters
from raddle.lab.switches.programmed import program, switch_farm
from raddle.nos.farm import SwitchFarm
from raddle.sim import Simulation
from raddle.state import SwitchCounters
from raddle.topology import bundled_examples, load
from raddle.topology.model import PortRef
from raddle.traffic import build
from raddle.workload import Schedule, Sent

FABRIC = load(bundled_examples()["leaf-spine-16"])
MS = 10**9
RECEIVER = "Ethernet0"  # of host0 at leaf0
LOSSLESS = 3
MARKED = "SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS"
GROUP_DROPS = "SAI_INGRESS_PRIORITY_GROUP_STAT_DROPPED_PACKETS"
STORM_DROPS = "PFC_WD_QUEUE_STATS_TX_DROPPED_PACKETS"


@pytest.fixture(scope="module")
def farm() -> Iterator[SwitchFarm]:
    plan = make_plan(FABRIC, "ecmp")
    with switch_farm(FABRIC, plan) as programmed:
        program(plan, Inventory(FABRIC.name, dict(programmed.addresses)))
        yield programmed


def incast(
    farm: SwitchFarm, table: str = "", key: str = "", fields: Mapping[str, str | None] | None = None,
    until_ps: int = 2 * MS, storm: bool = False,
) -> SwitchCounters:  # fmt: skip
    """What leaf0 counts while 15 hosts send to host0, with fields of an entry changed on it meanwhile."""
    leaf = farm.switches["leaf0"]
    before = dict(leaf.databases.config.get(table, {}).get(key, {}))
    if table:
        assert leaf.take_fields(table, key, fields or {})
    try:
        simulation = Simulation(
            FABRIC,
            np.array(endpoint_addresses(FABRIC), np.uint32),
            {name: switch.state() for name, switch in farm.switches.items()},
            Sent.between(_to_host0(), np.arange(16, dtype=np.int32)),
            1,
        )
        if storm:
            simulation.set_storm(PortRef("host0", FABRIC.hosts[0].nics[0]), 1 << LOSSLESS)
        simulation.advance(until_ps)
        return switch_counters(simulation)["leaf0"]
    finally:
        if table:
            assert leaf.take_entry(table, key, before)


def _to_host0() -> Schedule:
    """All-to-all, at once, in which only what goes to host0 has bytes."""
    schedule = build("all_to_all", "pairwise", 16, 16 << 20)
    return dataclasses.replace(
        schedule,
        size_bytes=np.where(schedule.dst == 0, np.int64(1 << 20), np.int64(0)),
        dep_offsets=np.zeros_like(schedule.dep_offsets),
        dep_ids=schedule.dep_ids[:0],
    )


def of_queue(counters: SwitchCounters, stat: str) -> int:
    return int(counters.queue[stat][counters.ports.index(RECEIVER)][LOSSLESS])


def total(rows: object) -> int:
    return int(np.sum(np.asarray(rows)))


def test_wred_green_enable_and_ecn_gate_the_marks(farm: SwitchFarm) -> None:
    assert of_queue(incast(farm), MARKED) > 0
    for fields in ({"wred_green_enable": "false"}, {"ecn": "ecn_none"}, {"ecn": "ecn_red"}):
        assert of_queue(incast(farm, "WRED_PROFILE", "AZURE_LOSSLESS", fields), MARKED) == 0


def test_a_queue_without_its_profile_of_the_watchdog_rides_out_a_storm(farm: SwitchFarm) -> None:
    leaf = farm.switches["leaf0"]
    times = leaf.databases.config["PFC_WD"][RECEIVER]
    until_ps = (int(str(times["detection_time"])) + 500) * MS
    assert of_queue(incast(farm, until_ps=until_ps, storm=True), STORM_DROPS) > 0
    off = incast(farm, "PORT_QOS_MAP", RECEIVER, {"pfcwd_sw_enable": None}, until_ps, storm=True)
    assert STORM_DROPS not in off.queue or of_queue(off, STORM_DROPS) == 0


def test_a_port_that_is_shut_carries_nothing(farm: SwitchFarm) -> None:
    octets = "SAI_PORT_STAT_IF_OUT_OCTETS"
    up, shut = incast(farm), incast(farm, "PORT", RECEIVER, {"admin_status": "down"})
    place = up.ports.index(RECEIVER)
    assert int(up.port[octets][place]) > 0
    assert int(shut.port[octets][place]) == 0


def test_a_priority_group_without_its_lossless_profile_drops(farm: SwitchFarm) -> None:
    leaf = farm.switches["leaf0"]
    key = next(key for key in leaf.databases.config["BUFFER_PG"] if key.startswith("Ethernet32|3"))
    place = incast(farm).ports.index("Ethernet32")
    tight = incast(farm, "BUFFER_PG", key, {"profile": "NULL"})
    assert total(tight.pg[GROUP_DROPS][place]) > 0
