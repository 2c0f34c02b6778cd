"""A controller in a thread of the test, beside simulated switches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import raddle
from raddle.cli.desired_state import FileSource
from raddle.cli.options import PlanOptions
from raddle.controller.plan import make_plan
from raddle.controller.service.core import Controller
from raddle.controller.service.events import Event
from raddle.controller.service.settings import Settings
from raddle.controller.service.store import SqliteStore
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.spans import NOT_TRACED, Span
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.farm import SwitchFarm

WAIT_S = 120.0


@dataclass
class Running:
    """A controller that runs, the switches that it holds, and what it has told."""

    controller: Controller
    farm: SwitchFarm
    file: Path
    events: list[Event] = field(default_factory=list)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def wait_for(self, is_so: Callable[[], object], what: str) -> None:
        end_s = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < end_s, f"{what}: {[e.text for e in self.events[-5:]]}"
            time.sleep(0.01)

    def wait_until_in_sync(self) -> None:
        views = self.controller.switches.views
        self.wait_for(
            lambda: views and all(each.state == "in sync" and not each.is_due for each in views.values()),
            "not all are in sync",
        )

    def write(self, text: str) -> None:
        """Another fabric file."""
        self.file.write_text(text)

    def config(self, switch: str) -> dict[str, Any]:
        with GnmiClient(switch, self.farm.addresses[switch]) as client:
            return client.read_config()

    def next_hop_ports(self, switch: str) -> set[str]:
        routes = self.config(switch)["STATIC_ROUTE"].values()
        return {port for route in routes for port in route["ifname"].split(",")}


def write(text: str, file: Path) -> Path:
    file.write_text(text)
    return file


@contextmanager
def switches(text: str, folder: Path) -> Iterator[tuple[SwitchFarm, Path, Path]]:
    """Switches of a fabric that nobody has programmed; its file and the inventory."""
    file, inventory = write(text, folder / "pod.yaml"), folder / "where.json"
    fabric = raddle.load(file)
    with switch_farm(fabric, make_plan(fabric, "ecmp")) as farm:
        Inventory(fabric.name, farm.addresses).save(inventory)
        yield farm, file, inventory


@contextmanager
def controlled(
    farm: SwitchFarm,
    file: Path,
    settings: Settings,
    jobs: Path | None = None,
    spans: Span = NOT_TRACED,
) -> Iterator[Running]:
    """A controller of these switches, once they are all as planned."""
    store = SqliteStore(file.parent / "store.db")
    controller = Controller(
        store, FileSource(str(file), PlanOptions(), jobs_file=jobs), settings, spans=spans
    )
    running = Running(controller, farm, file)
    controller.bus.hear(running.events.append)
    thread = threading.Thread(target=controller.run)
    thread.start()
    try:
        running.wait_for(lambda: controller.revision and controller.records.work is None, "no revision")
        yield running
    finally:
        controller.stop()
        thread.join(WAIT_S)
        store.close()
        assert not thread.is_alive()


@contextmanager
def held(text: str, folder: Path, **settings: Any) -> Iterator[Running]:
    """Switches of a fabric and their controller, once all are as planned."""
    with (
        switches(text, folder) as (farm, file, inventory),
        controlled(farm, file, Settings(inventory, **settings)) as running,
    ):
        running.wait_until_in_sync()
        yield running
