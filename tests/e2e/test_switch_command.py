"""`raddle switch NAME show|config ...` on running switches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
import typer
from typer.testing import CliRunner

from raddle.cli.switch import switch
from raddle.controller.plan import make_plan
from raddle.errors import InputError, UnreachableError
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import program, switch_farm
from raddle.nos.switch import SimulatedSwitch
from raddle.state import SwitchCounters
from raddle.topology import bundled_examples, load

APP = typer.Typer()
APP.command()(switch)
FABRIC = load(bundled_examples()["leaf-spine-16"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, SimulatedSwitch], Path]]:
    plan = make_plan(FABRIC, "ecmp")
    file = tmp_path_factory.mktemp("switches") / "inventory.json"
    with switch_farm(FABRIC, plan) as farm:
        inventory = Inventory(FABRIC.name, dict(farm.addresses))
        inventory.save(file)
        program(plan, inventory)
        yield farm.switches, file


def run(running: tuple[dict[str, SimulatedSwitch], Path], *words: str) -> Any:
    return CliRunner().invoke(APP, [*words, "--inventory", str(running[1])])


def test_show_reads_the_switch_over_gnmi(running: tuple[dict[str, SimulatedSwitch], Path]) -> None:
    status = run(running, "leaf0", "show", "interfaces", "status").stdout
    assert status.splitlines()[2].split()[0] == "Ethernet0"
    assert "via" in run(running, "leaf0", "show", "ip", "route").stdout
    assert "UC3" in run(running, "leaf0", "show", "queue", "counters").stdout


def test_config_save_load_and_reload_round_trip(
    running: tuple[dict[str, SimulatedSwitch], Path], tmp_path: Path
) -> None:
    leaf1 = running[0]["leaf1"]
    saved = tmp_path / "config_db.json"
    assert run(running, "leaf1", "config", "save", str(saved)).exit_code == 0
    before = leaf1.databases.config
    assert json.loads(saved.read_text()) == before
    assert run(running, "leaf1", "config", "interface", "shutdown", "Ethernet0").exit_code == 0
    assert leaf1.databases.appl["PORT_TABLE"]["Ethernet0"]["oper_status"] == "down"
    assert run(running, "leaf1", "config", "load", str(saved)).exit_code == 0
    assert leaf1.databases.config == before
    part = tmp_path / "part.json"
    group = {"Ethernet16|4": {"profile": before["BUFFER_PG"]["Ethernet16|0"]["profile"]}}
    part.write_text(json.dumps({"BUFFER_PG": group, "PORT": {"Ethernet0": {"mtu": "9000"}}}))
    assert run(running, "leaf1", "config", "load", str(part)).exit_code == 0
    assert leaf1.databases.config["BUFFER_PG"] == before["BUFFER_PG"] | group
    assert leaf1.databases.config["PORT"]["Ethernet0"] == before["PORT"]["Ethernet0"] | {"mtu": "9000"}
    run(running, "leaf1", "config", "interface", "shutdown", "Ethernet0")
    assert run(running, "leaf1", "config", "reload", str(saved)).exit_code == 0
    assert leaf1.databases.config == before


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("leaf9", "show", "ecn"), "no switch 'leaf9'"),
        (("leaf0", "show", "ecnn"), "did you mean 'show ecn'"),
        (("leaf0", "config", "erase"), "no 'config erase'"),
        (("leaf0", "shwo", "ecn"), "say show, config, clear or cable"),
        (("leaf0", "clear", "countrs"), "did you mean 'clear counters'"),
        (("leaf0", "config", "load", "/no/such/file"), "cannot read '/no/such/file'"),
        (("leaf0", "config", "save", "/no/such/folder/file"), "cannot write '/no/such/folder/file'"),
    ],
)
def test_mistakes_are_told_in_words(
    running: tuple[dict[str, SimulatedSwitch], Path], words: tuple[str, ...], text: str
) -> None:
    error = run(running, *words).exception
    assert isinstance(error, InputError)
    assert text in str(error)


def test_clear_counters_starts_what_is_shown_again_and_not_the_counters(
    running: tuple[dict[str, SimulatedSwitch], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    leaf0 = running[0]["leaf0"]
    leaf0.set_counters(SwitchCounters(("Ethernet0",), {"SAI_PORT_STAT_IF_OUT_UCAST_PKTS": (1200,)}))
    assert run(running, "leaf0", "clear", "counters").stdout == "Cleared counters\n"
    shown = run(running, "leaf0", "show", "int", "count").stdout.splitlines()
    assert shown[0].startswith("Last cached time was ")
    assert shown[3].split()[9] == "0"
    assert run(running, "leaf1", "show", "int", "count").stdout.split()[0] == "IFACE", (
        "only leaf0 was cleared"
    )
    for file in (tmp_path / "raddle").iterdir():
        file.write_text("not ours")
    assert run(running, "leaf0", "show", "int", "count").stdout.splitlines()[2].split()[9] == "1,200"


@pytest.mark.parametrize(
    ("owner", "other"), [("watermark", "persistent-watermark"), ("persistent-watermark", "watermark")]
)
def test_clear_watermarks_is_done_on_the_switch(
    running: tuple[dict[str, SimulatedSwitch], Path], owner: str, other: str
) -> None:
    leaf0 = running[0]["leaf0"]
    marks = {"SAI_BUFFER_POOL_STAT_WATERMARK_BYTES": (5000,)}
    leaf0.set_counters(SwitchCounters(("Ethernet0",), pools=("ingress_lossless_pool",), pool=marks))
    assert run(running, "leaf0", "clear", "buffer_pool", owner).exit_code == 0
    words = ("leaf0", "show", "buffer_pool")
    assert run(running, *words, owner).stdout.split()[-1] == "0"
    assert run(running, *words, other).stdout.split()[-1] == "5000"


def test_a_refused_change_says_what_the_switch_said(running: tuple[dict[str, SimulatedSwitch], Path]) -> None:
    error = run(running, "leaf0", "config", "interface", "shutdown", "Ethernet999").exception
    assert isinstance(error, UnreachableError)
    assert "Ethernet999" in str(error)


def test_config_reload_brings_what_no_patch_can_change(
    running: tuple[dict[str, SimulatedSwitch], Path], tmp_path: Path
) -> None:
    leaf1 = running[0]["leaf1"]
    before = leaf1.databases.config
    document = json.loads(json.dumps(before))
    document["BUFFER_POOL"]["egress_lossless_pool"]["size"] = "1000000"
    file = tmp_path / "config_db.json"
    file.write_text(json.dumps(document))
    refused = run(running, "leaf1", "config", "replace", str(file)).exception
    assert "Modification of BUFFER_POOL table is illegal" in str(refused)
    assert run(running, "leaf1", "config", "reload", str(file)).exit_code == 0
    assert leaf1.databases.config["BUFFER_POOL"]["egress_lossless_pool"]["size"] == "1000000"
    assert run(running, "leaf1", "config", "qos", "reload").exit_code == 0
    assert leaf1.databases.config["BUFFER_POOL"] == before["BUFFER_POOL"]


def test_a_switch_without_a_console_says_to_log_in(tmp_path: Path) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    file = tmp_path / "inventory.json"
    Inventory("pod", {"leaf0": f"127.0.0.1:{port}"}).save(file)
    error = CliRunner().invoke(APP, ["leaf0", "config", "qos", "reload", "--inventory", str(file)]).exception
    server.stop(None).wait()
    assert "log in to it and run 'config qos reload'" in str(error)


def test_a_pulled_cable_is_dark_at_both_ends_until_it_is_plugged_in(
    running: tuple[dict[str, SimulatedSwitch], Path],
) -> None:
    link = next(each for each in FABRIC.links if (each.a.device, each.b.device) == ("leaf0", "spine0"))
    spine_port = link.a.port

    def are_up() -> list[str]:
        return [
            running[0][end.device].databases.appl["PORT_TABLE"][end.port]["oper_status"]
            for end in (link.a, link.b)
        ]

    assert run(running, "leaf0", "cable", "pull", spine_port).exit_code == 0
    assert are_up() == ["down", "down"]
    run(running, "leaf0", "config", "interface", "shutdown", spine_port)
    run(running, "leaf0", "config", "interface", "startup", spine_port)
    assert are_up() == ["down", "down"]
    assert run(running, "leaf0", "cable", "plug", spine_port).exit_code == 0
    assert are_up() == ["up", "up"]
    assert "no cable to another switch is at port 'Ethernet999'" in str(
        run(running, "leaf0", "cable", "pull", "Ethernet999").exception
    )
    assert "say cable pull PORT" in str(run(running, "leaf0", "cable", "cut", spine_port).exception)


def test_a_refused_command_leads_to_what_the_switch_holds(
    running: tuple[dict[str, SimulatedSwitch], Path],
) -> None:
    for words in (("interface", "shutdown", "Ethernet9999"), ("interface", "breakout", "Ethernet0", "9x9G")):
        error = str(run(running, "leaf0", "config", *words).exception)
        assert "refused a" in error
        assert "'raddle switch leaf0 show runningconfiguration all' is what it holds" in error
        assert "dry-run" not in error
    held = run(running, "leaf0", "show", "runningconfiguration", "all")
    assert "Ethernet0" in held.stdout
