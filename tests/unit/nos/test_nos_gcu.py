"""Patches of CONFIG_DB and what the Generic Config Updater makes of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from raddle.nos.db.patch import PatchError, PatchOp, apply_operations, difference, parse_pointer
from raddle.nos.switch import BootConfig, SimulatedSwitch

KNOWN_SKU = "Nokia-IXR7220-H4-64D"


def patch(switch: SimulatedSwitch, op: str, path: str, value: object = None) -> None:
    switch.apply_patch([PatchOp(op, parse_pointer(path), value)])  # type: ignore[arg-type]


def held(switch: SimulatedSwitch) -> dict[str, Any]:
    """All databases as they are now, whatever becomes of them."""
    databases = switch.databases
    names = ("CONFIG_DB", "APPL_DB", "STATE_DB", "ASIC_DB")
    return copy.deepcopy({name: dict(databases.by_name(name) or {}) for name in names})


def refusal(switch: SimulatedSwitch, op: str, path: str, value: object = None) -> str:
    before = held(switch)
    with pytest.raises(PatchError) as caught:
        patch(switch, op, path, value)
    assert held(switch) == before, "all or nothing"
    return str(caught.value)


def with_sku(four_ports: dict[str, Any], hwsku: str) -> SimulatedSwitch:
    four_ports["DEVICE_METADATA"]["localhost"]["hwsku"] = hwsku
    return SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset())


def test_add_replaces_a_node_and_needs_its_parent() -> None:
    config = {"PORT": {"Ethernet0": {"mtu": "9100", "speed": "400000"}}}
    added = apply_operations(config, [PatchOp("add", ("PORT", "Ethernet0"), {"mtu": "1500"})])
    assert added == {"PORT": {"Ethernet0": {"mtu": "1500"}}}
    with pytest.raises(PatchError, match="member 'VLAN' not found in "):
        apply_operations(config, [PatchOp("add", ("VLAN", "Vlan100"), {})])
    with pytest.raises(PatchError, match="can't replace a non-existent object 'fec'"):
        apply_operations(config, [PatchOp("replace", ("PORT", "Ethernet0", "fec"), "rs")])
    with pytest.raises(PatchError, match="can't remove a non-existent object 'Ethernet8'"):
        apply_operations(config, [PatchOp("remove", ("PORT", "Ethernet8"))])


def test_a_patch_leaves_the_old_document_as_it_was() -> None:
    config = {"T": {"K": {"list": ["a", "b"]}, "L": {}}}
    before = copy.deepcopy(config)
    operations = [
        PatchOp("add", ("T", "K", "list", "1"), "x"),
        PatchOp("remove", ("T", "K", "list", "0")),
        PatchOp("replace", ("T", "K", "list", "0"), "y"),
        PatchOp("add", ("T", "K", "list", "-"), "z"),
        PatchOp("add", ("T", "M"), {"f": "1"}),
        PatchOp("add", ("T", "M", "g"), "2"),
    ]
    after = apply_operations(config, operations)
    assert after == {"T": {"K": {"list": ["y", "b", "z"]}, "L": {}, "M": {"f": "1", "g": "2"}}}
    assert config == before
    assert operations[4].value == {"f": "1"}, "nor is the value of an operation written to"


@pytest.mark.parametrize("index", ["3", "-1", "01", "x", "99999999999"])
def test_a_list_has_no_such_index(index: str) -> None:
    with pytest.raises(PatchError, match=r"sequence index|outside of list"):
        apply_operations({"T": {"K": {"f": ["a", "b"]}}}, [PatchOp("add", ("T", "K", "f", index), "c")])


def test_a_pointer_with_a_bad_escape_is_refused() -> None:
    assert parse_pointer("/INTERFACE/Ethernet0|10.0.0.0~131/a~0b") == (
        "INTERFACE",
        "Ethernet0|10.0.0.0/31",
        "a~b",
    )
    with pytest.raises(PatchError, match="Found invalid escape ~2"):
        parse_pointer("/PORT/a~2")


def test_the_difference_makes_the_new_of_the_old(four_ports: dict[str, Any]) -> None:
    new = copy.deepcopy(four_ports)
    del new["CABLE_LENGTH"]
    new["PORT"]["Ethernet0"]["mtu"] = "1500"
    new["STATIC_ROUTE"]["default|10.7.0.0/16"] = {"nexthop": "172.16.0.1"}
    operations = list(difference(four_ports, new))
    assert sorted(operation.pointer for operation in operations) == [
        "/CABLE_LENGTH",
        "/PORT/Ethernet0/mtu",
        "/STATIC_ROUTE/default|10.7.0.0~116",
    ]
    assert apply_operations(four_ports, operations) == new


def test_routes_and_ecn_and_qos_change_on_any_switch(switch: SimulatedSwitch) -> None:
    patch(switch, "add", "/STATIC_ROUTE/default|10.7.0.0~116", {"nexthop": "172.16.0.1"})
    patch(switch, "replace", "/WRED_PROFILE/LOSSLESS/green_min_threshold", "400000")
    patch(switch, "add", "/PORT_QOS_MAP/Ethernet8", {"pfc_enable": "3"})
    patch(
        switch, "add", "/BUFFER_PROFILE/new", {"pool": "egress_lossless_pool", "size": "0", "dynamic_th": "0"}
    )
    state = switch.state()
    assert state.wred_profiles[0].min_bytes == 400_000
    assert state.ports[1].pfc_enable == 0b1000
    assert "new" in [profile.name for profile in state.buffer_profiles]


def test_the_order_inside_a_patch_does_not_matter(switch: SimulatedSwitch) -> None:
    switch.apply_patch(
        [
            PatchOp("add", ("QUEUE", "Ethernet8|3"), {"wred_profile": "LATER"}),
            PatchOp("add", ("WRED_PROFILE", "LATER"), {"ecn": "ecn_none"}),
        ]
    )
    assert switch.databases.config["QUEUE"]["Ethernet8|3"] == {"wred_profile": "LATER"}


@pytest.mark.parametrize("hwsku", ["White-Box", KNOWN_SKU])
def test_a_buffer_pool_never_changes(four_ports: dict[str, Any], hwsku: str) -> None:
    switch = with_sku(four_ports, hwsku)
    text = "Error: Modification of BUFFER_POOL table is illegal- validating function generic_config_updater."
    assert refusal(switch, "replace", "/BUFFER_POOL/egress_lossless_pool/size", "1").startswith(text)
    assert refusal(switch, "remove", "/BUFFER_POOL").startswith(text)


def test_a_profile_field_is_tuned_on_known_skus_only(four_ports: dict[str, Any]) -> None:
    known = with_sku(four_ports, KNOWN_SKU)
    patch(known, "replace", "/BUFFER_PROFILE/pg_lossless/dynamic_th", "0")
    patch(known, "replace", "/BUFFER_PROFILE/pg_lossless/xoff", "500000")
    text = "Error: Modification of BUFFER_PROFILE table is illegal"
    trimming = ("add", "/BUFFER_PROFILE/pg_lossless/packet_discard_action", "drop")
    assert refusal(known, *trimming).startswith(text), "Tomahawk 4 cannot"
    patch(with_sku(copy.deepcopy(four_ports), "Nokia-IXR7220-H5-64D"), *trimming)
    assert refusal(known, "replace", "/BUFFER_PROFILE/pg_lossless/xon", "1").startswith(text)
    unknown = with_sku(four_ports, "White-Box")
    assert refusal(unknown, "replace", "/BUFFER_PROFILE/pg_lossless/dynamic_th", "0").startswith(text)


def test_the_watchdog_changes_on_known_skus_only(four_ports: dict[str, Any]) -> None:
    known = with_sku(four_ports, KNOWN_SKU)
    patch(known, "replace", "/PFC_WD/Ethernet0/detection_time", "400")
    patch(known, "add", "/PFC_WD/Ethernet8", {"action": "drop", "detection_time": "200"})
    patch(known, "replace", "/PFC_WD/GLOBAL/POLL_INTERVAL", "100")
    patch(known, "remove", "/PFC_WD/Ethernet8")
    assert refusal(known, "remove", "/PFC_WD/GLOBAL") == (
        "Error: Given patch operation is invalid. Operation: remove is illegal on field: /PFC_WD/GLOBAL"
    )
    assert refusal(known, "remove", "/PFC_WD/GLOBAL/POLL_INTERVAL") == (
        "Error: Given patch operation is invalid. Operation: remove is illegal on field: "
        "/PFC_WD/GLOBAL/POLL_INTERVAL"
    )
    patch(known, "add", "/PFC_WD/Ethernet0/pfc_stat_history", "enable")
    text = "Error: Modification of PFC_WD table is illegal"
    unknown = with_sku(four_ports, "DellEMC-Z9664f-O64")
    assert refusal(unknown, "replace", "/PFC_WD/Ethernet0/detection_time", "400").startswith(text)


def test_a_port_takes_speeds_and_fec_that_state_db_lists(switch: SimulatedSwitch) -> None:
    patch(switch, "replace", "/PORT/Ethernet0/speed", "200000")
    patch(switch, "replace", "/PORT/Ethernet0/fec", "none")
    text = "Error: Modification of PORT table is illegal"
    assert refusal(switch, "replace", "/PORT/Ethernet0/speed", "123000").startswith(text)
    assert refusal(switch, "replace", "/PORT/Ethernet0/fec", "RS").startswith(text)


def test_loopback0_stays(switch: SimulatedSwitch) -> None:
    text = refusal(switch, "remove", "/LOOPBACK_INTERFACE/Loopback0")
    assert text.endswith("Operation: remove is illegal on field: /LOOPBACK_INTERFACE/Loopback0")


def test_a_table_is_removed_whole_and_not_by_its_last_key(switch: SimulatedSwitch) -> None:
    assert refusal(switch, "remove", "/DEVICE_NEIGHBOR/Ethernet0") == (
        "Error: Given patch is not valid because it will result in empty tables which is not allowed in "
        "ConfigDb. Table: DEVICE_NEIGHBOR"
    )
    patch(switch, "remove", "/DEVICE_NEIGHBOR")
    assert "DEVICE_NEIGHBOR" not in switch.databases.config


def test_an_unknown_table_is_refused(switch: SimulatedSwitch) -> None:
    text = "Error: Given patch is not valid because it has changes to tables without YANG models"
    assert refusal(switch, "add", "/NODE_CFG", {"a": {"b": "c"}}).startswith(text)


def test_an_invalid_result_is_refused_with_the_reasons_below_sonics_line(switch: SimulatedSwitch) -> None:
    head, *reasons = refusal(switch, "add", "/PORT", {"Ethernet0": {"admin_status": "down"}}).splitlines()
    assert head == "Error: Given patch will produce invalid config. Error: Data Loading Failed"
    assert 'PORT/Ethernet0: Mandatory node "lanes" instance does not exist.' in reasons
    assert refusal(switch, "add", "/PORT/Ethernet0/mtu", None).splitlines()[1] == (
        "PORT/Ethernet0/mtu: a field is a string, not null"
    )


def test_replacing_the_whole_configuration_follows_the_same_rules(
    switch: SimulatedSwitch, four_ports: dict[str, Any]
) -> None:
    four_ports["STATIC_ROUTE"]["default|10.7.0.0/16"] = {"nexthop": "172.16.0.1"}
    switch.replace_config(four_ports)
    assert "default|10.7.0.0/16" in switch.databases.config["STATIC_ROUTE"]
    four_ports["BUFFER_POOL"]["egress_lossless_pool"]["size"] = "1"
    with pytest.raises(PatchError, match="Modification of BUFFER_POOL table is illegal"):
        switch.replace_config(four_ports)
    with pytest.raises(PatchError, match="CONFIG_DB is a JSON object, not a list"):
        switch.replace_config([])


def test_admin_down_takes_the_port_and_its_routes_down(switch: SimulatedSwitch) -> None:
    patch(switch, "replace", "/PORT/Ethernet8/admin_status", "down")
    assert switch.databases.appl["PORT_TABLE"]["Ethernet8"]["oper_status"] == "down"
    assert switch.databases.state["PORT_TABLE"]["Ethernet8"]["netdev_oper_status"] == "down"
    assert all(1 not in route.ports for route in switch.state().routes)
