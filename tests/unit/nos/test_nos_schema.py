"""CONFIG_DB's schema: what a switch takes, and what it says to the rest."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from raddle.nos.db.schema import TABLES, read_config, validate


def problems(document: object) -> list[str]:
    config, malformed = read_config(document)
    return [f"{path}: {message}" for path, message in malformed or validate(config)]


def test_the_four_port_configuration_is_valid(four_ports: dict[str, Any]) -> None:
    assert problems(four_ports) == []


HELD: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "conformance" / "held_tables.json").read_text()
)
"""An entry of every table that the switch holds without acting on it."""


def test_the_64_port_example_is_valid(sonic_reference: Path) -> None:
    document = json.loads((sonic_reference / "example_64x400g_config_db.json").read_text())
    assert problems(document) == []


def test_every_table_has_an_example(four_ports: dict[str, Any]) -> None:
    assert four_ports.keys() | HELD.keys() == TABLES.keys()


REFUSED: list[tuple[str, object, str]] = [
    ("PORT/Ethernet0/mtu", "9217", 'Unsatisfied range - value "9217" is out of the allowed range 68..9216.'),
    ("PORT/Ethernet0/mtu", "70000", 'Value "70000" is out of type uint16 min/max bounds.'),
    ("PORT/Ethernet0/mtu", "big", 'Invalid type uint16 value "big".'),
    ("PORT/Ethernet0/speed", "0", 'Unsatisfied range - value "0"'),
    ("PORT/Ethernet0/speed", None, 'Mandatory node "speed" instance does not exist.'),
    ("PORT/Ethernet0/lanes", None, 'Mandatory node "lanes" instance does not exist.'),
    ("PORT/Ethernet0/lanes", "9,10", "'9' lane is used multiple times in PORT: {'Ethernet0', 'Ethernet8'}"),
    ("PORT/Ethernet0/lanes", "1,1", "'1' lane is used multiple times in PORT: {'Ethernet0'}"),
    ("PORT/Ethernet0/fec", "RS", 'Unsatisfied pattern - "RS" does not conform to "rs|fc|none|auto".'),
    ("PORT/Ethernet0/admin_status", "on", 'Invalid enumeration value "on"'),
    ("PORT/Ethernet0/sped", "400000", 'Node "sped" not found'),
    ("PORT/Ethernet0/adv_speeds", ["all", "400000"], "'all' cannot be combined"),
    ("SWITCH_HASH/GLOBAL/ecmp_hash", "SRC_IP", "a leaf-list is a JSON list"),
    ("PORT/Ethernet0/mtu", ["9100"], "a list where a string is expected"),
    ("DEVICE_METADATA/localhost/type", "LeafSwitch", 'Unsatisfied pattern - "LeafSwitch"'),
    ("DEVICE_METADATA/localhost/mac", "02:00:00:00:00", "Unsatisfied pattern"),
    ("DEVICE_METADATA/elsewhere", {}, 'Key "elsewhere" does not fit table DEVICE_METADATA.'),
    ("CABLE_LENGTH/AZURE/Ethernet0", "3 m", 'Unsatisfied pattern - "3 m"'),
    (
        "CABLE_LENGTH/AZURE/Ethernet99",
        "3m",
        'Invalid leafref value "Ethernet99" - no target instance in PORT',
    ),
    ("INTERFACE/Ethernet99", {}, 'Invalid leafref value "Ethernet99"'),
    ("INTERFACE/Ethernet24|10.9.0.0~131", {}, "Try adding PORT: {}, Example: 'Ethernet0': {}"),
    ("INTERFACE/Ethernet0|10.9.0.0~133", {}, 'Unsatisfied pattern - "10.9.0.0/33" is not an IP prefix'),
    ("INTERFACE/Ethernet0|10.0.0.0~131/family", "IPv6", 'family "IPv6" does not fit'),
    ("INTERFACE/Ethernet0/vrf_name", "Vrf1", 'Invalid leafref value "Vrf1"'),
    ("LOOPBACK_INTERFACE/Loopback1|10.255.0.2~132", {}, 'Invalid leafref value "Loopback1"'),
    ("STATIC_ROUTE/default|10.0.1.0", {}, "is not an IP prefix"),
    ("STATIC_ROUTE/red|10.0.1.0~124", {}, 'Unsatisfied pattern - "red"'),
    ("STATIC_ROUTE/default|10.0.1.0~124/distance", "256", "Unsatisfied pattern"),
    ("STATIC_ROUTE/default|10.0.1.0~124/blackhole", "yes", "Unsatisfied pattern"),
    ("DSCP_TO_TC_MAP/AZURE/64", "3", 'Unsatisfied pattern - "64"'),
    ("DSCP_TO_TC_MAP/AZURE/26", "16", "out of the allowed range 0..15"),
    ("TC_TO_QUEUE_MAP/AZURE/3", "10", 'Unsatisfied pattern - "10"'),
    ("TC_TO_PRIORITY_GROUP_MAP/AZURE/3", "8", 'Unsatisfied pattern - "8"'),
    ("MAP_PFC_PRIORITY_TO_QUEUE/AZURE/8", "3", 'Unsatisfied pattern - "8"'),
    ("DSCP_TO_TC_MAP/bad name", {}, 'Unsatisfied pattern - "bad name"'),
    ("PORT_QOS_MAP/Ethernet0/pfc_enable", "3,8", "Unsatisfied pattern"),
    ("PORT_QOS_MAP/Ethernet0/tc_to_pg_map", "NONE", 'Invalid leafref value "NONE"'),
    ("PORT_QOS_MAP/Ethernet0/tc_to_pg_map", "[TC_TO_PRIORITY_GROUP_MAP|AZURE]", "Invalid leafref value"),
    ("SCHEDULER/dwrr/weight", "101", "out of the allowed range 1..100"),
    ("SCHEDULER/dwrr/pir", "1000", "pir can't be configured without cir."),
    ("WRED_PROFILE/LOSSLESS/ecn", "all", 'Invalid enumeration value "all"'),
    ("WRED_PROFILE/LOSSLESS/green_max_threshold", "10", "not satisfied: green_max_threshold 10"),
    ("WRED_PROFILE/LOSSLESS/green_drop_probability", "101", "out of the allowed range 0..100"),
    ("WRED_PROFILE/LOSSLESS/wred_green_enable", "True", 'Invalid boolean value "True".'),
    ("QUEUE/Ethernet0|3-4/scheduler", "gone", 'Invalid leafref value "gone"'),
    ("QUEUE/Ethernet0", {}, 'Key "Ethernet0" does not fit table QUEUE.'),
    ("BUFFER_POOL/egress_lossless_pool/mode", "shared", 'Invalid enumeration value "shared"'),
    ("BUFFER_PROFILE/pg_lossless/pool", None, 'Mandatory node "pool" instance does not exist.'),
    ("BUFFER_PROFILE/pg_lossless/pool", "[BUFFER_POOL|ingress_lossless_pool]", "Invalid leafref value"),
    ("BUFFER_PROFILE/pg_lossless/dynamic_th", "8", "out of the allowed range -8..7"),
    ("BUFFER_PROFILE/pg_lossless/dynamic_th", None, 'Mandatory node "dynamic_th" or "static_th"'),
    ("BUFFER_PG/Ethernet0|8", {}, 'Unsatisfied pattern - "8"'),
    ("BUFFER_PG/Ethernet0|3-4/profile", "gone", 'Invalid leafref value "gone"'),
    ("BUFFER_QUEUE/Ethernet0|16", {}, 'Unsatisfied pattern - "16"'),
    (
        "PFC_WD/Ethernet0/detection_time",
        "100",
        "detection_time must be greater than or equal to POLL_INTERVAL",
    ),
    ("PFC_WD/Ethernet0/POLL_INTERVAL", "200", "Must condition \"../ifname = 'GLOBAL'\" not satisfied"),
    ("PFC_WD/GLOBAL/action", "drop", "Must condition \"../ifname != 'GLOBAL'\" not satisfied"),
    ("DEVICE_NEIGHBOR/Ethernet0/local_port", "Ethernet99", 'Invalid leafref value "Ethernet99"'),
    ("SWITCH_HASH/GLOBAL/ecmp_hash", ["BTH_QP"], 'Invalid enumeration value "BTH_QP"'),
    ("SWITCH_HASH/GLOBAL/ecmp_hash_algorithm", "crc32", 'Invalid enumeration value "crc32"'),
    ("FLEX_COUNTER_TABLE/PORT/POLL_INTERVAL", "99", "out of the allowed range 100.."),
    ("FLEX_COUNTER_TABLE/PORTS", {}, 'Key "PORTS" does not fit table FLEX_COUNTER_TABLE.'),
]


@pytest.mark.parametrize(("path", "value", "message"), REFUSED, ids=[f"{row[0]}={row[1]}" for row in REFUSED])
def test_a_wrong_value_is_refused_in_words(
    four_ports: dict[str, Any], path: str, value: object, message: str
) -> None:
    *parents, last = (part.replace("~1", "/") for part in path.split("/"))
    node = four_ports
    for part in parents:
        node = node.setdefault(part, {})
    if value is None:
        del node[last]
    else:
        node[last] = value
    found = problems(four_ports)
    assert any(message in text for text in found), found
    assert all(text.startswith(path.split("/")[0]) for text in found), "the place is named"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "CONFIG_DB is a JSON object, not a list"),
        ({"PORT": []}, "PORT: a table is an object, not a list"),
        ({"PORT": {"Ethernet0": "up"}}, "PORT/Ethernet0: an entry is an object, not a string"),
        ({"PORT": {"Ethernet0": {"mtu": True}}}, "PORT/Ethernet0/mtu: a field is a string, not true"),
        ({"PORT": {"Ethernet0": {"mtu": None}}}, "PORT/Ethernet0/mtu: a field is a string, not null"),
        ({"PORT": {"Ethernet0": {"mtu": 1.5}}}, "PORT/Ethernet0/mtu: a field is a string, not a number"),
    ],
)
def test_a_document_of_another_shape_is_refused(document: object, message: str) -> None:
    assert problems(document) == [f": {message}" if message.startswith("CONFIG_DB") else message]


@pytest.mark.parametrize(("item", "kind"), [({}, "an object"), (None, "null"), (["Ethernet0"], "a list")])
def test_an_item_of_a_list_that_is_no_text_is_named(item: object, kind: str) -> None:
    found = problems({"ACL_TABLE": {"T": {"ports": ["Ethernet0", item]}}})
    assert found == [f"ACL_TABLE/T/ports: an item of a list is a string, not {kind}"]


def test_integers_are_taken_as_strings_as_sonic_does(four_ports: dict[str, Any]) -> None:
    four_ports["PORT"]["Ethernet0"]["mtu"] = 9100
    config, malformed = read_config(four_ports)
    assert (malformed, config["PORT"]["Ethernet0"]["mtu"]) == ([], "9100")


def test_the_redis_form_of_lists_and_empty_entries_is_read() -> None:
    config, _ = read_config(
        {"SWITCH_HASH": {"GLOBAL": {"ecmp_hash@": "SRC_IP,DST_IP"}}, "T": {"K": {"NULL": "NULL"}}}
    )
    assert config == {"SWITCH_HASH": {"GLOBAL": {"ecmp_hash": ["SRC_IP", "DST_IP"]}}, "T": {"K": {}}}


def test_a_64_port_configuration_with_2000_routes_is_checked_in_300_ms(four_ports: dict[str, Any]) -> None:
    port = four_ports["PORT"]["Ethernet0"]
    four_ports["PORT"] = {
        f"Ethernet{8 * number}": port | {"lanes": str(number), "index": str(number)} for number in range(64)
    }
    four_ports["QUEUE"] |= {
        f"Ethernet{8 * number}|{queue}": {"scheduler": "dwrr"} for number in range(64) for queue in range(8)
    }
    four_ports["STATIC_ROUTE"] = {
        f"default|10.{number // 256}.{number % 256}.1/32": {
            "nexthop": "172.16.0.1,172.16.0.3",
            "ifname": "Ethernet8,Ethernet16",
            "distance": "0,0",
            "blackhole": "false,false",
            "nexthop-vrf": "default,default",
        }
        for number in range(2000)
    }
    config, _ = read_config(four_ports)
    start = time.process_time()
    assert validate(config) == []
    assert time.process_time() - start < 0.3


def test_a_table_that_was_valid_is_judged_again_where_what_it_refers_to_differs(
    four_ports: dict[str, Any],
) -> None:
    assert problems(four_ports) == []
    assert problems(four_ports) == []
    four_ports["WRED_PROFILE"] = {"OTHER": next(iter(four_ports["WRED_PROFILE"].values()))}
    assert any(
        each.startswith("QUEUE/") and "no target instance in WRED_PROFILE" in each
        for each in problems(four_ports)
    )


def test_a_value_that_equals_a_known_one_without_being_it_is_refused() -> None:
    assert read_config({"T": {"a": {"x": "1", "y": 1}}}) == ({"T": {"a": {"x": "1", "y": "1"}}}, [])
    config, malformed = read_config({"T": {"a": {"x": "1", "y": True}}})
    assert [message for _, message in malformed] == ["a field is a string, not true"]
    assert config == {"T": {"a": {"x": "1"}}}


def test_equal_tables_are_read_as_one_and_in_the_order_that_they_are_written_in() -> None:
    entries = {f"Ethernet0|{queue}": {"scheduler": "s", "wred_profile": "w"} for queue in ("0-2", "1")}
    first, again = (read_config({"QUEUE": {**entries}})[0]["QUEUE"] for _ in range(2))
    turned = read_config({"QUEUE": dict(reversed(entries.items()))})[0]["QUEUE"]
    swapped = read_config({"QUEUE": {key: dict(reversed(row.items())) for key, row in entries.items()}})[0]
    assert first is again
    assert list(turned) == ["Ethernet0|1", "Ethernet0|0-2"]
    assert list(swapped["QUEUE"]["Ethernet0|1"]) == ["wred_profile", "scheduler"]
