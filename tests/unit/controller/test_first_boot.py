"""What a switch boots with on its first day leaves it what is its own."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import raddle
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.controller.southbound.sonic.tables import intended
from raddle.errors import InputError
from raddle.topology.forms.base import PLANNED_METADATA, PLANNED_TABLES

FABRIC = """
raddle: 1
name: hall
fabric:
  leaves: {count: 2, model: tomahawk5-64x800g, breakout: [{ports: 0, mode: 2x400G}]}
  spines: {count: 1, model: tomahawk5-64x800g}
hosts: {per_leaf: 2, nics: {speed: 400G}}
routing: {policy: ecmp}
roce: {ecn: {kmin: 517KB, kmax: 1993KB, pmax: 9%}}
base:
  - tables: {NTP_SERVER: {203.0.113.5: {}}, SNMP: {LOCATION: {Location: hall 3}}}
  - {switches: "leaf*", tables: {AAA: {authentication: {login: "tacacs+,local"}}}}
management:
  gateway: 203.0.113.1
  switches:
    leaf0: {address: 203.0.113.10/24, mac: "9C:00:5E:00:53:01", serial: SN-77}
    leaf1: {address: 203.0.113.11/24, serial: SN-78}
    spine0: {address: 203.0.113.20/24, serial: SN-79}
"""
OWN: dict[str, Any] = {
    "DEVICE_METADATA": {"localhost": {"hostname": "sonic", "mac": "9c:00:5e:00:53:01", "timezone": "UTC"}},
    "PORT": {
        f"Ethernet{8 * n}": {
            "lanes": ",".join(str(700 - 8 * n - lane) for lane in range(8)),
            "alias": f"Eth{n + 1}",
            "index": str(n + 1),
            "speed": "800000",
            "admin_status": "down",
        }
        for n in range(64)
    },
    "INTERFACE": {"Ethernet0": {}, "Ethernet0|198.51.100.0/31": {}, "Ethernet8": {}},
    "MGMT_INTERFACE": {"eth0|198.51.100.77/24": {"gwaddr": "198.51.100.1"}},
    "GNMI": {"certs": {"server_crt": "/etc/sonic/telemetry/server.cer"}},
    "FEATURE": {"bgp": {"state": "enabled"}},
    "BUFFER_PG": {"Ethernet16|2-5": {"profile": "old"}, "Ethernet504|0": {"profile": "old"}},
}


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def hall(tmp_path: Path) -> Path:
    path = tmp_path / "hall.yaml"
    path.write_text(FABRIC)
    (tmp_path / "own.json").write_text(json.dumps(OWN))
    return path


def booted(hall: Path, *options: str) -> Any:
    done = run("render", str(hall), "--switch", "leaf0", "--bootstrap", *options)
    assert done.exit_code == 0, done.output + str(done.exception)
    return json.loads(done.stdout)


def test_the_tables_that_base_must_leave_alone_are_those_of_plans() -> None:
    known: set[str] = {"DEVICE_METADATA"}
    for extra in ("addressing: {families: dual}\n", "routing: {hash: {algorithm: xor}}\n"):
        text = FABRIC.replace("routing: {policy: ecmp}\n", "") + extra
        for switch in make_plan(raddle.loads(text), "ecmp").switches:
            tables = intended(switch)
            known |= tables.keys()
            assert tables["DEVICE_METADATA"]["localhost"].keys() <= PLANNED_METADATA
    adaptive = {table for table in PLANNED_TABLES if table.startswith("ARS_")}
    assert known - {"DEVICE_METADATA"} == PLANNED_TABLES - adaptive


def test_base_and_management_are_in_what_a_switch_boots_with_and_are_not_pushed(hall: Path) -> None:
    config = booted(hall)
    assert config["NTP_SERVER"] == {"203.0.113.5": {}}
    assert config["AAA"] == {"authentication": {"login": "tacacs+,local"}}
    assert config["MGMT_INTERFACE"] == {"eth0|203.0.113.10/24": {"gwaddr": "203.0.113.1"}}
    assert config["MGMT_PORT"] == {"eth0": {"admin_status": "up"}}
    everything = json.loads(run("render", str(hall), "--bootstrap").stdout)
    assert "AAA" not in everything["spine0"]
    assert not {"NTP_SERVER", "MGMT_INTERFACE"} & json.loads(run("render", str(hall)).stdout)["leaf0"].keys()


def test_what_a_switch_has_of_its_own_stays_under_the_plan(hall: Path) -> None:
    config = booted(hall, "--over", str(hall.parent / "own.json"))
    metadata = config["DEVICE_METADATA"]["localhost"]
    assert (metadata["hostname"], metadata["mac"], metadata["timezone"]) == (
        "leaf0",
        "9c:00:5e:00:53:01",
        "UTC",
    )
    assert {config[table] == OWN[table] for table in ("GNMI", "FEATURE")} == {True}
    assert config["MGMT_INTERFACE"] == OWN["MGMT_INTERFACE"] | {
        "eth0|203.0.113.10/24": {"gwaddr": "203.0.113.1"}
    }
    assert config["WRED_PROFILE"]["AZURE_LOSSLESS"]["green_min_threshold"] == "517000"
    uplink = config["PORT"]["Ethernet8"]
    assert (uplink["alias"], uplink["lanes"], uplink["admin_status"]) == (
        "Eth2",
        "692,691,690,689,688,687,686,685",
        "up",
    )


@pytest.mark.parametrize(
    ("field", "value"), [("hostname", "leaf1"), ("hwsku", "Other-C64"), ("platform", "x86_64-other-r0")]
)
def test_the_plan_is_not_laid_over_what_another_switch_holds(hall: Path, field: str, value: str) -> None:
    own = {**OWN, "DEVICE_METADATA": {"localhost": {**OWN["DEVICE_METADATA"]["localhost"], field: value}}}
    (hall.parent / "other.json").write_text(json.dumps(own))
    words = (
        "render",
        str(hall),
        "--switch",
        "leaf0",
        "--bootstrap",
        "--over",
        str(hall.parent / "other.json"),
    )
    refused = run(*words).exception
    assert isinstance(refused, InputError)
    assert refused.diagnostics[0].code == "wrong-switch"
    assert f"its {field} is '{value}', not '" in str(refused)
    assert run(*words, "--accept-identity", "leaf1").exception is not None
    assert run(*words, "--accept-identity", "leaf0").exit_code == 0


def test_a_broken_out_port_gets_the_lanes_of_its_chassis_and_loses_what_was_of_the_whole(hall: Path) -> None:
    config = booted(hall, "--over", str(hall.parent / "own.json"))
    halves = [config["PORT"][port]["lanes"] for port in ("Ethernet0", "Ethernet4")]
    assert halves == ["700,699,698,697", "696,695,694,693"]
    assert "Ethernet8" in config["INTERFACE"]
    assert config["BUFFER_PG"]["Ethernet504|0"] == {"profile": "old"}


def applied(document: Any, patch: list[dict[str, Any]]) -> Any:
    """RFC 6902, of objects alone."""
    document = json.loads(json.dumps(document))
    for step in patch:
        *above, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        node = document
        for part in above:
            node = node[part]
        assert (last in node) == (step["op"] != "add")
        if step["op"] == "remove":
            del node[last]
        else:
            node[last] = step["value"]
    return document


def test_the_patch_makes_of_the_switch_what_the_merge_is(hall: Path) -> None:
    over = ("--over", str(hall.parent / "own.json"))
    patch = booted(hall, *over, "--patch")
    assert applied(OWN, patch) == booted(hall, *over)
    assert not any(step["path"].startswith(("/GNMI", "/FEATURE")) for step in patch)
    assert any(step["path"].startswith("/MGMT_INTERFACE/eth0|203.0.113.10~124") for step in patch)


def test_all_switches_go_into_a_folder_and_ztp_leads_each_to_its_file(hall: Path) -> None:
    folder, ztp = hall.parent / "all", hall.parent / "ztp"
    assert run("render", str(hall), "--bootstrap", "-o", str(folder)).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        *("leaf0.json", "leaf0.switch.json", "leaf1.json", "leaf1.switch.json"),
        *("spine0.json", "spine0.switch.json"),
    ]
    done = run("render", str(hall), "--ztp", str(ztp), "--url", "http://203.0.113.250:8080")
    assert done.exit_code == 0, done.output + str(done.exception)
    (section,) = json.loads((ztp / "ztp.json").read_text())["ztp"].values()
    source = section["dynamic-url"]["source"]
    assert source["identifier"] == "serial-number"
    assert source["prefix"] + "SN-77" + source["suffix"] == "http://203.0.113.250:8080/SN-77_config_db.json"
    own = json.loads((ztp / f"SN-77{source['suffix']}").read_text())
    assert own == json.loads((folder / "leaf0.json").read_text())
    assert "tag:sonic-ztp,67,http://203.0.113.250:8080/ztp.json" in (ztp / "dnsmasq.conf").read_text()
    assert "dhcp-host=9c:00:5e:00:53:01,203.0.113.10,leaf0" in (ztp / "dnsmasq.conf").read_text()
    kea = json.loads((ztp / "kea-dhcp4.json").read_text())["Dhcp4"]
    # Kea has option 77 as bytes, whose `.text` is in hexadecimal.
    assert kea["client-classes"][0]["test"] == "option[77].hex == 'SONiC-ZTP'"
    (subnet,) = kea["subnet4"]
    assert (subnet["subnet"], subnet["reservations"][0]["hostname"]) == ("203.0.113.0/24", "leaf0")


def test_switches_without_a_serial_number_are_known_by_name_and_without_an_address_warned_of(
    hall: Path,
) -> None:
    hall.write_text(FABRIC.replace("    leaf1: {address: 203.0.113.11/24, serial: SN-78}\n", ""))
    done = run("render", str(hall), "--ztp", str(hall.parent / "ztp"), "--url", "tftp://203.0.113.250/")
    assert "warning: leaf1 have no management address" in done.stderr
    assert '"identifier": "hostname"' in (hall.parent / "ztp" / "ztp.json").read_text()
    assert (hall.parent / "ztp" / "leaf1_config_db.json").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--over", "own.json"), "bad-option"),
        (("--bootstrap", "--patch"), "bad-option"),
        (("--ztp", "out"), "bad-option"),
        (("--ztp", "out", "--url", "here"), "bad-option"),
        (("--bootstrap", "--over", "own.json"), "no-own-config"),
        (("--bootstrap", "--over", "none.json"), "unreadable-file"),
    ],
)
def test_options_that_do_not_fit_are_refused(hall: Path, options: tuple[str, ...], code: str) -> None:
    words = [str(hall.parent / each) if each.endswith(("json", "out")) else each for each in options]
    refused = run("render", str(hall), *words).exception
    assert isinstance(refused, InputError)
    assert refused.diagnostics[0].code == code


def test_the_hash_that_no_config_db_has_is_in_a_file_of_its_own_or_that_of_sonic(hall: Path) -> None:
    folder = hall.parent / "own"
    shown = run("render", str(hall), "--switch", "spine0", "--bootstrap")
    assert "seed and offset are in no config_db.json; '-o DIR' writes spine0.switch.json" in shown.stderr
    run("render", str(hall), "--switch", "spine0", "--bootstrap", "-o", str(folder))
    seed = str(zlib.crc32(b"spine0"))
    assert json.loads((folder / "spine0.switch.json").read_text()) == [
        {"SWITCH_TABLE:switch": {"ecmp_hash_seed": seed, "ecmp_hash_offset": "0"}, "OP": "SET"}
    ]
    run("render", str(hall), "--ztp", str(hall.parent / "ztp"), "--url", "http://203.0.113.250:8080")
    assert (hall.parent / "ztp/spine0.switch.json").is_file()
    routing = "routing: {policy: ecmp, hash: {seed: sonic, offset: sonic}}"
    hall.write_text(hall.read_text().replace("routing: {policy: ecmp}", routing))
    again = run("render", str(hall), "--bootstrap", "-o", str(hall.parent / "theirs"))
    assert again.exit_code == 0
    assert not list((hall.parent / "theirs").glob("*.switch.json"))
    plan = make_plan(raddle.load(hall), "ecmp")
    assert {(switch.role, switch.hash_seed, switch.hash_offset) for switch in plan.switches} == {
        ("leaf", 0, 0),
        ("spine", 10, 10),
    }
