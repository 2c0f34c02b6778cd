"""Turns of clients and connections: one that asks for much does not keep the others waiting."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from raddle.nos.server.clients import client_of

T = TypeVar("T")

AT_ONCE = 4
"""Calls of one connection that are under way at once; of the others not even the request is read."""


_QUIET_S = 0.002
_AT_DOOR_S = 0.02
_OLD_S = 1.0
_REMEMBERED = 1000


class Rounds(Generic[T]):
    """What waits: all clients in turn, of each its connections in turn, and of each first in, first out."""

    def __init__(self) -> None:
        self._clients: dict[str, dict[str, deque[T]]] = {}

    def __bool__(self) -> bool:
        return bool(self._clients)

    def put(self, peer: str, item: T) -> None:
        """Join the end of a connection's queue."""
        self._clients.setdefault(client_of(peer), {}).setdefault(peer, deque()).append(item)

    def take(self) -> T | None:
        """What is next; its client goes behind all others, and its connection behind the client's others."""
        if not self._clients:
            return None
        client = next(iter(self._clients))
        connections = self._clients.pop(client)
        peer = next(iter(connections))
        queue = connections.pop(peer)
        item = queue.popleft()
        if queue:
            connections[peer] = queue
        if connections:
            self._clients[client] = connections
        return item


class Quota:
    """So many at once of each connection; others wait, first in, first out."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._doors: dict[str, tuple[asyncio.Semaphore, set[object]]] = {}

    @contextlib.asynccontextmanager
    async def one(self, peer: str) -> AsyncIterator[None]:
        """Be one of them meanwhile."""
        door, users = self._doors.setdefault(peer, (asyncio.Semaphore(self._at_once), set()))
        token = object()
        users.add(token)
        try:
            async with door:
                yield
        finally:
            users.discard(token)
            if not users:
                self._doors.pop(peer, None)


class Turns:
    """The event loop's time, for one client after the other, and of each for one connection after the other.

    Turns go round three queues: calls of those that have been there for a while, so that a crowd of new ones
    does not keep them waiting; calls of the new ones; and streams, whose answers are many and large. A call
    that is taken in costs time too: before a turn is passed on, those at the server's door come in.
    """

    def __init__(self) -> None:
        self.calls = Quota(AT_ONCE)
        self.refusals = Quota(1)
        self._old: Rounds[asyncio.Future[None]] = Rounds()
        self._new: Rounds[asyncio.Future[None]] = Rounds()
        self._streams: Rounds[asyncio.Future[None]] = Rounds()
        self._queues = deque((self._old, self._new, self._streams))
        self._since_s: dict[str, float] = {}
        self._is_taken = False
        self._arrived_s = self._passed_s = 0.0

    def arrived(self, peer: str) -> None:
        """A call has come in."""
        self._arrived_s = time.monotonic()
        # Who calls again stays in front, so that those who are gone are forgotten first.
        self._since_s[peer] = self._since_s.pop(peer, self._arrived_s)
        if len(self._since_s) > _REMEMBERED:
            del self._since_s[next(iter(self._since_s))]

    def _rounds_of(self, peer: str) -> Rounds[asyncio.Future[None]]:
        now_s = time.monotonic()
        return self._old if now_s - self._since_s.get(peer, now_s) > _OLD_S else self._new

    async def come(self, peer: str, is_stream: bool = False) -> None:
        """Return when it is a connection's turn, which lasts until the caller waits for something."""
        loop = asyncio.get_running_loop()
        if self._is_taken:
            mine: asyncio.Future[None] = loop.create_future()
            (self._streams if is_stream else self._rounds_of(peer)).put(peer, mine)
            try:
                await mine
            except asyncio.CancelledError:
                if not mine.cancelled():
                    self._pass_on()
                raise
        self._is_taken = True
        loop.call_soon(self._pass_on)

    def _pass_on(self) -> None:
        """Let the next one have the loop."""
        now_s = time.monotonic()
        is_waited_for = any(self._queues)
        if is_waited_for and now_s - self._arrived_s < _QUIET_S and now_s - self._passed_s < _AT_DOOR_S:
            asyncio.get_running_loop().call_later(_QUIET_S - (now_s - self._arrived_s), self._pass_on)
            return
        self._passed_s = now_s
        while any(self._queues):
            self._queues.rotate(-1)
            following = self._queues[-1].take()
            if following is not None and not following.done():
                following.set_result(None)
                return
        self._is_taken = False
