"""A pod grows and shrinks under traffic; at each step what `verify --from` said is what happens.

8 leaves; two are added, one is drained, one is removed, a spine is added. Without a reservation the spines
whose buffer pools have to change are once drained, booted from their new config_db.json and taken back, one
after the other; within one no switch is booted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from raddle.cli.apply import apply
from raddle.cli.plan import plan
from raddle.cli.render import render
from raddle.cli.status import status
from raddle.cli.verify import verify
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.model import SwitchPlan
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.farm import SwitchFarm
from raddle.sim import FLOW_STATUS, Simulation
from raddle.topology import load
from raddle.topology.model import Fabric
from raddle.workload import Schedule, Sent

APP = typer.Typer()
for command in (plan, verify, apply, status, render):
    APP.command()(command)

HOSTS = 16
"""Hosts of the first 8 leaves, two on each; every one sends to every other throughout."""
US = 10**6
PACE_PS = 5 * US
"""Simulated time between two changes of switches: packets of before the last one have left by then."""
LOOK_PS = 60 * US
"""Time after a step in which every pair that is reached completes messages."""
MESSAGE_BYTES = 16 << 10
MESSAGES = 2000


@dataclass(frozen=True)
class Pod:
    """The fabric file at one moment of the story."""

    leaves: int = 8
    spines: int = 4
    drain: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    room: str = ""

    def text(self) -> str:
        return (
            f"raddle: 1\nname: pod\nrecord: record.json\n{self.room}"
            f"fabric: {{leaves: {{count: {self.leaves}}}, spines: {{count: {self.spines}}}}}\n"
            "hosts: {per_leaf: 2}\n"
            f"overrides: {{drain: [{', '.join(self.drain)}], absent: [{', '.join(self.absent)}]}}\n"
        )


STORY = (
    Pod(),
    Pod(leaves=10),
    Pod(leaves=10, drain=("leaf3",)),
    Pod(leaves=10, absent=("leaf3",)),
    Pod(leaves=10, spines=5, absent=("leaf3",)),
)
ROOM = "reserve: {leaves: 12, spines: 6}\n"


def run(*words: str, codes: tuple[int, ...] = (0,)) -> str:
    """The standard output of a command of raddle."""
    result = CliRunner().invoke(APP, list(words))
    assert result.exit_code in codes, f"{words}: {result.exit_code}\n{result.output}"
    return result.stdout


def everybody_to_everybody() -> Schedule:
    """All pairs at once, message after message."""
    pairs = [(a, b) for a in range(HOSTS) for b in range(HOSTS) if a != b]
    qp = np.tile(np.arange(len(pairs), dtype=np.int32), MESSAGES)
    src, dst = np.array(pairs, np.int32)[qp].T.copy()
    flows = len(qp)
    zeros = np.zeros(flows, np.int32)
    return Schedule(
        "all to all", HOSTS, src, dst, np.full(flows, MESSAGE_BYTES, np.int64), zeros, qp,
        np.zeros(flows + 1, np.int64), np.zeros(0, np.int32), zeros, zeros, zeros.astype(np.int8), zeros,
        np.zeros(0, np.int64),
    )  # fmt: skip


class Traffic:
    """Traffic on a farm's switches: each change of one takes effect at an instant of its own."""

    def __init__(self, fabric: Fabric, farm: SwitchFarm) -> None:
        self._farm = farm
        self._states = {name: switch.state() for name, switch in farm.switches.items()}
        sent = Sent.between(everybody_to_everybody(), np.arange(HOSTS, dtype=np.int32))
        self._qp, self._pairs = sent.schedule.qp, list(zip(sent.qp_src, sent.qp_dst, strict=True))
        self._simulation = Simulation(
            fabric, np.array(endpoint_addresses(fabric), np.uint32), self._states, sent, 1
        )

    def changed(self, name: str) -> None:
        state = self._farm.switches[name].state()
        if state != self._states[name]:
            self._pass(PACE_PS)
            self._states[name] = state
            self._simulation.set_switch(name, state)

    def _pass(self, time_ps: int) -> None:
        self._simulation.advance(self._simulation.now_ps + time_ps)
        assert not self._simulation.is_done

    def dropped(self) -> np.ndarray:
        """Packets dropped of each pair so far."""
        return self._simulation.qps().drops.astype(np.int64)

    def losing(self, before: np.ndarray) -> set[tuple[int, int]]:
        return {self._pairs[qp] for qp in np.flatnonzero(self.dropped() > before)}

    def moving(self) -> set[tuple[int, int]]:
        """The pairs that complete messages as things stand."""
        done = self._done()
        self._pass(LOOK_PS)
        return {self._pairs[qp] for qp in np.flatnonzero(self._done() > done)}

    def _done(self) -> np.ndarray:
        is_done = self._simulation.flows().status == FLOW_STATUS.index("done")
        return np.bincount(self._qp[is_done], minlength=len(self._pairs))


@dataclass
class Lab:
    """The switches of all that ever joins the pod, and its operator's folder.

    Attributes:
        plans: plans made so far; the last one's file is `plan`.
        waiting: by switch, what only a new config_db.json brings.
    """

    folder: Path
    farm: SwitchFarm
    pod: Pod
    traffic: Traffic = field(init=False)
    plans: int = 0
    waiting: dict[str, list[str]] = field(default_factory=dict)

    @property
    def plan(self) -> str:
        return str(self.folder / f"plan{self.plans}.json")

    def take(self, pod: Pod) -> None:
        """The operator writes the fabric file, and holds its plan."""
        self.pod = pod
        self.plans += 1
        write_plan(self.folder, pod, self.plan)

    def raddle(self, command: str, *words: str) -> Any:
        """What a command prints in JSON; exit code 1 says that there is something to do."""
        told = run(
            command, str(self.folder / "fabric.yaml"), "--plan", self.plan, *words, "--json", codes=(0, 1)
        )
        return json.loads(told)

    def apply(self) -> dict[str, Any]:
        results = self.raddle("apply", "--inventory", str(self.folder / "inventory.json"))["switches"]
        return {each["switch"]: each for each in results}

    def routes(self) -> dict[tuple[str, str], Any]:
        return {
            (name, prefix): route
            for name, switch in self.farm.switches.items()
            for prefix, route in switch.databases.config.get("STATIC_ROUTE", {}).items()
        }

    def step(self, pod: Pod, cut: frozenset[int] = frozenset()) -> dict[str, Any]:
        """Verify the update, apply it, and compare what happens; returns what `verify --from` said.

        Args:
            cut: hosts that reach and are reached by nobody but each other from here on.
        """
        old = self.plan
        self.take(pod)
        said = self.raddle("verify", "--from", old, "--failures", "0")
        update = said["update"]
        self._announced(old, said)
        before, dropped = self.routes(), self.traffic.dropped()
        results, after = self.apply(), self.routes()
        assert not [each["error"] for each in results.values() if each["error"]]
        # As many routes change as it said, and what no Set brings is left where it said.
        assert update["writes"] == sum(before.get(key) != after.get(key) for key in before | after)
        self.waiting |= {name: each["paths"] for name, each in update["reloads"].items()}
        assert {
            name: each["bootstrap"] for name, each in results.items() if each["bootstrap"]
        } == self.waiting
        assert not any(each["flaps"] for each in [*results.values(), *update["reloads"].values()])
        assert all(each["state"] == "in sync" for name, each in results.items() if name not in self.waiting)
        # It said that nothing is lost: no packet is, but between those that it said are cut off.
        assert said["ok"]
        assert update["lost"] == update["looping"] == 0
        lost = {pair for pair in pairs() if len(cut & set(pair)) == 1}
        assert self.traffic.losing(dropped) <= lost
        assert self.traffic.moving() == pairs() - lost
        return said

    def _announced(self, old: str, said: dict[str, Any]) -> None:
        """`plan --diff` and `apply --dry-run` name `verify --from`'s reloads before anything is sent."""
        reloads = {name: each["paths"] for name, each in said["update"]["reloads"].items()}
        fabric = str(self.folder / "fabric.yaml")
        diff = json.loads(run("plan", fabric, "--routing", "ecmp", "--diff", old, "--json"))
        assert set(diff["outside_gnmi"]) <= set(said["outside"])
        assert sum("must boot from a new config_db.json" in each for each in diff["outside_gnmi"]) == bool(
            reloads
        )
        before = self.routes()
        dry = self.raddle("apply", "--inventory", str(self.folder / "inventory.json"), "--dry-run")[
            "switches"
        ]
        assert {
            each["switch"]: each["bootstrap"] for each in dry if each["bootstrap"]
        } == self.waiting | reloads
        assert self.routes() == before

    def boot(self, name: str) -> None:
        """Take the traffic off a spine, boot it from its new config_db.json, and give the traffic back."""
        pod = self.pod
        self.step(replace(pod, drain=(*pod.drain, name)))
        dropped = self.traffic.dropped()
        config = self.raddle("render", "--switch", name, "--format", "sonic", "--bootstrap")
        switch = self.farm.switches[name]
        switch.stage_config(config)
        switch.shut_down()
        assert not switch.start_up()
        del self.waiting[name]
        assert not self.apply()[name]["bootstrap"]
        assert not self.traffic.losing(dropped)
        self.step(pod)


def pairs() -> set[tuple[int, int]]:
    return {(a, b) for a in range(HOSTS) for b in range(HOSTS) if a != b}


def write_plan(folder: Path, pod: Pod, path: str) -> None:
    (folder / "fabric.yaml").write_text(pod.text())
    run("plan", str(folder / "fabric.yaml"), "--routing", "ecmp", "-o", path)


@contextmanager
def lab(folder: Path, ahead: Path, story: Sequence[Pod]) -> Iterator[Lab]:
    """Switches that boot from the plan in which they first appear; `ahead` is a folder to see what comes."""
    boots: dict[str, SwitchPlan] = {}
    for pod in story:
        write_plan(ahead, pod, str(ahead / "plan.json"))
        fabric = load(ahead / "fabric.yaml")
        boots = {each.name: each for each in make_plan(fabric, "ecmp").switches} | boots
    (ahead / "fabric.yaml").write_text(replace(story[-1], absent=()).text())
    whole = load(ahead / "fabric.yaml")
    planned = make_plan(whole, "ecmp")
    first = replace(planned, switches=tuple(boots[each.name] for each in planned.switches))
    with switch_farm(whole, first) as farm, ExitStack() as watched:
        Inventory("pod", dict(farm.addresses)).save(folder / "inventory.json")
        write_plan(folder, story[0], str(folder / "plan0.json"))
        found = Lab(folder, farm, story[0])
        assert all(each["state"] == "in sync" for each in found.apply().values() if each["address"])
        found.traffic = Traffic(whole, farm)
        for name, switch in farm.switches.items():
            watched.callback(switch.watch(partial(found.traffic.changed, name)))
        yield found


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    folder, ahead = tmp_path / "pod", tmp_path / "ahead"
    folder.mkdir()
    ahead.mkdir()
    return folder, ahead


def test_each_step_does_what_verify_said_of_it(folders: tuple[Path, Path]) -> None:
    with lab(*folders, STORY) as pod:
        assert pod.traffic.moving() == pairs()
        _, grown, drained, removed, widened = STORY

        said = pod.step(grown)
        assert said["update"]["joining"] == ["leaf8", "leaf9"]
        spines = [f"spine{number}" for number in range(4)]
        assert list(pod.waiting) == spines  # their pools hold headroom for two ports more
        for spine in spines:
            pod.boot(spine)

        hosts = frozenset({6, 7})
        said = pod.step(drained, hosts)
        assert said["cut_off"] == 2 * len(hosts) * (20 - len(hosts))

        said = pod.step(removed, hosts)
        assert said["update"]["leaving"] == ["leaf3"]
        assert said["endpoints"] == 18
        assert said["cut_off"] == 0
        assert pod.waiting == {}  # its ports keep their headroom

        said = pod.step(widened, hosts)
        assert said["update"]["joining"] == ["spine4"]
        leaves = [f"leaf{number}" for number in range(10) if number != 3]
        assert sorted(pod.waiting) == leaves


def test_within_a_reservation_every_step_comes_over_gnmi(folders: tuple[Path, Path]) -> None:
    story = [replace(pod, room=ROOM) for pod in STORY]
    with lab(*folders, story) as pod:
        assert pod.traffic.moving() == pairs()
        cut: frozenset[int] = frozenset()
        for step in story[1:]:
            cut = frozenset({6, 7}) if step.drain or step.absent else cut
            said = pod.step(step, cut)
            assert said["update"]["reloads"] == pod.waiting == {}
        assert said["update"]["joining"] == ["spine4"]
