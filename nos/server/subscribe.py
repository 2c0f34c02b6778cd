"""Subscribe: ONCE, POLL and STREAM (SAMPLE, ON_CHANGE) over the databases of a switch.

Source: sonic-gnmi gnmi_server/client_subscribe.go and sonic_data_client/db_client.go. As there, a stream that
ends in order ends with INVALID_ARGUMENT "queue: disposed": clients take it for the end.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
from finsy.proto.gnmi1 import gnmi_pb2

from raddle.nos.server.auth import Caller
from raddle.nos.server.json_text import GoOn
from raddle.nos.server.paths import RpcError
from raddle.nos.server.query import Place, Query, Value, opened, parse_queries
from raddle.nos.switch import SimulatedSwitch

MIN_INTERVAL_NS = 10**9
_END = "queue: disposed"
_WAITING_POLLS = 100
_POLL_PAUSE_S = 0.01
_QUICK_PATHS = 16
_READY_BYTES = 2**18
"""Of answers that wait for their client to read."""
_List = gnmi_pb2.SubscriptionList


Answers = list[gnmi_pb2.SubscribeResponse]


class Run(Protocol):
    """Runs a call beside the event loop."""

    def __call__(self, call: Callable[[], Any], *, is_long: bool = False) -> Awaitable[Any]: ...


async def subscribe(
    switch: SimulatedSwitch,
    requests: AsyncIterator[gnmi_pb2.SubscribeRequest],
    caller: Caller,
    run: Run,
    go_on: GoOn,
) -> AsyncIterator[gnmi_pb2.SubscribeResponse]:
    """The answers to a Subscribe call, until the client has no more to ask.

    A stream sleeps in the event loop until its next sample or a change. A client that reads slowly gets fewer
    updates, each the newest.

    Raises:
        RpcError: what the call ends with, also when it ends in order.
    """
    asked = await _first(requests)
    subscriptions = list(asked.subscription)
    if not subscriptions:
        raise RpcError(grpc.StatusCode.NOT_FOUND, "Invalid subscription path: No Subscription")
    paths = [each.path for each in subscriptions]

    is_long = len(paths) > _QUICK_PATHS

    def read() -> tuple[Place, list[Query]]:
        place = opened(asked.prefix, paths, others="gnmi_others")
        go_on()
        return place, parse_queries(asked.prefix, paths)

    place, queries = await run(read, is_long=True) if is_long else read()
    caller.check(place.service)
    caller.check_secrets(place.database, place.tables)

    def feed() -> list[_Feed]:
        if asked.mode != _List.STREAM:
            return [_Feed(query) for query in queries]
        return [_Feed(query, *_schedule(each)) for query, each in zip(queries, subscriptions, strict=True)]

    feeds = await run(feed, is_long=True) if is_long else feed()
    look = _Look(switch, asked, place, run, go_on)
    inbox = _Inbox()
    reader = asyncio.ensure_future(inbox.take(requests))
    try:
        if asked.mode == _List.STREAM:
            answers = _stream(switch, asked, feeds, look, inbox)
        else:
            answers = _batches(asked, feeds, look, inbox)
        async for answer in answers:
            yield answer
    finally:
        reader.cancel()
    raise RpcError(grpc.StatusCode.INVALID_ARGUMENT, _END)


def check_is_up(switch: SimulatedSwitch) -> None:
    """Refuse a call to a switch that is down for a reboot.

    Raises:
        RpcError: UNAVAILABLE.
    """
    if switch.is_booting:
        raise RpcError(grpc.StatusCode.UNAVAILABLE, f"{switch.name} is rebooting")


async def _first(requests: AsyncIterator[gnmi_pb2.SubscribeRequest]) -> gnmi_pb2.SubscriptionList:
    async for request in requests:
        if request.WhichOneof("request") != "subscribe":
            raise RpcError(grpc.StatusCode.INVALID_ARGUMENT, "first message must be SubscriptionList")
        if request.subscribe.mode not in _List.Mode.values():
            raise RpcError(grpc.StatusCode.INVALID_ARGUMENT, "Unkown subscription mode")
        return request.subscribe
    raise RpcError(grpc.StatusCode.ABORTED, "stream EOF received before init")


def _schedule(subscription: gnmi_pb2.Subscription) -> tuple[bool, float]:
    """Whether it is a SAMPLE, and its interval in seconds of wall time."""
    if subscription.mode == gnmi_pb2.ON_CHANGE:
        return False, 0.0
    if subscription.mode != gnmi_pb2.SAMPLE:
        name = gnmi_pb2.SubscriptionMode.Name(subscription.mode) if subscription.mode == 0 else "unknown"
        raise RpcError(grpc.StatusCode.INVALID_ARGUMENT, f"unsupported subscription mode, {name}")
    interval_ns = subscription.sample_interval or MIN_INTERVAL_NS
    if interval_ns < MIN_INTERVAL_NS:
        shown = f"{interval_ns / 10**6:g}ms" if interval_ns >= 10**6 else f"{interval_ns}ns"
        raise RpcError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"rpc error: code = InvalidArgument desc = invalid interval: {shown}. It cannot be less than 1s",
        )
    return True, interval_ns / 10**9


class _Inbox:
    """What a stream waits for: `poll`, `change` (many changes are one) and `end`."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[str] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._has_change = False

    async def take(self, requests: AsyncIterator[gnmi_pb2.SubscribeRequest]) -> None:
        async for request in requests:
            if request.WhichOneof("request") == "poll":
                # A client that polls faster than it reads waits here, and its requests in its own channel.
                while self._events.qsize() >= _WAITING_POLLS:
                    await asyncio.sleep(_POLL_PAUSE_S)
                self._events.put_nowait("poll")
        self._events.put_nowait("end")

    def changed(self) -> None:
        """Called from any thread."""
        self._loop.call_soon_threadsafe(self._note_change)

    def _note_change(self) -> None:
        if not self._has_change:
            self._has_change = True
            self._events.put_nowait("change")

    async def wait(self, timeout_s: float | None = None) -> str:
        """The next event, or `tick` when the time is over."""
        try:
            event = await asyncio.wait_for(self._events.get(), timeout_s)
        except TimeoutError:
            return "tick"
        if event == "change":
            self._has_change = False
        return event


@dataclass(slots=True)
class _Feed:
    """A query and the value that the client has of it."""

    query: Query
    is_sample: bool = False
    interval_s: float = 0.0
    due_s: float = 0.0
    sent: Value | None = field(default=None)

    def update(
        self, value: Value | None, asked: gnmi_pb2.SubscriptionList, whole: bool, go_on: GoOn
    ) -> Iterator[gnmi_pb2.SubscribeResponse]:
        """What the client must hear: everything (`whole`), or what is not as it has it."""
        before, self.sent = self.sent, value
        is_stream = asked.mode == _List.STREAM
        path = self.query.path
        if not value and value != "":
            if before:
                yield _response(gnmi_pb2.Notification(prefix=asked.prefix, delete=[path]))
            return
        if not whole:
            yield from (
                _response(gnmi_pb2.Notification(prefix=asked.prefix, delete=[_below(path, key)]))
                for key in _removed(before, value)
            )
            changed = _changed(before, value)
            if changed is None:
                return
            value = changed
        update = gnmi_pb2.Update(path=path, val=self.query.encode(value, is_stream, go_on))
        yield _response(gnmi_pb2.Notification(prefix=asked.prefix, update=[update]))


def _is_table(value: Value | None) -> bool:
    return isinstance(value, Mapping) and all(isinstance(entry, Mapping) for entry in value.values())


def _changed(before: Value | None, value: Value) -> Value | None:
    """Of a table the entries that are new or changed, whole; of anything else itself. None: no change."""
    if before == value:
        return None
    if isinstance(before, Mapping) and isinstance(value, Mapping) and _is_table(before) and _is_table(value):
        return {key: entry for key, entry in value.items() if before.get(key) != entry} or None
    return value


def _removed(before: Value | None, value: Value) -> list[str]:
    if isinstance(before, Mapping) and isinstance(value, Mapping) and _is_table(before):
        return [key for key in before if key not in value]
    return []


def _below(path: gnmi_pb2.Path, key: str) -> gnmi_pb2.Path:
    below = gnmi_pb2.Path()
    below.CopyFrom(path)
    below.elem.add(name=key)
    return below


def _response(notification: gnmi_pb2.Notification) -> gnmi_pb2.SubscribeResponse:
    notification.timestamp = time.time_ns()
    return gnmi_pb2.SubscribeResponse(update=notification)


_SYNC = gnmi_pb2.SubscribeResponse(sync_response=True)


@dataclass(frozen=True, slots=True)
class _Look:
    """How feeds look at a switch: at once where that is quick, else beside the event loop."""

    switch: SimulatedSwitch
    asked: gnmi_pb2.SubscriptionList
    place: Place
    run: Run
    go_on: GoOn

    async def answers(self, feeds: Sequence[_Feed], whole: bool) -> AsyncIterator[gnmi_pb2.SubscribeResponse]:
        """What the client must hear of feeds, all of one moment; made as it reads, a few at a time."""
        databases = self.switch.databases
        waiting = deque(feeds)

        def make() -> Answers:
            made: Answers = []
            size_bytes = 0
            while waiting and size_bytes < _READY_BYTES:
                self.go_on()
                feed = waiting.popleft()
                some = list(feed.update(feed.query.look(databases), self.asked, whole, self.go_on))
                size_bytes += sum(answer.ByteSize() for answer in some)
                made += some
            return made

        is_quick = self.place.is_quick(databases)
        is_long = len(feeds) > _QUICK_PATHS
        while waiting:
            made: Answers = make() if is_quick else await self.run(make, is_long=is_long)
            is_long = True
            for answer in made:
                yield answer

    async def remember(self, feeds: Sequence[_Feed]) -> None:
        """Take what is there now for what the client knows."""
        databases = self.switch.databases

        def note() -> Answers:
            for feed in feeds:
                self.go_on()
                feed.sent = feed.query.look(databases)
            return []

        await self.run(note)


async def _batches(
    asked: gnmi_pb2.SubscriptionList, feeds: list[_Feed], look: _Look, inbox: _Inbox
) -> AsyncIterator[gnmi_pb2.SubscribeResponse]:
    """ONCE: one batch. POLL: one unasked, then one for every poll."""
    while True:
        async for answer in look.answers(feeds, whole=True):
            yield answer
        yield _SYNC
        if asked.mode == _List.ONCE or await inbox.wait() == "end":
            return


async def _stream(
    switch: SimulatedSwitch,
    asked: gnmi_pb2.SubscriptionList,
    feeds: list[_Feed],
    look: _Look,
    inbox: _Inbox,
) -> AsyncIterator[gnmi_pb2.SubscribeResponse]:
    loop = asyncio.get_running_loop()
    samples = [feed for feed in feeds if feed.is_sample]
    on_change = [feed for feed in feeds if not feed.is_sample]
    stop_watching = switch.watch(inbox.changed) if on_change else (lambda: None)
    try:
        began_s = loop.time()  # of all, so that samples of one interval are of one moment
        for feed in feeds:
            feed.due_s = began_s + feed.interval_s
        if asked.updates_only:
            await look.remember(feeds)
        else:
            async for answer in look.answers(feeds, whole=True):
                yield answer
        yield _SYNC
        while True:
            due_s = min((feed.due_s for feed in samples), default=None)
            event = await inbox.wait(None if due_s is None else max(0.0, due_s - loop.time()))
            if event == "end":
                return
            check_is_up(switch)
            now_s = loop.time()
            if event == "change":
                async for answer in look.answers(on_change, whole=False):
                    yield answer
            due = [feed for feed in samples if feed.due_s <= now_s]
            for feed in due:
                # A stream that fell behind goes on with the next tick of its own grid.
                feed.due_s += feed.interval_s * (1 + (now_s - feed.due_s) // feed.interval_s)
            async for answer in look.answers(due, whole=not asked.updates_only):
                yield answer
    finally:
        stop_watching()
