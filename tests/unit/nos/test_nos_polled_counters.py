"""What is polled into COUNTERS_DB, and when: FLEX_COUNTER_TABLE and the period of watermarks."""

from __future__ import annotations

import pytest

from nos.db.patch import PatchOp
from nos.switch import SimulatedSwitch
from raddle.state import SwitchCounters

PS_PER_S = 10**12
OCTETS = "SAI_PORT_STAT_IF_OUT_OCTETS"
QUEUE_BYTES = "SAI_QUEUE_STAT_BYTES"
MARK = "SAI_QUEUE_STAT_SHARED_WATERMARK_BYTES"
PG_MARK = "SAI_INGRESS_PRIORITY_GROUP_STAT_SHARED_WATERMARK_BYTES"
STATS = {"PORT": OCTETS, "QUEUE": QUEUE_BYTES, "QUEUE_WATERMARK": MARK, "PG_WATERMARK": PG_MARK}


def counted(count: int, seconds: int = 1) -> SwitchCounters:
    eight = ((count,) * 8,)
    return SwitchCounters(
        ("Ethernet0",),
        {OCTETS: (count,)},
        {QUEUE_BYTES: eight, MARK: eight},
        {PG_MARK: eight},
        seconds * PS_PER_S,
    )


def entry(switch: SimulatedSwitch, stat: str, table: str = "COUNTERS") -> dict[str, str]:
    """What `table` has of Ethernet0, or of its queue or priority group 3, whichever keeps `stat`."""
    kind = {"SAI_PORT": "PORT", "SAI_QUEUE": "QUEUE"}.get(stat.partition("_STAT_")[0], "PG")
    counters = switch.databases.counters
    oid = counters[f"COUNTERS_{kind}_NAME_MAP"][""]["Ethernet0" if kind == "PORT" else "Ethernet0:3"]
    return dict(counters[table][oid])


def set_group(switch: SimulatedSwitch, group: str, status: str) -> None:
    if group not in switch.databases.config["FLEX_COUNTER_TABLE"]:
        switch.apply_patch([PatchOp("add", ("FLEX_COUNTER_TABLE", group), {})])
    switch.apply_patch([PatchOp("add", ("FLEX_COUNTER_TABLE", group, "FLEX_COUNTER_STATUS"), status)])


@pytest.mark.parametrize("group", STATS)
def test_a_disabled_group_stands_still_while_the_others_move(switch: SimulatedSwitch, group: str) -> None:
    switch.set_counters(counted(100))
    set_group(switch, group, "disable")
    switch.set_counters(counted(250, 2))
    shown = {name: entry(switch, stat)[stat] for name, stat in STATS.items()}
    assert shown == {name: "100" if name == group else "250" for name in STATS}
    set_group(switch, group, "enable")
    switch.set_counters(counted(300, 3))
    assert entry(switch, STATS[group])[STATS[group]] == "300", "the ASIC has counted on meanwhile"


def test_a_group_that_was_never_polled_shows_0(switch: SimulatedSwitch) -> None:
    set_group(switch, "PORT", "disable")
    switch.set_counters(counted(100))
    assert entry(switch, OCTETS)[OCTETS] == "0"


def test_counters_after_a_reboot_start_from_0_also_of_a_group_that_stood_still(
    switch: SimulatedSwitch,
) -> None:
    switch.set_counters(counted(100))
    set_group(switch, "PORT", "disable")
    switch.set_counters(counted(250, 2))
    switch.shut_down()
    assert switch.start_up() == ""
    assert entry(switch, OCTETS)[OCTETS] == "0"
    set_group(switch, "PORT", "enable")
    switch.set_counters(counted(260, 3))
    assert entry(switch, OCTETS)[OCTETS] == "10"


@pytest.mark.parametrize("group", ["PORT", "PORT_RATES"])
def test_rates_of_a_disabled_group_stay(switch: SimulatedSwitch, group: str) -> None:
    for second in (1, 2):
        switch.set_counters(counted(100 * second, second))
    set_group(switch, group, "disable")
    switch.set_counters(counted(900, 3))
    assert entry(switch, OCTETS, "RATES")["TX_BPS"] == "100.000000"


def test_a_periodic_watermark_is_of_its_120_s(switch: SimulatedSwitch) -> None:
    switch.set_counters(counted(400, 10))
    assert entry(switch, MARK, "PERIODIC_WATERMARKS") == {MARK: "400"}
    switch.set_counters(counted(400, 121))
    assert entry(switch, MARK, "PERIODIC_WATERMARKS") == {}, "not above an earlier period's: not known"
    switch.set_counters(counted(700, 130))
    assert entry(switch, MARK, "PERIODIC_WATERMARKS") == {MARK: "700"}
    assert entry(switch, PG_MARK, "PERIODIC_WATERMARKS")[PG_MARK] == "700"
    assert entry(switch, MARK, "PERSISTENT_WATERMARKS") == {MARK: "700"}
