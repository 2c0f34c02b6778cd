"""Work that takes long is done beside the event loop, so that one client does not keep others waiting.

Threads share one interpreter lock, which each gives away every few milliseconds; nothing here may hold it
longer, which is why large JSON is read and written piece by piece.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import json.decoder
import json.scanner
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import grpc

from raddle.nos.server.paths import RpcError

MAX_PATHS = 1024
"""Paths of one Get or Subscribe."""
MAX_RESPONSE_BYTES = 48 * 2**20
"""Values of one answer."""
MAX_WAITING = 64
"""Calls of one connection that wait for their turn."""

STOP_S = 1.0
"""Seconds of wall time that work has to end in when the switches stop."""

_LOOK_S = 0.02
_THREADS = 2
_QUICK_JSON_BYTES = 2**20

Result = TypeVar("Result")


class Work:
    """What switches do for their clients beside the event loop: one thing at a time for each connection."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="switch-work")
        self._turns: dict[str, _Turn] = {}
        self._running: set[Future[Any]] = set()
        self._is_over = threading.Event()

    async def run(self, peer: str, call: Callable[[], Result]) -> Result:
        """The result of a call that may take long, after those that came before over this connection.

        Raises:
            RpcError: RESOURCE_EXHAUSTED: too many wait already.
        """
        async with self._turn(peer):
            self.go_on()
            future = self._threads.submit(call)
            self._running.add(future)
            future.add_done_callback(self._running.discard)
            return await asyncio.wrap_future(future)

    def go_on(self) -> None:
        """Called now and then by long work.

        Raises:
            RpcError: UNAVAILABLE: the switches are stopping.
        """
        if self._is_over.is_set():
            raise RpcError(grpc.StatusCode.UNAVAILABLE, "the switch is stopping")

    async def stop(self) -> None:
        """End: what has not begun is dropped, and what runs has `STOP_S` to come to its end."""
        self._is_over.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        deadline_s = time.monotonic() + STOP_S
        while any(not future.done() for future in self._running) and time.monotonic() < deadline_s:
            await asyncio.sleep(_LOOK_S)

    @contextlib.asynccontextmanager
    async def _turn(self, peer: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault(peer, _Turn())
        if turn.waiting >= MAX_WAITING:
            raise RpcError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{MAX_WAITING} calls of this connection wait already; wait for answers",
            )
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                self._turns.pop(peer, None)


class _Turn:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


def dump_json(value: object, go_on: Callable[[], None] = lambda: None) -> bytes:
    """JSON as sonic-gnmi sends it; of large objects entry by entry."""
    return "".join(_pieces(value, 2, go_on)).encode()


def _pieces(value: object, depth: int, go_on: Callable[[], None]) -> list[str]:
    if depth == 0 or not isinstance(value, Mapping):
        return [_ENCODER.encode(value)]
    pieces = []
    for key, item in value.items():
        go_on()
        pieces += [_ENCODER.encode(str(key)), ":", *_pieces(item, depth - 1, go_on), ","]
    return ["{", *pieces[:-1], "}"]


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=dict)


def load_json(text: bytes) -> object:
    """A JSON value; a large one by Python's own scanner, which lets other threads run.

    Raises:
        ValueError: it is not JSON, or has NaN or Infinity.
        RecursionError: it is nested too deep.
    """
    if len(text) <= _QUICK_JSON_BYTES:
        return json.loads(text, parse_constant=_no_constant)
    decoder: Any = json.JSONDecoder(parse_constant=_no_constant)
    decoder.parse_object, decoder.parse_array = json.decoder.JSONObject, json.decoder.JSONArray  # type: ignore[attr-defined]
    decoder.scan_once = json.scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]
    result: object = decoder.decode(text.decode(json.detect_encoding(text), "surrogatepass"))
    return result


def _no_constant(name: str) -> object:
    raise ValueError(f"invalid literal {name}")
