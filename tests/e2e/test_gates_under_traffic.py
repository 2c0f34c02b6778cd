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


DROPS = ("SAI_INGRESS_PRIORITY_GROUP_STAT_DROPPED_PACKETS", "SAI_QUEUE_STAT_DROPPED_PACKETS")
PAUSES = "SAI_PORT_STAT_PFC_3_TX_PKTS"
DISCARDS = "SAI_PORT_STAT_IF_OUT_DISCARDS"
LOSSLESS_PG = "pg_lossless_400000_30m_profile"


def pauses_and_drops(counters: SwitchCounters) -> tuple[bool, bool, bool]:
    """Whether leaf0 has sent pauses, dropped in a priority group, and in a queue."""
    return (
        total(counters.port[PAUSES]) > 0,
        total(counters.pg[DROPS[0]]) > 0,
        total(counters.queue[DROPS[1]]) > 0,
    )


@pytest.mark.parametrize(
    ("table", "key", "fields", "seen"),
    [
        ("BUFFER_PROFILE", LOSSLESS_PG, {"dynamic_th": "-6"}, (True, False, False)),
        ("BUFFER_PROFILE", "egress_lossless_profile", {"static_th": "20000"}, (False, False, True)),
        ("BUFFER_POOL", "ingress_lossless_pool", {"size": "400000"}, (True, False, False)),
        ("BUFFER_POOL", "ingress_lossless_pool", {"size": None}, (False, True, False)),
    ],
)
def test_thresholds_and_pools_gate_pauses_and_drops(
    farm: SwitchFarm,
    table: str,
    key: str,
    fields: Mapping[str, str | None],
    seen: tuple[bool, bool, bool],
) -> None:
    assert pauses_and_drops(incast(farm)) == (False, False, False)
    assert pauses_and_drops(incast(farm, table, key, fields)) == seen


def test_a_lower_mtu_drops_what_is_longer(farm: SwitchFarm) -> None:
    small = incast(farm, "PORT", RECEIVER, {"mtu": "1500"})
    assert int(small.port[DISCARDS][small.ports.index(RECEIVER)]) > 0


@pytest.mark.parametrize(
    ("fields", "is_detected", "drops"),
    [({"action": "forward"}, True, False), ({"detection_time": "900"}, False, False)],
)
def test_action_and_detection_time_of_the_watchdog_gate_what_it_drops(
    farm: SwitchFarm, fields: Mapping[str, str | None], is_detected: bool, drops: bool
) -> None:
    times = farm.switches["leaf0"].databases.config["PFC_WD"][RECEIVER]
    until_ps = (int(str(times["detection_time"])) + 500) * MS
    found = incast(farm, "PFC_WD", RECEIVER, fields, until_ps, storm=True)
    assert (of_queue(found, "PFC_WD_QUEUE_STATS_DEADLOCK_DETECTED") > 0) == is_detected
    assert (of_queue(found, STORM_DROPS) > 0) == drops


def test_a_port_that_is_set_slower_sends_slower_and_has_no_link_to_a_switch_that_is_not(
    farm: SwitchFarm,
) -> None:
    octets, place = "SAI_PORT_STAT_IF_OUT_OCTETS", incast(farm).ports.index(RECEIVER)
    until_ps = MS // 5
    fast = incast(farm, until_ps=until_ps)
    slow = incast(farm, "PORT", RECEIVER, {"speed": "100000"}, until_ps)
    assert int(fast.port[octets][place]) == pytest.approx(4 * int(slow.port[octets][place]), rel=0.05)
    near, far = farm.switches["leaf0"], farm.switches["spine0"]
    before = {(each, port): dict(each.databases.config["PORT"][port]) for each, port in
              ((near, "Ethernet32"), (far, "Ethernet0"))}  # fmt: skip
    for setting in ({"speed": "100000"}, {"fec": "none"}):
        links = []
        for switch, port in before:
            assert switch.take_fields("PORT", port, setting)
            links.append((near.has_carrier("Ethernet32"), far.has_carrier("Ethernet0")))
        assert links == [(False, False), (True, True)]
        for (switch, port), row in before.items():
            assert switch.take_entry("PORT", port, row)
        assert near.has_carrier("Ethernet32")
        assert far.has_carrier("Ethernet0")
