"""The controller's systemd unit and container file: what they name is there, and starts a controller."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path

import pytest

import raddle
from raddle.controller.api.client import ControllerClient
from raddle.controller.plan import make_plan
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from tests.e2e.test_killed_controller import free_address
from tests.fabrics import leaf_spine

ROOT = Path(__file__).parents[2]
UNIT, CONTAINER = ROOT / "deploy/raddle-controller.service", ROOT / "deploy/Containerfile"
POD = leaf_spine(2, 2, 2, "routing: {policy: ecmp}\n")
METRICS = "127.0.0.1:50581"
WAIT_S = 120.0


def service() -> dict[str, str]:
    """What [Service] of the unit says."""
    unit = ConfigParser(delimiters=("=",), interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return dict(unit["Service"])


def instruction(word: str) -> str:
    [found] = re.findall(rf"^{word} (.*)$", CONTAINER.read_text(), re.MULTILINE)
    return str(found)


def test_systemd_finds_nothing_wrong_with_the_unit_and_something_with_a_broken_one(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here ('apt-get install systemd')")
    text = UNIT.read_text().replace("/usr/local/bin/raddle", sys.executable)
    for name, unit, finds in (
        ("good", text, False),
        ("bad", text.replace("ProtectHome=", "ProtectHoome="), True),
        ("gone", UNIT.read_text().replace("/usr/local/bin/raddle", "/no/such/raddle"), True),
    ):
        file = tmp_path / f"{name}.service"
        file.write_text(unit)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True, check=False
        )
        assert bool(done.stdout + done.stderr) is finds, done.stderr


def test_unit_and_container_start_the_same_command_and_ask_after_it_where_it_listens() -> None:
    entry = json.loads(instruction("ENTRYPOINT"))
    assert shlex.split(service()["ExecStart"])[1:] == entry[1:]
    assert METRICS in instruction("HEALTHCHECK")
    # Where both keep what they write, and who may.
    assert service()["StateDirectory"] == Path(instruction("VOLUME")).name
    assert service()["User"] == instruction("USER")


@contextmanager
def started(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    """The unit's command beside switches, with its two folders here and ports of its own."""
    fabric = raddle.loads(POD)
    (folder / "fabric").mkdir()
    (folder / "fabric/pod.yaml").write_text(POD)
    with switch_farm(fabric, make_plan(fabric, "ecmp")) as farm:
        Inventory(fabric.name, farm.addresses).save(folder / "inventory.json")
        said = (
            service()["ExecStart"].replace("/var/lib/raddle", str(folder)).replace("/etc/raddle", str(folder))
        )
        api, metrics = free_address(), free_address()
        words = [sys.executable, "-m", *shlex.split(said.replace("/usr/local/bin/", ""))]
        words += ["--listen", api, "--metrics", metrics]
        log = folder / "log"
        with log.open("wb") as file, subprocess.Popen(words, stderr=file, cwd=folder) as process:
            try:
                yield process, api, metrics
            finally:
                process.kill()


def test_what_the_unit_starts_is_well_reloads_and_ends_as_systemd_asks(tmp_path: Path) -> None:
    python, *rest = json.loads(instruction("HEALTHCHECK").removeprefix("CMD "))
    assert python == "python3"
    with started(tmp_path) as (process, api, metrics):
        asked = [sys.executable, *(word.replace(METRICS, metrics) for word in rest)]
        end_s = time.monotonic() + WAIT_S
        while subprocess.run(asked, stderr=subprocess.DEVNULL, check=False).returncode:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < end_s, "never well"
            time.sleep(0.1)
        assert service()["ExecReload"] == "/bin/kill -HUP $MAINPID"
        with ControllerClient(api) as client:
            while client.status().revision != 1:
                time.sleep(0.1)
            process.send_signal(signal.SIGHUP)
            while len(client.history()) < 2:
                assert time.monotonic() < end_s, "not read again"
                time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    assert {"inventory.controller.db"} <= {path.name for path in tmp_path.iterdir()}
    assert all(json.loads(line)["kind"] for line in (tmp_path / "log").read_text().splitlines()[1:])
