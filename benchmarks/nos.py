"""How the simulated switches scale: 80 switches of 64 ports in one process.

Usage: scripts/bench_nos [--seconds 60] [--subscriptions 1000]

Prints the time to start, the first push and an empty push, the memory of the process, and how late the
updates of that many SAMPLE subscriptions of one second arrive in a process of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.controller.plan import make_plan
from raddle.controller.reconcile import apply_plan
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.farm import SwitchFarm
from raddle.state import PRIORITIES, SwitchCounters
from raddle.topology import load

FABRIC = """
raddle: 1
name: eighty-switches
fabric:
  kind: leaf-spine
  leaves: {count: 64, model: tomahawk4-64x400g}
  spines: {count: 16, model: tomahawk4-64x400g}
  uplinks: {per_pair: 1, speed: 400G, cable: 30m}
hosts:
  per_leaf: 48
  nics: {count: 1, speed: 400G, cable: 3m}
addressing: {hosts: 10.0.0.0/16, loopbacks: 10.255.0.0/20, underlay: 172.16.0.0/14}
"""
PORT_STATS = ("IF_IN_OCTETS", "IF_OUT_OCTETS", "IF_IN_UCAST_PKTS", "IF_OUT_UCAST_PKTS")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--subscriptions", type=int, default=1000)
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        asyncio.run(subscribe(json.loads(options.client), options.seconds))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fabric.yaml"
        file.write_text(FABRIC)
        fabric = load(file)
    plan = make_plan(fabric, "ecmp")
    ports = {len(switch.ports) for switch in plan.switches}
    print(f"{len(plan.switches)} switches of {ports} ports, {len(fabric.hosts)} hosts")
    start = time.perf_counter()
    with switch_farm(fabric, plan) as farm:
        print(f"start        {time.perf_counter() - start:6.1f} s   (bound: 10 s)")
        inventory = Inventory(fabric.name, dict(farm.addresses))
        for name, bound in (("first push", 60), ("empty push", 5)):
            start = time.perf_counter()
            results = apply_plan(plan, inventory)
            assert all(result.is_in_sync for result in results), [r.error for r in results if r.error][:3]
            sets = sum(result.sets for result in results)
            print(f"{name:<12} {time.perf_counter() - start:6.1f} s   (bound: {bound} s), {sets} Sets")
        measure_lag(farm, options.subscriptions, options.seconds)
    memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"memory       {memory_bytes / 2**30:6.2f} GiB (bound: 1.5 GB)")


def measure_lag(farm: SwitchFarm, subscriptions: int, seconds: int) -> None:
    """Change all counters every second while a client process reads them."""
    switches = list(farm.switches.values())
    asked = []
    for number in range(subscriptions):
        switch = switches[number % len(switches)]
        names = list(switch.databases.config["PORT"])
        asked.append((farm.addresses[switch.name], names[number // len(switches) % len(names)]))
    stop = threading.Event()

    def count() -> None:
        tick = 0
        while not stop.wait(1.0):
            tick += 1
            for switch in switches:
                switch.set_counters(counted(tuple(switch.databases.config["PORT"]), tick))

    counting = threading.Thread(target=count)
    counting.start()
    command = [
        sys.executable,
        "-m",
        "benchmarks.nos",
        "--client",
        json.dumps(asked),
        "--seconds",
        str(seconds),
    ]
    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout, end="")
    stop.set()
    counting.join()


def counted(ports: tuple[str, ...], tick: int) -> SwitchCounters:
    column = tuple(tick * (row + 1) for row in range(len(ports)))
    eight = tuple((value,) * PRIORITIES for value in column)
    port = {f"SAI_PORT_STAT_{name}": column for name in PORT_STATS}
    port |= {f"SAI_PORT_STAT_PFC_{n}_{way}_PKTS": column for n in range(PRIORITIES) for way in ("RX", "TX")}
    return SwitchCounters(ports, port, {"SAI_QUEUE_STAT_BYTES": eight}, {})


async def subscribe(asked: list[tuple[str, str]], seconds: int) -> None:
    """Read all subscriptions; the lag of an update is how late it is on the second's grid of its stream."""
    channels = {address: grpc.aio.insecure_channel(address) for address, _ in asked}
    lags: list[float] = []
    changed = 0

    async def read(address: str, port: str) -> None:
        nonlocal changed
        path = gnmi_pb2.Path(elem=[gnmi_pb2.PathElem(name=name) for name in ("COUNTERS", port)])
        subscription = gnmi_pb2.Subscription(path=path, mode=gnmi_pb2.SAMPLE, sample_interval=10**9)
        request = gnmi_pb2.SubscribeRequest(
            subscribe=gnmi_pb2.SubscriptionList(
                prefix=gnmi_pb2.Path(target="COUNTERS_DB"), subscription=[subscription]
            )
        )
        call: Any = gnmi_pb2_grpc.gNMIStub(channels[address]).Subscribe()
        await call.write(request)
        assert not (await call.read()).sync_response
        assert (await call.read()).sync_response
        first_s, last = time.monotonic(), b""
        for tick in range(1, seconds + 1):
            answer = await call.read()
            lags.append(time.monotonic() - first_s - tick)
            value = answer.update.update[0].val.json_ietf_val
            changed += value != last
            last = value
        call.cancel()

    await asyncio.gather(*(read(address, port) for address, port in asked))
    lags.sort()
    p50, p99 = lags[len(lags) // 2], lags[len(lags) * 99 // 100]
    print(
        f"subscribe    {len(asked)} SAMPLE of 1 s for {seconds} s: {len(lags)} updates, {changed} changed, "
        f"lag p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms (bound: 1000 ms), "
        f"worst {lags[-1] * 1000:.0f} ms"
    )
    for channel in channels.values():
        await channel.close()


if __name__ == "__main__":
    main()
