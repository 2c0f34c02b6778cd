"""A switch's databases in a real Redis, numbered and spelled as on SONiC, for SONiC's own tools.

What the switch changes is written to Redis; what someone writes to CONFIG_DB in Redis (`redis-cli -n 4 hset
'PORT|Ethernet0' admin_status down`) reaches the switch by keyspace notification, as it reaches the daemons
of a SONiC switch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis.asyncio as redis

from raddle.errors import InputError
from raddle.nos.db.databases import SEPARATORS, ConfigEntry, ConfigValue, Database, Databases
from raddle.nos.orch.watermarks import CLEAR_CHANNEL, read_request
from raddle.nos.switch import SimulatedSwitch

NUMBERS = {"APPL_DB": 0, "ASIC_DB": 1, "COUNTERS_DB": 2, "CONFIG_DB": 4, "STATE_DB": 6}
"""Redis databases (sonic-swss-common database_config.json)."""

_CONFIG = NUMBERS["CONFIG_DB"]
_CHANNELS = f"__keyspace@{_CONFIG}__:*"
_START_S = 10.0
_NO_FIELDS = {"NULL": "NULL"}

Hashes = dict[tuple[int, str], dict[str, str]]
"""(database, key) -> hash, as Redis has them."""


def redis_hashes(databases: Databases) -> Hashes:
    """All databases as Redis holds them: keys joined with the database's separator, leaf-lists as `name@`."""
    hashes: Hashes = {}
    for name, number in NUMBERS.items():
        database: Database = databases.by_name(name) or {}
        for table, entries in database.items():
            for key, entry in entries.items():
                place = f"{table}{SEPARATORS[name]}{key}" if key else table
                hashes[number, place] = dict(_fields(entry)) or _NO_FIELDS
    return hashes


def _fields(entry: Mapping[str, ConfigValue]) -> Iterator[tuple[str, str]]:
    for name, value in entry.items():
        yield (name, value) if isinstance(value, str) else (f"{name}@", ",".join(value))


def config_entry(fields: Mapping[str, str]) -> ConfigEntry:
    """A hash of CONFIG_DB in Redis as an entry."""
    return {
        name.removesuffix("@"): value.split(",") if name.endswith("@") else value
        for name, value in fields.items()
        if name != "NULL"
    }


@dataclass(slots=True)
class RedisDatabases:
    """One switch's redis-server, while it runs.

    `start` and `stop` belong to one event loop. `port` is the TCP port on loopback.
    """

    switch: SimulatedSwitch
    folder: Path
    port: int = 0
    _process: asyncio.subprocess.Process | None = None
    _clients: dict[int, redis.Redis] = field(default_factory=dict)
    _written: Hashes = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    # CORRECTNESS: whoever holds it finds in Redis what `_written` says, but for what others have written.
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self, port: int) -> None:
        """Start redis-server on a port of 127.0.0.1 and fill it.

        Raises:
            InputError: redis-server is not installed or does not come up.
        """
        self.port = port
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "bind": "127.0.0.1",
            "port": str(port),
            "dir": str(self.folder),
            "save": "",
            "notify-keyspace-events": "KA",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                "redis-server", *arguments, stdout=asyncio.subprocess.DEVNULL
            )
        except FileNotFoundError:
            raise InputError.of(
                "no-redis",
                "redis-server is not installed",
                "apt-get install redis-server, or leave --redis out",
            ) from None
        for number in NUMBERS.values():
            self._clients[number] = redis.Redis(port=port, db=number, decode_responses=True)
        await self._wait_until_up()
        await self._write()
        loop = asyncio.get_running_loop()
        listener = self._clients[_CONFIG].pubsub()
        await listener.psubscribe(_CHANNELS)
        await listener.subscribe(CLEAR_CHANNEL)

        def note_change() -> None:
            loop.call_soon_threadsafe(self._changed.set)

        stop_watching = self.switch.watch(note_change)
        self._tasks = [
            asyncio.create_task(self._follow_switch(stop_watching)),
            asyncio.create_task(self._follow_redis(listener)),
        ]

    async def stop(self) -> None:
        """End the server and what follows it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _wait_until_up(self) -> None:
        deadline = asyncio.get_running_loop().time() + _START_S
        while True:
            try:
                await self._clients[_CONFIG].ping()
                return
            except redis.ConnectionError:
                is_gone = self._process is None or self._process.returncode is not None
                if is_gone or asyncio.get_running_loop().time() > deadline:
                    raise InputError.of(
                        "no-redis",
                        f"{self.switch.name}: redis-server does not answer on port {self.port}",
                        "is the port taken?",
                    ) from None
                await asyncio.sleep(0.02)

    async def _write(self) -> None:
        """Make Redis what the switch holds, in as few commands as differ."""
        async with self._lock:
            hashes = redis_hashes(self.switch.databases)
            before, self._written = self._written, hashes
            for number, client in self._clients.items():
                async with client.pipeline(transaction=False) as batch:
                    for (database, key), fields in before.items():
                        lost = fields.keys() - hashes.get((database, key), {}).keys()
                        if database == number and lost:
                            batch.hdel(key, *sorted(lost))
                    for (database, key), fields in hashes.items():
                        if database == number and fields != before.get((database, key)):
                            batch.hset(key, items=[part for pair in fields.items() for part in pair])
                    await batch.execute()

    async def _follow_switch(self, stop_watching: Callable[[], None]) -> None:
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._write()
        finally:
            stop_watching()

    async def _follow_redis(self, listener: redis.client.PubSub) -> None:
        """Take over what others write to CONFIG_DB, and what `sonic-clear` asks for.

        What SONiC's daemons would not take is left in Redis.
        """
        async with contextlib.aclosing(listener):
            async for message in listener.listen():
                if message["type"] == "message" and (request := read_request(message["data"])):
                    self.switch.clear_watermarks(*request)
                if message["type"] != "pmessage":
                    continue
                async with self._lock:
                    await self._take(message["channel"].partition(":")[2])

    async def _take(self, key: str) -> None:
        found = await self._clients[_CONFIG].hgetall(key)
        fields = {str(name): str(value) for name, value in found.items()}
        if fields == self._written.get((_CONFIG, key), {}):
            return
        self._written[_CONFIG, key] = fields
        table, bar, rest = key.partition("|")
        if bar:
            self.switch.take_entry(table, rest, config_entry(fields) if fields else None)
