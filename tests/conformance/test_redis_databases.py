"""A switch's databases in a real redis-server, seen by redis-cli and by a reader of SONiC's layout."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.nos.db.patch import PatchOp
from raddle.nos.farm import SwitchFarm
from raddle.nos.server.redis_databases import redis_hashes
from raddle.nos.switch import BootConfig, SimulatedSwitch
from raddle.state import SwitchCounters

pytestmark = pytest.mark.skipif(
    not shutil.which("redis-server"), reason="redis-server is missing (Debian: redis-server)"
)

CONFIG: dict[str, Any] = {
    "PORT": {
        f"Ethernet{8 * number}": {
            "lanes": str(number + 1),
            "alias": f"etp{number}",
            "speed": "100000",
            "admin_status": "up",
            "adv_speeds": ["all"],
        }
        for number in range(2)
    },
    "INTERFACE": {"Ethernet0": {}, "Ethernet0|10.0.0.0/31": {}},
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[SimulatedSwitch, int, str]]:
    """A switch, the port of its Redis and its gNMI address."""
    carriers = {"leaf0": frozenset(CONFIG["PORT"])}
    with SwitchFarm({"leaf0": BootConfig(CONFIG, {})}, carriers, redis_folder=tmp_path) as farm:
        yield farm.switches["leaf0"], farm.redis_ports["leaf0"], farm.addresses["leaf0"]


def cli(port: int, database: int, *words: str) -> list[str]:
    command = ["redis-cli", "-p", str(port), "-n", str(database), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.splitlines()


def until(holds: Callable[[], bool]) -> None:
    """Wait for what comes by notification."""
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "it did not come within 5 s"
        time.sleep(0.01)


def test_redis_cli_sees_sonics_keys_fields_and_lists(running: tuple[SimulatedSwitch, int, str]) -> None:
    port = running[1]
    fields = cli(port, 4, "hgetall", "PORT|Ethernet0")
    assert dict(zip(fields[::2], fields[1::2], strict=True)) == {
        "lanes": "1",
        "alias": "etp0",
        "speed": "100000",
        "admin_status": "up",
        "adv_speeds@": "all",
    }
    assert cli(port, 4, "hgetall", "INTERFACE|Ethernet0|10.0.0.0/31") == ["NULL", "NULL"]
    assert cli(port, 0, "hget", "PORT_TABLE:Ethernet0", "oper_status") == ["up"]
    assert cli(port, 6, "hget", "PORT_TABLE|Ethernet0", "state") == ["ok"]


def test_a_reader_of_counters_db_finds_a_queue_by_its_maps_and_sees_what_gnmi_shows(
    running: tuple[SimulatedSwitch, int, str],
) -> None:
    switch, port, address = running
    switch.set_counters(
        SwitchCounters(("Ethernet0",), {}, {"SAI_QUEUE_STAT_BYTES": ((0, 0, 0, 4178, 0, 0, 0, 0),)})
    )
    reader = redis.Redis(port=port, db=2, decode_responses=True)
    oid = str(reader.hget("COUNTERS_QUEUE_NAME_MAP", "Ethernet0:3"))
    until(lambda: reader.hget(f"COUNTERS:{oid}", "SAI_QUEUE_STAT_BYTES") == "4178")
    assert reader.hget("COUNTERS_QUEUE_INDEX_MAP", oid) == "3"
    with grpc.insecure_channel(address) as channel:
        path = [gnmi_pb2.PathElem(name=name) for name in ("COUNTERS", "Ethernet0", "Queues")]
        request = gnmi_pb2.GetRequest(
            prefix=gnmi_pb2.Path(target="COUNTERS_DB"), path=[gnmi_pb2.Path(elem=path)]
        )
        answer = gnmi_pb2_grpc.gNMIStub(channel).Get(request, timeout=10)
    value = json.loads(answer.notification[0].update[0].val.json_ietf_val)
    assert value["Ethernet0:3"] == reader.hgetall(f"COUNTERS:{oid}")
    reader.close()


def test_a_message_of_sonic_clear_clears_a_watermark(running: tuple[SimulatedSwitch, int, str]) -> None:
    switch, port, _ = running
    name = "SAI_QUEUE_STAT_SHARED_WATERMARK_BYTES"
    marks = {name: ((0, 0, 0, 9144, 0, 0, 0, 0),)}
    switch.set_counters(SwitchCounters(("Ethernet0",), {}, marks))
    reader = redis.Redis(port=port, db=2, decode_responses=True)
    oid = str(reader.hget("COUNTERS_QUEUE_NAME_MAP", "Ethernet0:3"))
    until(lambda: reader.hget(f"USER_WATERMARKS:{oid}", name) == "9144")
    for message in ("{", '["USER","NO_SUCH"]', '["ROOT","Q_SHARED_UNI"]', '["USER","Q_SHARED_UNI"]'):
        reader.publish("WATERMARK_CLEAR_REQUEST", message)
    until(lambda: reader.hget(f"USER_WATERMARKS:{oid}", name) == "0")
    assert reader.hget(f"PERSISTENT_WATERMARKS:{oid}", name) == "9144"
    reader.close()


def test_a_change_of_the_switch_reaches_redis_with_a_notification(
    running: tuple[SimulatedSwitch, int, str],
) -> None:
    switch, port, _ = running
    reader = redis.Redis(port=port, db=4, decode_responses=True)
    listener = reader.pubsub()
    listener.psubscribe("__keyspace@4__:PORT|Ethernet8")
    listener.get_message(timeout=5)
    switch.apply_patch([PatchOp("replace", ("PORT", "Ethernet8", "admin_status"), "down")])
    message = listener.get_message(timeout=5)
    assert message is not None
    assert message["data"] == "hset"
    assert reader.hget("PORT|Ethernet8", "admin_status") == "down"
    listener.close()
    reader.close()


def test_what_redis_cli_writes_reaches_the_switch_and_nonsense_does_not(
    running: tuple[SimulatedSwitch, int, str],
) -> None:
    switch, port, _ = running
    cli(port, 4, "hset", "PORT|Ethernet0", "mtu", "frogs")
    cli(port, 4, "hset", "PORT|Ethernet0", "admin_status", "down", "mtu", "4200")
    until(lambda: switch.databases.config["PORT"]["Ethernet0"]["admin_status"] == "down")
    assert switch.databases.config["PORT"]["Ethernet0"]["mtu"] == "4200"
    until(lambda: cli(port, 0, "hget", "PORT_TABLE:Ethernet0", "oper_status") == ["down"])
    cli(port, 4, "del", "INTERFACE|Ethernet0|10.0.0.0/31")
    until(lambda: "Ethernet0|10.0.0.0/31" not in switch.databases.config["INTERFACE"])


def field_set(name: str, value: str) -> gnmi_pb2.SetRequest:
    elems = [gnmi_pb2.PathElem(name=part) for part in ("CONFIG_DB", "localhost", "PORT", "Ethernet0", name)]
    path = gnmi_pb2.Path(origin="sonic-db", elem=elems)
    update = gnmi_pb2.Update(path=path, val=gnmi_pb2.TypedValue(json_ietf_val=json.dumps(value).encode()))
    return gnmi_pb2.SetRequest(update=[update])


def test_an_hset_right_after_an_answered_set_on_the_same_entry_stays(
    running: tuple[SimulatedSwitch, int, str],
) -> None:
    switch, port, address = running
    reader = redis.Redis(port=port, db=4, decode_responses=True)
    with grpc.insecure_channel(address) as channel:
        stub = gnmi_pb2_grpc.gNMIStub(channel)
        for number in range(20):
            stub.Set(field_set("mtu", str(1000 + number)), timeout=10)
            assert reader.hget("PORT|Ethernet0", "mtu") == str(1000 + number)
            reader.hset("PORT|Ethernet0", "description", f"of {number}")
            until(
                lambda: switch.databases.config["PORT"]["Ethernet0"].get("description") == f"of {number}"  # noqa: B023
            )
            assert switch.databases.config["PORT"]["Ethernet0"]["mtu"] == str(1000 + number)
            assert reader.hget("PORT|Ethernet0", "description") == f"of {number}"
    reader.close()


def test_sets_and_hsets_at_once_on_one_entry_lose_nothing(running: tuple[SimulatedSwitch, int, str]) -> None:
    switch, port, address = running
    reader = redis.Redis(port=port, db=4, decode_responses=True)

    def write_redis() -> None:
        for number in range(100):
            reader.hset("PORT|Ethernet0", f"knob{number % 7}", str(number))

    writer = threading.Thread(target=write_redis)
    with grpc.insecure_channel(address) as channel:
        stub = gnmi_pb2_grpc.gNMIStub(channel)
        writer.start()
        for number in range(30):
            try:
                stub.Set(field_set("description", f"set {number}"), timeout=10)
            except grpc.RpcError as error:  # The updater does not know the knobs, which are held.
                assert "knob" in (error.details() or "")  # noqa: PT017
        switch.run_config(["pfcwd", "interval", "200"])
        writer.join()
    wanted = {f"knob{number % 7}": str(number) for number in range(100)}

    def agree() -> bool:
        entry = switch.databases.config["PORT"]["Ethernet0"]
        held = reader.hgetall("PORT|Ethernet0")
        return wanted.items() <= entry.items() and wanted.items() <= held.items()

    until(agree)
    entry = switch.databases.config["PORT"]["Ethernet0"]
    assert reader.hget("PORT|Ethernet0", "description") == entry.get("description")
    until(lambda: reader.hget("PFC_WD|GLOBAL", "POLL_INTERVAL") == "200")
    reader.close()


def test_keys_that_are_no_hashes_leave_the_bridge_standing(running: tuple[SimulatedSwitch, int, str]) -> None:
    switch, port, _ = running
    assert cli(port, 4, "get", "CONFIG_DB_INITIALIZED") == ["1"]
    reader = redis.Redis(port=port, db=4)
    reader.set("CONFIG_DB_INITIALIZED", "1")
    reader.set("PORT|Ethernet8", "a string")
    reader.hset(b"PORT|\xff\xfe", b"\xff", b"\xfe")
    reader.hset("PORT|Ethernet0", "admin_status", "down")
    until(lambda: switch.databases.config["PORT"]["Ethernet0"]["admin_status"] == "down")
    reader.close()


def test_an_entry_that_waits_for_another_is_taken_when_that_comes(
    running: tuple[SimulatedSwitch, int, str],
) -> None:
    switch, port, _ = running
    cli(port, 4, "hset", "QUEUE|Ethernet0|3", "wred_profile", "LATER")
    cli(port, 4, "hset", "WRED_PROFILE|LATER", "ecn", "ecn_none")
    until(lambda: "Ethernet0|3" in switch.databases.config.get("QUEUE", {}))


def test_the_maps_name_the_switch_and_its_router_interfaces(
    running: tuple[SimulatedSwitch, int, str],
) -> None:
    port = running[1]
    names = cli(port, 2, "hgetall", "COUNTERS_RIF_NAME_MAP")
    assert names[0] == "Ethernet0"
    assert cli(port, 2, "hget", "COUNTERS_RIF_TYPE_MAP", names[1]) == ["SAI_ROUTER_INTERFACE_TYPE_PORT"]
    key = f"ASIC_STATE:SAI_OBJECT_TYPE_ROUTER_INTERFACE:{names[1]}"
    assert cli(port, 1, "exists", key) == ["1"]
    (switch_oid,) = cli(port, 2, "hget", "COUNTERS_SWITCH_NAME_MAP", "ASIC")
    assert cli(port, 1, "exists", f"ASIC_STATE:SAI_OBJECT_TYPE_SWITCH:{switch_oid}") == ["1"]


@pytest.mark.parametrize("writer", ["gNMI", "redis-cli"])
def test_a_server_that_was_emptied_is_filled_anew_and_takes_nothing_from_the_switch(
    writer: str, running: tuple[SimulatedSwitch, int, str]
) -> None:
    """FLUSHALL notifies of nothing; what is written next into a hash is not all of it."""
    switch, port, address = running
    before = redis_hashes(switch.databases)
    cli(port, 0, "flushall")
    if writer == "gNMI":
        with grpc.insecure_channel(address) as channel:
            gnmi_pb2_grpc.gNMIStub(channel).Set(field_set("description", "new"))
    else:
        cli(port, 4, "hset", "PORT|Ethernet0", "description", "new")
    until(lambda: switch.databases.config["PORT"]["Ethernet0"].get("description") == "new")
    until(lambda: len(cli(port, 1, "keys", "*")) == sum(number == 1 for number, _ in before))
    wanted = before[4, "PORT|Ethernet0"] | {"description": "new"}
    reader = redis.Redis(port=port, db=4, decode_responses=True)
    until(lambda: reader.hgetall("PORT|Ethernet0") == wanted)
    reader.close()
    time.sleep(0.2)  # a deletion would come by a notification
    assert switch.databases.config["PORT"].keys() == CONFIG["PORT"].keys()
    assert redis_hashes(switch.databases)[4, "PORT|Ethernet0"] == wanted
    assert cli(port, 4, "get", "CONFIG_DB_INITIALIZED") == ["1"]


@pytest.mark.parametrize(("number", "command"), [(0, "flushall"), (4, "flushdb")])
def test_a_server_that_was_emptied_is_filled_anew_where_nobody_writes(
    number: int, command: str, running: tuple[SimulatedSwitch, int, str]
) -> None:
    switch, port, _ = running
    cli(port, number, command)
    until(lambda: cli(port, 4, "exists", "PORT|Ethernet0") == ["1"])
    assert cli(port, 4, "get", "CONFIG_DB_INITIALIZED") == ["1"]
    assert switch.databases.config["PORT"].keys() == CONFIG["PORT"].keys()


def test_a_server_that_ends_is_reported_and_filled_again(tmp_path: Path) -> None:
    said: list[str] = []
    boot = {"leaf0": BootConfig(CONFIG, {})}
    with SwitchFarm(boot, {}, redis_folder=tmp_path, tell=said.append) as farm:
        port = farm.redis_ports["leaf0"]
        cli(port, 0, "shutdown", "nosave")
        until(lambda: any("has the databases again" in line for line in said))
        assert said[0] == f"leaf0: redis-server on port {port} has ended; starting it again"
        assert cli(port, 4, "hget", "PORT|Ethernet0", "speed") == ["100000"]
        cli(port, 4, "hset", "PORT|Ethernet0", "admin_status", "down")
        switch = farm.switches["leaf0"]
        until(lambda: switch.databases.config["PORT"]["Ethernet0"]["admin_status"] == "down")


def test_the_server_ends_with_the_switch(tmp_path: Path) -> None:
    with SwitchFarm({"leaf0": BootConfig({}, {})}, {}, redis_folder=tmp_path) as farm:
        port = farm.redis_ports["leaf0"]
        assert cli(port, 4, "ping") == ["PONG"]
    with pytest.raises(redis.ConnectionError):
        redis.Redis(port=port).ping()
