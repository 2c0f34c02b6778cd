"""The controller that stays, with Open vSwitch: it mends drift, and leads around dead ports."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from raddle.cli.desired_state import FileSource
from raddle.cli.options import PlanOptions
from raddle.controller.plan import make_plan
from raddle.controller.service.core import Controller
from raddle.controller.service.settings import Settings
from raddle.controller.service.store import SqliteStore
from raddle.controller.southbound.openflow.tables import COOKIE
from raddle.nos.farm import _free_port as free_port
from raddle.topology import load
from tests.conformance.open_vswitch import DummySwitches, needs_open_vswitch
from tests.conformance.test_openflow_apply import openflow
from tests.fabrics import SMALL_POD

pytestmark = needs_open_vswitch


def wait_for(is_so: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end_s, what
        time.sleep(0.02)


def count(switches: DummySwitches) -> list[int]:
    """Flow entries of raddle on each switch; 0 where it does not answer."""

    def of(switch: str) -> int:
        try:
            return switches.flows(switch).count(f"cookie={COOKIE:#x},")
        except AssertionError:
            return 0

    return [of(name) for name in ("leaf0", "leaf1", "spine0", "spine1")]


def test_switches_that_speak_openflow_are_held_over_connections_that_stay(tmp_path: Path) -> None:
    file, inventory, port = tmp_path / "pod.yaml", tmp_path / "inventory.json", free_port()
    file.write_text(SMALL_POD + "routing: {policy: ecmp}\n")
    fabric = load(file)
    plan = make_plan(fabric, "ecmp")
    inventory.write_text(json.dumps(openflow(plan, port, wait_s=30)))
    switches, store = DummySwitches(tmp_path), SqliteStore(tmp_path / "store.db")
    controller = Controller(store, FileSource(str(file), PlanOptions()), Settings(inventory, sweep_s=1))
    kinds: list[str] = []
    controller.bus.hear(lambda event: kinds.append(event.kind))
    thread = threading.Thread(target=controller.run)
    try:
        switches.add(plan, f"tcp:127.0.0.1:{port}")
        thread.start()
        wait_for(lambda: controller.revision, "no first update")
        assert controller.revision.outcome == "done"
        assert all(each.state == "in sync" for each in controller.switches.views.values())

        link = next(each for each in fabric.links if each.b.device == "spine0")
        number = [each.name for each in plan.switches[0].ports].index(link.a.port) + 1
        assert link.a.device == plan.switches[0].name
        switches.set_port(link.a.device, number, "down")
        wait_for(lambda: "repair" in kinds, "no repair")
        assert controller.dead_links == (f"{link.a} - {link.b}",)
        switches.set_port(link.a.device, number, "up")
        wait_for(lambda: not controller.dead_links, "not back")

        done = controller.drain("ada", "", "spine1").result(60)
        assert done.outcome == "done"
        held = count(switches)
        switches.add_flow("leaf1", f"cookie={COOKIE},table=2,priority=500,udp,tp_dst=4791,actions=drop")
        wait_for(lambda: "mend" in kinds, "not mended")

        wait_for(lambda: count(switches) == held, "the entry is still there")
        switches.restart()
        wait_for(lambda: count(switches) == held, "a switch that has started again is not programmed")
        controller.undrain("ada", "", "spine1").result(60)
        wait_for(lambda: all(view.state == "in sync" for view in controller.switches.views.values()), "sync")
    finally:
        controller.stop()
        if thread.ident:
            thread.join(60)
        store.close()
        switches.stop()
