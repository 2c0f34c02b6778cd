"""The controller that stays, in a process of its own beside simulated switches: its costs and its speed.

Usage: scripts/bench_controller [--cuts 50] [--seconds 60] [--only repair|power-on|idle]

- repair: cables of 8 switches are pulled one after the other; from the pull to the moment at which the last
  switch holds the new routes, and of that what the controller says it took, from hearing to reading back.
- power-on: from the start of white-box-512's switches, unprogrammed, until all are verified.
- idle: 80 switches of 64 ports, watched; the controller's CPU time and memory.
"""

from __future__ import annotations

import argparse
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.nos import FABRIC
from raddle.controller.api.client import ControllerClient, ControllerError
from raddle.controller.plan import make_plan
from raddle.controller.plan.backup import inner_links
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.farm import SwitchFarm
from raddle.topology import find, load
from raddle.topology.model import Fabric

_PID = re.compile(r"\((.*)\)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", choices=("repair", "power-on", "idle"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in (None, "repair"):
            measure_repair(folder, options.cuts)
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
    for what, spent in (("pull to last switch", outside), ("of that in the controller", inside)):
        ordered = sorted(spent)
        p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        median_s = statistics.median(spent)
        print(f"repair       {what}: median {median_s * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, {cuts} cuts")


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
