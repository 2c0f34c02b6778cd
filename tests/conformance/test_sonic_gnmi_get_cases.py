"""sonic-gnmi's own Get cases, on a switch loaded with its seed data, as it is and with everything renamed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.nos.farm import SwitchFarm
from raddle.nos.switch import BootConfig, SimulatedSwitch

DATA = Path(__file__).parents[3] / "shared" / "sonic" / "gnmi-testdata"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/sonic/gnmi-testdata")

Edit = Callable[[str], str]

CASES_OF_SERVER_TEST = [
    ("COUNTER_DB/", "COUNTERS Ethernet68", "NotFound", None),
    ("COUNTERS_DB", "COUNTERS_PORT_NAME_MAP", "OK", "COUNTERS_PORT_NAME_MAP.txt"),
    ("COUNTERS_DB", "COUNTERS Ethernet68/1", "OK", "COUNTERS:Ethernet68.txt"),
    ("COUNTERS_DB", "COUNTERS Ethernet68/1 Pfcwd", "OK", "COUNTERS:Ethernet68:Pfcwd_alias.txt"),
    (
        "COUNTERS_DB",
        "COUNTERS Ethernet* SAI_PORT_STAT_PFC_7_RX_PKTS",
        "OK",
        "COUNTERS:Ethernet_wildcard_PFC_7_RX_alias.txt",
    ),
    ("COUNTERS_DB", "COUNTERS PORT*", "OK", "COUNTERS:PORT_wildcard.txt"),
    ("COUNTERS_DB", "COUNTERS SWITCH_ID", "OK", "COUNTERS:SWITCH_ID.txt"),
    ("COUNTERS_DB", "COUNTERS SWITCH_ID-", "NotFound", None),
    ("COUNTERS_DB", "COUNTERS SID*", "OK", "COUNTERS:SID_wildcard.json"),
    ("COUNTERS_DB", "COUNTERS ACL_RULE*", "OK", "COUNTERS:ACL_wildcard.json"),
    ("COUNTERS_DB", "PORT_PHY_ATTR Ethernet*", "OK", "PORT_PHY_ATTR:Ethernet_wildcard_expected.json"),
    ("COUNTERS_DB", "COUNTERS fcbb:bbbb:2::/48", "NotFound", None),
    ("COUNTERS_DB", "COUNTERS Ethernet68 Queues", "OK", "COUNTERS:Ethernet68:Queues_expected.txt"),
    ("COUNTERS_DB", "COUNTERS Ethernet68/1 Queues", "OK", "COUNTERS:Ethernet68:Queues_alias_expected.txt"),
    (
        "COUNTERS_DB",
        "COUNTERS Ethernet* Queues",
        "OK",
        "COUNTERS:Ethernet_wildcard_Queues_alias_expected.txt",
    ),
    (
        "COUNTERS_DB",
        "PERIODIC_WATERMARKS Ethernet16 PriorityGroups",
        "OK",
        "PERIODIC_WATERMARKS:Ethernet16:PriorityGroups_expected.txt",
    ),
    (
        "COUNTERS_DB",
        "PERIODIC_WATERMARKS Ethernet* PriorityGroups",
        "OK",
        "PERIODIC_WATERMARKS:Ethernet_wildcard:PriorityGroups_alias_expected.txt",
    ),
    ("COUNTERS_DB", "RATES Ethernet*", "OK", "RATES:Ethernet_wildcard_alias_expected.txt"),
    (
        "COUNTERS_DB",
        "COUNTERS str2-7804-lc7-1|Asic0|Ethernet68 VoQs",
        "OK",
        "COUNTERS:SwitchName_sysport.txt",
    ),
    ("COUNTERS_DB", "COUNTERS str2-7804-lc7-1 VoQs", "OK", "COUNTERS:SwitchName_single.txt"),
    ("COUNTERS_DB", "COUNTERS str2-7804-* VoQs", "OK", "COUNTERS:SwitchName_star.txt"),
]
"""Cases of the same kind that get_cases.json does not have: target, elems, code, file."""


def cases() -> list[tuple[str, list[str], str, str | None]]:
    """Target, elems, code and expected JSON text (None: whatever it is)."""
    given = [
        (case["target"], case["path"], case["code"], _expected(case["want"]))
        for case in json.loads((DATA / "get_cases.json").read_text())
    ]
    more = [
        (target, elems.split(" "), code, name and (DATA / name).read_text())
        for target, elems, code, name in CASES_OF_SERVER_TEST
    ]
    return given + more


def _expected(want: Any) -> str | None:
    return (DATA / want["file"]).read_text() if isinstance(want, dict) else want


def renamed(text: str) -> str:
    """The same data of a switch whose ports have other numbers and aliases, and has counted otherwise."""
    text = re.sub(r"Ethernet(\d+)/1", lambda match: f"etp{match[1]}a", text)
    text = re.sub(r"Ethernet(\d+)", lambda match: f"Ethernet{4 * int(match[1]) + 1000}", text)
    text = re.sub(r'"(\d+)"', lambda match: f'"{7 * int(match[1])}"' if int(match[1]) > 7 else match[0], text)
    return text.replace("0x1500000000091", "0x1500000000aaa").replace("RULE_1", "RULE_7")


def seed(switch: SimulatedSwitch, edit: Edit) -> None:
    """What sonic-gnmi's tests load into Redis before their Get cases."""
    counters: dict[str, dict[str, dict[str, str]]] = {}
    for key, name in json.loads((DATA / "redis_seed_map.json").read_text())[1:]:
        table, _, rest = edit(key).partition(":")
        counters.setdefault(table, {})[rest] = json.loads(edit((DATA / name).read_text()))
    config: dict[str, dict[str, Any]] = {}
    for name in ("COUNTERS_PORT_ALIAS_MAP.txt", "CONFIG_PFCWD_PORTS.txt"):
        for key, fields in json.loads(edit((DATA / name).read_text())).items():
            table, _, rest = key.partition("|")
            config.setdefault(table, {})[rest] = fields
    switch.write(config=config, counters=counters, state={"SWITCH_CAPABILITY": {"switch": {"a": "b"}}})


@pytest.fixture(params=[str, renamed], ids=["as-given", "renamed"])
def seeded(request: pytest.FixtureRequest) -> Iterator[tuple[gnmi_pb2_grpc.gNMIStub, Edit]]:
    with (
        SwitchFarm({"leaf0": BootConfig({}, {})}, {}) as farm,
        grpc.insecure_channel(farm.addresses["leaf0"]) as channel,
    ):
        seed(farm.switches["leaf0"], request.param)
        yield gnmi_pb2_grpc.gNMIStub(channel), request.param


def get(stub: gnmi_pb2_grpc.gNMIStub, target: str, elems: list[str]) -> tuple[str, Any]:
    """The code in sonic-gnmi's spelling, and the parsed value."""
    path = gnmi_pb2.Path(elem=[gnmi_pb2.PathElem(name=name) for name in elems])
    request = gnmi_pb2.GetRequest(
        prefix=gnmi_pb2.Path(target=target), path=[path], encoding=gnmi_pb2.JSON_IETF
    )
    try:
        value = stub.Get(request, timeout=10).notification[0].update[0].val
    except grpc.RpcError as error:
        return error.code().name.title().replace("_", ""), None
    kind = value.WhichOneof("value")
    return "OK", json.loads(value.json_ietf_val) if kind == "json_ietf_val" else value.string_val


def test_sonic_gnmis_get_cases_give_their_values(
    seeded: tuple[gnmi_pb2_grpc.gNMIStub, Edit], capsys: pytest.CaptureFixture[str]
) -> None:
    stub, edit = seeded
    failed = []
    for target, elems, code, want in cases():
        answer = get(stub, target, [edit(elem) for elem in elems])
        if answer[0] != code or (want is not None and answer[1] != json.loads(edit(want))):
            failed.append((target, elems, answer[0], str(answer[1])[:200]))
    total = len(cases())
    with capsys.disabled():
        print(f" {total - len(failed)} of {total} Get cases", end=" ")
    assert failed == []


def test_a_single_port_by_alias_shows_aliases_and_by_name_names(
    seeded: tuple[gnmi_pb2_grpc.gNMIStub, Edit],
) -> None:
    stub, edit = seeded
    for key in (edit("Ethernet68"), edit("Ethernet68/1")):
        code, value = get(stub, "COUNTERS_DB", ["COUNTERS", key, "Pfcwd"])
        assert (code, sorted(value)) == ("OK", [f"{key}:3", f"{key}:4"])
