"""sonic-gnmi's own Set cases over gRPC, as they are and with everything renamed.

Its tests take the JSON patch that the server hands to the Generic Config Updater and apply it plainly, so
that a case is about what a Set becomes. Here too; a whole switch is asked further down.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.nos.db.databases import ConfigDb
from raddle.nos.db.patch import PatchOp, apply_operations
from raddle.nos.db.schema import read_config, validate
from raddle.nos.farm import SwitchFarm
from raddle.nos.switch import BootConfig, SimulatedSwitch

DATA = Path(__file__).parents[3] / "shared" / "sonic" / "gnmi-testdata"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/sonic/gnmi-testdata")

Edit = Callable[[str], str]
Case = dict[str, Any]

CONTRADICTORY = {"ntp_server_tc1_replace"}
"""Upstream never runs it: it deletes 10.0.0.1, adds 10.0.0.2 and then expects 10.0.0.1."""

KNOWN_SKU = "Nokia-IXR7220-H4-64D"

NOT_VALID = {
    "aaa_tc1_add_duplicate": "an empty AAA login",
    "K8SHALFTOFULLPATCH": "an empty KUBERNETES_MASTER ip",
    "K8SHALFTOEMPTYPATCH": "an empty KUBERNETES_MASTER ip",
    "portchannel_interface_tc2_incremental": "mtu in PORTCHANNEL_INTERFACE",
}
"""Cases whose seed the YANG models do not take, so that no SONiC switch can hold it."""

REFUSED = {
    "test_incremental_qos_config_updates_replace": "Modification of BUFFER_POOL table is illegal",
    "test_update_speed": "Modification of PORT table is illegal",  # 2000 Mbit/s is no speed of the port
}


def renamed(text: str) -> str:
    """The same of a switch whose ports, VLANs and port channels have other numbers, with other addresses."""
    text = re.sub(r"Ethernet(\d+)", lambda match: f"Ethernet{4 * int(match[1]) + 400}", text)
    text = re.sub(r"Vlan(\d+)", lambda match: f"Vlan{int(match[1]) + 7}", text)
    text = re.sub(r'"vlanid": "(\d+)"', lambda match: f'"vlanid": "{int(match[1]) + 7}"', text)
    text = re.sub(r"PortChannel(\d+)", lambda match: f"PortChannel{int(match[1]) + 11}", text)
    text = re.sub(r"\b10\.(\d+)\.", lambda match: f"10.{(int(match[1]) + 31) % 256}.", text)
    return (
        text.replace("RULE_1", "RULE_77").replace("DYNAMIC_ACL_TABLE", "TENANT_ACL").replace("qos_0", "queue")
    )


def patch_cases(edit: Edit) -> list[Case]:
    groups = json.loads(edit((DATA / "gcu_patch_cases.json").read_text())).values()
    return [case for group in groups for case in group]


def config_cases(edit: Edit) -> Iterator[Case]:
    """The update, delete and replace cases of test_gnmi_configdb.py in the form of the patch cases."""
    data = json.loads(edit((DATA / "configdb_set_cases.json").read_text()))
    ports = sorted(data["test_data_update_normal"][0][0]["value"])
    down = {"PORT": {port: {"admin_status": "down"} for port in ports}}
    for number, changes in enumerate(data["test_data_update_normal"]):
        # An add needs its parent, which upstream's patch file does not show.
        origin = {} if number == 0 else down
        wanted: Any = {"PORT": {port: {"admin_status": "up" if number == 1 else "down"} for port in ports}}
        for op, before in (("update", origin), ("replace", down)):
            operations = [{"op": op, **change} for change in changes]
            yield {"test_name": f"{op}_{number}", "operations": operations} | _ends(before, wanted)
        deletes = [{"op": "del", "path": change["path"]} for change in changes]
        yield {"test_name": f"delete_of_nothing_{number}", "operations": deletes} | _ends({}, {})
    held = data["test_json_checkpoint"]
    left: list[Any] = [
        {},
        {"DASH_QOS": {}, "DASH_VNET": {}},
        _without(held, ("DASH_QOS", 0, "flows"), ("DASH_QOS", 1, "bw"), ("DASH_VNET", 0, "address_spaces")),
    ]
    for number, (changes, target) in enumerate(zip(data["test_data_checkpoint"][:3], left, strict=True)):
        deletes = [{"op": "del", "path": change["path"]} for change in changes]
        yield {"test_name": f"delete_{number}", "operations": deletes} | _ends(held, target)


def _ends(origin: Any, target: Any) -> Case:
    return {"origin_json": origin, "target_json": target}


def _without(document: Any, *places: tuple[str, int, str]) -> Any:
    result = copy.deepcopy(document)
    for table, row, field in places:
        del result[table][sorted(result[table])[row]][field]
    return result


def set_request(case: Case) -> gnmi_pb2.SetRequest:
    """The case's operations; a path's elems are split at `/`, its shell escapes dropped."""
    request = gnmi_pb2.SetRequest()
    for operation in case["operations"]:
        names = operation["path"].replace("\\", "").replace("sonic-db:", "").strip("/").split("/")
        path = gnmi_pb2.Path(origin="sonic-db", elem=[gnmi_pb2.PathElem(name=name) for name in names])
        if operation["op"] == "del":
            request.delete.append(path)
            continue
        value = gnmi_pb2.TypedValue(json_ietf_val=json.dumps(operation["value"]).encode())
        changes = request.replace if operation["op"] == "replace" else request.update
        changes.append(gnmi_pb2.Update(path=path, val=value))
    return request


@contextmanager
def switches(boots: dict[str, ConfigDb]) -> Iterator[tuple[SwitchFarm, Callable[[str, Case], None]]]:
    """A switch for each case, and what sends a case to its switch."""
    with SwitchFarm({name: BootConfig(boot, {}) for name, boot in boots.items()}, {}) as farm:

        def send(name: str, case: Case) -> None:
            with grpc.insecure_channel(farm.addresses[name]) as channel:
                gnmi_pb2_grpc.gNMIStub(channel).Set(set_request(case), timeout=10)

        yield farm, send


def take_plainly(switch: SimulatedSwitch, origin: ConfigDb) -> list[list[PatchOp]]:
    """Let the switch hold `origin` and hand its patches to the list that is returned, unjudged."""
    patches: list[list[PatchOp]] = []
    switch.write(config=origin)

    def begin(change: Any) -> frozenset[str]:
        patches.append(change.keywords["operations"])
        return frozenset()

    switch.begin = begin  # type: ignore[method-assign]
    return patches


@pytest.mark.parametrize("edit", [str, renamed], ids=["as-given", "renamed"])
def test_sonic_gnmis_set_cases_give_their_targets(edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    cases = [*patch_cases(edit), *config_cases(edit)]
    failed = []
    with switches({case["test_name"]: {} for case in cases}) as (farm, send):
        for case in cases:
            name, origin = case["test_name"], case["origin_json"]
            patches = take_plainly(farm.switches[name], origin)
            send(name, case)
            result = apply_operations(origin, [operation for patch in patches for operation in patch])
            if result != case["target_json"]:
                failed.append(name)
    with capsys.disabled():
        print(f" {len(cases) - len(failed)} of {len(cases)} Set cases", end=" ")
    assert set(failed) == CONTRADICTORY


def surroundings(edit: Edit) -> ConfigDb:
    """What the cases take for granted: the parents and the targets of references."""
    ports = {f"Ethernet{number}": number for number in (0, 4, 8)}
    text = json.dumps(
        {
            "DEVICE_METADATA": {"localhost": {"hostname": "leaf0", "hwsku": KNOWN_SKU}},
            "PORT": {
                port: {"lanes": str(lane + 1), "speed": "10000", "admin_status": "up"}
                for port, lane in ports.items()
            },
            "ACL_TABLE": {
                "DYNAMIC_ACL_TABLE": {"type": "L3"},
                "SNMP_ACL": {"type": "CTRLPLANE", "services": ["SNMP"]},
                "SSH_ONLY": {"type": "CTRLPLANE", "services": ["SSH"]},
                "NTP_ACL": {"type": "CTRLPLANE", "services": ["NTP"]},
                "KEPT": {"type": "L3"},
            },
            "BGP_NEIGHBOR": {"10.9.9.9": {"asn": "65001"}},
            "BUFFER_POOL": {
                name: {"type": "ingress", "mode": "static", "size": "5000", "xoff": "2000"}
                for name in ("ingress_lossless_pool", "egress_lossy_pool")
            },
            "PFC_WD": {"GLOBAL": {"POLL_INTERVAL": "200"}},
            "PORTCHANNEL": {"PortChannel101": {"admin_status": "up"}},
            "TACPLUS": {"global": {"passkey": "secret"}},
            "VLAN": {"Vlan1000": {}},
            "VLAN_INTERFACE": {"Vlan1000": {}},
            "VRF": {"Vrf_01": {}, "Vrf_02": {}},
        }
    )
    config: ConfigDb = json.loads(edit(text))
    return config


def merged(base: ConfigDb, more: ConfigDb) -> ConfigDb:
    result = copy.deepcopy(base)
    for table, entries in more.items():
        for key, fields in entries.items():
            result.setdefault(table, {}).setdefault(key, {}).update(fields)
    return result


def assert_reached(held: ConfigDb, case: Case) -> None:
    """What the target has is there, and what it no longer has is gone."""
    origin, target = case["origin_json"], case["target_json"]
    for table, entries in target.items():
        for key, fields in entries.items():
            assert fields.items() <= held[table][key].items(), (case["test_name"], table, key)
    for table, entries in origin.items():
        gone = entries.keys() - target.get(table, {}).keys()
        assert not gone & held.get(table, {}).keys(), (case["test_name"], table)


@pytest.mark.parametrize("edit", [str, renamed], ids=["as-given", "renamed"])
def test_a_whole_switch_takes_or_refuses_them_as_sonic_does(
    edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = {case["test_name"]: case for case in patch_cases(edit)}
    base = surroundings(edit)
    boots = {name: merged(base, case["origin_json"]) for name, case in cases.items()}
    invalid = {name for name, boot in boots.items() if validate(read_config(boot)[0])}
    assert invalid == set(NOT_VALID)
    refused = {}
    with switches({name: boots[name] for name in cases.keys() - invalid}) as (farm, send):
        for name in sorted(farm.switches):
            try:
                send(name, cases[name])
            except grpc.RpcError as error:
                refused[name] = error.details()
                continue
            if name not in CONTRADICTORY:
                assert_reached(farm.switches[name].databases.config, cases[name])
    with capsys.disabled():
        taken = len(cases) - len(invalid) - len(refused)
        print(f" {taken} taken, {len(refused)} refused, {len(invalid)} not valid, of {len(cases)}", end=" ")
    assert refused.keys() == REFUSED.keys(), refused
    for name, text in REFUSED.items():
        assert text in (refused[name] or "")
