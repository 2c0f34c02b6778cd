"""Any bytes that a client sends as gNMI are answered in SONiC's words, and the switch goes on."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import grpc
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.nos.farm import SwitchFarm
from raddle.nos.switch import BootConfig

REQUESTS = int(os.environ.get("RADDLE_FUZZ_GNMI", "2000"))
"""`scripts/fuzz-gnmi` sends a million."""
AT_ONCE = 64
ANSWER_S = 30.0
STREAM_S = 0.5
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
_VALUES = (b'"up"', b'"1500"', b"{}", b"[]", b"null", b"NaN", b"[" * 5000, b"", b"\xff", b'{"Ethernet0": {}}')


def requests(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """(method, bytes): what a client might send, half of it spoilt."""

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
        value = gnmi_pb2.TypedValue(json_ietf_val=rng.choice(_VALUES))
        return gnmi_pb2.Update(path=path(), val=value)

    while True:
        kind = rng.choice(("Get", "Get", "Set", "Capabilities", "Subscribe"))
        paths = [path() for _ in range(rng.randrange(4))]
        if kind == "Get":
            message: gnmi_pb2.GetRequest | gnmi_pb2.SetRequest | gnmi_pb2.SubscribeRequest = (
                gnmi_pb2.GetRequest(
                    prefix=path(),
                    path=paths,
                    encoding=rng.choice((0, 2, 4, 9)),
                    type=rng.choice((0, 0, 0, 1)),
                )
            )
        elif kind == "Set":
            message = gnmi_pb2.SetRequest(
                delete=paths[:1], replace=[update() for _ in paths[1:]], update=[update()]
            )
        elif kind == "Subscribe":
            asked = gnmi_pb2.SubscriptionList(
                prefix=path(),
                subscription=[gnmi_pb2.Subscription(path=each, mode=rng.choice((0, 1, 2))) for each in paths],
                mode=rng.choice((1, 1, 9)),  # ONCE, which ends
            )
            message = gnmi_pb2.SubscribeRequest(subscribe=asked)
        else:
            message = gnmi_pb2.GetRequest()
        data = message.SerializeToString()
        yield kind, spoilt(rng, data) if rng.random() < 0.5 else data


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
    made = requests(random.Random(20_260_601))
    ends: Counter[str] = Counter()
    boot = BootConfig(four_ports, {})
    with (
        SwitchFarm({"leaf0": boot}, {"leaf0": frozenset(four_ports["PORT"])}) as farm,
        grpc.insecure_channel(farm.addresses["leaf0"]) as channel,
    ):
        for start in range(0, REQUESTS, AT_ONCE):
            batch = list(islice(made, min(AT_ONCE, REQUESTS - start)))
            for (kind, data), call in [(each, begin(channel, *each)) for each in batch]:
                code, text = end(call)
                ends[f"{kind} {code.name}"] += 1
                assert code != grpc.StatusCode.DEADLINE_EXCEEDED or kind == "Subscribe", (kind, data)
                assert not any(word in text for word in ("class", "Exception", "Traceback", "Error(")), text
        stub = gnmi_pb2_grpc.gNMIStub(channel)
        stub.Capabilities(gnmi_pb2.CapabilityRequest(), timeout=ANSWER_S)
        assert farm.switches["leaf0"].state().ports
    for kind in ("Get OK", "Get NOT_FOUND", "Get INTERNAL", "Set UNKNOWN", "Subscribe INVALID_ARGUMENT"):
        assert ends[kind], ends


def begin(channel: grpc.Channel, kind: str, data: bytes) -> Any:
    """Send a request; a call to wait for."""
    if kind == "Subscribe":
        return channel.stream_stream("/gnmi.gNMI/Subscribe")(iter([data]), timeout=STREAM_S)
    return channel.unary_unary(f"/gnmi.gNMI/{kind}").future(data, timeout=ANSWER_S)


def end(call: Any) -> tuple[grpc.StatusCode, str]:
    """How a call ended."""
    if hasattr(call, "result"):
        call.exception()
    else:
        with suppress(grpc.RpcError):
            for _ in call:
                pass
    return call.code(), call.details() or ""
