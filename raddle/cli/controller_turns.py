"""One controller with its doors open; and several that share an etcd, of which one leads at a time."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from raddle.controller.api.monitor import Metrics, Monitor, ill, process_metrics
from raddle.controller.api.roles import Role
from raddle.controller.api.server import ApiServer, ServerTls
from raddle.controller.service.core import Controller
from raddle.controller.service.desired import Planner
from raddle.controller.service.etcd import LEASE_S, EtcdStore, Leadership
from raddle.controller.service.events import Bus, Event
from raddle.controller.service.records import Records
from raddle.controller.service.settings import Settings
from raddle.controller.service.store import StoreError
from raddle.controller.spans import Span
from raddle.errors import InputError
from raddle.inventory import load_inventory


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the API and the metrics are served, and to whom."""

    listen: str
    metrics: str
    tls: ServerTls | None
    roles: Mapping[str, Role]


def serve(controller: Controller, doors: Doors, problem: Callable[[], str] = lambda: "") -> None:
    """Run a controller, and serve its API and metrics meanwhile.

    Args:
        problem: of its lead; empty while there is none.
    """
    counted = Metrics(controller)
    with (
        ApiServer(controller, doors.listen, doors.tls, doors.roles) as api,
        Monitor(lambda: ill(controller) or problem(), counted.text, doors.metrics) as http,
    ):
        where = f"API at {api.address}, metrics at http://{http.address}/metrics"
        controller.run(partial(print, where, file=sys.stderr, flush=True))


def settle_objects(event: Event) -> None:
    """After an update or a repair, look through what it has made for garbage, and never again for what stays.

    Else Python does that when there is enough of it, for 0.1 s in the middle of a later repair.
    """
    if event.seconds and event.kind in ("update", "repair"):
        if event.kind == "update":
            gc.unfreeze()
        gc.collect()
        gc.freeze()


def run_in_turn(
    store: EtcdStore, planner: Planner, settings: Settings, doors: Doors, bus: Bus, spans: Span
) -> None:
    """Stand by until this controller leads, lead until the lead is lost, and so on until SIGTERM.

    Raises:
        InputError: it could not lead as it starts; later it stands by again, and others lead.
    """
    hindrance = partial(_hindrance, Records(store), settings.inventory, [])
    load_inventory(settings.inventory)
    over, lost = threading.Event(), threading.Event()
    leading: list[Controller] = []

    def stop() -> None:
        lost.set()
        for controller in leading:
            controller.stop()

    def end() -> None:
        over.set()
        stop()

    def reload() -> None:
        for controller in leading:
            controller.reload()

    hear_signals(end, reload)
    who = f"{socket.gethostname()}:{os.getpid()}"
    has_stood_by, failure = False, ""

    def tell(text: str) -> None:
        nonlocal has_stood_by
        has_stood_by = True
        bus.tell("state", text)

    while not over.is_set():
        lost.clear()
        leadership = Leadership(store, who, stop)
        with _standing_by(partial(_worry, leadership, failure), doors.metrics, bus):
            leads = leadership.wait(over.is_set, tell, hindrance)
        if not leads:
            return
        failure = ""
        with leadership:
            bus.tell("state", f"leads, term {store.term}")
            controller = Controller(store, planner, settings, bus, store.term, spans)
            leading[:] = [controller]
            if over.is_set() or lost.is_set():  # heard before there was one to stop
                controller.stop()
            try:
                serve(controller, doors, partial(_worry, leadership))
            except StoreError as error:
                bus.tell("problem", str(error).partition("\n")[0])
            except InputError as error:
                if not has_stood_by:
                    raise
                failure = f"could not lead: {error.diagnostics[0].message}"
                bus.tell("problem", failure)
            finally:
                leading.clear()
        bus.tell("state", "does not lead any more")
        if failure:  # others first
            over.wait(LEASE_S)


def _worry(leadership: Leadership, failure: str = "") -> str:
    return leadership.problem or failure


def _hindrance(records: Records, inventory: Path, fabrics: list[str]) -> str:
    """Why a controller with this inventory could not lead; empty where it could.

    Args:
        fabrics: whose switches are held, as soon as that is known.

    Raises:
        StoreError: the store does not answer.
    """
    try:
        own = load_inventory(inventory).fabric
    except InputError as error:
        return error.diagnostics[0].message
    if not fabrics and (revision := records.revision(records.desired)):
        fabrics.append(records.plan(revision).plan.fabric)
    if fabrics and own != fabrics[0]:
        return f"'{inventory}' is the inventory of '{own}', and the store is of '{fabrics[0]}'"
    return ""


@contextmanager
def _standing_by(problem: Callable[[], str], address: str, bus: Bus) -> Iterator[None]:
    """Answer that all is well while the store is, unless the leader is on this machine and has the port."""
    try:
        monitor = Monitor(problem, process_metrics, address)
    except InputError as error:
        bus.tell("state", f"stands by without /healthz: {error.diagnostics[0].message}")
        yield
        return
    with monitor:
        yield


def hear_signals(end: Callable[[], object], reload: Callable[[], object]) -> None:
    """SIGTERM and Ctrl-C end, SIGHUP reads again."""

    def on_end(number: int, frame: FrameType | None) -> None:
        end()

    def on_reload(number: int, frame: FrameType | None) -> None:
        reload()

    signal.signal(signal.SIGTERM, on_end)
    signal.signal(signal.SIGINT, on_end)
    signal.signal(signal.SIGHUP, on_reload)
