"""The controller that stays, in a process of its own beside simulated switches: its costs and its speed.

Usage: scripts/bench_controller [--cuts 50] [--seconds 60] [--only repair|stages|replan|power-on|idle]

- repair: cables of 8 switches are pulled one after the other; from the pull to the moment at which the last
  switch holds the new routes, and of that what the controller says it took, from hearing to reading back.
- stages: of that, until the controller hears of it, knows what to write, and the switches hold it.
- replan: CPU time of what each of some dead links of white-box-512 asks for.
- power-on: from the start of white-box-512's switches, unprogrammed, until all are verified.
- idle: 80 switches of 64 ports, watched; the controller's CPU time and memory.
"""

from __future__ import annotations

import argparse
import gc
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.nos import FABRIC
from raddle.cli.controller_turns import settle_objects
from raddle.cli.desired_state import FileSource
from raddle.cli.options import PlanOptions
from raddle.controller.api.client import ControllerClient, ControllerError
from raddle.controller.plan import make_plan
from raddle.controller.plan.backup import inner_links
from raddle.controller.plan.held import HeldPlan
from raddle.controller.service.core import Controller
from raddle.controller.service.desired import Desired
from raddle.controller.service.events import Bus
from raddle.controller.service.settings import Settings
from raddle.controller.service.store import SqliteStore
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.spans import Span
from raddle.inventory import Inventory, load_inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.farm import SwitchFarm
from raddle.topology import find, load
from raddle.topology.model import Fabric
from raddle.workload import Demand

_PID = re.compile(r"\((.*)\)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", choices=("repair", "stages", "replan", "power-on", "idle"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in (None, "repair"):
            measure_repair(folder, options.cuts)
        if options.only in (None, "stages"):
            measure_stages(folder, options.cuts)
        if options.only in (None, "replan"):
            measure_replan(100)
        if options.only in (None, "power-on"):
            measure_power_on(folder)
        if options.only in (None, "idle"):
            measure_idle(folder, options.seconds)


def measure_repair(folder: Path, cuts: int) -> None:
    file = find("leaf-spine-16")
    with running(folder, file) as (fabric, farm, client, pid):
        links = list(inner_links(fabric))
        events = client.watch()
        outside, inside = [], []
        before_s = cpu_s(pid)
        for number in range(cuts):
            link = fabric.links[links[number % len(links)]]
            end = link.a
            before = {name: switch.databases.config["STATIC_ROUTE"] for name, switch in farm.switches.items()}
            changed_s: list[float] = []

            def note(stamps: list[float] = changed_s) -> None:
                stamps.append(time.monotonic())

            own = (link.a.device, link.b.device)
            stops = [switch.watch(note) for name, switch in farm.switches.items() if name not in own]
            start_s = time.monotonic()
            farm.plug(end.device, end.port, False)
            inside.append(next(event for event in events if event.kind == "repair").seconds)
            outside.append(max(changed_s) - start_s)
            for stop in stops:
                stop()
            farm.plug(end.device, end.port, True)
            next(event for event in events if event.kind == "repair")
            assert before == {n: s.databases.config["STATIC_ROUTE"] for n, s in farm.switches.items()}
        per_cut_s = (cpu_s(pid) - before_s) / cuts
    print(f"repair       CPU time of the controller for a cut and the way back: {per_cut_s * 1e3:.0f} ms")
    tell("repair", "pull to last switch", outside)
    tell("repair", "of that in the controller", inside)


class Stopwatch(Span):
    """Keeps when the messages of each repair began, how long they took, and how long planning had."""

    def __init__(self) -> None:
        self.repairs: list[tuple[float, float, float]] = []

    @contextmanager
    def child(self, name: str, **facts: str | int | float) -> Iterator[Span]:
        began_s = time.monotonic()
        yield self
        if name == "repair":
            self.repairs.append((began_s, time.monotonic() - began_s, float(facts["planned_s"])))


def measure_stages(folder: Path, cuts: int) -> None:
    """The stages of `--controller-delay`, with switches in a process of their own, the controller here."""
    file, inventory, stopwatch = find("leaf-spine-16"), folder / "stages.json", Stopwatch()
    fabric = load(file)
    command = [sys.executable, "-m", "raddle", "up", str(file), "--inventory", str(inventory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as switches:
        while not inventory.exists():
            time.sleep(0.1)
        with closing(SqliteStore(folder / "stages.db")) as store:
            source, bus = FileSource(str(file), PlanOptions()), Bus()
            bus.hear(settle_objects)
            controller = Controller(store, source, Settings(inventory), bus, spans=stopwatch)
            thread = threading.Thread(target=controller.run)
            thread.start()
            rows = [stage_times(controller, fabric, stopwatch, number) for number in range(cuts)]
            controller.stop()
            thread.join()
        switches.terminate()
    for name, spent in zip(("notification", "computation", "push"), zip(*rows, strict=True), strict=True):
        tell("stages", name, spent)


def tell(measured: str, what: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    p99_s = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    median_s = statistics.median(seconds)
    print(f"{measured:<12} {what}: median {median_s * 1e3:.1f} ms, p99 {p99_s * 1e3:.1f} ms, {len(seconds)}x")


def stage_times(
    controller: Controller, fabric: Fabric, stopwatch: Stopwatch, number: int
) -> tuple[float, ...]:
    """Pull a cable and plug it in again: seconds of notification, computation and push of the pull."""
    views = controller.switches.views

    def is_calm() -> bool:
        return bool(views) and all(each.state == "in sync" and not each.is_due for each in views.values())

    while not is_calm() or controller.dead_links or not controller.revision:
        time.sleep(0.05)
    links = list(inner_links(fabric))
    end, count = fabric.links[links[number % len(links)]].a, len(stopwatch.repairs)
    address = load_inventory(controller.settings.inventory).addresses[end.device]
    with GnmiClient(end.device, address) as client:
        client.read_tables("APPL_DB", ("SWITCH_TABLE",))  # a channel connects with its first call
        pulled_s = time.monotonic()
        client.run_command(["cable", "pull", end.port])
        while len(stopwatch.repairs) == count:
            time.sleep(0.001)
        began_s, pushed_s, planned_s = stopwatch.repairs[count]
        client.run_command(["cable", "plug", end.port])
    while len(stopwatch.repairs) < count + 2:
        time.sleep(0.01)
    return began_s - planned_s - pulled_s, planned_s, pushed_s


def measure_replan(failures: int) -> None:
    """CPU time of what one dead link asks for on white-box-512, by equal routes and by pins."""
    plain = load(find("white-box-512"))
    reserving = replace(plain, routing=replace(plain.routing, pin_backups=True))
    count = len(plain.endpoints)
    src = np.arange(count, dtype=np.int32)
    demand = Demand(src, np.roll(src, -count // 2), np.zeros(count, np.int32))
    ways: tuple[tuple[str, Fabric, Literal["ecmp", "pinned"], Demand | None], ...] = (
        ("ecmp", plain, "ecmp", None),
        ("pinned", plain, "pinned", demand),
        ("pinned with backups", reserving, "pinned", demand),
    )
    for way, fabric, policy, flows in ways:
        desired = Desired(fabric, HeldPlan(make_plan(fabric, policy, flows)), flows)
        links = list(desired.links)
        desired.backup([links[0]])
        gc.collect()
        gc.freeze()
        spent: dict[str, list[float]] = {"planned then": [], "planned beforehand": []}
        for name in links[:: max(1, len(links) // failures)]:
            times = [time.thread_time()]
            backup = desired.backup([name])
            times.append(time.thread_time())
            desired.writes_to(desired.repaired(backup))
            times.append(time.thread_time())
            spent["planned then"].append(times[2] - times[0])
            spent["planned beforehand"].append(times[2] - times[1])
        for what, seconds in spent.items():
            median_s = statistics.median(seconds)
            print(
                f"replan       {way}, {what}: median {median_s * 1e3:.1f} ms of CPU time, most "
                f"{max(seconds) * 1e3:.1f} ms, {len(seconds)} failures of {fabric.name} (bound: 20 ms)"
            )


def measure_power_on(folder: Path) -> None:
    start_s = time.monotonic()
    with running(folder, find("white-box-512")) as (fabric, _, _, pid):
        spent_s = time.monotonic() - start_s
        print(
            f"power-on     {len(fabric.endpoints)} endpoints, {len(fabric.switches)} switches: all verified "
            f"after {spent_s:.1f} s (bound: 60 s); CPU time of the controller {cpu_s(pid):.1f} s"
        )


def measure_idle(folder: Path, seconds: int) -> None:
    file = folder / "eighty.yaml"
    file.write_text(FABRIC)
    with running(folder, file) as (fabric, _, client, pid):
        settle(client)
        time.sleep(10)
        before_s = cpu_s(pid)
        time.sleep(seconds)
        share = (cpu_s(pid) - before_s) / seconds
        print(
            f"idle         {len(fabric.switches)} switches watched for {seconds} s: {share:.3f} cores "
            f"(bound: 0.5), {resident_bytes(pid) / 2**20:.0f} MiB (bound: 1 GB)"
        )


@contextmanager
def running(folder: Path, file: Path) -> Iterator[tuple[Fabric, SwitchFarm, ControllerClient, int]]:
    """Switches of a fabric in this process, and their controller in another, once all are as planned."""
    fabric = load(file)
    inventory = folder / f"{fabric.name}.json"
    address, metrics = free_address(), free_address()
    words = ["controller", "run", str(file), "--inventory", str(inventory)]
    words += ["--listen", address, "--metrics", metrics]
    with switch_farm(fabric, make_plan(fabric, "ecmp")) as farm:
        Inventory(fabric.name, dict(farm.addresses)).save(inventory)
        command = [sys.executable, "-m", "raddle", *words]
        with (
            subprocess.Popen(command, stderr=subprocess.DEVNULL) as process,
            ControllerClient(address) as client,
        ):
            try:
                settle(client)
                yield fabric, farm, client, process.pid
            finally:
                process.terminate()


def settle(client: ControllerClient) -> None:
    """Wait until all switches are as planned, and verified."""
    while True:
        try:
            found = client.status()
        except ControllerError:
            time.sleep(0.1)
            continue
        if found.revision and not found.under_way and all(each.state == "in sync" for each in found.switches):
            return
        time.sleep(0.1)


def cpu_s(pid: int) -> float:
    """User and system time of a process (proc(5), stat: fields 14 and 15)."""
    fields = _PID.sub("", Path(f"/proc/{pid}/stat").read_text()).split()
    return (int(fields[12]) + int(fields[13])) / 100


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


if __name__ == "__main__":
    main()
