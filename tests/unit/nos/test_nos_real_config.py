"""A switch boots and serves what real switches have, and says of tables what is true of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.nos.boot import read_boot_config
from raddle.nos.db.databases import ConfigDb
from raddle.nos.db.patch import PatchError, PatchOp
from raddle.nos.db.schema import TABLES
from raddle.nos.db.store import ConfigStore
from raddle.nos.farm import SwitchFarm
from raddle.nos.show import show
from raddle.nos.switch import BootConfig, SimulatedSwitch
from raddle.sonic_tables import YANG_TABLES

HELD: dict[str, Any] = {
    "FEATURE": {"lldp": {"state": "enabled", "has_timer": "False"}},
    "KDUMP": {"config": {"memory": "0M-4G:320M", "enabled": "true"}},
    "BGP_DEVICE_GLOBAL": {"STATE": {"tsa_enabled": "true"}},
    "MGMT_VRF_CONFIG": {"vrf_global": {"mgmtVrfEnabled": "true"}},
    "SNMP_COMMUNITY": {"c0mmun": {"TYPE": "RO"}},
    "VENDORS_OWN_TABLE": {"of|three|parts": {"field": "v", "list": ["a", "b"]}, "empty": {}},
}


@pytest.fixture
def real(four_ports: dict[str, Any]) -> dict[str, Any]:
    """A configuration with tables and fields that this switch has no schema of."""
    four_ports["PORT"]["Ethernet0"]["vendor_knob"] = "7"
    four_ports["AAA"] = {"authentication": {"login": "radius"}}
    four_ports["SYSLOG_SERVER"] = {"192.0.2.9": {"vrf": "mgmt"}}
    four_ports["BGP_NEIGHBOR"] = {"default|172.16.0.1": {"asn": "65100", "ebgp_multihop_ttl": "2"}}
    return four_ports | HELD


def booted(document: dict[str, Any]) -> SimulatedSwitch:
    return SimulatedSwitch("leaf0", BootConfig(document, {}), frozenset(document["PORT"]))


def test_what_a_switch_knows_nothing_of_it_holds_as_it_is(real: dict[str, Any]) -> None:
    config = booted(real).databases.config
    for table, rows in HELD.items():
        assert config[table] == rows
    assert config["PORT"]["Ethernet0"]["vendor_knob"] == "7"


def test_held_tables_are_read_over_gnmi_and_outlive_a_restart(real: dict[str, Any], tmp_path: Path) -> None:
    ConfigStore(tmp_path / "leaf0" / "config_db.json").save(real)
    boot = BootConfig({"PORT": {}}, {})
    with (
        SwitchFarm({"leaf0": boot}, {}, state_folder=tmp_path) as farm,
        grpc.insecure_channel(farm.addresses["leaf0"]) as channel,
    ):
        elems = [gnmi_pb2.PathElem(name=name) for name in ("CONFIG_DB", "localhost", "VENDORS_OWN_TABLE")]
        request = gnmi_pb2.GetRequest(
            path=[gnmi_pb2.Path(origin="sonic-db", elem=elems)], encoding=gnmi_pb2.JSON_IETF
        )
        answer = gnmi_pb2_grpc.gNMIStub(channel).Get(request, timeout=20)
    value = json.loads(answer.notification[0].update[0].val.json_ietf_val)
    assert value == HELD["VENDORS_OWN_TABLE"]


def test_a_patch_beside_held_tables_is_taken_and_leaves_them_alone(real: dict[str, Any]) -> None:
    del real["PORT"]["Ethernet0"]["vendor_knob"], real["AAA"]
    switch = booted(real)
    switch.apply_patch([PatchOp("replace", ("PORT", "Ethernet0", "mtu"), "1500")])
    assert switch.databases.config["PORT"]["Ethernet0"]["mtu"] == "1500"
    assert switch.databases.config["VENDORS_OWN_TABLE"] == HELD["VENDORS_OWN_TABLE"]


def test_no_yang_model_is_said_of_a_table_that_has_none(real: dict[str, Any]) -> None:
    del real["PORT"]["Ethernet0"]["vendor_knob"], real["AAA"]
    switch = booted(real)
    switch.apply_patch([PatchOp("add", ("BANNER_MESSAGE",), {"global": {"state": "enabled"}})])
    for operation in (
        PatchOp("add", ("TABLE_OF_NOBODY",), {"key": {"field": "value"}}),
        PatchOp("remove", ("VENDORS_OWN_TABLE", "empty")),
    ):
        with pytest.raises(PatchError, match=f"without YANG models. Table: {operation.path[0]}$"):
            switch.apply_patch([operation])


def test_models_that_are_given_judge_a_set_where_tables_are_held(real: dict[str, Any]) -> None:
    def judge(config: ConfigDb) -> tuple[str, ...]:
        state = config.get("FEATURE", {}).get("lldp", {}).get("state", "enabled")
        return () if state in ("enabled", "disabled") else (f'Unsatisfied pattern - "{state}"',)

    del real["PORT"]["Ethernet0"]["vendor_knob"]
    del real["BGP_NEIGHBOR"], real["AAA"], real["SYSLOG_SERVER"]
    ports = frozenset(real["PORT"])
    switch = SimulatedSwitch("leaf0", BootConfig(real, {}), ports, yang=judge)
    place = ("FEATURE", "lldp", "state")
    switch.apply_patch([PatchOp("replace", place, "disabled")])
    with pytest.raises(PatchError, match=r'will produce invalid config.*\n.*Unsatisfied pattern - "perhaps"'):
        switch.apply_patch([PatchOp("replace", place, "perhaps")])
    assert switch.databases.config["FEATURE"]["lldp"]["state"] == "disabled"
    real["FEATURE"]["lldp"]["state"] = "perhaps"
    as_saved = SimulatedSwitch("leaf0", BootConfig(real, {}), ports, yang=judge)
    assert as_saved.held_problems(), "it boots, as on SONiC, and says what is wrong"
    for name in HELD:
        del real[name]
    bare = SimulatedSwitch("leaf0", BootConfig(real, {}), ports, yang=lambda config: ("never asked",))
    assert (bare.held_tables, bare.held_problems()) == ((), ())


def test_what_a_switch_acts_on_has_to_be_right_at_boot(real: dict[str, Any]) -> None:
    real["PORT"]["Ethernet0"]["speed"] = "fast"
    real["VLAN"] = {"Vlan9": {"vlanid": "none of ours"}}
    _, violations = read_boot_config(real)
    assert [path for path, _ in violations] == ["PORT/Ethernet0/speed"]


def test_every_table_of_the_schema_is_one_that_sonic_has_a_model_of() -> None:
    assert TABLES.keys() <= YANG_TABLES


def test_the_tables_with_a_model_are_those_of_sonics_models() -> None:
    folder = Path(__file__).parents[4] / "shared" / "sonic-yang" / "models"
    if not folder.is_dir():
        pytest.skip("no ../shared/sonic-yang beside this checkout")
    text = "".join(path.read_text() for path in folder.glob("sonic-*.yang"))
    # Each is a container of its own; the models have more containers, of which those in capitals are tables.
    assert [name for name in YANG_TABLES if f"container {name} " not in text] == []


def test_a_pool_whose_size_a_buffer_manager_would_compute_is_not_in_the_asic(
    four_ports: dict[str, Any],
) -> None:
    four_ports["DEVICE_METADATA"]["localhost"]["buffer_model"] = "dynamic"
    four_ports["BUFFER_POOL"]["ingress_lossless_pool"] = {
        "type": "ingress",
        "mode": "dynamic",
        "percentage": "40",
    }
    state = booted(four_ports).state()
    assert [pool.name for pool in state.buffer_pools] == ["egress_lossless_pool"]
    assert state.ports[0].pgs[3] is None
    assert state.ports[0].queues[3].buffer is not None


def test_a_route_with_host_bits_is_the_route_of_its_network(four_ports: dict[str, Any]) -> None:
    four_ports["STATIC_ROUTE"] = {"default|10.9.0.1/24": {"nexthop": "172.16.0.1"}}
    switch = booted(four_ports)
    assert switch.databases.appl["ROUTE_TABLE"]["10.9.0.0/24"]["ifname"] == "Ethernet8"
    assert "10.9.0.0/24" in show(switch.databases, ["ip", "route"])


@pytest.mark.parametrize(
    "entry",
    [
        {"ifname": "Ethernet8,Ethernet16"},
        {"nexthop": "0.0.0.0,172.16.0.3", "ifname": "Ethernet8,Ethernet16"},
        {"nexthop": "172.16.0.1,", "ifname": "Ethernet8,", "blackhole": "false,true"},
    ],
)
def test_asic_db_has_every_route_that_is_accepted(four_ports: dict[str, Any], entry: dict[str, str]) -> None:
    four_ports["STATIC_ROUTE"] = {"default|10.9.0.0/24": entry}
    asic = booted(four_ports).databases.asic["ASIC_STATE"]
    routes = {key: fields for key, fields in asic.items() if "ROUTE_ENTRY" in key and "10.9.0.0/24" in key}
    (fields,) = routes.values()
    target = fields["SAI_ROUTE_ENTRY_ATTR_NEXT_HOP_ID"]
    members = [
        each["SAI_NEXT_HOP_GROUP_MEMBER_ATTR_NEXT_HOP_ID"]
        for each in asic.values()
        if each.get("SAI_NEXT_HOP_GROUP_MEMBER_ATTR_NEXT_HOP_GROUP_ID") == target
    ]
    known = {key.split(":", 1)[1] for key in asic if "NEXT_HOP:" in key or "ROUTER_INTERFACE:" in key}
    assert set(members or [target]) <= known


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("INTERFACE", "Ethernet24"), {"NULL": "NULL"}),
        (("STATIC_ROUTE", "default|10.9.0.0/24"), {"nexthop": "172.16.0.1", "bfd": "true"}),
    ],
)
def test_fields_that_the_models_lack_are_refused(
    switch: SimulatedSwitch, path: tuple[str, ...], value: object
) -> None:
    with pytest.raises(PatchError, match=r'Node "(NULL|bfd)" not found'):
        switch.apply_patch([PatchOp("add", path, value)])
