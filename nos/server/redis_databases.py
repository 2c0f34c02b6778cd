"""A switch's databases in a real Redis, numbered and spelled as on SONiC, for SONiC's own tools.

What the switch changes is written to Redis, field by field; what someone writes to CONFIG_DB in Redis
(`redis-cli -n 4 hset 'PORT|Ethernet0' admin_status down`) reaches the switch by keyspace notification, field
by field too, as it reaches the daemons of a SONiC switch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis.asyncio as redis

from raddle.errors import InputError
from raddle.nos.db.databases import SEPARATORS, ConfigValue, Database, Databases
from raddle.nos.orch.watermarks import CLEAR_CHANNEL, read_request
from raddle.nos.server.redis_server import RedisServer
from raddle.nos.switch import SimulatedSwitch

NUMBERS = {"APPL_DB": 0, "ASIC_DB": 1, "COUNTERS_DB": 2, "CONFIG_DB": 4, "STATE_DB": 6}
"""Redis databases (sonic-swss-common database_config.json)."""

_CONFIG = NUMBERS["CONFIG_DB"]
_CHANNELS = f"__keyspace@{_CONFIG}__:*"
_INITIALIZED = "CONFIG_DB_INITIALIZED"
_LOOK_S = 1.0
_NO_FIELDS = {"NULL": "NULL"}
_PAUSE_S = 0.5
_RETRY_S = 5.0

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


def config_fields(fields: Mapping[str, str | None]) -> dict[str, ConfigValue | None]:
    """Fields of a hash of CONFIG_DB as those of an entry; None is one that is gone."""
    return {
        name.removesuffix("@"): value.split(",") if value is not None and name.endswith("@") else value
        for name, value in fields.items()
        if name != "NULL"
    }


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """The fields that differ: what they are after, None for those that are gone."""
    gone: dict[str, str | None] = {name: None for name in before if name not in after}
    return gone | {name: value for name, value in after.items() if before.get(name) != value}


@dataclass(slots=True)
class RedisDatabases:
    """One switch's redis-server and the bridge to it, while they run.

    `start`, `flush` and `stop` belong to one event loop. `tell` hears, in words, when the server ends and
    when it is there again.
    """

    switch: SimulatedSwitch
    folder: Path
    tell: Callable[[str], None] = lambda text: None
    _server: RedisServer = field(init=False)
    _clients: dict[int, redis.Redis] = field(default_factory=dict)
    # CORRECTNESS: what the switch and Redis agree on. A difference to the switch is what to write, one to
    # Redis what others have written; so neither undoes the other, also where both change one entry at once.
    _agreed: Hashes = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._server = RedisServer(self.switch.name, self.folder)

    @property
    def port(self) -> int:
        """The TCP port on loopback."""
        return self._server.port

    async def start(self, port: int) -> None:
        """Start redis-server on a port of 127.0.0.1 and fill it.

        Raises:
            InputError: redis-server is not installed or does not come up.
        """
        await self._server.start(port)
        for number in NUMBERS.values():
            self._clients[number] = redis.Redis(
                port=port, db=number, decode_responses=True, encoding_errors="replace"
            )
        listener = await self._fill()
        loop = asyncio.get_running_loop()

        def note_change() -> None:
            with contextlib.suppress(RuntimeError):  # The loop has ended.
                loop.call_soon_threadsafe(self._changed.set)

        stop_watching = self.switch.watch(note_change)
        self._tasks = [asyncio.create_task(self._follow(listener, stop_watching))]

    async def flush(self) -> None:
        """Return when Redis has what the switch has now; at once where there is no Redis any more."""
        with contextlib.suppress(redis.RedisError, OSError):
            await self._write()

    async def stop(self) -> None:
        """End the server and what follows it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()
        await self._server.stop()

    async def _fill(self) -> redis.client.PubSub:
        """Write all that the switch has into an empty server; what listens to it from then on."""
        self._agreed = {}
        await self._write()
        client = self._clients[_CONFIG]
        # SONiC's own library waits for this before it reads CONFIG_DB.
        await client.set(_INITIALIZED, "1")
        listener = client.pubsub()
        await listener.psubscribe(_CHANNELS)
        await listener.subscribe(CLEAR_CHANNEL)
        return listener

    async def _follow(self, listener: redis.client.PubSub, stop_watching: Callable[[], None]) -> None:
        """Keep switch and Redis the same; start the server again where it has ended."""
        try:
            while True:
                work = [
                    asyncio.create_task(self._follow_switch()),
                    asyncio.create_task(self._follow_redis(listener)),
                    asyncio.create_task(self._look_for_flush()),
                    asyncio.create_task(self._server.wait()),
                ]
                try:
                    await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in work:
                        task.cancel()
                    ends = await asyncio.gather(*work, return_exceptions=True)
                listener = await self._again(listener, [each for each in ends if isinstance(each, Exception)])
        finally:
            stop_watching()

    async def _again(self, old: redis.client.PubSub, problems: list[Exception]) -> redis.client.PubSub:
        """Say what has ended the bridge, and make it anew."""
        name = self.switch.name
        while True:
            await asyncio.sleep(_PAUSE_S)
            try:
                with contextlib.suppress(redis.RedisError, OSError):
                    await old.aclose()  # type: ignore[no-untyped-call]
                if self._server.has_ended:
                    self.tell(f"{name}: redis-server on port {self.port} has ended; starting it again")
                    await self._server.start(self.port)
                elif problems:
                    self.tell(f"{name}: the bridge to redis-server failed ({problems[0]}); starting again")
                listener = await self._fill()
            except (redis.RedisError, OSError, InputError) as error:
                self.tell(f"{name}: redis-server on port {self.port} cannot be used: {error}")
                await asyncio.sleep(_RETRY_S)
            else:
                self.tell(f"{name}: redis-server on port {self.port} has the databases again")
                return listener

    async def _write(self) -> None:
        """Make Redis what the switch holds, in as few fields as differ from what both had."""
        async with self._lock:
            await self._notice_flush()
            hashes = redis_hashes(self.switch.databases)
            changes: dict[int, list[tuple[str, dict[str, str | None]]]] = {}
            for place in self._agreed.keys() | hashes.keys():
                before, after = self._agreed.get(place, {}), hashes.get(place, {})
                if before is not after and (fields := _changed(before, after)):
                    changes.setdefault(place[0], []).append((place[1], fields))
            for number, rows in changes.items():
                async with self._clients[number].pipeline(transaction=False) as batch:
                    for key, fields in rows:
                        if lost := sorted(name for name, value in fields.items() if value is None):
                            batch.hdel(key, *lost)
                        items = [(name, value) for name, value in fields.items() if value is not None]
                        if items:
                            batch.hset(key, items=[part for pair in items for part in pair])
                    await batch.execute()
            self._agreed = hashes

    async def _notice_flush(self) -> None:
        """Agree on nothing where somebody has emptied the server (FLUSHALL), which no notification tells:
        what is written then into a hash is not all of it."""
        client = self._clients[_CONFIG]
        if self._agreed and not await client.exists(_INITIALIZED):
            self._agreed = {}
            await client.set(_INITIALIZED, "1")
            self._changed.set()
            self.tell(f"{self.switch.name}: redis-server on port {self.port} was emptied; it is filled anew")

    async def _look_for_flush(self) -> None:
        """Notice an emptied server also where nobody writes."""
        while True:
            await asyncio.sleep(_LOOK_S)
            async with self._lock:
                await self._notice_flush()
            _end_if_cancelled()

    async def _follow_switch(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._write()
            _end_if_cancelled()

    async def _follow_redis(self, listener: redis.client.PubSub) -> None:
        """Take over what others write to CONFIG_DB, and what `sonic-clear` asks for.

        What SONiC's daemons would not take is left in Redis, and looked at again when something else is
        taken.
        """
        async for message in listener.listen():
            if message["type"] == "message" and (request := read_request(message["data"])):
                self.switch.clear_watermarks(*request)
            if message["type"] != "pmessage":
                continue
            key = str(message["channel"]).partition(":")[2]
            async with self._lock:
                if await self._take(key):
                    for other in sorted(self._refused - {key}):
                        await self._take(other)
            _end_if_cancelled()

    async def _take(self, key: str) -> bool:
        """Give the switch what others have written at a key of CONFIG_DB; whether it took something."""
        table, bar, rest = key.partition("|")
        if not bar:
            return False
        await self._notice_flush()
        try:
            found = await self._clients[_CONFIG].hgetall(key)
        except redis.ResponseError:  # Not a hash, so nothing that a daemon reads.
            return False
        fields = {str(name): str(value) for name, value in found.items()}
        before = self._agreed.get((_CONFIG, key), {})
        self._refused.discard(key)
        if not (changed := _changed(before, fields)):
            return False
        if not self.switch.take_fields(table, rest, config_fields(changed) if fields else None):
            self._refused.add(key)
            return False
        self._agreed[_CONFIG, key] = fields
        if not fields:
            del self._agreed[_CONFIG, key]
        return True


def _end_if_cancelled() -> None:
    """End a cancelled task whose CancelledError the Redis client has caught and not raised again."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
