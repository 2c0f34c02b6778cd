"""Values that a SONiC switch cannot hold, addresses that are none, and files that are not what they seem."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import raddle
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.controller.plan.model import SwitchPlan
from raddle.controller.southbound.sonic.tables import WRED, bootstrap, pushed
from raddle.errors import InputError
from raddle.inventory import load_inventory
from raddle.topology.views.cable_truth import compare_cables, planned_names, read_cables
from raddle.topology.views.capacity import review
from tests.fabrics import leaf_spine

FORM = leaf_spine(name="row")


def leaf(more: str = "", form: str = FORM) -> SwitchPlan:
    return make_plan(raddle.loads(form + more), "ecmp").switches[0]


def test_a_probability_that_sonic_would_hold_as_none_is_refused_with_one_that_it_holds() -> None:
    with pytest.raises(InputError, match=r"ecn-not-held.*at most 0\.3 %.*it would be 0 %") as refused:
        pushed(leaf("roce: {ecn: {pmax: 0.3%}}\n"))
    assert "pmax: 1%" in str(refused.value)
    assert pushed(leaf("roce: {ecn: {pmax: 7%}}\n"))["WRED_PROFILE"][WRED]["green_drop_probability"] == "7"


@pytest.mark.parametrize(
    ("ecn", "pmax"),
    [
        ("pmax: 0.4%", "0.4%"),
        ("pmax: 12.7%", "12.7%"),
        ("speeds: [{speed: 100G, kmin: 1KB, kmax: 2KB, pmax: 2.5%}]", "2.5%"),
    ],
)
def test_validate_and_check_refuse_a_probability_that_no_switch_takes_at_its_place(
    ecn: str, pmax: str, tmp_path: Path
) -> None:
    file = tmp_path / "row.yaml"
    row = f"roce: {{ecn: {{{ecn}}}}}\n"
    file.write_text(FORM + row)
    refused = CliRunner().invoke(app, ["validate", str(file)]).exception
    place = f"{FORM.count(chr(10)) + 1}:{row.index(pmax) + 1}"
    assert f"row.yaml:{place}: error[ecn-not-held]: SONiC's WRED_PROFILE" in str(refused)
    assert "whole percents" in str(refused)
    checked = CliRunner().invoke(app, ["check", str(file)])
    assert f"row.yaml:{place}: error[ecn-not-held]: SONiC's WRED_PROFILE" in checked.stdout
    assert checked.exit_code == 2
    raddle.load(file)


def test_a_lossless_priority_0_is_warned_of() -> None:
    fabric = raddle.loads(FORM + "roce: {lossless: {priority: 0, dscp: 26}}\n")
    assert "best-effort-lossless" in {each.code for each in review(fabric)}
    assert "best-effort-lossless" not in {each.code for each in review(raddle.loads(FORM))}


def test_a_boot_file_can_have_the_fabrics_own_ecn_from_the_start() -> None:
    switch = leaf("roce: {ecn: {kmin: 300KB, kmax: 900KB, pmax: 9%}}\n")
    own = bootstrap(switch, has_own_ecn=True).config_db["WRED_PROFILE"]
    assert own == pushed(switch)["WRED_PROFILE"]
    assert own[WRED]["green_min_threshold"] == "300000"
    assert bootstrap(switch).config_db["WRED_PROFILE"] != own


@pytest.mark.parametrize(
    ("uplinks", "fec"),
    [
        ("speed: 400G", "rs"),  # 8 lanes of 50, 25 and fewer Gb/s
        ("speed: 200G", "rs"),
        ("speed: 100G, cable: 30m", "rs"),
        ("speed: 100G, cable: 101m", "none"),
        ("speed: 100G, cable: 30m, medium: sr", "rs"),
        ("speed: 100G, cable: 2m, medium: dac", "rs"),
        ("speed: 100G, cable: 30m, medium: lr", "none"),
        ("speed: 400G, cable: 30m, medium: lr", "rs"),
        ("speed: 50G", "rs"),
        ("speed: 25G", "rs"),
        ("speed: 40G", "none"),
        ("speed: 10G", "none"),
    ],
)
def test_a_port_has_the_fec_of_its_speed_and_medium(uplinks: str, fec: str) -> None:
    """IEEE 802.3: clause 119 for 200GBASE-R and 400GBASE-R, 95, 92 and 88 for 100GBASE-SR4, -CR4 and -LR4."""
    text = f"fabric: {{leaves: {{count: 2}}, spines: {{count: 2}}, uplinks: {{{uplinks}}}}}"
    switch = leaf(form=FORM.replace("fabric: {leaves: {count: 2}, spines: {count: 2}}", text))
    uplink = next(port for port in switch.ports if port.peer.startswith("spine"))
    assert len(uplink.lanes) == 8
    assert bootstrap(switch).config_db["PORT"][uplink.name]["fec"] == fec


def inventory(folder: Path, address: object) -> Path:
    path = folder / "inventory.json"
    path.write_text(json.dumps({"fabric": "row", "switches": {"leaf0": {"address": address}}}))
    return path


@pytest.mark.parametrize(
    "address",
    [
        *("leaf0", "leaf0:", ":8080", "leaf0:http", "[::1:8080", "a b:1", "x:70000", 5, None),
        *(
            "10.0.0.256:80",
            "10.0.0.1.2:80",
            "10.1:80",
            "[10.0.0.1]:80",
            "[fe80::g]:80",
            "-leaf:80",
            "a..b:80",
        ),
        *("leaf0:\u0661", "leaf0: 80", f"{'a' * 64}:80"),
    ],
)
def test_an_address_that_is_none_is_told_when_it_is_read(tmp_path: Path, address: object) -> None:
    with pytest.raises(InputError, match=r"bad-inventory.*address of leaf0.*HOST:PORT"):
        load_inventory(inventory(tmp_path, address))


@pytest.mark.parametrize("address", ["10.0.0.1:80", "[fe80::1]:80", "leaf_0.hall-2.example.:8080", "7up:1"])
def test_addresses_and_names_are_taken_as_they_are(tmp_path: Path, address: str) -> None:
    assert load_inventory(inventory(tmp_path, address)).addresses == {"leaf0": address}


@pytest.mark.parametrize("number", ["q", 0, -1, 2**64, None, 1.5])
def test_a_device_id_that_is_none_is_told_with_its_switch(tmp_path: Path, number: object) -> None:
    path = tmp_path / "inventory.json"
    entry = {"address": "127.0.0.1:1", "device_id": number}
    path.write_text(json.dumps({"fabric": "row", "switches": {"leaf0": entry}}))
    with pytest.raises(InputError, match=r"bad-inventory.*the device_id of leaf0"):
        load_inventory(path)


@pytest.mark.parametrize(
    "address", ["127.0.0.1.lab.example:8080", "localhost.example:8080", "128.0.0.1:8080"]
)
def test_a_name_that_looks_like_loopback_gets_no_password_in_plain_text(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADDLE_USERNAME", "admin")
    monkeypatch.setenv("RADDLE_PASSWORD", "s3cret")
    with pytest.raises(InputError, match="open-password"):
        load_inventory(inventory(tmp_path, address))


def test_a_private_key_that_everybody_may_read_is_refused_and_one_of_a_group_is_not(tmp_path: Path) -> None:
    path, key = inventory(tmp_path, "127.0.0.1:8080"), tmp_path / "me.key"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tls": {"key": "me.key"}}))
    key.write_text("not a key")
    key.chmod(0o644)
    with pytest.raises(InputError, match=r"open-secrets.*me\.key' is a private key and has mode 644"):
        load_inventory(path)
    key.chmod(0o640)
    tls = load_inventory(path).access.tls
    assert tls is not None
    assert tls.key == b"not a key"


@pytest.mark.parametrize("address", ["127.8.9.1:8080", "[::1]:8080", "localhost:8080"])
def test_this_machine_may_get_one(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADDLE_PASSWORD", "s3cret")
    assert load_inventory(inventory(tmp_path, address)).addresses == {"leaf0": address}


HEAD = "a_device,a_port,b_device,b_port\n"


def test_cables_by_alias_domain_and_other_case_are_the_fabrics_own(tmp_path: Path) -> None:
    """SONiC sends a port's alias as its LLDP port id, and its host name as its system name."""
    fabric = raddle.loads(FORM)
    alias = {port.name: port.alias for port in fabric.switches[0].ports}
    switches = fabric.switch_by_name
    rows = []
    for link in fabric.links:
        ends = [
            (f"{end.device.upper()}.row.example", alias[end.port])
            if end.device in switches
            else (end.device, end.port)
            for end in (link.a, link.b)
        ]
        rows.append(",".join(each for end in ends for each in end))
    path = tmp_path / "seen.csv"
    path.write_text(HEAD + "\n".join(rows) + "\n")
    seen = planned_names(fabric, read_cables(path))
    assert compare_cables(fabric, seen) == ()
    assert compare_cables(fabric, seen[1:])[0].code == "cable-missing"


@pytest.mark.parametrize("text", [f'{HEAD}"{"x" * 200_000}",a,b,c\n', f'"{"x" * 200_000}"\n'])
def test_a_list_of_cables_that_is_no_csv_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seen.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"seen\.csv:[12]:1: error\[bad-cable-list\]: this is no row"):
        read_cables(path)


def test_a_pipe_is_not_included(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    main = tmp_path / "row.yaml"
    main.write_text(f"include: pipe.yaml\n{FORM}")
    with pytest.raises(InputError, match=r"row\.yaml:1:10: error\[unreadable-file\]: 'pipe.yaml' is no file"):
        raddle.load(main)
