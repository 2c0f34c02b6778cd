"""A switch as pygnmi sees it, a client that knows nothing of raddle."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raddle.nos.farm import SwitchFarm
from raddle.nos.switch import BootConfig

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pygnmi") is None, reason="pygnmi is not installed (pip install pygnmi)"
)

BOOT_ROUTE = {"default|10.9.0.0/16": {"nexthop": "172.16.0.1", "ifname": "Ethernet8"}}
CONFIG: dict[str, Any] = {
    "PORT": {
        f"Ethernet{8 * number}": {"lanes": str(number), "speed": "100000", "admin_status": "up"}
        for number in (1, 2)
    },
    "INTERFACE": {
        "Ethernet8": {},
        "Ethernet8|172.16.0.0/31": {},
        "Ethernet16": {},
        "Ethernet16|172.16.0.2/31": {},
    },
    "STATIC_ROUTE": BOOT_ROUTE,
}


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What the client's session printed."""
    script = Path(__file__).with_name("pygnmi_session.py")
    with SwitchFarm({"leaf0": BootConfig(CONFIG, {})}, {"leaf0": frozenset(CONFIG["PORT"])}) as farm:
        command = [sys.executable, str(script), farm.addresses["leaf0"]]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    # pygnmi prints refusals on stdout as well; the document is the last line.
    document: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return document


def test_capabilities_have_sonic_db_and_json_ietf(seen: dict[str, Any]) -> None:
    capabilities = seen["capabilities"]
    assert [model["name"] for model in capabilities["supported_models"]] == [
        "openconfig-interfaces",
        "sonic-db",
    ]
    assert "json_ietf" in capabilities["supported_encodings"]
    assert capabilities["gnmi_version"] == "0.7.0"


def test_a_route_is_added_changed_and_removed(seen: dict[str, Any]) -> None:
    key = "default|10.20.0.0/16"
    assert seen["boot"] == BOOT_ROUTE
    assert seen["update"] == BOOT_ROUTE | {key: {"nexthop": "172.16.0.1", "ifname": "Ethernet8"}}
    assert seen["replace"] == BOOT_ROUTE | {key: {"nexthop": "172.16.0.3", "ifname": "Ethernet16"}}
    assert seen["delete"] == BOOT_ROUTE


def test_a_refusal_reaches_the_client_in_words(seen: dict[str, Any]) -> None:
    assert "member 'PORTABC' not found" in seen["refusal"]


def test_once_and_poll_read_what_is_there(seen: dict[str, Any]) -> None:
    assert seen["once"] == ["172.16.0.1", "sync"]
    assert seen["poll"][0] == "172.16.0.1"
    assert seen["poll"][-1] == "172.16.0.0"


@pytest.mark.parametrize("mode", ["sample", "on_change"])
def test_a_stream_brings_a_change(seen: dict[str, Any], mode: str) -> None:
    assert seen[mode] == ["172.16.0.1", "172.16.0.0"]
