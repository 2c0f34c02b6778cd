"""One redis-server process, which ends with the process that started it, however that ends."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import redis.asyncio as redis

from raddle.errors import InputError

_START_S = 10.0


@dataclass(slots=True)
class RedisServer:
    """The redis-server of a switch. `port` is a TCP port on loopback; its files are in `folder`."""

    switch: str
    folder: Path
    port: int = 0
    _process: asyncio.subprocess.Process | None = None

    async def start(self, port: int) -> None:
        """Start it, empty, and return when it answers.

        Raises:
            InputError: redis-server is not installed or does not come up.
        """
        if not shutil.which("redis-server"):
            raise InputError.of(
                "no-redis",
                "redis-server is not installed",
                "apt-get install redis-server, or leave --redis out",
            )
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
        # Linux ends it with the thread that started it, also where that could not clean up (kill -9).
        leash = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self._process = await asyncio.create_subprocess_exec(
            *leash, "redis-server", *arguments, stdout=asyncio.subprocess.DEVNULL
        )
        await self._wait_until_up()

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process is None or self._process.returncode is not None

    async def wait(self) -> None:
        """Return when the process has ended."""
        if self._process:
            await self._process.wait()

    async def stop(self) -> None:
        """End the process."""
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _wait_until_up(self) -> None:
        deadline = asyncio.get_running_loop().time() + _START_S
        async with redis.Redis(port=self.port) as client:
            while True:
                try:
                    await client.ping()
                    return
                except (redis.ConnectionError, redis.BusyLoadingError):
                    if self.has_ended or asyncio.get_running_loop().time() > deadline:
                        raise InputError.of(
                            "no-redis",
                            f"{self.switch}: redis-server does not answer on port {self.port}",
                            "is the port taken?",
                        ) from None
                    await asyncio.sleep(0.02)
