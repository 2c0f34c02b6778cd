"""Booting a switch, and running many."""

from __future__ import annotations

import copy
import socket
import threading
import time
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.errors import InputError
from raddle.nos.db.patch import PatchOp
from raddle.nos.farm import SwitchFarm
from raddle.nos.switch import BootConfig, SimulatedSwitch


def test_boot_fills_appl_and_state_db(boot: BootConfig) -> None:
    switch = SimulatedSwitch("leaf0", boot, frozenset({"Ethernet8"}))
    ports = switch.databases.appl["PORT_TABLE"]
    assert {name: port["oper_status"] for name, port in ports.items()} == {
        "Ethernet0": "down",
        "Ethernet8": "up",
        "Ethernet16": "down",
        "Ethernet24": "down",
    }
    assert ports["Ethernet0"].items() >= {"admin_status": "up", "speed": "400000", "mtu": "9100"}.items()
    assert switch.databases.appl["SWITCH_TABLE"] == {"switch": {"ecmp_hash_seed": "10"}}
    # Eight lanes of 25 or 50 Gbit/s, which is what all of its ports have.
    supported = switch.databases.state["PORT_TABLE"]["Ethernet0"]["supported_speeds"]
    assert supported == "200000,400000"
    assert switch.state().hash_seed == 10


def test_a_switch_has_the_name_it_was_started_with(boot: BootConfig) -> None:
    assert SimulatedSwitch("spine3", boot, frozenset()).state().name == "spine3"


def test_carrier_moves_routes_and_leaves_old_snapshots_alone(switch: SimulatedSwitch) -> None:
    before = switch.databases
    switch.set_carrier("Ethernet8", False)
    assert [route.ports for route in switch.state().routes if route.length == 24] == [(2,)]
    assert before.appl["PORT_TABLE"]["Ethernet8"]["oper_status"] == "up"
    switch.set_carrier("Ethernet8", True)
    assert switch.databases == before
    with pytest.raises(KeyError, match="leaf0 has no port Ethernet99"):
        switch.set_carrier("Ethernet99", True)


def test_a_bad_boot_configuration_is_refused_with_all_its_problems(four_ports: dict[str, Any]) -> None:
    four_ports["PORT"]["Ethernet0"]["mtu"] = "1"
    four_ports["NODE_CFG"] = {}
    seed = {"SWITCH_TABLE:switch": {"ecmp_hash_seed": "-1", "colour": "red"}, "SWITCH_TABLE:other": {}}
    with pytest.raises(InputError) as caught:
        SimulatedSwitch("leaf0", BootConfig(four_ports, seed), frozenset({"Ethernet99"}))
    text = str(caught.value)
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"bad-boot-config"}
    for part in (
        'leaf0: PORT/Ethernet0/mtu: Unsatisfied range - value "1" is out of the allowed range 68..9216.',
        "leaf0: PORT/Ethernet99: the port has a cable but is not configured",
        "leaf0: SWITCH_TABLE:switch/ecmp_hash_seed: '-1' is not an integer below 2**32",
        "leaf0: SWITCH_TABLE:switch/colour: unknown field",
        "leaf0: SWITCH_TABLE:other: unknown key in switch.json; expected 'SWITCH_TABLE:switch'",
    ):
        assert part in text


def _capabilities(address: str) -> str:
    with grpc.insecure_channel(address) as channel:
        stub = gnmi_pb2_grpc.gNMIStub(channel)
        return str(stub.Capabilities(gnmi_pb2.CapabilityRequest(), timeout=10).gNMI_version)


def test_48_switches_serve_within_two_seconds_idle_without_cpu_and_stop(four_ports: dict[str, Any]) -> None:
    start = time.process_time()
    boots = {f"leaf{number}": BootConfig(four_ports, {}) for number in range(48)}
    farm = SwitchFarm(boots, {})
    with farm:
        assert time.process_time() - start < 2
        addresses = dict(farm.addresses)
        assert len(set(addresses.values())) == 48
        assert _capabilities(addresses["leaf47"]) == "0.7.0"
        idle, waiting = time.process_time(), threading.Event()
        waiting.wait(0.5)
        assert time.process_time() - idle < 0.05
    assert farm.addresses == {}
    assert "switch-farm" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(grpc.RpcError) as caught:
        _capabilities(addresses["leaf0"])
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_a_farm_starts_again_silently_and_keeps_its_state(
    boot: BootConfig, caplog: pytest.LogCaptureFixture
) -> None:
    farm = SwitchFarm({f"leaf{number}": boot for number in range(8)}, {})
    for _ in range(10):
        with farm:
            assert _capabilities(farm.addresses["leaf0"]) == "0.7.0"
    assert caplog.records == []
    with farm:
        farm.switches["leaf0"].set_carrier("Ethernet0", True)
        assert _capabilities(farm.addresses["leaf0"]) == "0.7.0"
    assert farm.switches["leaf0"].databases.appl["PORT_TABLE"]["Ethernet0"]["oper_status"] == "up"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", ""])
def test_only_a_loopback_address_is_bound(boot: BootConfig, host: str) -> None:
    with pytest.raises(InputError, match=r"error\[not-loopback\]: cannot bind '" + host):
        SwitchFarm({"leaf0": boot}, {}, host=host)


def test_a_taken_port_is_an_error_and_not_a_second_listener(boot: BootConfig) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        farm = SwitchFarm({"leaf0": boot, "leaf1": boot}, {}, ports={"leaf1": port})
        with pytest.raises(InputError, match=rf"leaf1: cannot listen on 127\.0\.0\.1:{port}"), farm:
            pass
    assert farm.addresses == {}


def test_problems_of_all_switches_come_together(four_ports: dict[str, Any]) -> None:
    bad = copy.deepcopy(four_ports)
    del bad["PORT"]["Ethernet0"]["speed"]
    boots = {"leaf0": BootConfig(bad, {}), "leaf1": BootConfig(four_ports, {}), "leaf2": BootConfig(bad, {})}
    with pytest.raises(InputError) as caught:
        SwitchFarm(boots, {})
    places = [diagnostic.message.partition(":")[0] for diagnostic in caught.value.diagnostics]
    assert places == ["leaf0", "leaf2"]


def test_shut_port_puts_out_the_light_at_the_far_end(boot: BootConfig) -> None:
    light = frozenset({"Ethernet0", "Ethernet8"})
    cables = [(("leaf0", "Ethernet8"), ("spine0", "Ethernet0"))]
    farm = SwitchFarm({"leaf0": boot, "spine0": boot}, {"leaf0": light, "spine0": light}, cables=cables)

    def far_end() -> str:
        return farm.switches["spine0"].databases.appl["PORT_TABLE"]["Ethernet0"]["oper_status"]

    def set_admin(status: str) -> None:
        path = ("PORT", "Ethernet8", "admin_status")
        farm.switches["leaf0"].apply_patch([PatchOp("replace", path, status)])

    assert far_end() == "up"
    set_admin("down")
    assert far_end() == "down"
    assert farm.switches["spine0"].databases.appl["PORT_TABLE"]["Ethernet8"]["oper_status"] == "up"
    set_admin("up")
    assert far_end() == "up"
