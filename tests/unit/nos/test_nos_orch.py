"""From databases to the state that an ASIC forwards with."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from raddle.nos.db.databases import HashDb
from raddle.nos.db.schema import read_config
from raddle.nos.orch import derive
from raddle.state import BufferPool, BufferProfile, QueueState, SwitchState, WatchdogState, WredProfile

ALL_UP = frozenset({"Ethernet0", "Ethernet8", "Ethernet16", "Ethernet24"})


def derived(document: dict[str, Any], up: frozenset[str] = ALL_UP) -> SwitchState:
    config, malformed = read_config(document)
    assert not malformed
    appl: HashDb = {
        "PORT_TABLE": {name: {"oper_status": "up" if name in up else "down"} for name in config["PORT"]},
        "SWITCH_TABLE": {"switch": {"ecmp_hash_seed": "10"}},
    }
    return derive(config, appl)


def routes(state: SwitchState) -> dict[str, list[str]]:
    """Prefix -> names of the ports."""
    return {
        f"{ipaddress.ip_address(route.prefix)}/{route.length}": [
            state.ports[port].name for port in route.ports
        ]
        for route in state.routes
    }


def test_a_switch_forwards_its_connected_and_static_prefixes(four_ports: dict[str, Any]) -> None:
    state = derived(four_ports)
    assert routes(state) == {
        "10.0.0.0/31": ["Ethernet0"],
        "10.0.0.0/32": [],
        "10.0.1.0/24": ["Ethernet8", "Ethernet16"],
        "10.0.1.7/32": ["Ethernet8"],
        "10.255.0.1/32": [],
        "172.16.0.0/31": ["Ethernet8"],
        "172.16.0.0/32": [],
        "172.16.0.2/31": ["Ethernet16"],
        "172.16.0.2/32": [],
    }
    assert (state.name, state.hash_seed) == ("leaf0", 10)
    assert list(state.routes) == sorted(state.routes, key=lambda route: (route.prefix, route.length))


def test_members_are_in_the_order_of_their_addresses_as_numbers(four_ports: dict[str, Any]) -> None:
    four_ports["INTERFACE"] |= {"Ethernet24": {}, "Ethernet24|172.9.0.0/31": {}}
    four_ports["STATIC_ROUTE"]["default|10.0.1.0/24"] = {
        "nexthop": "172.16.0.3,172.9.0.1,172.16.0.1,172.9.0.1",
        "ifname": "Ethernet16,Ethernet24,Ethernet8,Ethernet24",
    }
    # 172.9 < 172.16 as numbers, not as text; the member that is given twice counts once.
    assert routes(derived(four_ports))["10.0.1.0/24"] == ["Ethernet24", "Ethernet8", "Ethernet16"]


def test_a_next_hop_leaves_with_its_port(four_ports: dict[str, Any]) -> None:
    found = routes(derived(four_ports, ALL_UP - {"Ethernet8"}))
    assert found["10.0.1.0/24"] == ["Ethernet16"]
    assert "10.0.1.7/32" not in found, "its only next hop is down"
    assert "172.16.0.0/31" not in found, "a connected route needs its port"


@pytest.mark.parametrize(
    ("entry", "ports"),
    [
        ({"nexthop": "172.16.0.1"}, ["Ethernet8"]),
        ({"ifname": "Ethernet16"}, ["Ethernet16"]),
        ({"nexthop": "0.0.0.0", "ifname": "Ethernet16"}, ["Ethernet16"]),
        (
            {"nexthop": "172.16.0.1,172.16.0.3", "ifname": "Ethernet8,Ethernet16", "distance": "5,0"},
            ["Ethernet16"],
        ),
        (
            {"nexthop": "172.16.0.9,172.16.0.3", "ifname": "Ethernet8,Ethernet16", "distance": "0,9"},
            ["Ethernet16"],
        ),
        ({"blackhole": "true"}, []),
        ({"nexthop": "172.16.0.1", "ifname": "Ethernet8", "nexthop-vrf": "default"}, ["Ethernet8"]),
    ],
)
def test_a_static_route_is_installed(
    four_ports: dict[str, Any], entry: dict[str, str], ports: list[str]
) -> None:
    four_ports["STATIC_ROUTE"] = {"default|10.9.0.0/16": entry}
    assert routes(derived(four_ports))["10.9.0.0/16"] == ports


@pytest.mark.parametrize(
    "entry",
    [
        {"nexthop": "172.16.0.1", "ifname": "Ethernet16"},  # not in the subnet of that interface
        {"nexthop": "10.0.1.9"},  # only behind another static route
        {"nexthop": "172.16.0.0", "ifname": "Ethernet8"},  # the switch's own address
        {"nexthop": "172.16.0.1", "ifname": "Ethernet24"},  # no address on the interface
        {"nexthop": "172.16.0.1", "ifname": "Ethernet99"},
        {"nexthop": "172.16.0.1,172.16.0.3", "ifname": "Ethernet8"},  # vectors of two lengths
        {"nexthop": "172.16.0.1", "nexthop-vrf": "Vrf1"},
        {"nexthop": "172.16.0.1", "distance": "255"},
        {"nexthop": "not an address"},
        {"nexthop": "9" * 5000 + ".0.0.1"},
        {"nexthop": "fc00::1"},
        {"ifname": "Ethernet24"},
        {},
    ],
)
def test_a_static_route_without_a_live_next_hop_is_not_installed(
    four_ports: dict[str, Any], entry: dict[str, str]
) -> None:
    four_ports["STATIC_ROUTE"] = {"default|10.9.0.0/16": entry}
    assert "10.9.0.0/16" not in routes(derived(four_ports))


def test_a_route_key_without_vrf_is_the_default_vrf_and_others_are_not_forwarded(
    four_ports: dict[str, Any],
) -> None:
    hop = {"nexthop": "172.16.0.1"}
    four_ports["STATIC_ROUTE"] = {"10.9.1.2/16": hop, "Vrf1|10.8.0.0/16": hop, "default|fc00::/64": hop}
    found = routes(derived(four_ports))
    assert found["10.9.0.0/16"] == ["Ethernet8"], "host bits are masked"
    assert "10.8.0.0/16" not in found


def test_a_connected_route_beats_a_static_one(four_ports: dict[str, Any]) -> None:
    four_ports["STATIC_ROUTE"] = {"default|10.0.0.0/31": {"nexthop": "172.16.0.1"}}
    assert routes(derived(four_ports))["10.0.0.0/31"] == ["Ethernet0"]


def test_without_configuration_nothing_is_forwarded(four_ports: dict[str, Any]) -> None:
    del four_ports["STATIC_ROUTE"], four_ports["INTERFACE"], four_ports["LOOPBACK_INTERFACE"]
    assert derived(four_ports).routes == ()


def test_ports_are_in_front_panel_order(four_ports: dict[str, Any]) -> None:
    ports = four_ports["PORT"]
    assert [port.name for port in derived(four_ports).ports] == [
        "Ethernet0",
        "Ethernet8",
        "Ethernet16",
        "Ethernet24",
    ]
    for place, name in enumerate(("Ethernet24", "Ethernet16", "Ethernet8", "Ethernet0")):
        ports[name]["index"] = str(9 + place)
    assert derived(four_ports).ports[0].name == "Ethernet24", "index counts, as a number"
    del ports["Ethernet8"]["index"]
    assert derived(four_ports).ports[0].name == "Ethernet0", "else the lanes do"


def test_a_port_carries_its_speed_mtu_and_admin_status(four_ports: dict[str, Any]) -> None:
    del four_ports["PORT"]["Ethernet8"]["mtu"], four_ports["PORT"]["Ethernet8"]["admin_status"]
    first, second, *_ = derived(four_ports).ports
    assert (first.speed_bps, first.mtu_bytes, first.is_admin_up) == (400 * 10**9, 9100, True)
    assert (second.mtu_bytes, second.is_admin_up) == (9100, False), "SONiC's defaults"


def test_qos_maps_are_the_ports_own_with_the_global_dscp_map(four_ports: dict[str, Any]) -> None:
    first, second, *_ = derived(four_ports).ports
    for port in (first, second):
        assert {dscp: tc for dscp, tc in enumerate(port.dscp_to_tc) if tc} == {26: 3, 48: 6}
    assert first.tc_to_pg == (0, 0, 0, 3, 0, 0, 0, 0)
    assert second.tc_to_pg == (0,) * 8, "no map"
    assert second.tc_to_queue == second.pfc_to_queue == tuple(range(8))
    assert (first.pfc_enable, second.pfc_enable) == (0b11000, 0)


def test_without_qos_everything_is_tc_0_without_pfc(four_ports: dict[str, Any]) -> None:
    del four_ports["PORT_QOS_MAP"]
    for port in derived(four_ports).ports:
        assert (port.dscp_to_tc, port.tc_to_queue) == ((0,) * 64, tuple(range(8)))
        assert port.pfc_enable == 0


def test_a_map_entry_beyond_the_asic_is_skipped(four_ports: dict[str, Any]) -> None:
    four_ports["DSCP_TO_TC_MAP"]["AZURE"] |= {"10": "8", "": "3"}
    four_ports["TC_TO_QUEUE_MAP"]["AZURE"] = {"2": "9", "3": "", "15": "1"}
    first = derived(four_ports).ports[0]
    assert first.dscp_to_tc[10] == 0
    assert first.tc_to_queue == tuple(range(8))


def test_queues_have_their_scheduler_wred_and_buffer(four_ports: dict[str, Any]) -> None:
    state = derived(four_ports)
    egress = [profile.name for profile in state.buffer_profiles].index("egress_lossless")
    assert state.ports[0].queues == (
        QueueState(1, None, egress),  # a SCHEDULER without fields: WRR, weight 1
        QueueState(1, None, egress),  # no scheduler: the same
        QueueState(1, None, egress),
        QueueState(15, 0, egress),
        QueueState(15, 0, egress),
        QueueState(1, None, None),
        QueueState(0, None, None),  # STRICT
        QueueState(1, None, None),
    )


@pytest.mark.parametrize(
    ("index", "queues"), [("3,5", {3, 5}), ("0-1,7", {0, 1, 7}), ("x", set()), ("9", set())]
)
def test_queue_indices_are_ranges_and_lists(four_ports: dict[str, Any], index: str, queues: set[int]) -> None:
    four_ports["QUEUE"] = {f"Ethernet0|{index}": {"wred_profile": "LOSSLESS"}}
    bound = derived(four_ports).ports[0].queues
    assert {queue for queue, state in enumerate(bound) if state.wred == 0} == queues


def test_wred_is_read_from_the_green_fields(four_ports: dict[str, Any]) -> None:
    assert derived(four_ports).wred_profiles == (
        WredProfile("LOSSLESS", True, True, 800_000, 3_200_000, 0.2),
    )


@pytest.mark.parametrize(
    ("ecn", "marks"),
    [
        ("ecn_none", False),
        ("ecn_green", True),
        ("ecn_green_red", True),
        ("ecn_yellow_red", False),
        ("ecn_all", True),
    ],
)
def test_ecn_marks_where_the_mode_has_green(four_ports: dict[str, Any], ecn: str, marks: bool) -> None:
    four_ports["WRED_PROFILE"]["LOSSLESS"]["ecn"] = ecn
    assert derived(four_ports).wred_profiles[0].marks_ecn is marks


def test_a_wred_profile_without_thresholds_does_nothing(four_ports: dict[str, Any]) -> None:
    four_ports["WRED_PROFILE"]["LOSSLESS"] = {"ecn": "ecn_all", "wred_green_enable": "true"}
    profile = derived(four_ports).wred_profiles[0]
    assert (profile.marks_ecn, profile.drops) == (False, False)


def test_buffers_are_pools_profiles_and_bindings(four_ports: dict[str, Any]) -> None:
    state = derived(four_ports)
    assert state.buffer_pools == (
        BufferPool("egress_lossless_pool", False, 65_000_000, 0),
        BufferPool("ingress_lossless_pool", True, 60_000_000, 5_000_000),
    )
    assert state.buffer_profiles == (
        BufferProfile("egress_lossless", 0, 0, None, 65_000_000, 0, 0, 0),
        BufferProfile("pg_lossless", 1, 9144, -1, None, 0, 9144, 424_434),
    )
    assert state.ports[0].pgs == (None, None, None, 1, 1, None, None, None)
    assert state.ports[1].pgs == (None,) * 8


@pytest.mark.parametrize(("mode", "expected"), [("dynamic", (3, None)), ("static", (None, 1000))])
def test_of_two_thresholds_the_pools_mode_decides(
    four_ports: dict[str, Any], mode: str, expected: tuple[int | None, int | None]
) -> None:
    four_ports["BUFFER_POOL"]["ingress_lossless_pool"]["mode"] = mode
    four_ports["BUFFER_PROFILE"]["pg_lossless"] |= {"dynamic_th": "3", "static_th": "1000"}
    profile = derived(four_ports).buffer_profiles[1]
    assert (profile.dynamic_th, profile.static_th_bytes) == expected


def test_switch_hash_chooses_function_and_fields(four_ports: dict[str, Any]) -> None:
    four_ports["SWITCH_HASH"] = {
        "GLOBAL": {"ecmp_hash": ["DST_IP", "L4_SRC_PORT", "SRC_MAC"], "ecmp_hash_algorithm": "CRC_CCITT"}
    }
    state = derived(four_ports)
    assert (state.hash_algorithm, state.hash_fields) == ("crc16", ("dst_ip", "l4_src_port"))
    del four_ports["SWITCH_HASH"]
    assert derived(four_ports).hash_algorithm == "crc32"
    assert len(derived(four_ports).hash_fields) == 5


def test_watchdog_watches_the_queues_of_pfcwd_sw_enable(four_ports: dict[str, Any]) -> None:
    four_ports["PORT_QOS_MAP"].setdefault("Ethernet0", {})["pfcwd_sw_enable"] = "3"
    four_ports["PFC_WD"] = {
        "GLOBAL": {"POLL_INTERVAL": "150"},
        "Ethernet0": {"detection_time": "200", "restoration_time": "300", "action": "forward"},
    }
    ports = {port.name: port.watchdog for port in derived(four_ports).ports}
    ms = 10**9
    assert ports["Ethernet0"] == WatchdogState(1 << 3, 200 * ms, 300 * ms, "forward", 150 * ms)
    assert ports["Ethernet8"] is None
