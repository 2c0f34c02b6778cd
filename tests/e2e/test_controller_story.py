"""A day with the controller, as README has it: a cable, a drain, a rollback, and an end in the middle."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.controller.api.client import ControllerClient
from raddle.inventory import load_inventory
from tests.e2e.test_killed_apply import held
from tests.e2e.test_killed_controller import free_address
from tests.fabrics import leaf_spine

POD = leaf_spine(3, 2, 2, "routing: {policy: ecmp}\n")
WAIT_S = 180.0


class Day:
    """Switches and their controller, each a process of its own, and how long things took."""

    def __init__(self, folder: Path) -> None:
        self.file, self.inventory = folder / "pod.yaml", folder / "where.json"
        self.file.write_text(POD)
        self.address, self._metrics = free_address(), free_address()
        self.took_s: dict[str, float] = {}
        self._controller: subprocess.Popen[bytes] | None = None

    @contextmanager
    def switches(self) -> Iterator[None]:
        words = ["up", str(self.file), "--inventory", str(self.inventory)]
        with subprocess.Popen([sys.executable, "-m", "raddle", *words], stdout=subprocess.DEVNULL) as process:
            try:
                self.wait(self.inventory.exists)
                yield
            finally:
                if self._controller:
                    self._controller.terminate()
                    self._controller.wait()
                process.terminate()

    def start_controller(self) -> None:
        words = ["controller", "run", str(self.file), "--inventory", str(self.inventory)]
        words += ["--listen", self.address, "--metrics", self._metrics]
        self._controller = subprocess.Popen(
            [sys.executable, "-m", "raddle", *words], stderr=subprocess.DEVNULL
        )
        with self.timed("all as planned after a start"):
            done = self.command("status", "--wait", f"{WAIT_S:g}")
            assert done.count("in sync") == 5, done

    def kill_controller(self) -> None:
        assert self._controller
        self._controller.send_signal(signal.SIGKILL)
        self._controller.wait()

    def command(self, *words: str) -> str:
        done = CliRunner().invoke(app, ["controller", *words, "--server", self.address])
        assert done.exit_code == 0, f"{done.output}\n{done.exception}"
        return done.stdout

    def cable(self, verb: str) -> None:
        words = ["switch", "leaf0", "cable", verb, "Ethernet16", "--inventory", str(self.inventory)]
        assert CliRunner().invoke(app, words).exit_code == 0

    def lost_flows(self) -> int:
        """Of an all-to-all over the running switches, as they forward at this moment."""
        words = ["bench", str(self.file), "--inventory", str(self.inventory), "--collective", "all_to_all"]
        done = CliRunner().invoke(app, [*words, "-b", "64K", "-e", "64K"])
        if done.exit_code == 0:
            return 0
        more = re.search(r"and (\d+) more flows", done.output)
        return done.output.count("no route") + int(more[1] if more else 0)

    def leaves_over(self, spine: str) -> set[str]:
        """Leaves whose routes lead to a spine."""
        port = {"spine0": "Ethernet16", "spine1": "Ethernet24"}[spine]
        return {
            name
            for name, config in held(load_inventory(self.inventory).addresses).items()
            if name.startswith("leaf")
            and any(port in route["ifname"].split(",") for route in config["STATIC_ROUTE"].values())
        }

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        start_s = time.monotonic()
        yield
        self.took_s[what] = time.monotonic() - start_s

    def wait(self, is_so: object) -> None:
        end_s = time.monotonic() + WAIT_S
        while not is_so():  # type: ignore[operator]
            assert time.monotonic() < end_s
            time.sleep(0.02)


def test_a_day_with_the_controller(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = Day(tmp_path)
    with day.switches():
        day.start_controller()
        with ControllerClient(day.address) as client:
            assert day.lost_flows() == 0

            # A cable is pulled. Where nobody repairs, what other leaves send by that spine is lost.
            client.pause("to see what a dead link does")
            day.cable("pull")
            assert day.lost_flows() > 0
            events = client.watch()
            with day.timed("traffic around a dead link"):
                client.resume()
                assert next(event for event in events if event.kind == "repair").seconds > 0
            assert day.lost_flows() == 0
            day.cable("plug")
            with day.timed("back on a link that has returned"):
                day.wait(lambda: not client.status().dead_links)
                assert next(event for event in events if event.kind == "repair").seconds > 0
            assert day.leaves_over("spine0") == {"leaf0", "leaf1", "leaf2"}

            # A spine is drained and taken back by going back.
            with day.timed("drain"):
                assert day.command("drain", "spine1") == "revision 2, drain spine1: done\n"
            assert day.leaves_over("spine1") == set()
            assert day.lost_flows() == 0
            with day.timed("rollback"):
                assert day.command("rollback", "1") == "revision 3, rollback to 1: done\n"
            assert day.leaves_over("spine1") == {"leaf0", "leaf1", "leaf2"}

            # The controller is killed with an update half done; the next one finishes it.
            with subprocess.Popen(
                [sys.executable, "-m", "raddle", "controller", "drain", "spine0", "--server", day.address],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            ) as order:  # fmt: skip
                day.wait(lambda: client.status().under_way)
                day.kill_controller()
                order.wait()
        with day.timed("an update finished by the next controller"):
            day.start_controller()
        assert day.command("status").splitlines()[1] == "drained: spine0"
        assert day.leaves_over("spine0") == set()
        assert day.lost_flows() == 0
        history = day.command("history").splitlines()
        assert [line.rpartition(": ")[2] for line in history] == ["done"] * 4
    with capsys.disabled():
        print()
        print(*(f"{spent_s:6.2f} s  {what}" for what, spent_s in day.took_s.items()), sep="\n")
