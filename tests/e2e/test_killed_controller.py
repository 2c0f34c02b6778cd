"""The controller or a switch ends at any moment: the update finishes once, and the log tells of it.

`scripts/kill-controller N` does it N times.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import raddle
from raddle.controller.api.client import ControllerClient, ControllerError
from raddle.controller.plan import make_plan
from raddle.controller.service.records import Records
from raddle.controller.service.store import SqliteStore
from raddle.controller.southbound.sonic.tables import intended
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.farm import SwitchFarm
from tests.e2e.test_killed_apply import CONTEXT, STATES, Child, Configs, Told, held, neither

KILLS = int(os.environ.get("RADDLE_KILLS", "20"))
CONTEXT.set_forkserver_preload(["raddle.cli.main", "raddle.cli.apply", "raddle.cli.controller"])
WAIT_S = 180.0


def test_an_update_whose_controller_or_switch_ends_is_finished_by_the_next(tmp_path: Path) -> None:
    file, inventory = tmp_path / "pod.yaml", tmp_path / "where.json"
    plans = [make_plan(raddle.loads(text), "ecmp") for text in STATES]
    finals: list[Configs] = [{each.name: intended(each) for each in plan.switches} for plan in plans]
    random_ = random.Random(11)
    file.write_text(STATES[0])
    with switch_farm(raddle.loads(STATES[0]), plans[0]) as farm:
        Inventory("pod", farm.addresses).save(inventory)
        trials = Trials(farm, file, inventory)
        trials.start()
        told = Told(farm)
        trials.order(STATES[1]).wait()
        most, now = told.count, 1
        for number in range(KILLS):
            old, new = finals[now], finals[1 - now]
            told.count, point = 0, random_.randrange(most)
            update = trials.order(STATES[1 - now])
            while update.is_under_way and told.count < point:
                told.event.wait(0.005)
            time.sleep(random_.uniform(0, 0.01))
            has_ended = number % 4 == 3
            if has_ended:
                trials.end_switch(random_.choice(["leaf2", "spine0"]))
            else:
                trials.kill(update)
            found = held_by_those_that_answer(farm)
            assert list(neither(found, old, new, may_be_repaired=has_ended)) == [], f"trial {number}"
            trials.halfway += all(list(neither(found, each, each)) for each in (old, new))
            trials.resume()
            update.wait()
            now = 1 - now if trials.took_place else now
            assert list(neither(held(farm.addresses), finals[now], finals[now])) == []
        trials.check_log()
        trials.finish()
    print(
        f"{trials.killed} of {KILLS} killed under way, {trials.halfway} of all between old and new, "
        f"{trials.finished} updates finished by the next controller, the slowest start of one took "
        f"{trials.slowest_s:.1f} s"
    )
    assert trials.killed >= KILLS // 3
    assert trials.finished >= KILLS // 10


class Order:
    """An apply, asked for in a thread; whoever asks may be left without an answer."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    @property
    def is_under_way(self) -> bool:
        return self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join(WAIT_S)

    def _ask(self) -> None:
        with suppress(ControllerError), ControllerClient(self._address) as client:
            client.apply()


class Trials:
    """A controller of a farm's switches, started anew whenever it was killed."""

    def __init__(self, farm: SwitchFarm, file: Path, inventory: Path) -> None:
        self._farm, self._file = farm, file
        self._address, metrics = free_address(), free_address()
        self._words = [
            "controller", "run", str(file), "--inventory", str(inventory),
            "--listen", self._address, "--metrics", metrics,
        ]  # fmt: skip
        self._child: Child | None = None
        self._gone, self._was_left = "", False
        self._store = inventory.with_suffix(".controller.db")
        self._count = 0
        self.killed = self.halfway = self.finished = 0
        self.slowest_s = 0.0

    def start(self) -> None:
        code = (
            "import os, sys\nsys.stdout = sys.stderr = open(os.devnull, 'w')\n"
            f"from raddle.cli.main import app\napp({self._words!r}, standalone_mode=False)"
        )
        self._child = CONTEXT.Process(target=exec, args=(code, {}))
        self._child.start()
        self._settle()

    def order(self, text: str) -> Order:
        """Have the fabric file changed, and applied."""
        self._count = len(self._outcomes())
        self._file.write_text(text)
        return Order(self._address)

    def kill(self, update: Order) -> None:
        assert self._child
        self.killed += update.is_under_way
        self._child.kill()
        self._child.join()
        with closing(SqliteStore(self._store)) as store:
            self._was_left = Records(store).work is not None
        assert self._child.exitcode == -signal.SIGKILL
        self._child = None
        update.wait()

    def end_switch(self, name: str) -> None:
        self._farm.switches[name].shut_down()
        self._gone = name

    def resume(self) -> None:
        """Start what has ended, and wait until nothing is under way and all is as planned."""
        start_s = time.monotonic()
        if self._gone:
            self._farm.switches[self._gone].start_up()
            self._gone = ""
        if self._child is None:
            self.start()
            self.slowest_s = max(self.slowest_s, time.monotonic() - start_s)
            self.finished += self._was_left
        self._settle()

    @property
    def took_place(self) -> bool:
        """The order came in before the end, and its update was not taken back."""
        texts = list(self._outcomes().values())
        assert len(texts) <= self._count + 1
        return len(texts) > self._count and texts[-1].startswith("done")

    def check_log(self) -> None:
        """Each update begins once and ends once, in order, and its last is what the switches hold."""
        entries = self._log()
        begun = [each for each in entries if each["outcome"] == "begun"]
        ends = [each["began"] for each in entries if each["outcome"] != "begun"]
        assert sorted(ends) == sorted(each["number"] for each in begun)
        outcomes = self._outcomes()
        assert list(outcomes) == list(range(1, len(outcomes) + 1))
        assert all(text.startswith(("done", "taken back")) for text in outcomes.values()), outcomes

    def finish(self) -> None:
        assert self._child
        self._child.terminate()
        self._child.join(WAIT_S)
        assert self._child.exitcode == 0

    def _outcomes(self) -> dict[int, str]:
        with ControllerClient(self._address) as client:
            return {each.number: each.outcome for each in reversed(client.history())}

    def _log(self) -> list[dict[str, Any]]:
        with ControllerClient(self._address) as client:
            return [
                {name: getattr(each, name) for name in ("number", "what", "outcome", "began", "time")}
                for each in client.audit()
            ]

    def _settle(self) -> None:
        end_s = time.monotonic() + WAIT_S
        while True:
            assert self._child
            assert self._child.is_alive(), "the controller has ended"
            with suppress(ControllerError), ControllerClient(self._address) as client:
                found = client.status()
                are_well = all(each.state == "in sync" and each.is_connected for each in found.switches)
                # A switch that comes back is connected before all its links are told to be back.
                if are_well and found.revision and not found.under_way and not found.dead_links:
                    return
                assert time.monotonic() < end_s, found
            time.sleep(0.05)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def held_by_those_that_answer(farm: SwitchFarm) -> Configs:
    up = {name: farm.addresses[name] for name, switch in farm.switches.items() if not switch.is_booting}
    return held(up)
