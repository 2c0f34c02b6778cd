"""gNOI system: the time, and reboots that take the ports down and load what is saved or staged."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.nos.farm import SwitchFarm
from raddle.nos.server._gen import system_pb2
from raddle.nos.switch import BootConfig, SimulatedSwitch
from raddle.state import SwitchCounters

BOOT_S = 0.2
PORTS = ("Ethernet0", "Ethernet8")


@dataclass
class Pair:
    """Two switches, cabled Ethernet8 to Ethernet8; calls go to the first."""

    farm: SwitchFarm
    channel: grpc.Channel

    @property
    def near(self) -> SimulatedSwitch:
        return self.farm.switches["leaf0"]

    def ask(self, method: str, request: Any, response: Any) -> Any:
        call = self.channel.unary_unary(
            f"/gnoi.system.System/{method}", lambda message: message.SerializeToString(), response.FromString
        )
        return call(request, timeout=10)

    def reboot(self, **fields: Any) -> None:
        self.ask("Reboot", system_pb2.RebootRequest(**fields), system_pb2.RebootResponse)

    def status(self) -> Any:
        return self.ask("RebootStatus", system_pb2.RebootStatusRequest(), system_pb2.RebootStatusResponse)

    def set(self, **changes: Any) -> None:
        gnmi_pb2_grpc.gNMIStub(self.channel).Set(gnmi_pb2.SetRequest(**changes), timeout=10)

    def reboot_and_wait(self) -> None:
        """The switch tells its watchers when it goes down and when it is back."""
        back = threading.Event()
        stop = self.near.watch(lambda: None if self.near.is_booting else back.set())
        self.reboot(method=system_pb2.COLD, message="test")
        assert back.wait(10)
        stop()


@pytest.fixture
def pair(four_ports: dict[str, Any], tmp_path: Path) -> Iterator[Pair]:
    boots = {name: BootConfig(copy.deepcopy(four_ports), {}) for name in ("leaf0", "leaf1")}
    lit = dict.fromkeys(boots, frozenset(PORTS))
    cables = [(("leaf0", "Ethernet8"), ("leaf1", "Ethernet8"))]
    with (
        SwitchFarm(boots, lit, cables=cables, state_folder=tmp_path, boot_s=BOOT_S) as farm,
        grpc.insecure_channel(farm.addresses["leaf0"]) as channel,
    ):
        yield Pair(farm, channel)


def root(value: Any = None) -> Any:
    path = gnmi_pb2.Path(
        origin="sonic-db", elem=[gnmi_pb2.PathElem(name=name) for name in ("CONFIG_DB", "localhost")]
    )
    if value is None:
        return path
    return gnmi_pb2.Update(path=path, val=gnmi_pb2.TypedValue(json_ietf_val=json.dumps(value).encode()))


def refusal(call: Any, *arguments: Any, **fields: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **fields)
    return caught.value.code().name, str(caught.value.details())


def test_time_is_in_nanoseconds_since_the_epoch(pair: Pair) -> None:
    time_ns = pair.ask("Time", system_pb2.TimeRequest(), system_pb2.TimeResponse).time
    assert 1.5e18 < time_ns < 1e19


def test_a_reboot_that_cannot_be_is_refused_in_sonics_words(pair: Pair) -> None:
    assert refusal(pair.reboot) == (
        "INVALID_ARGUMENT",
        "Invalid request: reboot method is not supported.",
    )
    assert refusal(pair.reboot, method=system_pb2.COLD, delay=1) == (
        "INVALID_ARGUMENT",
        "Invalid request: reboot is not immediate.",
    )
    code, text = refusal(pair.reboot, method=system_pb2.HALT)
    assert (code, text.split(":")[0]) == ("UNIMPLEMENTED", "HALT")
    assert refusal(pair.ask, "Ping", system_pb2.PingRequest(), system_pb2.PingResponse)[0] == "UNIMPLEMENTED"
    assert pair.status().count == 0


def test_a_reboot_takes_the_ports_down_here_and_at_the_far_end(pair: Pair) -> None:
    seen: list[tuple[str, str]] = []

    def oper(name: str) -> str:
        return pair.farm.switches[name].databases.appl["PORT_TABLE"]["Ethernet8"]["oper_status"]

    stop = pair.farm.switches["leaf1"].watch(lambda: seen.append((oper("leaf0"), oper("leaf1"))))
    pair.reboot_and_wait()
    stop()
    assert seen[0] == ("down", "down")
    assert (oper("leaf0"), oper("leaf1")) == ("up", "up")
    status = pair.status()
    assert (status.active, status.count, status.reason) == (False, 1, "test")
    assert status.status.status == system_pb2.RebootStatus.STATUS_SUCCESS


def test_gnmi_does_not_answer_while_the_switch_boots(pair: Pair) -> None:
    assert pair.near.shut_down()
    stub = gnmi_pb2_grpc.gNMIStub(pair.channel)
    assert refusal(stub.Capabilities, gnmi_pb2.CapabilityRequest(), timeout=10) == (
        "UNAVAILABLE",
        "leaf0 is rebooting",
    )
    assert refusal(pair.reboot, method=system_pb2.WARM)[0] == "FAILED_PRECONDITION"
    assert pair.near.start_up() == ""
    stub.Capabilities(gnmi_pb2.CapabilityRequest(), timeout=10)


def test_a_whole_configuration_by_delete_and_update_waits_for_the_reboot(
    pair: Pair, four_ports: dict[str, Any]
) -> None:
    four_ports["BUFFER_POOL"]["egress_lossless_pool"]["size"] = "70000000"  # which no patch can change
    pair.set(delete=[root()], update=[root(four_ports)])
    assert pair.near.databases.config["BUFFER_POOL"]["egress_lossless_pool"]["size"] == "65000000"
    pair.reboot_and_wait()
    assert pair.near.databases.config["BUFFER_POOL"]["egress_lossless_pool"]["size"] == "70000000"


def test_a_whole_configuration_that_is_not_valid_is_refused(pair: Pair, four_ports: dict[str, Any]) -> None:
    four_ports["PORT"]["Ethernet0"]["mtu"] = "1"
    code, text = refusal(pair.set, delete=[root()], update=[root(four_ports)])
    assert (code, text.splitlines()[0]) == ("UNKNOWN", "Yang validation failed!")


def test_what_was_written_past_gnmi_is_lost_in_a_reboot(pair: Pair) -> None:
    """`config save` was not run: a Set saves, a write to Redis does not."""
    entry = {**pair.near.databases.config["PORT"]["Ethernet0"], "admin_status": "down"}
    assert pair.near.take_entry("PORT", "Ethernet0", entry)
    assert pair.near.databases.config["PORT"]["Ethernet0"]["admin_status"] == "down"
    pair.reboot_and_wait()
    assert pair.near.databases.config["PORT"]["Ethernet0"]["admin_status"] == "up"


def test_a_saved_file_that_cannot_be_read_leaves_the_configuration_that_was(
    pair: Pair, four_ports: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "leaf0" / "config_db.json"
    file.parent.mkdir()
    file.write_text("not JSON")
    pair.reboot_and_wait()
    assert "cannot boot from" in pair.status().status.message
    assert pair.near.databases.config["PORT"].keys() == four_ports["PORT"].keys()


def test_counters_start_again_from_zero(pair: Pair) -> None:
    def sent() -> str:
        counters = pair.near.databases.counters
        oid = counters["COUNTERS_PORT_NAME_MAP"][""]["Ethernet0"]
        return counters["COUNTERS"][oid]["SAI_PORT_STAT_IF_OUT_OCTETS"]

    pair.near.set_counters(SwitchCounters(PORTS, {"SAI_PORT_STAT_IF_OUT_OCTETS": (1000, 0)}))
    assert sent() == "1000"
    pair.reboot_and_wait()
    assert sent() == "0"
    pair.near.set_counters(SwitchCounters(PORTS, {"SAI_PORT_STAT_IF_OUT_OCTETS": (1500, 0)}))
    assert sent() == "500"
