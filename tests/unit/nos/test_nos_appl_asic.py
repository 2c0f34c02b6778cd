"""APPL_DB and ASIC_DB say what a switch forwards with and who its neighbours are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from raddle.nos.db.patch import PatchOp
from raddle.nos.orch.appl_db import Neighbor
from raddle.nos.show import show
from raddle.nos.switch import BootConfig, SimulatedSwitch

SPINES = {
    "Ethernet0": Neighbor("host0", "eth0", "eth0", "06:00:00:00:00:00", is_switch=False),
    "Ethernet8": Neighbor("spine0", "etp1", "Ethernet0", "02:00:00:00:01:00", is_switch=True),
    "Ethernet16": Neighbor("spine1", "etp1", "Ethernet0", "02:00:00:00:02:00", is_switch=True),
}
ROUTE = "10.0.1.0/24"


@pytest.fixture
def cabled(four_ports: dict[str, Any]) -> SimulatedSwitch:
    return SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset(SPINES), neighbors=SPINES)


def test_route_table_has_the_next_hops_that_are_up(cabled: SimulatedSwitch) -> None:
    routes = cabled.databases.appl["ROUTE_TABLE"]
    assert routes[ROUTE] == {
        "protocol": "static",
        "nexthop": "172.16.0.1,172.16.0.3",
        "ifname": "Ethernet8,Ethernet16",
    }
    assert routes["172.16.0.0/31"] == {"protocol": "connected", "nexthop": "0.0.0.0", "ifname": "Ethernet8"}
    cabled.set_carrier("Ethernet16", up=False)
    assert cabled.databases.appl["ROUTE_TABLE"][ROUTE]["ifname"] == "Ethernet8"
    assert "172.16.0.2/31" not in cabled.databases.appl["ROUTE_TABLE"]


def test_a_blackhole_says_so(cabled: SimulatedSwitch) -> None:
    cabled.apply_patch([PatchOp("add", ("STATIC_ROUTE", "default|10.9.0.0/16"), {"blackhole": "true"})])
    assert cabled.databases.appl["ROUTE_TABLE"]["10.9.0.0/16"] == {"protocol": "static", "blackhole": "true"}
    dropped = [
        fields
        for key, fields in cabled.databases.asic["ASIC_STATE"].items()
        if key.startswith("SAI_OBJECT_TYPE_ROUTE_ENTRY") and "10.9.0.0/16" in key
    ]
    assert dropped == [{"SAI_ROUTE_ENTRY_ATTR_PACKET_ACTION": "SAI_PACKET_ACTION_DROP"}]


def test_next_hop_groups_have_a_table_where_the_metadata_asks_for_it(four_ports: dict[str, Any]) -> None:
    four_ports["DEVICE_METADATA"]["localhost"]["nexthop_group"] = "enabled"
    switch = SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset(SPINES), neighbors=SPINES)
    appl = switch.databases.appl
    assert appl["ROUTE_TABLE"][ROUTE] == {"protocol": "static", "nexthop_group": "ID1"}
    assert appl["NEXTHOP_GROUP_TABLE"]["ID1"]["nexthop"] == "172.16.0.1,172.16.0.3"


def test_neighbours_answer_at_the_far_end_of_a_live_cable(cabled: SimulatedSwitch) -> None:
    assert cabled.databases.appl["NEIGH_TABLE"] == {
        "Ethernet0:10.0.0.1": {"neigh": "06:00:00:00:00:00", "family": "IPv4"},
        "Ethernet16:172.16.0.3": {"neigh": "02:00:00:00:02:00", "family": "IPv4"},
        "Ethernet8:172.16.0.1": {"neigh": "02:00:00:00:01:00", "family": "IPv4"},
    }


def test_lldp_hears_neighbours_unless_it_is_off_or_dark(cabled: SimulatedSwitch) -> None:
    entry = cabled.databases.appl["LLDP_ENTRY_TABLE"]["Ethernet8"]
    assert (entry["lldp_rem_sys_name"], entry["lldp_rem_port_id"]) == ("spine0", "etp1")
    cabled.set_carrier("Ethernet16", up=False)
    cabled.apply_patch([PatchOp("add", ("LLDP_PORT",), {"Ethernet0": {"enabled": "false"}})])
    assert set(cabled.databases.appl["LLDP_ENTRY_TABLE"]) == {"Ethernet8"}
    cabled.apply_patch([PatchOp("add", ("LLDP",), {"GLOBAL": {"enabled": "false"}})])
    assert cabled.databases.appl["LLDP_ENTRY_TABLE"] == {}


def test_show_lldp_table_has_sonics_columns(cabled: SimulatedSwitch) -> None:
    assert show(cabled.databases, ["lldp", "table"]).splitlines() == [
        "Capability codes: (R) Router, (B) Bridge, (O) Other",
        "LocalPort    RemoteDevice    RemotePortID    Capability    RemotePortDescr",
        "-----------  --------------  --------------  ------------  -----------------",
        "Ethernet0    host0           eth0                          eth0",
        "Ethernet8    spine0          etp1            BR            Ethernet0",
        "Ethernet16   spine1          etp1            BR            Ethernet0",
        "--------------------------------------------------",
        "Total entries displayed:  3",
    ]


def test_a_route_in_asic_db_leads_to_the_ports_that_the_engine_gets(cabled: SimulatedSwitch) -> None:
    """From ROUTE_ENTRY over group, members, next hops and interfaces to ports by object id."""
    asic = cabled.databases.asic["ASIC_STATE"]
    ports = {oid: name for name, oid in cabled.databases.counters["COUNTERS_PORT_NAME_MAP"][""].items()}

    def of(kind: str) -> dict[str, Any]:
        start = f"SAI_OBJECT_TYPE_{kind}:"
        return {key.removeprefix(start): fields for key, fields in asic.items() if key.startswith(start)}

    entry = next(fields for key, fields in of("ROUTE_ENTRY").items() if json.loads(key)["dest"] == ROUTE)
    group = entry["SAI_ROUTE_ENTRY_ATTR_NEXT_HOP_ID"]
    assert group in of("NEXT_HOP_GROUP")
    member = "SAI_NEXT_HOP_GROUP_MEMBER_ATTR_"
    hops = [
        fields[f"{member}NEXT_HOP_ID"]
        for fields in of("NEXT_HOP_GROUP_MEMBER").values()
        if fields[f"{member}NEXT_HOP_GROUP_ID"] == group
    ]
    interfaces = [of("NEXT_HOP")[hop]["SAI_NEXT_HOP_ATTR_ROUTER_INTERFACE_ID"] for hop in hops]
    names = [ports[of("ROUTER_INTERFACE")[oid]["SAI_ROUTER_INTERFACE_ATTR_PORT_ID"]] for oid in interfaces]
    state = cabled.state()
    route = next(each for each in state.routes if each.length == 24)
    assert names == [state.ports[port].name for port in route.ports]


def test_asic_db_has_the_buffers_and_queues_of_a_port(cabled: SimulatedSwitch) -> None:
    asic = cabled.databases.asic["ASIC_STATE"]
    queues = cabled.databases.counters["COUNTERS_QUEUE_NAME_MAP"][""]
    queue = asic[f"SAI_OBJECT_TYPE_QUEUE:{queues['Ethernet0:3']}"]
    wred = asic[f"SAI_OBJECT_TYPE_WRED:{queue['SAI_QUEUE_ATTR_WRED_PROFILE_ID']}"]
    assert wred["SAI_WRED_ATTR_GREEN_MIN_THRESHOLD"] == "800000"
    scheduler = asic[f"SAI_OBJECT_TYPE_SCHEDULER:{queue['SAI_QUEUE_ATTR_SCHEDULER_PROFILE_ID']}"]
    assert scheduler["SAI_SCHEDULER_ATTR_SCHEDULING_WEIGHT"] == "15"
    groups = cabled.databases.counters["COUNTERS_PG_NAME_MAP"][""]
    group = asic[f"SAI_OBJECT_TYPE_INGRESS_PRIORITY_GROUP:{groups['Ethernet0:3']}"]
    profile = asic[
        f"SAI_OBJECT_TYPE_BUFFER_PROFILE:{group['SAI_INGRESS_PRIORITY_GROUP_ATTR_BUFFER_PROFILE']}"
    ]
    assert profile["SAI_BUFFER_PROFILE_ATTR_SHARED_DYNAMIC_TH"] == "-1"
    assert profile["SAI_BUFFER_PROFILE_ATTR_XOFF_TH"] == "424434"
