"""Work that takes long is done beside the event loop, so that one client does not keep others waiting.

There are two lanes, and in each one piece of work at a time. What is new runs in the first, for a slice of
time; what has used it up goes on in the second, by turns of the connections. So a small read waits for other
small reads alone. Slices are of CPU time: a thread that the machine keeps waiting has not used its own. Work
gives its lane away where it calls `go_on`, and where it waits for a table that other work makes; work that
does neither in time is left to run, a few at once.

Threads share one interpreter lock, which each gives away every few milliseconds; nothing here may hold it
longer, which is why large JSON is read and written piece by piece.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import grpc

from raddle.nos.orch.lazy import before_waiting
from raddle.nos.server.paths import RpcError
from raddle.nos.server.threads import Threads
from raddle.nos.server.turns import Quota, Rounds, Turns

MAX_PATHS = 1024
"""Paths of one Get or Subscribe."""
MAX_RESPONSE_BYTES = 48 * 2**20
"""Values of one answer."""
MAX_CONCURRENT_CALLS = 128
"""Of one connection; HTTP/2 lets its client wait with more."""

STOP_S = 1.0
"""Seconds of wall time that work has to end in when the switches stop."""

_FIRST_SLICE_S = 0.002
_SLICE_S = 0.01
_LOOSE = 1
_LOOK_S = 0.02
_REST_S = 0.2

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Job:
    """Work of a connection, in a thread that stands still while it is not its turn.

    `late_s` is the instant of wall time from which on others do not wait for it, `used_s` the CPU time of its
    thread at which its slice is used up.
    """

    peer: str
    started: asyncio.Future[None]
    lane: _Lane | None = None
    slice_s: float = _FIRST_SLICE_S
    late_s: float = 0.0
    used_s: float = 0.0
    is_given_up: bool = False
    resume: threading.Event = field(default_factory=threading.Event)

    def grant(self) -> None:
        """Let it run for a slice."""
        is_new = not self.started.done()
        self.slice_s = _FIRST_SLICE_S if is_new else _SLICE_S
        self.late_s = time.monotonic() + self.slice_s + _SLICE_S
        if is_new:
            self.started.set_result(None)
        self.resume.set()

    def begin_slice(self) -> None:
        """Called in its thread when it runs."""
        self.used_s = time.thread_time() + self.slice_s


@dataclass(slots=True, eq=False)
class _Lane:
    waiting: Rounds[_Job] = field(default_factory=Rounds)
    running: _Job | None = None


class Work:
    """What switches do for their clients: `turns` of the event loop, and jobs beside it."""

    def __init__(self) -> None:
        self.turns = Turns()
        self._first, self._second = _Lane(), _Lane()
        self._loose: set[_Job] = set()
        self._jobs: set[_Job] = set()
        self._one_job = Quota(1)
        self._one_parse = asyncio.Lock()
        self._threads = Threads()
        self._here = threading.local()
        self._is_over = threading.Event()

    async def run(self, peer: str, call: Callable[[], Result], is_long: bool = False) -> Result:
        """The result of a call that may take long, after those that came before over this connection."""
        async with self._one_job.one(peer):
            self.go_on()
            self._loop = asyncio.get_running_loop()
            job = _Job(peer, self._loop.create_future())
            self._jobs.add(job)
            self._enter(job, self._second if is_long else self._first)
            ended: asyncio.Future[Result] | None = None
            try:
                await job.started
                self.go_on()
                ended = asyncio.wrap_future(self._threads.submit(partial(self._do, job, call)))
                return await asyncio.shield(ended)
            except asyncio.CancelledError:
                # Nobody waits for the answer any more: it ends at its next `go_on`.
                job.is_given_up = True
                job.resume.set()
                if ended is not None:
                    await asyncio.wait([ended])
                    ended.exception()
                raise
            finally:
                self._jobs.discard(job)
                self._leave(job)

    def go_on(self) -> None:
        """Called now and then by long work: it waits here while it is others' turn.

        Raises:
            RpcError: UNAVAILABLE: the switches are stopping; CANCELLED: nobody waits for the answer.
        """
        job: _Job | None = getattr(self._here, "job", None)
        if job is not None and not job.is_given_up and time.thread_time() > job.used_s:
            if (job.lane is not self._second or self._second.waiting) and not self._is_over.is_set():
                job.resume.clear()
                self._loop.call_soon_threadsafe(self._pause, job)
                job.resume.wait()
            job.begin_slice()
        if self._is_over.is_set():
            raise RpcError(grpc.StatusCode.UNAVAILABLE, "the switch is stopping")
        if job is not None and job.is_given_up:
            raise RpcError(grpc.StatusCode.CANCELLED, "the client is gone")

    async def parse(self, peer: str, call: Callable[[], Result]) -> Result:
        """The result of a call that holds the interpreter lock, as the reading of a large message does.

        One at a time, and then as long a rest three times over, in which others come to the lock.
        """
        async with self._one_parse:
            start_s = time.monotonic()
            try:
                return await self.run(peer, call, is_long=True)
            finally:
                await asyncio.sleep(min(_REST_S, 3 * (time.monotonic() - start_s)))

    async def stop(self) -> None:
        """End: what has not begun is dropped, and what runs has `STOP_S` to come to its end."""
        self._is_over.set()
        for job in self._jobs:
            job.grant()
        deadline_s = time.monotonic() + STOP_S
        while self._jobs and time.monotonic() < deadline_s:
            await asyncio.sleep(_LOOK_S)
        self._threads.stop()

    def _do(self, job: _Job, call: Callable[[], Result]) -> Result:
        self._here.job = job
        job.begin_slice()
        token = before_waiting.set(partial(self._stand_aside, job))
        try:
            return call()
        finally:
            before_waiting.reset(token)
            self._here.job = None

    def _stand_aside(self, job: _Job) -> None:
        """Called in a job's thread: it waits for other work, and its lane is free until its next `go_on`."""
        job.used_s = 0.0
        self._loop.call_soon_threadsafe(self._leave, job)

    def _pause(self, job: _Job) -> None:
        """A job has used up its slice; it goes on in the second lane."""
        self._leave(job)
        if job.is_given_up or self._is_over.is_set():
            job.resume.set()
        else:
            self._enter(job, self._second)

    def _enter(self, job: _Job, lane: _Lane) -> None:
        job.lane = lane
        lane.waiting.put(job.peer, job)
        self._advance(lane)

    def _leave(self, job: _Job) -> None:
        job.lane = None
        self._loose.discard(job)
        for lane in (self._first, self._second):
            if lane.running is job:
                lane.running = None
            self._advance(lane)

    def _advance(self, lane: _Lane) -> None:
        """Let the next job of a lane run, if it is free, or if its job does not give it away."""
        running = lane.running
        if running is not None:
            is_late = time.monotonic() > running.late_s
            if lane is self._second or not lane.waiting or not is_late or len(self._loose) >= _LOOSE:
                return
            self._loose.add(running)
            lane.running = None
        while (job := lane.waiting.take()) is not None:
            if job in self._jobs and not job.is_given_up:
                lane.running = job
                job.grant()
                if lane is self._first:
                    self._loop.call_later(2 * _SLICE_S, self._advance, lane)
                return
