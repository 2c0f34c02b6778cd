"""An Open vSwitch of the sandbox's own, and its switches under our OpenFlow controller."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.openflow.drift import Installed
from raddle.controller.southbound.openflow.driver import OpenFlowController
from raddle.controller.southbound.openflow.tables import (
    OWN_HASH,
    Tables,
    datapath_id,
    queues_of,
    switch_tables,
)
from raddle.lab.emulation.dataplane import PortEvent
from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.logs import OPEN_VSWITCH as _FOLDER
from raddle.lab.emulation.network import Network, OpenFlowTarget, UserSpaceSwitch
from raddle.lab.emulation.parts import Parts
from raddle.lab.emulation.programs import run
from raddle.topology.model import PortRef

_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
_CONNECT_S = 30.0

T = TypeVar("T")


class OpenVSwitch:
    """A `Dataplane` of Open vSwitch bridges."""

    hash_note = OWN_HASH

    def __init__(self, layout: Layout, on_port: PortEvent) -> None:
        self.title = _start_daemons()
        self._layout = layout
        self._macs = neighbour_macs(layout.plan)
        self._parts = Parts(self._tables)
        self._held: dict[str, Installed] = {}
        self._changed: dict[str, Tables] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        names = {datapath_id(switch): switch.name for switch in layout.plan.switches}

        def hear(switch: str, number: int, is_live: bool) -> None:
            port = layout.ports.get((switch, number))
            if port:
                on_port(port, is_live)

        self._controller = OpenFlowController(names, port=0, on_port=hear)
        self._wait(self._controller.__aenter__())
        UserSpaceSwitch.setup()
        self.network = Network(layout, UserSpaceSwitch, is_spliced=False)
        self.network.start([OpenFlowTarget(self._controller.port)])
        self._wait(self._controller.connected(_CONNECT_S))
        self._queues = {
            switch.name: self._wait(self._controller.has_queues(switch.name, queues_of(switch)))
            for switch in layout.plan.switches
        }

    def push(self, plan: Plan) -> int:
        self._parts.prepare(plan)
        wanted = {switch.name: self._parts.of(switch) for switch in plan.switches}
        sent = self._wait(self._controller.push(wanted))
        self._changed = wanted
        self.read_back()
        self._parts.hold(plan)
        return sum(sent.values())

    def prepare(self, plan: Plan) -> None:
        self._parts.prepare(plan)

    def repair(self, plan: Plan) -> None:
        wanted = {switch.name: self._parts.of(switch) for switch in self._parts.changed(plan)}
        self._held |= self._wait(self._controller.change(self._held, wanted))
        self._changed |= wanted
        self._parts.hold(plan)

    def read_back(self) -> None:
        wanted, self._changed = self._changed, {}
        self._held |= self._wait(self._controller.read_back(wanted))

    def _tables(self, switch: SwitchPlan) -> Tables:
        return switch_tables(switch, self._macs, self._queues[switch.name], has_selection_method=True)

    def sent_frames(self) -> dict[PortRef, int]:
        counts = {}
        for switch in self._layout.switches:
            for number, frames in self._wait(self._controller.sent_frames(switch)).items():
                port = self._layout.ports.get((switch, number))
                if port:
                    counts[port] = frames
        return counts

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _start_daemons() -> str:
    """Start ovsdb-server and ovs-vswitchd; returns name and version."""
    _FOLDER.mkdir(parents=True)
    database, socket = _FOLDER / "conf.db", f"unix:{_FOLDER}/db.sock"
    run(["ovsdb-tool", "create", str(database), str(_SCHEMA)])
    _start("ovsdb-server", str(database), f"--remote=p{socket}")
    run(["ovs-vsctl", "--timeout=10", "--retry", "--no-wait", "init"])
    version = run(["ovs-vswitchd", "--version"]).split()[3]
    _start("ovs-vswitchd", socket, "--disable-system")
    return f"Open vSwitch {version} (user-space datapath)"


def _start(name: str, *words: str) -> None:
    """Run a daemon for as long as the sandbox."""
    with (_FOLDER / f"{name}.log").open("wb") as log:
        subprocess.Popen([name, *words, f"--unixctl={_FOLDER}/{name}.ctl"], stdout=log, stderr=log)
