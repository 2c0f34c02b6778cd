"""One connection that asks for much does not keep the others waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from raddle.nos.orch.lazy import LazyTables
from raddle.nos.server.paths import RpcError
from raddle.nos.server.turns import AT_ONCE, Quota, Rounds, Turns
from raddle.nos.server.work import STOP_S, Work

MUCH = "ipv4:127.0.0.1:1"
LITTLE = "ipv4:127.0.0.1:2"
WAIT_S = 60.0


def busy(work: Work, done: threading.Event) -> None:
    """Work that goes on until somebody says so."""
    while not done.wait(0.001):
        work.go_on()


def spin(work: Work, cpu_s: float) -> int:
    """Work that takes so much CPU time."""
    end_s = time.thread_time() + cpu_s
    while time.thread_time() < end_s:
        work.go_on()
    return 42


def test_rounds_take_from_each_connection_in_turn() -> None:
    rounds: Rounds[str] = Rounds()
    for peer, item in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("b", "b2")):
        rounds.put(peer, item)
    assert [rounds.take() for _ in range(7)] == ["a1", "b1", "c1", "a2", "b2", "a3", None]


def test_a_client_of_many_connections_has_one_turn_of_each_round() -> None:
    rounds: Rounds[str] = Rounds()
    for port in range(9):
        for family in ("ipv4:192.0.2.1", "ipv6:%5B2001:db8::{}%5D"):
            rounds.put(f"{family.format(port)}:{port}", "crowd")
    rounds.put("ipv4:192.0.2.2:1", "other")
    taken = [rounds.take() for _ in range(20)]
    assert taken[:3] == ["crowd", "crowd", "other"]
    assert taken.count("crowd") == 18
    assert taken[-1] is None


def test_a_call_waits_for_one_of_each_other_connection_and_not_for_all() -> None:
    async def order() -> list[str]:
        turns, served = Turns(), []

        async def call(peer: str) -> None:
            await turns.come(peer)
            served.append(peer)

        await asyncio.gather(*(call(MUCH) for _ in range(20)), call(LITTLE))
        return served

    assert asyncio.run(order()).index(LITTLE) <= 2


def test_who_has_been_there_for_a_while_has_every_other_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raddle.nos.server.turns._OLD_S", 0.0)

    async def order() -> list[str]:
        turns, served = Turns(), []
        turns.arrived("old")

        async def call(peer: str) -> None:
            await turns.come(peer)
            served.append(peer)

        crowd = [call(f"new{number}") for number in range(20)]
        await asyncio.gather(*crowd, call("old"), call("old"))
        return served

    served = asyncio.run(order())
    assert [at for at, peer in enumerate(served) if peer == "old"][-1] <= 5


def test_a_call_that_is_given_up_in_the_queue_does_not_hold_it_up() -> None:
    async def go() -> None:
        turns = Turns()
        await turns.come(MUCH)
        waiting = [asyncio.ensure_future(turns.come(LITTLE)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.wait_for(asyncio.gather(*waiting[1:]), WAIT_S)

    asyncio.run(go())


def test_of_one_connection_only_some_calls_are_under_way() -> None:
    async def most() -> int:
        quota, now, peak = Quota(AT_ONCE), 0, 0

        async def call() -> None:
            nonlocal now, peak
            async with quota.one(MUCH):
                now += 1
                peak = max(peak, now)
                await asyncio.sleep(0)
                now -= 1

        await asyncio.gather(*(call() for _ in range(5 * AT_ONCE)))
        return peak

    assert asyncio.run(most()) == AT_ONCE


def beside(much: Callable[[Work, threading.Event], Any], connections: int) -> None:
    """A small piece of work ends while each of some connections has one that does not."""

    async def go() -> None:
        work, done = Work(), threading.Event()
        long = [
            asyncio.ensure_future(work.run(f"{MUCH}{number}", lambda: much(work, done)))
            for number in range(connections)
        ]
        await asyncio.sleep(0.05)
        assert await asyncio.wait_for(work.run(LITTLE, lambda: 42), WAIT_S) == 42
        assert not any(each.done() for each in long)
        done.set()
        await asyncio.wait_for(asyncio.gather(*long), WAIT_S)
        await work.stop()

    asyncio.run(go())


def test_small_work_passes_long_work_that_gives_way() -> None:
    beside(busy, connections=8)


def test_small_work_passes_long_work_that_does_not_give_way() -> None:
    beside(lambda work, done: done.wait(WAIT_S), connections=1)


def test_small_work_passes_work_that_waits_for_a_table_of_other_work() -> None:
    finish = threading.Event()
    tables = LazyTables({"ASIC_STATE": lambda: finish.wait(WAIT_S)})

    async def go() -> None:
        work = Work()
        readers = [
            asyncio.ensure_future(work.run(f"{MUCH}{number}", lambda: tables["ASIC_STATE"]))
            for number in range(8)
        ]
        await asyncio.sleep(0.2)
        assert await asyncio.wait_for(work.run(LITTLE, lambda: 42), WAIT_S) == 42
        assert not any(each.done() for each in readers)
        finish.set()
        assert all(await asyncio.wait_for(asyncio.gather(*readers), WAIT_S))
        await work.stop()

    asyncio.run(go())


def test_a_slice_is_of_cpu_time_and_not_of_what_the_machine_lets_a_thread_wait() -> None:
    class Watched(Work):
        pauses = 0

        def _pause(self, job: Any) -> None:
            self.pauses += 1
            super()._pause(job)

    def slow(work: Work) -> int:
        for _ in range(4):
            time.sleep(0.01)
            work.go_on()
        return 42

    async def go() -> None:
        work = Watched()
        assert await work.run(LITTLE, lambda: slow(work)) == 42
        assert work.pauses == 0
        assert await work.run(LITTLE, lambda: spin(work, 0.02)) == 42
        assert work.pauses == 1
        await work.stop()

    asyncio.run(go())


def test_work_whose_client_is_gone_ends_and_its_connection_is_free() -> None:
    async def go() -> None:
        work, never = Work(), threading.Event()
        call = asyncio.ensure_future(work.run(MUCH, lambda: busy(work, never)))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.wait_for(work.run(MUCH, lambda: 42), WAIT_S) == 42
        await work.stop()

    asyncio.run(go())


def test_all_work_ends_when_the_switches_stop() -> None:
    async def go() -> None:
        work, never = Work(), threading.Event()
        calls = [
            asyncio.ensure_future(work.run(f"{MUCH}{number}", lambda: busy(work, never)))
            for number in range(6)
        ]
        calls.append(asyncio.ensure_future(work.run(f"{MUCH}0", lambda: busy(work, never))))
        await asyncio.sleep(0.05)
        start_s = time.monotonic()
        await work.stop()
        for call in calls:
            with pytest.raises(RpcError) as caught:
                await asyncio.wait_for(call, WAIT_S)
            assert caught.value.code == grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - start_s < 30 * STOP_S

    asyncio.run(go())


def test_a_call_waits_for_no_streams_however_many_have_answers() -> None:
    async def order() -> list[str]:
        turns, served = Turns(), []

        async def answer(peer: str) -> None:
            await turns.come(peer, is_stream=True)
            served.append(peer)

        async def call() -> None:
            await turns.come(LITTLE)
            served.append(LITTLE)

        streams = [answer(f"ipv4:127.0.0.1:{port}") for port in range(10, 40)]
        await asyncio.gather(*streams, call())
        return served

    assert asyncio.run(order()).index(LITTLE) <= 3
