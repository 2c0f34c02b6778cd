"""Operators' commands that look at a switch whole, keep it by name, and tune ECN, buffers and cables."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.errors import UnreachableError
from raddle.nos.db.checkpoints import MAX_CHECKPOINTS, Checkpoints
from raddle.nos.db.patch import PatchError, PatchOp, read_patch
from raddle.nos.farm import SwitchFarm
from raddle.nos.operator import CommandError
from raddle.nos.show import show
from raddle.nos.switch import BootConfig, SimulatedSwitch


@pytest.fixture
def dynamic(four_ports: dict[str, Any]) -> SimulatedSwitch:
    four_ports["DEVICE_METADATA"]["localhost"]["buffer_model"] = "dynamic"
    return SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset(four_ports["PORT"]))


def test_status_names_the_mode_of_a_port_as_intfutil_does(four_ports: dict[str, Any]) -> None:
    four_ports["VLAN"] = {"Vlan100": {"vlanid": "100"}}
    four_ports["VLAN_MEMBER"] = {"Vlan100|Ethernet24": {"tagging_mode": "tagged"}}
    four_ports["PORT"]["Ethernet16"]["speed"] = "2500"
    del four_ports["INTERFACE"]["Ethernet16"], four_ports["INTERFACE"]["Ethernet16|172.16.0.2/31"]
    switch = SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset())
    rows = {
        line.split()[0]: line.split()
        for line in show(switch.databases, ["interfaces", "status"]).splitlines()[2:]
    }
    assert rows["Ethernet24"][6] == "trunk"
    assert rows["Ethernet16"][2] == "2.5G"
    assert rows["Ethernet16"][6] == "routed"  # without an address too


def test_the_switch_says_what_it_is_and_what_it_is_told(switch: SimulatedSwitch) -> None:
    text = show(switch.databases, ["version"])
    assert "SONiC Software Version: SONiC.raddle" in text
    assert "HwSKU: White-Box" in text
    assert "Serial Number: N/A" in show(switch.databases, ["platform", "summary"])
    whole = json.loads(show(switch.databases, ["runningconfiguration", "all"]))
    assert whole == switch.databases.config
    assert json.loads(show(switch.databases, ["runningconfiguration", "ports"])) == whole["PORT"]


def test_ports_show_their_names_cages_and_addresses(four_ports: dict[str, Any]) -> None:
    four_ports["BREAKOUT_CFG"] = {"Ethernet0": {"brkout_mode": "2x400G"}}
    four_ports["INTERFACE"]["Ethernet0|fd00::1/127"] = {}
    switch = SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset({"Ethernet0"}))
    databases = switch.databases
    assert "Ethernet8   etp2" in show(databases, ["interfaces", "alias"])
    assert "| Ethernet0   | 2x400G" in show(databases, ["interfaces", "breakout", "current-mode"])
    assert "Ethernet0   Not present" in show(databases, ["interfaces", "transceiver", "presence"])
    v4 = {line.split()[0]: line for line in show(databases, ["ip", "interfaces"]).splitlines()}
    assert "10.0.0.0/31" in v4["Ethernet0"]
    assert "up/up" in v4["Ethernet0"]
    assert "up/down" in v4["Ethernet8"]
    assert "10.255.0.1/32" in v4["Loopback0"]
    assert "fd00::1/127" in show(databases, ["ipv6", "interfaces"])


def test_a_cage_shows_the_ports_that_it_has_become(four_ports: dict[str, Any]) -> None:
    four_ports["BREAKOUT_CFG"] = {"Ethernet8": {"brkout_mode": "1x400G"}}
    databases = SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset()).databases
    shown = json.loads(show(databases, ["interfaces", "breakout"]))
    assert len(shown) == len(four_ports["PORT"])
    assert shown["Ethernet8"] == {
        "index": ",".join(["2"] * 8),
        "lanes": four_ports["PORT"]["Ethernet8"]["lanes"],
        "Current Breakout Mode": "1x400G",
        "child ports": "Ethernet8",
        "child port speeds": "400G",
    }
    assert "Current Breakout Mode" not in shown["Ethernet0"]


def test_a_transceiver_shows_what_it_says_of_itself(switch: SimulatedSwitch) -> None:
    info = {"type": "OSFP", "cable_type": "Length Cable Assembly(m)", "cable_length": "2.0", "serial": "S1"}
    state = {**switch.databases.state, "TRANSCEIVER_INFO": {"Ethernet8": info}}
    databases = dataclasses.replace(switch.databases, state=state)
    lines = show(databases, ["interfaces", "transceiver", "eeprom"]).split("\n")
    assert lines[0] == "Ethernet0: SFP EEPROM Not detected"
    block = lines[lines.index("Ethernet8: SFP EEPROM detected") :]
    assert block[6:8] == ["        Identifier: OSFP", "        Length Cable Assembly(m): 2.0"]
    assert block[15] == "        Vendor SN: S1"
    assert block[14] == "        Vendor Rev: N/A"


def test_what_the_chip_can_hash_on_is_shown(switch: SimulatedSwitch) -> None:
    text = show(switch.databases, ["switch-hash", "capabilities"])
    ecmp = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines()[4:9]]
    assert ecmp[0] == ["Hash Field", "Algorithm", "Packet Type"]
    assert ecmp[2] == ["IP_PROTOCOL", "CRC", "no capabilities"]
    assert ecmp[3] == ["DST_IP", "XOR"]
    lag = text[text.index("LAG") :]
    assert "not supported" in lag
    assert "L4_SRC_PORT" not in lag
    empty = dataclasses.replace(switch.databases, state={})
    assert show(empty, ["switch-hash", "capabilities"]) == "Error: No data is present in STATE DB"


def test_config_ecn_moves_a_threshold_and_refuses_one_that_cannot_be(switch: SimulatedSwitch) -> None:
    switch.run_config(["ecn", "-profile", "LOSSLESS", "-gmin", "900000", "-gdrop", "5"])
    profile = switch.state().wred_profiles[0]
    assert (profile.min_bytes, profile.probability) == (900_000, 0.05)
    for words, says in (
        (["-profile", "LOSSLESS", "-gmin", "99999999"], "above green_max 3200000"),
        (["-profile", "NOPE", "-gmin", "1"], "profiles: LOSSLESS"),
        (["-profile", "LOSSLESS", "-gmin"], "come with a value"),
        (["-profile", "LOSSLESS", "-gdrop", "101"], "0..100"),
        (["-profile", "LOSSLESS", "-blue", "1"], "no such option: -blue"),
    ):
        with pytest.raises(CommandError, match=says):
            switch.run_config(["ecn", *words])


def test_buffer_profiles_and_cables_are_changed_where_the_model_is_dynamic(
    switch: SimulatedSwitch, dynamic: SimulatedSwitch
) -> None:
    for words in (
        ["buffer", "profile", "remove", "pg_lossless"],
        ["interface", "cable-length", "Ethernet0", "5m"],
    ):
        with pytest.raises(CommandError, match="dynamic buffer enabled"):
            switch.run_config(words)
    dynamic.run_config(["interface", "cable-length", "Ethernet16", "40m"])
    assert dynamic.databases.config["CABLE_LENGTH"]["AZURE"]["Ethernet16"] == "40m"
    dynamic.run_config(["buffer", "profile", "add", "new", "--xon", "18432", "--xoff", "200000"])
    made = dynamic.databases.config["BUFFER_PROFILE"]["new"]
    sizes = {"xon": "18432", "xoff": "200000", "size": "218432"}
    assert made == {"pool": "ingress_lossless_pool", "dynamic_th": "0", **sizes}
    dynamic.run_config(["buffer", "profile", "set", "new", "--dynamic_th", "-2"])
    assert dynamic.databases.config["BUFFER_PROFILE"]["new"]["dynamic_th"] == "-2"
    dynamic.run_config(["buffer", "profile", "remove", "new"])
    for words, says in (
        (["remove", "pg_lossless"], "is referenced by BUFFER_PG|Ethernet0|3-4"),
        (["add", "other", "--dynamic_th", "1"], "no buffer manager"),
        (["set", "missing", "--xon", "1"], "does not exist"),
        (["add", "bad", "--xon", "5", "--size", "5"], "greater than 0"),
    ):
        with pytest.raises(CommandError, match=says.replace("|", r"\|")):
            dynamic.run_config(["buffer", "profile", *words])


@pytest.mark.parametrize("is_kept_on_disk", [True, False])
def test_a_checkpoint_brings_a_configuration_back(
    four_ports: dict[str, Any], tmp_path: Path, is_kept_on_disk: bool
) -> None:
    folder = tmp_path if is_kept_on_disk else None
    carriers = {"leaf0": frozenset(four_ports["PORT"])}
    with SwitchFarm({"leaf0": BootConfig(four_ports, {})}, carriers, state_folder=folder) as farm:
        switch = farm.switches["leaf0"]
        with GnmiClient("leaf0", farm.addresses["leaf0"]) as client:
            before = switch.databases.config
            assert client.run_command(["checkpoint", "good"]) == "Checkpoint created successfully."
            patch = [
                {"op": "replace", "path": "/PORT/Ethernet8/mtu", "value": "1500"},
                {
                    "op": "add",
                    "path": "/STATIC_ROUTE/default|10.9.0.0~116",
                    "value": {"nexthop": "172.16.0.1"},
                },
            ]
            assert client.run_command(["apply-patch", json.dumps(patch)]) == "Patch applied successfully."
            assert switch.databases.config["PORT"]["Ethernet8"]["mtu"] == "1500"
            assert client.run_command(["rollback", "good"]) == "Config rolled back successfully."
            assert switch.databases.config == before
            assert json.loads(client.run_command(["list-checkpoints"])) == ["good"]
            client.run_command(["delete-checkpoint", "good"])
            for words, says in (
                (["rollback", "good"], "Checkpoint 'good' does not exist"),
                (["checkpoint", "../../etc/x"], "is no name of a checkpoint"),
                (["apply-patch", "{"], "not JSON"),
                (["apply-patch", '[{"op": "move", "path": "/PORT", "from": "/VLAN"}]'], "operation 0"),
                (
                    ["apply-patch", '[{"op": "add", "path": "/NOBODYS", "value": {"a": {}}}]'],
                    "without YANG models",
                ),
            ):
                with pytest.raises(UnreachableError, match=says):
                    client.run_command(words)
            assert switch.databases.config == before


def test_checkpoints_are_bounded() -> None:
    kept = Checkpoints()
    for number in range(MAX_CHECKPOINTS):
        kept.save(f"c{number}", {})
    kept.save("c0", {})
    with pytest.raises(PatchError, match="delete one first"):
        kept.save("one-more", {})


def test_a_json_patch_is_read_with_its_escapes() -> None:
    (operation,) = read_patch('[{"op": "remove", "path": "/INTERFACE/Ethernet0|10.0.0.0~131"}]')
    assert operation == PatchOp("remove", ("INTERFACE", "Ethernet0|10.0.0.0/31"))


def test_a_profile_that_is_not_on_neither_marks_nor_drops(four_ports: dict[str, Any]) -> None:
    four_ports["WRED_PROFILE"]["LOSSLESS"]["wred_green_enable"] = "false"
    profile = SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset()).state().wred_profiles[0]
    assert (profile.marks_ecn, profile.drops) == (False, False)


BREAKOUT = ["interface", "breakout"]


def test_a_cage_is_broken_out_and_made_one_port_again(switch: SimulatedSwitch) -> None:
    before = switch.databases.config
    with pytest.raises(CommandError, match=r"Dependencies Exist.*\n.*\n(.*\n)*INTERFACE\|Ethernet8"):
        switch.run_config([*BREAKOUT, "Ethernet8", "4x100G"])
    switch.run_config([*BREAKOUT, "Ethernet8", "4x100G", "-f"])
    config = switch.databases.config
    names = ["Ethernet8", "Ethernet10", "Ethernet12", "Ethernet14"]
    assert [config["PORT"][name]["lanes"] for name in names] == ["9,10", "11,12", "13,14", "15,16"]
    assert {config["PORT"][name]["speed"] for name in names} == {"100000"}
    assert [config["PORT"][name]["alias"] for name in names] == ["etp2a", "etp2b", "etp2c", "etp2d"]
    assert config["BREAKOUT_CFG"]["Ethernet8"] == {"brkout_mode": "4x100G"}
    assert not [key for key in config["INTERFACE"] if key.startswith("Ethernet8")]
    assert "Ethernet8" not in config["CABLE_LENGTH"]["AZURE"]
    assert {port.name for port in switch.state().ports} >= set(names)
    switch.run_config([*BREAKOUT, "Ethernet8", "1x400G"])
    again = switch.databases.config["PORT"]
    assert again.keys() == before["PORT"].keys()
    assert again["Ethernet8"]["lanes"] == before["PORT"]["Ethernet8"]["lanes"]
    assert again["Ethernet8"]["alias"] == before["PORT"]["Ethernet8"]["alias"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Ethernet8", "3x100G"], "Target mode 3x100G is not available for the port Ethernet8"),
        (["Ethernet8", "4x400G"], "Target mode 4x400G is not available"),
        (["Ethernet8", "0x400G"], "Target mode 0x400G is not available"),
        (["Ethernet8", "four"], "Target mode four is not available"),
        (["Ethernet9", "4x100G"], "Ethernet9 is not in port_dict"),
        (["Ethernet8"], "say config interface breakout PORT MODE"),
        (["Ethernet8", "4x100G", "-l"], "say config interface breakout PORT MODE"),
    ],
)
def test_a_breakout_that_cannot_be_is_refused(
    switch: SimulatedSwitch, words: list[str], message: str
) -> None:
    before = switch.databases
    with pytest.raises(CommandError, match=message):
        switch.run_config([*BREAKOUT, *words])
    assert switch.databases is before
