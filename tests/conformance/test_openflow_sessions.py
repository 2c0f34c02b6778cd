"""OpenFlow switches that go away, say nothing or talk nonsense: each ends with what to do about it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest
from os_ken.ofproto import ofproto_v1_3 as of

from raddle.controller.southbound.openflow.driver import OpenFlowController
from raddle.controller.southbound.openflow.tables import FORWARD, Drop, Match, RuleKey, Tables
from raddle.errors import UnreachableError
from tests.conformance.fake_openflow import FakeSwitch

NAMES = {1: "leaf0", 2: "leaf1"}
WANTED = Tables("02:00:00:00:00:01", {RuleKey(FORWARD, 33, Match(0x0800, "10.0.0.1/32")): Drop()})
QUICK_S = 0.3


def run(
    work: Callable[[OpenFlowController], Awaitable[None]], *fakes: FakeSwitch, names: dict[int, str] = NAMES
) -> None:
    async def session() -> None:
        async with OpenFlowController(names, port=0, answer_s=QUICK_S) as controller:
            tasks = [asyncio.create_task(fake.run(controller.port)) for fake in fakes]
            await work(controller)
        await asyncio.gather(*tasks)

    asyncio.run(session())


def test_a_switch_that_goes_away_midway_says_to_apply_again_and_stops_no_other() -> None:
    async def work(controller: OpenFlowController) -> None:
        await controller.connected(5)
        answers = await controller.try_push({"leaf0": WANTED, "leaf1": WANTED})
        assert answers.done == {"leaf1": 1}
        assert answers.errors == {
            "leaf0": "the switch has closed the connection; it may hold a part of what was sent\n"
            "  hint: apply again when it is back"
        }
        with pytest.raises(UnreachableError, match="leaf0: it is not connected"):
            await controller.push({"leaf0": WANTED})

    run(work, FakeSwitch(1, hangs_up_at=of.OFPT_FLOW_MOD), FakeSwitch(2))


def test_a_switch_that_does_not_answer_in_time_is_named_with_the_time() -> None:
    async def work(controller: OpenFlowController) -> None:
        await controller.connected(5)
        with pytest.raises(UnreachableError, match=r"leaf0: no answer within 0.3 s; it may hold a part"):
            await controller.push({"leaf0": WANTED})

    run(work, FakeSwitch(1, silent_at=of.OFPT_BARRIER_REQUEST), FakeSwitch(2))


def test_a_switch_that_has_lost_its_power_is_gone_after_a_probe_and_one_that_answers_is_not() -> None:
    async def work(controller: OpenFlowController) -> None:
        await controller.connected(5)
        async with asyncio.timeout(10):
            while controller.is_connected("leaf0"):
                await asyncio.sleep(0.05)
        await asyncio.sleep(2 * QUICK_S)
        assert controller.is_connected("leaf1")

    run(work, FakeSwitch(1, silent_at=of.OFPT_ECHO_REQUEST), FakeSwitch(2))


def test_a_connection_that_is_reset_leaves_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    async def work(controller: OpenFlowController) -> None:
        await controller.arrivals(5)
        rules = {
            RuleKey(FORWARD, 33, Match(0x0800, f"10.0.{number // 200}.{number % 200}/32")): Drop()
            for number in range(2000)
        }
        answers = await controller.try_push({"leaf0": Tables(WANTED.mac, rules), "leaf1": WANTED})
        assert list(answers.errors) == ["leaf0"]

    for kind in (of.OFPT_FEATURES_REQUEST, of.OFPT_FLOW_MOD, of.OFPT_BARRIER_REQUEST):
        run(work, FakeSwitch(1, hangs_up_at=kind, resets=True), FakeSwitch(2))
    gc.collect()  # a future whose error nobody has taken says so when it goes
    assert not caplog.records


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (b"\x04\x13\x00\x10\x00\x00\x00\x63\x00\x0d\x00\x00\x00\x00\x00\x00", None),
        (b"\x04\x0a\x00\x09\x00\x00\x00\x00\x00", "a message of type 10 came that cannot be read"),
        (b"GET / HTTP/1.1", "what it speaks is not OpenFlow; TLS, perhaps, where we do not"),
        (b"\x04\x06\x00\x04\x00\x00\x00\x00", "a message of 4 bytes came, which is no OpenFlow"),
    ],
    ids=["an answer that nobody asked for", "a cut-off packet-in", "another protocol", "a length below 8"],
)
def test_nonsense_from_a_switch_ends_its_session_or_is_ignored(says: bytes, reason: str | None) -> None:
    """Whatever comes, the other switch is programmed and there is no traceback."""

    async def work(controller: OpenFlowController) -> None:
        missing = await controller.arrivals(0.5)
        assert missing == ({"leaf0": reason} if reason else {})
        assert await controller.push({"leaf1": WANTED}) == {"leaf1": 1}

    run(work, FakeSwitch(1, says=says), FakeSwitch(2))


def test_a_switch_of_another_fabric_does_not_end_the_wait_and_is_named_in_the_end() -> None:
    async def work(controller: OpenFlowController) -> None:
        missing = await controller.arrivals(0.5)
        assert missing == {
            "leaf1": "no connection from it within 0.5 s "
            "(127.0.0.1: a switch of another fabric, datapath 0000000000000007)"
        }

    run(work, FakeSwitch(7), FakeSwitch(1))
