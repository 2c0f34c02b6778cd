"""Config commands that run on the switch itself."""

from __future__ import annotations

from typing import Any

import pytest

from raddle.nos.db.patch import PatchOp
from raddle.nos.operator import CommandError
from raddle.nos.switch import BootConfig, SimulatedSwitch


def test_qos_reload_brings_the_platforms_qos_and_buffers_back(switch: SimulatedSwitch) -> None:
    before = switch.databases.config
    switch.apply_patch([PatchOp("replace", ("WRED_PROFILE", "LOSSLESS", "green_min_threshold"), "400000")])
    switch.run_config(["qos", "reload"])
    assert switch.databases.config == before


def test_qos_clear_leaves_ports_and_routes(switch: SimulatedSwitch) -> None:
    switch.run_config(["qos", "clear"])
    config = switch.databases.config
    assert {"PORT", "STATIC_ROUTE", "PFC_WD"} <= config.keys()
    assert not {"BUFFER_POOL", "QUEUE", "PORT_QOS_MAP", "SCHEDULER"} & config.keys()
    assert switch.state().buffer_pools == ()


@pytest.mark.parametrize(("ports", "time_ms"), [(4, "200"), (33, "400"), (64, "400"), (65, "600")])
def test_the_watchdog_starts_with_times_that_grow_with_the_ports(
    four_ports: dict[str, Any], ports: int, time_ms: str
) -> None:
    four_ports["DEVICE_METADATA"]["localhost"]["default_pfcwd_status"] = "enable"
    four_ports["PORT"] |= {
        f"Ethernet{1000 + number}": {
            "lanes": str(5000 + number),
            "speed": "100000",
            "index": str(100 + number),
        }
        for number in range(ports - 4)
    }
    del four_ports["PFC_WD"]
    switch = SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset())
    switch.run_config(["pfcwd", "start_default"])
    assert switch.databases.config["PFC_WD"] == {
        "GLOBAL": {"POLL_INTERVAL": time_ms},
        "Ethernet0": {
            "action": "drop",
            "detection_time": time_ms,
            "restoration_time": time_ms,
            "pfc_stat_history": "disable",
        },
    }


def test_the_watchdog_stops_and_takes_an_interval_and_the_big_red_switch(
    switch: SimulatedSwitch,
) -> None:
    switch.run_config(["pfcwd", "interval", "100"])
    switch.run_config(["pfcwd", "big_red_switch", "enable"])
    assert switch.databases.config["PFC_WD"]["GLOBAL"] == {"POLL_INTERVAL": "100", "BIG_RED_SWITCH": "enable"}
    switch.run_config(["pfcwd", "stop"])
    assert set(switch.databases.config["PFC_WD"]) == {"GLOBAL"}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["qos", "reboot"], "there is no 'config qos reboot'"),
        (["pfcwd", "interval", "5"], "Unsatisfied range"),
        (["pfcwd", "interval", "x"], "there is no 'config pfcwd interval x'"),
    ],
)
def test_a_command_that_cannot_be_is_refused_and_changes_nothing(
    switch: SimulatedSwitch, words: list[str], text: str
) -> None:
    before = switch.databases.config
    with pytest.raises(CommandError, match=text):
        switch.run_config(words)
    assert switch.databases.config is before


def test_only_what_was_saved_outlives_a_reboot(switch: SimulatedSwitch) -> None:
    switch.run_config(["pfcwd", "interval", "100"])
    switch.shut_down()
    switch.start_up()
    assert switch.databases.config["PFC_WD"]["GLOBAL"]["POLL_INTERVAL"] == "200"
    switch.run_config(["pfcwd", "interval", "100"])
    switch.run_config(["save"])
    switch.shut_down()
    switch.start_up()
    assert switch.databases.config["PFC_WD"]["GLOBAL"]["POLL_INTERVAL"] == "100"
