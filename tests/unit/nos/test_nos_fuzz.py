"""Any bytes that a client sends as gNMI are answered in SONiC's words, and the switch goes on."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from itertools import islice
from types import SimpleNamespace
from typing import Any, NoReturn

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc
from google.protobuf.message import Message

from raddle.nos.farm import SwitchFarm
from raddle.nos.server.changes import Changes
from raddle.nos.server.gnmi import GnmiService
from raddle.nos.server.passwords import Passwords
from raddle.nos.server.wire import gnmi_handler
from raddle.nos.server.work import Result, Work
from raddle.nos.switch import BootConfig, SimulatedSwitch

REQUESTS = 2000
"""Over the wire."""
CALLS = int(os.environ.get("RADDLE_FUZZ_GNMI", "2000"))
"""Without a wire; `scripts/fuzz-gnmi` makes a million."""
SEED = int(os.environ.get("RADDLE_FUZZ_GNMI_SEED", "20260601"))
CALLS_AT_ONCE = 48
STREAMS_AT_ONCE = 90
"""Fewer than a switch has at once, and than those of one connection that may wait."""
RESET_EVERY = 400
"""Requests after which the switch gets its configuration back."""
ANSWER_S = 120.0
TELL_EVERY = 500
"""Resets between two lines on how far it has come."""
STREAM_S = 3.0
"""A spoilt ONCE may have become a stream, which ends only so."""
QUIET_S = 0.2
"""The same without a wire, where nothing is on its way."""

_NAMES = (
    *(
        "CONFIG_DB",
        "STATE_DB",
        "COUNTERS_DB",
        "APPL_DB",
        "ASIC_DB",
        "OTHERS",
        "localhost",
        "PORT",
        "COUNTERS",
    ),
    *(
        "Ethernet0",
        "Ethernet*",
        "Queues",
        "mtu",
        "STATIC_ROUTE",
        "default|10.0.1.0~124",
        "FEATURE",
        "interfaces",
    ),
    *("", "~", "/", "*", "\N{SNOWMAN}" * 50, "x" * 5000, "0", "-1", "interfaces", "osversion", "build"),
)
_TEXTS = (
    "",
    "0",
    "-1",
    "4294967296",
    "up",
    "3,4",
    "10.0.0.1/33",
    "::/0",
    "|",
    "~1",
    "NULL",
    "1e9",
    "\N{SNOWMAN}",
)
"""What a field may be changed to."""
_VALUES = (b'"up"', b'"1500"', b"{}", b"[]", b"null", b"NaN", b"[" * 5000, b"", b"\xff", b'{"Ethernet0": {}}')


def requests(rng: random.Random, config: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """(method, bytes): what a client might send a switch that has `config`, half of it spoilt."""
    while True:
        kind = rng.choice(("Get", "Get", "Set", "Change", "Change", "Capabilities", "Subscribe"))
        message = changed(rng, config) if kind == "Change" else made_up(rng, kind)
        data = message.SerializeToString()
        yield "Set" if kind == "Change" else kind, spoilt(rng, data) if rng.random() < 0.5 else data


def made_up(rng: random.Random, kind: str) -> Message:
    """A request of names that mostly do not belong together."""

    def path() -> gnmi_pb2.Path:
        elems = [gnmi_pb2.PathElem(name=rng.choice(_NAMES)) for _ in range(rng.randrange(6))]
        if rng.random() < 0.5:
            elems = [gnmi_pb2.PathElem(name=name) for name in ("CONFIG_DB", "localhost")] + elems
        if rng.random() < 0.1 and elems:
            elems[-1].key["name"] = rng.choice(_NAMES)
        return gnmi_pb2.Path(
            origin=rng.choice(("sonic-db", "sonic-db", "", "openconfig", "x")),
            target=rng.choice(("", "", "", *_NAMES[:6])),
            elem=elems,
        )

    def update() -> gnmi_pb2.Update:
        return gnmi_pb2.Update(path=path(), val=gnmi_pb2.TypedValue(json_ietf_val=rng.choice(_VALUES)))

    def of(*numbers: int) -> Any:
        return rng.choice(numbers)

    paths = [path() for _ in range(rng.randrange(4))]
    if kind == "Get":
        return gnmi_pb2.GetRequest(prefix=path(), path=paths, encoding=of(0, 2, 4, 9), type=of(0, 0, 0, 1))
    if kind == "Set":
        return gnmi_pb2.SetRequest(delete=paths[:1], replace=[update() for _ in paths[1:]], update=[update()])
    if kind == "Subscribe":
        asked = gnmi_pb2.SubscriptionList(
            prefix=path(),
            subscription=[gnmi_pb2.Subscription(path=each, mode=of(0, 1, 2)) for each in paths],
            mode=of(1, 1, 9),  # ONCE, which ends
        )
        return gnmi_pb2.SubscribeRequest(subscribe=asked)
    return gnmi_pb2.CapabilityRequest()


def changed(rng: random.Random, config: Mapping[str, Any]) -> gnmi_pb2.SetRequest:
    """A Set of places that the switch has, with values that are right elsewhere, odd, or taken away."""

    def place(depth: int) -> tuple[gnmi_pb2.Path, object]:
        names, value = [], config
        while len(names) < depth and isinstance(value, Mapping) and value:
            name = rng.choice(list(value))
            value = value[name]
            names.append(rng.choice(_TEXTS) if rng.random() < 0.1 else name)
        elems = [name.replace("~", "~0").replace("/", "~1") for name in ("CONFIG_DB", "localhost", *names)]
        return gnmi_pb2.Path(origin="sonic-db", elem=[gnmi_pb2.PathElem(name=each) for each in elems]), value

    def update() -> gnmi_pb2.Update:
        path, here = place(rng.randrange(4))
        elsewhere = place(rng.randrange(1, 4))[1]
        value = rng.choice(
            (here, elsewhere, rng.choice(_TEXTS), {}, {rng.choice(_TEXTS): rng.choice(_TEXTS)})
        )
        text = json.dumps(value).encode()
        return gnmi_pb2.Update(path=path, val=gnmi_pb2.TypedValue(json_ietf_val=text))

    deletes = [place(rng.randrange(1, 4))[0] for _ in range(rng.randrange(3))]
    replaces = [update() for _ in range(rng.randrange(2))]
    return gnmi_pb2.SetRequest(
        delete=deletes, replace=replaces, update=[update() for _ in range(rng.randrange(3))]
    )


def spoilt(rng: random.Random, data: bytes) -> bytes:
    """The bytes with some changed, cut out or put in."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(changed) + 1)
        how = rng.randrange(3)
        if how == 0:
            changed[place:place] = rng.randbytes(rng.randrange(1, 9))
        elif how == 1:
            del changed[place : place + rng.randrange(1, 9)]
        elif place < len(changed):
            changed[place] = rng.randrange(256)
    return bytes(changed)


def test_fuzzed_requests_over_the_wire_are_answered_and_none_names_a_python_class(
    four_ports: dict[str, Any],
) -> None:
    ends: Counter[str] = Counter()
    boot = BootConfig(four_ports, {})
    with (
        SwitchFarm({"leaf0": boot}, {"leaf0": frozenset(four_ports["PORT"])}) as farm,
        grpc.insecure_channel(farm.addresses["leaf0"]) as channel,
    ):
        calls: deque[tuple[str, bytes, Any]] = deque()
        streams: deque[tuple[str, bytes, Any]] = deque()
        reset = whole(four_ports)
        for number, (kind, data) in enumerate(islice(requests(random.Random(SEED), four_ports), REQUESTS)):
            waiting, most = (streams, STREAMS_AT_ONCE) if kind == "Subscribe" else (calls, CALLS_AT_ONCE)
            if len(waiting) >= most:
                check_end(ends, *waiting.popleft())
            waiting.append((kind, data, begin(channel, kind, data)))
            if number % RESET_EVERY == 0:
                calls.append(("Reset", reset, begin(channel, "Set", reset)))
        for each in (*calls, *streams):
            check_end(ends, *each)
        stub = gnmi_pb2_grpc.gNMIStub(channel)
        stub.Capabilities(gnmi_pb2.CapabilityRequest(), timeout=ANSWER_S)
        assert farm.switches["leaf0"].state().ports
    print(ends)
    for kind in ("Get OK", "Get NOT_FOUND", "Get INTERNAL", "Set OK", "Set UNKNOWN", "Reset OK"):
        assert ends[kind], ends
    assert ends["Subscribe INVALID_ARGUMENT"], ends


class EndedError(Exception):
    """A call was ended with a status."""


class Direct:
    """What a handler sees of a call that comes without a wire; `code` and `text` are how it was ended."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self.code, self.text = grpc.StatusCode.OK, ""

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def auth_context(self) -> dict[str, list[bytes]]:
        return {}

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        self.code, self.text = code, details
        raise EndedError


class AtOnce(Work):
    """Work that is done where it is asked for."""

    async def run(self, peer: str, call: Callable[[], Result], is_long: bool = False) -> Result:
        """The result of the call."""
        return call()


async def one(data: bytes) -> AsyncIterator[bytes]:
    """The only message of a client."""
    yield data


async def answered(handlers: grpc.GenericRpcHandler, kind: str, data: bytes, peer: str) -> Direct:
    """Make a call without a wire; a stream that only goes on is left after `QUIET_S`."""
    method = SimpleNamespace(method=f"/gnmi.gNMI/{kind}", invocation_metadata=())
    handler: Any = handlers.service(method)
    context = Direct(peer)

    async def stream() -> None:
        async with aclosing(handler.stream_stream(one(data), context)) as answers:
            async for each in answers:
                assert len(handler.response_serializer(each)) >= 0

    with suppress(EndedError):
        if kind == "Subscribe":
            with suppress(TimeoutError):
                await asyncio.wait_for(stream(), QUIET_S)
        else:
            answer = await asyncio.wait_for(handler.stream_unary(one(data), context), ANSWER_S)
            assert len(handler.response_serializer(answer)) >= 0
    return context


def test_fuzzed_requests_without_a_wire_are_answered_and_none_is_a_fault(
    four_ports: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raddle.nos.server.changes.FLAP_S", 0.0)
    monkeypatch.setattr("raddle.nos.server.turns._QUIET_S", 0.0)
    ends: Counter[str] = Counter()
    switch = SimulatedSwitch("leaf0", BootConfig(four_ports, {}), frozenset(four_ports["PORT"]))
    reset = whole(four_ports)

    async def call(handlers: grpc.GenericRpcHandler, kind: str, data: bytes, peer: str) -> None:
        ended = await answered(handlers, "Set" if kind == "Reset" else kind, data, peer)
        ends[f"{kind} {ended.code.name}"] += 1
        check_words(ended.text, kind, data)

    async def send() -> None:
        work = AtOnce()
        service = GnmiService(switch, Passwords({}), work, Changes(switch, work))
        handlers = gnmi_handler(service, work)
        made = islice(requests(random.Random(SEED), four_ports), CALLS)
        while some := list(islice(made, CALLS_AT_ONCE)):
            if ends["Reset OK"] % TELL_EVERY == 0:
                print(f"{ends.total()} requests", flush=True)
            await call(handlers, "Reset", reset, "ipv4:127.0.0.1:9")
            await asyncio.gather(
                *(call(handlers, *each, f"ipv4:127.0.0.1:{peer}") for peer, each in enumerate(some))
            )
        await work.stop()

    asyncio.run(send())
    print(ends)


def whole(config: Mapping[str, Any]) -> bytes:
    """A Set that makes a switch's configuration `config`."""
    names = [gnmi_pb2.PathElem(name=name) for name in ("CONFIG_DB", "localhost")]
    value = gnmi_pb2.TypedValue(json_ietf_val=json.dumps(config).encode())
    update = gnmi_pb2.Update(path=gnmi_pb2.Path(origin="sonic-db", elem=names), val=value)
    return bytes(gnmi_pb2.SetRequest(replace=[update]).SerializeToString())


def check_end(ends: Counter[str], kind: str, data: bytes, call: Any) -> None:
    """Count how a call ended; it must have, and in SONiC's words."""
    code, text = end(call)
    ends[f"{kind} {code.name}"] += 1
    assert code != grpc.StatusCode.DEADLINE_EXCEEDED or kind == "Subscribe", (kind, data)
    check_words(text, kind, data)


def check_words(text: str, kind: str, data: bytes) -> None:
    """See that an error is not told in Python's words."""
    assert not any(word in text for word in ("class", "Exception", "Traceback", "Error(")), (text, kind, data)


def begin(channel: grpc.Channel, kind: str, data: bytes) -> Any:
    """Send a request; a call to wait for."""
    if kind == "Subscribe":
        subscribe: Any = channel.stream_stream("/gnmi.gNMI/Subscribe")
        return subscribe(iter([data]), timeout=STREAM_S)
    ask: Any = channel.unary_unary(f"/gnmi.gNMI/{kind}")
    return ask.future(data, timeout=ANSWER_S)


def end(call: Any) -> tuple[grpc.StatusCode, str]:
    """How a call ended."""
    if hasattr(call, "result"):
        call.exception()
    else:
        with suppress(grpc.RpcError):
            for _ in call:
                pass
    return call.code(), call.details() or ""
