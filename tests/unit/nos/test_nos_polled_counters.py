"""What is polled into COUNTERS_DB, and when: FLEX_COUNTER_TABLE and the period of watermarks."""

from __future__ import annotations

import pytest

from raddle.nos.db.patch import PatchOp
from raddle.nos.orch.watermarks import Owner
from raddle.nos.switch import SimulatedSwitch
from raddle.state import SwitchCounters

PS_PER_S = 10**12
OCTETS = "SAI_PORT_STAT_IF_OUT_OCTETS"
QUEUE_BYTES = "SAI_QUEUE_STAT_BYTES"
MARK = "SAI_QUEUE_STAT_SHARED_WATERMARK_BYTES"
HEADROOM = "SAI_INGRESS_PRIORITY_GROUP_STAT_XOFF_ROOM_WATERMARK_BYTES"
POOL = "SAI_BUFFER_POOL_STAT_WATERMARK_BYTES"
PG_MARK = "SAI_INGRESS_PRIORITY_GROUP_STAT_SHARED_WATERMARK_BYTES"
STATS = {"PORT": OCTETS, "QUEUE": QUEUE_BYTES, "QUEUE_WATERMARK": MARK, "PG_WATERMARK": PG_MARK}


def counted(count: int, seconds: int = 1) -> SwitchCounters:
    eight = ((count,) * 8,)
    return SwitchCounters(
        ("Ethernet0",),
        {OCTETS: (count,)},
        {QUEUE_BYTES: eight, MARK: eight},
        {PG_MARK: eight},
        time_ps=seconds * PS_PER_S,
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


def marked(queue: int, headroom: int, pool: int, seconds: int = 1) -> SwitchCounters:
    """Watermarks of Ethernet0's queue and priority group 3 and of a pool, since they were last read."""
    none = (0,) * 8
    return SwitchCounters(
        ("Ethernet0", "Ethernet8"),
        queue={MARK: ((0, 0, 0, queue, 0, 0, 0, 0), none)},
        pg={HEADROOM: ((0, 0, 0, headroom, 0, 0, 0, 0), none)},
        pools=("egress_lossless_pool", "ingress_lossless_pool"),
        pool={POOL: (0, pool)},
        time_ps=seconds * PS_PER_S,
    )


def pool_mark(switch: SimulatedSwitch, table: str) -> str:
    counters = switch.databases.counters
    return counters[table][counters["COUNTERS_BUFFER_POOL_NAME_MAP"][""]["ingress_lossless_pool"]][POOL]


def test_watermarks_are_the_highest_of_all_polls_and_periodic_ones_of_their_120_s(
    switch: SimulatedSwitch,
) -> None:
    switch.set_counters(marked(400, 90, 5000, 10))
    switch.set_counters(marked(300, 95, 4000, 119))
    tables = ("COUNTERS", "USER_WATERMARKS", "PERSISTENT_WATERMARKS", "PERIODIC_WATERMARKS")
    for table in tables:
        assert entry(switch, MARK, table)[MARK] == "400"
        assert entry(switch, HEADROOM, table)[HEADROOM] == "95"
        assert pool_mark(switch, table) == "5000"
    switch.set_counters(marked(300, 0, 0, 121))
    assert entry(switch, MARK, "PERIODIC_WATERMARKS") == {MARK: "300"}
    assert pool_mark(switch, "PERIODIC_WATERMARKS") == "0"
    for table in tables[:3]:
        assert entry(switch, MARK, table)[MARK] == "400"


@pytest.mark.parametrize("owner", ["USER", "PERSISTENT"])
def test_clearing_a_watermark_leaves_the_other_kinds_and_owners_alone(
    switch: SimulatedSwitch, owner: Owner
) -> None:
    other = "PERSISTENT_WATERMARKS" if owner == "USER" else "USER_WATERMARKS"
    switch.set_counters(marked(400, 90, 5000))
    switch.clear_watermarks(owner, "Q_SHARED_UNI")
    switch.clear_watermarks(owner, "BUFFER_POOL")
    cleared = f"{owner}_WATERMARKS"
    assert entry(switch, MARK, cleared)[MARK] == pool_mark(switch, cleared) == "0"
    assert entry(switch, HEADROOM, cleared)[HEADROOM] == "90"
    assert (entry(switch, MARK, other)[MARK], pool_mark(switch, other)) == ("400", "5000")
    switch.set_counters(marked(120, 0, 700, 2))
    assert (entry(switch, MARK, cleared)[MARK], pool_mark(switch, cleared)) == ("120", "700")
    assert entry(switch, HEADROOM, cleared)[HEADROOM] == "90"


def test_watermarks_of_a_disabled_group_stay_and_a_reboot_forgets_all(switch: SimulatedSwitch) -> None:
    switch.set_counters(marked(400, 90, 5000))
    set_group(switch, "BUFFER_POOL_WATERMARK", "disable")
    switch.set_counters(marked(500, 90, 6000, 2))
    assert pool_mark(switch, "USER_WATERMARKS") == pool_mark(switch, "COUNTERS") == "5000"
    assert entry(switch, MARK, "USER_WATERMARKS")[MARK] == "500"
    switch.shut_down()
    assert switch.start_up() == ""
    for table in ("COUNTERS", "USER_WATERMARKS", "PERSISTENT_WATERMARKS", "PERIODIC_WATERMARKS"):
        assert entry(switch, MARK, table)[MARK] == "0"
