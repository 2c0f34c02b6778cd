"""The fabric's switches as BMv2 processes with our P4 program, under our P4Runtime driver."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from finsy.proto import p4r
from mininet.node import Switch

from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.p4runtime.driver import change_p4, push_p4, see_p4
from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, schema_of
from raddle.controller.southbound.p4runtime.session import P4Session
from raddle.controller.southbound.p4runtime.target import P4Target, p4_target
from raddle.errors import UnreachableError
from raddle.lab.emulation.carriers import CarrierWatch, PortRegister
from raddle.lab.emulation.dataplane import PortEvent
from raddle.lab.emulation.layout import Layout
from raddle.lab.emulation.logs import SWITCH_LOGS
from raddle.lab.emulation.network import Network
from raddle.lab.emulation.parts import Parts
from raddle.lab.emulation.programs import run
from raddle.state import PRIORITIES
from raddle.topology.model import PortRef

_PROGRAM = "simple_switch_grpc"
_DEVICE_ID = 1
_CPU_PORT = 510
_GRPC_PORT, _THRIFT_PORT = 50_000, 40_000  # of the first switch; the sandbox has all ports to itself
_START_S = 30.0

_WEIGHTED = (
    "BMv2 has copies of a member with a weight, in an order of its own, so that flows find another member of "
    "the group than in the simulator"
)
T = TypeVar("T")


class Bmv2Switch(Switch):  # type: ignore[misc]
    """A simple_switch_grpc process without a program; `number` decides its TCP ports."""

    def __init__(self, name: str, **options: object) -> None:
        super().__init__(name, **options)
        self.number = int(self.dpid, 16) & 0xFFFF
        self.address = f"127.0.0.1:{_GRPC_PORT + self.number}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, controllers: object) -> None:
        words = [_PROGRAM, "--no-p4", "--device-id", str(_DEVICE_ID), "--log-console", "--log-level", "info"]
        known = run([_PROGRAM, "--help"])
        if "--thrift-port" in known:  # only of a build with Thrift; switches share a network namespace
            words += ["--thrift-port", str(_THRIFT_PORT + self.number)]
        if "--notifications-addr" in known:  # only of a build with nanomsg
            words += ["--notifications-addr", f"ipc:///run/{self.name}.ipc"]
        for port, interface in sorted(self.intfs.items()):
            if interface.name != "lo":
                words += ["-i", f"{port}@{interface.name}"]
        words += ["--", "--grpc-server-addr", self.address, "--cpu-port", str(_CPU_PORT)]
        words += ["--priority-queues", str(PRIORITIES)]
        with open(SWITCH_LOGS / f"{self.name}.log", "wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)


class Bmv2:
    """A `Dataplane` of BMv2 switches. P4Runtime tells nothing of ports: the kernel does, of their own."""

    def __init__(self, layout: Layout, on_port: PortEvent, on_end: Callable[[Exception], None]) -> None:
        self.title = f"BMv2 {run([_PROGRAM, '--version']).strip()}"
        self._layout = layout
        self.hash_note = _WEIGHTED if layout.plan.weights else ""
        schema = schema_of(fabric_pipeline())
        self._counters = schema.counters["port_tx"].id
        self.network = Network(layout, Bmv2Switch, is_spliced=True)
        self.network.start()
        switches = {name: self.network.host(name) for name in layout.switches}
        for switch in switches.values():
            _await_listening(switch)
        self._sessions = {
            name: P4Session(name, switch.address, _DEVICE_ID) for name, switch in switches.items()
        }
        self._macs = neighbour_macs(layout.plan)
        self._parts = Parts(self._target)
        self._held: dict[str, P4Target] = {}
        self._changed: set[str] = set()
        self._pool = ThreadPoolExecutor()
        self._registers = {
            name: PortRegister(session, schema, _numbers(layout, name))
            for name, session in self._sessions.items()
        }
        self._is_programmed = False

        def hear(interface: str, is_live: bool) -> None:
            """First the switch itself, as by its own port event, then the controller."""
            port = layout.interfaces[interface]
            if self._is_programmed:
                self._registers[port.device].set(interface, is_live)
            on_port(port, is_live)

        watch = CarrierWatch(frozenset(layout.interfaces), hear, on_end)
        watch.start()

    def push(self, plan: Plan) -> int:
        self._parts.prepare(plan)
        targets = {switch.name: self._parts.of(switch) for switch in plan.switches}

        def program(name: str, session: P4Session) -> int:
            return push_p4(session, targets[name], may_replace=True)

        writes = sum(self._everywhere(list(targets), program).values())
        self._held = targets
        self._parts.hold(plan)
        self._is_programmed = True
        return writes

    def prepare(self, plan: Plan) -> None:
        self._parts.prepare(plan)

    def repair(self, plan: Plan) -> None:
        targets = {switch.name: self._parts.of(switch) for switch in self._parts.changed(plan)}

        def change(name: str, session: P4Session) -> None:
            change_p4(session, self._held[name], targets[name])

        self._everywhere(list(targets), change)
        self._held |= targets
        self._changed |= targets.keys()
        self._parts.hold(plan)

    def read_back(self) -> None:
        def look(name: str, session: P4Session) -> None:
            see_p4(session, self._held[name])

        changed, self._changed = sorted(self._changed), set()
        self._everywhere(changed, look)

    def _target(self, switch: SwitchPlan) -> P4Target:
        # BMv2 looks at its ports every 200 ms, later than the controller acts, and divides by zero when
        # all ports of a group are down.
        return p4_target(switch, self._macs, is_watching=False)

    def sent_frames(self) -> dict[PortRef, int]:
        wanted = p4r.Entity(counter_entry=p4r.CounterEntry(counter_id=self._counters))

        def read(name: str, session: P4Session) -> dict[PortRef, int]:
            cells = (each.counter_entry for each in session.read([wanted]))
            numbers = {cell.index.index: cell.data.packet_count for cell in cells}
            ports = {port: number for port, number in self._layout.numbers.items() if port.device == name}
            return {port: numbers.get(number, 0) for port, number in ports.items()}

        found = self._everywhere(list(self._sessions), read)
        return {port: count for counts in found.values() for port, count in counts.items()}

    def _everywhere(self, names: Sequence[str], work: Callable[[str, P4Session], T]) -> dict[str, T]:
        """Work on switches at the same time, each in its session."""
        results = self._pool.map(work, names, [self._sessions[name] for name in names])
        return dict(zip(names, results, strict=True))


def _numbers(layout: Layout, switch: str) -> dict[str, int]:
    """Port numbers of a switch by the names of their interfaces."""
    return {name: layout.numbers[port] for name, port in layout.interfaces.items() if port.device == switch}


def _await_listening(switch: Bmv2Switch) -> None:
    end = time.monotonic() + _START_S
    host, _, port = switch.address.partition(":")
    while time.monotonic() < end and switch.process and switch.process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.05)
    with open(SWITCH_LOGS / f"{switch.name}.log", errors="replace") as log:
        said = log.read().strip().splitlines()[-1:]
    raise UnreachableError(f"{switch.name}: {_PROGRAM} does not answer at {switch.address}: {''.join(said)}")
