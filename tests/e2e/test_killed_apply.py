"""`raddle apply` killed at any moment: every entry is old or new, and the next apply finishes.

`scripts/kill-apply N` does it N times.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess as Child
from pathlib import Path
from typing import Any

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.tables import intended
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.farm import SwitchFarm
from tests.fabrics import leaf_spine

KILLS = int(os.environ.get("RADDLE_KILLS", "20"))
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["raddle.cli.main", "raddle.cli.apply"])
Configs = dict[str, dict[str, dict[str, dict[str, Any]]]]

TEXT = leaf_spine(3, more="routing: {policy: ecmp}\nroce: {ecn: {kmin: %dKB, kmax: 3200KB}}\n")
STATES = (TEXT % 700, TEXT % 900 + "overrides: {drain: [spine1]}\n")
"""What is applied in turns: ECN's thresholds and the routes of all leaves differ."""


def test_an_apply_that_is_killed_leaves_old_or_new_and_the_next_one_finishes(tmp_path: Path) -> None:
    random_ = random.Random(7)
    files = [tmp_path / f"state{number}.yaml" for number in (0, 1)]
    for file, text in zip(files, STATES, strict=True):
        file.write_text(text)
    plans = [make_plan(raddle.loads(text), "ecmp") for text in STATES]
    finals = [{switch.name: intended(switch) for switch in plan.switches} for plan in plans]
    inventory = tmp_path / "where.json"
    with switch_farm(raddle.loads(STATES[0]), plans[0]) as farm:
        Inventory("pod", farm.addresses).save(inventory)
        finish(files[0], inventory)
        told = Told(farm)
        finish(files[1], inventory)
        most = told.count
        killed, halfway = 0, 0
        for number in range(KILLS):
            old, new = finals[(number + 1) % 2], finals[number % 2]
            child = started(files[number % 2], inventory)
            told.count, point = 0, random_.randrange(most)
            while child.is_alive() and told.count < point:
                told.event.wait(0.01)
            time.sleep(random_.uniform(0, 0.01))
            child.kill()
            child.join()
            killed += child.exitcode == -signal.SIGKILL
            found = held(farm.addresses)
            assert list(neither(found, old, new)) == []
            halfway += all(list(neither(found, each, each)) for each in (old, new))
            finish(files[number % 2], inventory)
            assert list(neither(held(farm.addresses), new, new)) == []
    assert killed >= KILLS // 2, f"only {killed} of {KILLS} were killed before they had finished"
    assert halfway >= KILLS // 10, f"only {halfway} of {KILLS} were between old and new"
    print(f"{killed} of {KILLS} killed before the end, {halfway} of them between old and new")


class Told:
    """How often switches have changed."""

    def __init__(self, farm: SwitchFarm) -> None:
        self.count, self.event = 0, threading.Event()
        for switch in farm.switches.values():
            switch.watch(self._count)

    def _count(self) -> None:
        self.count += 1
        self.event.set()
        self.event.clear()


def started(file: Path, inventory: Path) -> Child:
    """`raddle apply` as a process of its own, made of one that has imported everything."""
    words = ["apply", str(file), "--inventory", str(inventory)]
    code = (
        "import os, sys\nsys.stdout = sys.stderr = open(os.devnull, 'w')\n"
        f"from raddle.cli.main import app\napp({words!r}, standalone_mode=False)"
    )
    child = CONTEXT.Process(target=exec, args=(code, {}))
    child.start()
    return child


def finish(file: Path, inventory: Path) -> None:
    child = started(file, inventory)
    child.join()
    assert child.exitcode == 0


def held(addresses: dict[str, str]) -> Configs:
    found = {}
    for name, address in addresses.items():
        with GnmiClient(name, address) as client:
            found[name] = client.read_config()
    return found


def neither(found: Configs, old: Configs, new: Configs, may_be_repaired: bool = False) -> Iterator[str]:
    """Fields of planned tables that are neither as they were nor as they are to be.

    A route may have both sides' next hops for a while, so that no moment is without one, and some of them
    where a controller may have led it around a switch that has ended.
    """
    for name in found:
        for table in old[name].keys() | new[name].keys():
            before, after, now = (each[name].get(table, {}) for each in (old, new, found))
            for key in before.keys() | after.keys() | (now.keys() if table == "STATIC_ROUTE" else set()):
                sides = [before.get(key), after.get(key)]
                row = now.get(key)
                if row in sides or (table == "STATIC_ROUTE" and row == bridged(*sides)):
                    continue
                if may_be_repaired and table == "STATIC_ROUTE" and row and hops_of(row) <= hops_of(*sides):
                    continue
                fields = (row or {}).keys() | (before.get(key) or {}).keys()
                mixed = row is not None and all(
                    row.get(field) in [(side or {}).get(field) for side in sides] for field in fields
                )
                if table == "STATIC_ROUTE" or not mixed:
                    yield f"{name} {table}|{key}: {row}"


def hops_of(*rows: dict[str, Any] | None) -> set[tuple[str, str]]:
    """Address and port of every next hop."""
    return {
        hop
        for row in rows
        if row
        for hop in zip(row["nexthop"].split(","), row["ifname"].split(","), strict=True)
    }


def bridged(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, str] | None:
    if not before or not after:
        return None
    return {field: f"{before[field]},{after[field]}" for field in ("nexthop", "ifname")}
