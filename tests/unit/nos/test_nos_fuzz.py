"""Any bytes that a client sends as gNMI are answered in SONiC's words, and the switch goes on."""

from __future__ import annotations

import json
import os
import random
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import grpc
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc
from google.protobuf.message import Message

from raddle.nos.farm import SwitchFarm
from raddle.nos.switch import BootConfig

REQUESTS = int(os.environ.get("RADDLE_FUZZ_GNMI", "2000"))
"""`scripts/fuzz-gnmi` sends a million."""
SEED = int(os.environ.get("RADDLE_FUZZ_GNMI_SEED", "20260601"))
CALLS_AT_ONCE = 48
STREAMS_AT_ONCE = 90
"""Fewer than a switch has at once, and than those of one connection that may wait."""
RESET_EVERY = 400
"""Requests after which the switch gets its configuration back."""
ANSWER_S = 120.0
STREAM_S = 3.0
"""A spoilt ONCE may have become a stream, which ends only so."""

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


def test_fuzzed_requests_are_answered_and_none_names_a_python_class(four_ports: dict[str, Any]) -> None:
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
