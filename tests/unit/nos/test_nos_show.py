"""The show commands: SONiC's columns over what the switch holds."""

from __future__ import annotations

from typing import Any

import pytest

from raddle.nos.db.patch import PatchOp
from raddle.nos.show import COMMANDS, UnknownCommandError, show
from raddle.nos.show.cleared import CLEARS, counts_of, since
from raddle.nos.show.commands import OF_A_PORT
from raddle.nos.switch import BootConfig, SimulatedSwitch
from raddle.state import SwitchCounters

FULL = (0,) * 8
COUNTED = SwitchCounters(
    ports=("Ethernet8", "Ethernet0"),
    port={"SAI_PORT_STAT_PFC_3_RX_PKTS": (0, 1200), "SAI_PORT_STAT_IF_OUT_UCAST_PKTS": (7, 0)},
    queue={
        "SAI_QUEUE_STAT_PACKETS": (FULL, (0, 0, 0, 52, 0, 0, 0, 0)),
        "SAI_QUEUE_STAT_SHARED_WATERMARK_BYTES": (FULL, (0, 0, 0, 4178, 0, 0, 0, 0)),
    },
    pg={"SAI_INGRESS_PRIORITY_GROUP_STAT_XOFF_ROOM_WATERMARK_BYTES": (FULL, (0, 0, 0, 9144, 0, 0, 0, 0))},
)


def lines(switch: SimulatedSwitch, command: str) -> list[list[str]]:
    """A command's output as words by line."""
    return [line.split() for line in show(switch.databases, command.split()).splitlines()]


def test_interfaces_status_shows_speed_mtu_fec_and_oper_state(switch: SimulatedSwitch) -> None:
    switch.set_carrier("Ethernet8", False)
    rows = lines(switch, "interfaces status")
    assert " ".join(rows[0]) == "Interface Lanes Speed MTU FEC Alias Vlan Oper Admin Type Asym PFC"
    assert rows[2][2:9] == ["400G", "9100", "rs", "etp1", "routed", "up", "up"]
    assert [row[7] for row in rows[2:]] == ["up", "down", "up", "up"]


@pytest.mark.parametrize("command", sorted(OF_A_PORT))
def test_a_command_of_a_port_shows_that_one_alone(switch: SimulatedSwitch, command: str) -> None:
    whole, one = (show(switch.databases, words.split()) for words in (command, f"{command} Ethernet8"))
    assert "Ethernet16" not in one
    assert {word for word in one.split() if word.strip("-+=")} <= set(whole.split())
    with pytest.raises(UnknownCommandError, match="invalid interface name Ethernet1000"):
        show(switch.databases, [*command.split(), "Ethernet1000"])


def test_a_port_is_told_from_a_word_of_a_command(switch: SimulatedSwitch) -> None:
    assert show(switch.databases, ["int", "stat", "Ethernet8"]).count("etp") == 1
    for words in ("interfaces Ethernet8", "lldp table Ethernet8", "Ethernet8"):
        with pytest.raises(UnknownCommandError, match=f"there is no 'show {words}'"):
            show(switch.databases, words.split())


def test_counters_of_ports_queues_and_groups_are_those_of_their_rows(switch: SimulatedSwitch) -> None:
    switch.set_counters(COUNTED)
    received = lines(switch, "pfc counters")
    assert received[0] == ["Port", "Rx", *(f"PFC{number}" for number in range(8))]
    assert received[2] == ["Ethernet0", "0", "0", "0", "1,200", "0", "0", "0", "0"]
    tx_ok = [row[9] for row in lines(switch, "interfaces counters")[2:]]
    assert tx_ok == ["0", "7", "0", "0"]
    assert ["Ethernet0", "UC3", "52", "0", "0", "0"] in lines(switch, "queue counters")
    assert lines(switch, "queue watermark unicast")[3] == [
        "Ethernet0",
        "0",
        "0",
        "0",
        "4178",
        "0",
        "0",
        "0",
        "0",
    ]
    assert lines(switch, "priority-group watermark headroom")[3][4] == "9144"
    assert lines(switch, "priority-group persistent-watermark headroom")[3][4] == "9144"
    assert lines(switch, "queue persistent-watermark unicast")[3][4] == "4178"
    assert lines(switch, "priority-group watermark shared")[3][4] == "0"


def test_watchdog_shows_the_queues_that_had_a_storm(switch: SimulatedSwitch) -> None:
    assert lines(switch, "pfcwd stats")[2:] == []
    switch.apply_patch([PatchOp("add", ("PORT_QOS_MAP", "Ethernet0", "pfcwd_sw_enable"), "3,4")])
    assert lines(switch, "pfcwd stats")[2:] == [], "as on SONiC, a queue without a storm has no line"
    eight = [0] * 8
    storm = {
        "PFC_WD_IS_STORM": [[0, 0, 0, 1, 0, 0, 0, 0]],
        "PFC_WD_QUEUE_STATS_DEADLOCK_DETECTED": [[0, 0, 0, 2, 0, 0, 0, 0]],
        "PFC_WD_QUEUE_STATS_DEADLOCK_RESTORED": [[0, 0, 0, 1, 0, 0, 0, 0]],
        "PFC_WD_QUEUE_STATS_TX_DROPPED_PACKETS": [[0, 0, 0, 300, 0, 0, 0, 0]],
        "PFC_WD_QUEUE_STATS_RX_DROPPED_PACKETS": [eight],
    }
    switch.set_counters(SwitchCounters(("Ethernet0",), {}, storm))
    assert lines(switch, "pfcwd stats")[2:] == [
        ["Ethernet0:3", "stormed", "2/1", "0/300", "0/0", "0/0", "0/0"]
    ]
    assert lines(switch, "pfcwd config")[0][-1] == "200ms"
    assert lines(switch, "pfcwd config")[3] == ["Ethernet0", "drop", "200", "200", "disable"]


def test_ecn_and_buffer_configuration_show_profiles_and_pools(switch: SimulatedSwitch) -> None:
    assert ["green_max_threshold", "3200000"] in lines(switch, "ecn")
    text = show(switch.databases, ["buffer", "configuration"])
    assert "Pool: ingress_lossless_pool\n" in text
    assert "Profile: pg_lossless\n" in text


def test_ip_route_lists_connected_and_static_routes_with_all_next_hops(switch: SimulatedSwitch) -> None:
    text = show(switch.databases, ["ip", "route"])
    assert "C>*10.0.0.0/31 is directly connected, Ethernet0" in text
    assert "C>*10.255.0.1/32 is directly connected, Loopback0" in text
    assert (
        "S>*10.0.1.0/24 [1/0] via 172.16.0.1, Ethernet8\n  *                  via 172.16.0.3, Ethernet16\n"
    ) in text
    switch.set_carrier("Ethernet8", False)
    assert "10.0.1.7/32" not in show(switch.databases, ["ip", "route"])


def test_ipv6_route_lists_ipv6_alone_and_ip_route_ipv4_alone(four_ports: dict[str, Any]) -> None:
    four_ports["INTERFACE"] |= {"Ethernet8|fd00:1::/127": {}}
    four_ports["STATIC_ROUTE"] |= {"default|FD00:2::/64": {"nexthop": "fd00:1::1", "ifname": "Ethernet8"}}
    switch = SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset(four_ports["PORT"]))
    text = show(switch.databases, ["ipv6", "route"])
    assert "O - OSPFv3" in text
    assert text.splitlines()[-2:] == [
        "C>*fd00:1::/127 is directly connected, Ethernet8",
        "S>*fd00:2::/64 [1/0] via fd00:1::1, Ethernet8",
    ]
    assert "fd00" not in show(switch.databases, ["ip", "route"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_on_a_switch_that_has_nothing(command: str) -> None:
    show(SimulatedSwitch("bare", BootConfig({}, {}), frozenset()).databases, command.split())


def test_words_may_be_cut_short_and_wrong_ones_get_a_hint(switch: SimulatedSwitch) -> None:
    assert show(switch.databases, ["int", "stat"]) == show(switch.databases, ["interfaces", "status"])
    with pytest.raises(UnknownCommandError, match="did you mean 'show pfc counters'"):
        show(switch.databases, ["pfc", "countrs"])
    with pytest.raises(UnknownCommandError, match="'show p c' can be: pfc counters, pfcwd config"):
        show(switch.databases, ["p", "c"])


def test_rates_have_units_and_a_share_of_the_ports_speed(switch: SimulatedSwitch) -> None:
    stats = ("IF_IN_OCTETS", "IF_OUT_OCTETS")
    for time_ps, counted in ((0, (0, 0)), (10**12, (2 * 10**10, 204_800))):
        port = {f"SAI_PORT_STAT_{name}": (count,) for name, count in zip(stats, counted, strict=True)}
        switch.set_counters(SwitchCounters(("Ethernet0",), port, time_ps=time_ps))
    row = show(switch.databases, ["interfaces", "counters"]).splitlines()[2].split()
    # 20 GB/s of 400 Gbit/s are 40 %.
    assert row[3:6] == ["20000.00", "MB/s", "40.00%"]
    assert row[10:13] == ["204.80", "KB/s", "0.00%"]


def test_switch_hash_is_a_table_in_a_table(switch: SimulatedSwitch) -> None:
    assert show(switch.databases, ["switch-hash", "global"]).splitlines() == [
        "+--------+--------------------------------+",
        "| Hash   | Configuration                  |",
        "+========+================================+",
        "| ECMP   | +--------------+-------------+ |",
        "|        | | Hash Field   | Algorithm   | |",
        "|        | |--------------+-------------| |",
        "|        | | SRC_IP       | N/A         | |",
        "|        | | DST_IP       |             | |",
        "|        | | L4_SRC_PORT  |             | |",
        "|        | +--------------+-------------+ |",
        "+--------+--------------------------------+",
        "| LAG    | +--------------+-------------+ |",
        "|        | | Hash Field   | Algorithm   | |",
        "|        | |--------------+-------------| |",
        "|        | | N/A          | N/A         | |",
        "|        | +--------------+-------------+ |",
        "+--------+--------------------------------+",
    ]


def test_dropped_packets_of_priority_groups_have_a_title(switch: SimulatedSwitch) -> None:
    assert show(switch.databases, ["priority-group", "drop", "counters"]).startswith(
        "Ingress PG dropped packets:\n"
    )


def test_pool_watermarks_are_those_of_their_pools_and_headroom_only_of_lossless_ingress(
    switch: SimulatedSwitch,
) -> None:
    pools = ("egress_lossless_pool", "ingress_lossless_pool")
    stats = ("WATERMARK_BYTES", "XOFF_ROOM_WATERMARK_BYTES")
    marks = {f"SAI_BUFFER_POOL_STAT_{name}": (7000 + row, 500) for row, name in enumerate(stats)}
    switch.set_counters(SwitchCounters(("Ethernet0",), pools=pools, pool=marks))
    assert lines(switch, "buffer_pool watermark")[3:] == [[pools[0], "7000"], [pools[1], "500"]]
    assert lines(switch, "headroom-pool watermark")[3:] == [[pools[1], "500"]]


def test_counters_since_they_were_cleared_and_whole_again_after_a_reboot(switch: SimulatedSwitch) -> None:
    def sent(packets: int) -> SwitchCounters:
        return SwitchCounters(("Ethernet0",), {"SAI_PORT_STAT_IF_OUT_UCAST_PKTS": (packets,)})

    switch.set_counters(sent(100))
    before = counts_of(switch.databases, CLEARS["counters"])
    switch.set_counters(sent(130))
    later = since(switch.databases, before)
    assert later is not None
    assert show(later, ["interfaces", "counters"]).splitlines()[2].split()[9] == "30"
    assert show(later, ["queue", "counters"]) == show(switch.databases, ["queue", "counters"])
    switch.set_counters(sent(20))
    assert since(switch.databases, before) is None


def test_a_queue_that_drains_is_no_reboot(switch: SimulatedSwitch) -> None:
    held = "SAI_QUEUE_STAT_CURR_OCCUPANCY_BYTES"
    full, empty = (SwitchCounters(("Ethernet0",), {}, {held: ((level,) * 8,)}) for level in (9000, 10))
    switch.set_counters(full)
    before = counts_of(switch.databases, CLEARS["queuecounters"])
    switch.set_counters(empty)
    assert since(switch.databases, before) is not None
