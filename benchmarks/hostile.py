"""What a client waits for a small Get while another client is hostile, and how soon SIGTERM ends `raddle up`.

Usage: scripts/bench_hostile [--seconds 10] [--attacks NAME,NAME] [--routes 20000]

Switches, victim and attacker are processes of their own. The victim reads, fifty times a second, by turns a
field of CONFIG_DB and the counters of a port. `-` is what it waits without an attack.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.inventory import load_inventory

FABRIC = """
raddle: 1
name: besieged
fabric:
  kind: leaf-spine
  leaves: {count: 2, model: tomahawk4-64x400g}
  spines: {count: 2, model: tomahawk4-64x400g}
  uplinks: {per_pair: 1, speed: 400G, cable: 30m}
hosts:
  per_leaf: 32
  nics: {count: 1, speed: 400G, cable: 3m}
"""
BOUND_S, STOP_BOUND_S = 0.1, 2.0
_EVERY_S = 0.02
_CONNECTIONS = 16
_AT_ONCE = 32
_OPTIONS = (("grpc.max_receive_message_length", 2**28), ("grpc.use_local_subchannel_pool", 1))

Stub = Any
Attack = Callable[[Stub], Awaitable[None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--attacks", default=",".join(ATTACKS))
    parser.add_argument("--routes", type=int, default=20_000)
    parser.add_argument("--client", nargs=2, metavar=("WHAT", "ADDRESS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        what, address = options.client
        client = victim if what == "victim" else attacker(what)
        asyncio.run(client(address, options.seconds))
        return
    names = [name for name in options.attacks.split(",") if name]
    with tempfile.TemporaryDirectory() as folder, Siege(Path(folder), options.routes) as siege:
        print("attack              Gets     p50     p99   worst (ms)   what the attacker got")
        for name in ("-", *names):
            siege.measure(name, options.seconds)
        print(f"SIGTERM under {names[-1] if names else 'nothing'}: {siege.end(names[-1:]):.2f} s")


class Siege:
    """Running switches with many routes on leaf0, of which leaf1 asks for a password.

    It is leaf1 that is asked with wrong ones: the victim has the same address, and would not be heard either.
    """

    def __init__(self, folder: Path, routes: int) -> None:
        self._folder = folder
        (folder / "fabric.yaml").write_text(FABRIC)
        self._inventory = folder / "inventory.json"
        self._state = folder / "state"
        self._routes = routes

    def __enter__(self) -> Siege:
        raddle = [sys.executable, "-m", "raddle"]
        fabric = str(self._folder / "fabric.yaml")
        rendered = self._folder / "rendered"
        render = [*raddle, "render", fabric, "--bootstrap", "-o", str(rendered)]
        subprocess.run(render, stdout=subprocess.DEVNULL, check=True)
        boots = {name: json.loads((rendered / f"{name}.json").read_text()) for name in ("leaf0", "leaf1")}
        boots["leaf1"]["GNMI"] = {"gnmi": {"user_auth": "password"}}
        boots["leaf0"]["STATIC_ROUTE"] = {
            f"default|10.{number >> 14}.{number >> 6 & 255}.{(number & 63) << 2}/30": {
                "nexthop": f"172.30.{number % 64}.1",
                "ifname": f"Ethernet{8 * (number % 64)}",
            }
            for number in range(self._routes)
        }
        for name, config in boots.items():
            saved = self._state / name / "config_db.json"
            saved.parent.mkdir(parents=True)
            saved.write_text(json.dumps(config))
        users = self._folder / "users.json"
        users.touch(0o600)
        users.write_text('{"admin": "right"}')
        files = ["--inventory", str(self._inventory), "--state", str(self._state), "--users", str(users)]
        self._up = subprocess.Popen([*raddle, "up", fabric, *files], stdout=subprocess.DEVNULL)
        while not self._inventory.exists():
            if self._up.poll() is not None:
                raise SystemExit("raddle up ended")
            time.sleep(0.1)
        addresses = load_inventory(self._inventory).addresses
        self._address, self._guarded = addresses["leaf0"], addresses["leaf1"]
        return self

    def __exit__(self, *_: object) -> None:
        if self._up.poll() is None:
            self._up.kill()
            self._up.wait()

    def measure(self, attack: str, seconds: float) -> tuple[float, float]:
        """What the victim waits meanwhile: (p50, p99) in seconds; printed as a row."""
        hostile = [] if attack == "-" else [self._client(attack, seconds + 2)]
        if hostile:
            time.sleep(1)
        text, _ = self._client("victim", seconds).communicate()
        got = "; ".join(each.communicate()[0].strip() for each in hostile)
        waits = sorted(json.loads(text))
        p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
        told = "  ".join(f"{1000 * wait:6.0f}" for wait in (p50, p99, waits[-1]))
        print(f"{attack:<18} {len(waits):5d}  {told}        {got}", flush=True)
        return p50, p99

    def end(self, attacks: list[str]) -> float:
        """Seconds from SIGTERM to the end, in the middle of attacks."""
        hostile = [self._client(name, 6) for name in attacks]
        time.sleep(2)
        start = time.monotonic()
        self._up.send_signal(signal.SIGTERM)
        self._up.wait()
        passed = time.monotonic() - start
        for each in hostile:
            each.communicate()
        return passed

    def _client(self, what: str, seconds: float) -> subprocess.Popen[str]:
        address = self._guarded if what == "wrong-passwords" else self._address
        command = [sys.executable, "-m", "benchmarks.hostile", "--client", what, address]
        return subprocess.Popen([*command, "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True)


async def victim(address: str, seconds: float) -> None:
    """Print how long each small Get took, as JSON."""
    small = (
        gnmi_pb2.GetRequest(
            path=[path("CONFIG_DB", "localhost", "PORT", "Ethernet0", "mtu")], encoding=gnmi_pb2.JSON_IETF
        ),
        gnmi_pb2.GetRequest(
            prefix=gnmi_pb2.Path(target="COUNTERS_DB"), path=[path("COUNTERS", "Ethernet0", origin="")]
        ),
    )
    waits: list[float] = []
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
        stub = gnmi_pb2_grpc.gNMIStub(channel)
        await stub.Get(small[0])
        end_s = time.monotonic() + seconds
        while (start_s := time.monotonic()) < end_s:
            await stub.Get(small[len(waits) % 2])
            waits.append(time.monotonic() - start_s)
            await asyncio.sleep(max(0.0, _EVERY_S - waits[-1]))
    print(json.dumps(waits))


def attacker(name: str) -> Callable[[str, float], Coroutine[Any, Any, None]]:
    """Sends an attack, or several, over many connections, as fast as answers come; prints what they were."""
    attacks = list(ATTACKS.values()) if name == "all" else [ATTACKS[name]]

    async def attack(address: str, seconds: float) -> None:
        ends: Counter[str] = Counter()
        end_s = time.monotonic() + seconds

        async def repeat(act: Attack, stub: Stub) -> None:
            while time.monotonic() < end_s:
                try:
                    await act(stub)
                    ends["OK"] += 1
                except grpc.aio.AioRpcError as error:
                    ends[error.code().name] += 1

        async with contextlib.AsyncExitStack() as open_channels:
            calls = []
            for number in range(_CONNECTIONS):
                channel = await open_channels.enter_async_context(
                    grpc.aio.insecure_channel(address, options=(*_OPTIONS, ("raddle.connection", number)))
                )
                stub: Stub = gnmi_pb2_grpc.gNMIStub(channel)
                stub.address = address
                act = attacks[number % len(attacks)]
                calls += [asyncio.ensure_future(repeat(act, stub)) for _ in range(_AT_ONCE)]
            await asyncio.wait(calls, timeout=seconds)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        print(", ".join(f"{count} {code}" for code, count in ends.most_common()))

    return attack


def path(*elems: str, origin: str = "sonic-db") -> gnmi_pb2.Path:
    return gnmi_pb2.Path(origin=origin, elem=[gnmi_pb2.PathElem(name=name) for name in elems])


async def small_gets(stub: Stub) -> None:
    place = path("CONFIG_DB", "localhost", "PORT", "Ethernet0", "mtu")
    await stub.Get(gnmi_pb2.GetRequest(path=[place], encoding=gnmi_pb2.JSON_IETF))


async def giant_gets(stub: Stub) -> None:
    await stub.Get(
        gnmi_pb2.GetRequest(path=[path("CONFIG_DB", "localhost")] * 1024, encoding=gnmi_pb2.JSON_IETF)
    )


async def whole_databases(stub: Stub) -> None:
    await stub.Get(gnmi_pb2.GetRequest(path=[path("ASIC_DB", "localhost")] * 4, encoding=gnmi_pb2.JSON_IETF))


async def fan_out(stub: Stub) -> None:
    """A subscription of many paths, sampled each second."""
    wildcard = gnmi_pb2.Subscription(
        path=path("COUNTERS", "Ethernet*", origin=""), mode=gnmi_pb2.SAMPLE, sample_interval=10**9
    )
    await _subscribe(stub, [wildcard] * 1000, reads=True)


async def slow_reader(stub: Stub) -> None:
    """A subscription of whole tables whose answers nobody reads."""
    table = gnmi_pb2.Subscription(
        path=path("COUNTERS", origin=""), mode=gnmi_pb2.SAMPLE, sample_interval=10**9
    )
    await _subscribe(stub, [table] * 20, reads=False)


async def _subscribe(stub: Stub, subscriptions: list[gnmi_pb2.Subscription], reads: bool) -> None:
    asked = gnmi_pb2.SubscriptionList(prefix=gnmi_pb2.Path(target="COUNTERS_DB"), subscription=subscriptions)
    call = stub.Subscribe()
    await call.write(gnmi_pb2.SubscribeRequest(subscribe=asked))
    if not reads:
        await asyncio.sleep(3600)
    async for _ in call:
        pass


@cache
def _large_set() -> gnmi_pb2.SetRequest:
    rows = {f"default|10.0.0.{number}/32": {"nexthop": "no address"} for number in range(10_000)}
    value = gnmi_pb2.TypedValue(json_ietf_val=json.dumps(rows).encode())
    update = gnmi_pb2.Update(path=path("CONFIG_DB", "localhost", "STATIC_ROUTE"), val=value)
    return gnmi_pb2.SetRequest(update=[update])


async def large_sets(stub: Stub) -> None:
    """Half a megabyte that no switch takes."""
    await stub.Set(_large_set())


@cache
def _garbage() -> gnmi_pb2.SetRequest:
    return gnmi_pb2.SetRequest(delete=[path(*["\N{SNOWMAN}"] * 200)] * 500)


async def garbage(stub: Stub) -> None:
    """Half a megabyte of elems that name nothing."""
    await stub.Set(_garbage())


async def tables(stub: Stub) -> None:
    place = path("CONFIG_DB", "localhost", "PORT")
    await stub.Get(gnmi_pb2.GetRequest(path=[place], encoding=gnmi_pb2.JSON_IETF))


async def wrong_passwords(stub: Stub) -> None:
    place = path("CONFIG_DB", "localhost", "PORT")
    credentials = (("username", "admin"), ("password", str(time.monotonic_ns())))
    await stub.Get(gnmi_pb2.GetRequest(path=[place], encoding=gnmi_pb2.JSON_IETF), metadata=credentials)


async def sessions(stub: Stub) -> None:
    """A connection for each small Get."""
    async with grpc.aio.insecure_channel(stub.address, options=_OPTIONS) as channel:
        await small_gets(gnmi_pb2_grpc.gNMIStub(channel))


ATTACKS: dict[str, Attack] = {
    "small-gets": small_gets,
    "tables": tables,
    "giant-gets": giant_gets,
    "whole-databases": whole_databases,
    "fan-out": fan_out,
    "slow-reader": slow_reader,
    "large-sets": large_sets,
    "garbage": garbage,
    "sessions": sessions,
    "wrong-passwords": wrong_passwords,
}


if __name__ == "__main__":
    main()
