"""Subscribe over a socket: the order of answers, changes as they happen, and SONiC's ends of streams."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.nos.db.patch import PatchOp
from raddle.nos.server.subscribe import _schedule
from raddle.nos.switch import SimulatedSwitch
from raddle.state import SwitchCounters

Served = tuple[SimulatedSwitch, gnmi_pb2_grpc.gNMIStub]
_List = gnmi_pb2.SubscriptionList


def at(text: str) -> gnmi_pb2.Path:
    return gnmi_pb2.Path(elem=[gnmi_pb2.PathElem(name=name) for name in text.split()])


def request(
    target: str, *paths: str, mode: int = _List.STREAM, how: int = gnmi_pb2.ON_CHANGE, **options: Any
) -> gnmi_pb2.SubscribeRequest:
    """A subscription; target `sonic-db` stands for that origin, any other for a database."""
    native = target == "sonic-db"
    prefix = gnmi_pb2.Path(origin=target) if native else gnmi_pb2.Path(target=target)
    subscriptions = [gnmi_pb2.Subscription(path=at(path), mode=how, **options) for path in paths]  # type: ignore[arg-type]
    return gnmi_pb2.SubscribeRequest(
        subscribe=_List(prefix=prefix, subscription=subscriptions, mode=mode)  # type: ignore[arg-type]
    )


class Session:
    """A subscription whose client side stays open until `close`."""

    def __init__(self, stub: gnmi_pb2_grpc.gNMIStub, first: gnmi_pb2.SubscribeRequest) -> None:
        self._outbox: queue.Queue[gnmi_pb2.SubscribeRequest | None] = queue.Queue()
        self._outbox.put(first)
        self.call = stub.Subscribe(iter(self._outbox.get, None), timeout=20)

    def next(self) -> Any:
        """`sync`, `{"delete": path}` or the value of an update."""
        answer = next(self.call)
        if answer.sync_response:
            return "sync"
        if answer.update.delete:
            return {"delete": " ".join(elem.name for elem in answer.update.delete[0].elem)}
        value = answer.update.update[0].val
        kind = value.WhichOneof("value")
        return json.loads(value.json_ietf_val) if kind == "json_ietf_val" else f"text {value.string_val}"

    def poll(self) -> None:
        self._outbox.put(gnmi_pb2.SubscribeRequest(poll=gnmi_pb2.Poll()))

    def close(self) -> tuple[str, str]:
        """End of the client's side; returns the status that the server ends with."""
        self._outbox.put(None)
        with pytest.raises(grpc.RpcError) as caught:
            list(self.call)
        return caught.value.code().name, caught.value.details() or ""


@pytest.fixture
def port(served: Served) -> Iterator[str]:
    yield "Ethernet24"
    served[0].apply_patch([PatchOp("replace", ("PORT", "Ethernet24", "mtu"), "9100")])


def set_mtu(served: Served, port: str, mtu: str) -> None:
    served[0].apply_patch([PatchOp("replace", ("PORT", port, "mtu"), mtu)])


ENDED = ("INVALID_ARGUMENT", "queue: disposed")


def test_once_sends_each_path_then_sync_then_ends_as_sonic_does(served: Served) -> None:
    paths = (
        "CONFIG_DB localhost PORT Ethernet0 mtu",
        "CONFIG_DB localhost DSCP_TO_TC_MAP",
        "CONFIG_DB localhost VLAN",
    )
    session = Session(served[1], request("sonic-db", *paths, mode=_List.ONCE))
    assert [session.next() for _ in range(3)] == ["9100", {"AZURE": {"26": "3", "48": "6"}}, "sync"]
    assert session.close() == ENDED


def test_poll_sends_a_batch_unasked_and_one_for_every_poll(served: Served, port: str) -> None:
    session = Session(served[1], request("CONFIG_DB", f"PORT {port} mtu", mode=_List.POLL))
    assert [session.next(), session.next()] == ["text 9100", "sync"]
    set_mtu(served, port, "4200")
    session.poll()
    assert [session.next(), session.next()] == ["text 4200", "sync"]
    assert session.close() == ENDED


def test_on_change_of_a_table_sends_the_entries_that_changed_whole(served: Served, port: str) -> None:
    session = Session(served[1], request("STATE_DB", "PORT_TABLE"))
    assert sorted(session.next()) == ["Ethernet0", "Ethernet16", "Ethernet24", "Ethernet8"]
    assert session.next() == "sync"
    set_mtu(served, port, "1500")
    changed = session.next()
    assert list(changed) == [port]
    assert (changed[port]["mtu"], changed[port]["speed"]) == ("1500", "400000")
    assert session.close() == ENDED


def test_on_change_tells_fields_as_text_and_what_is_gone_as_deletes(served: Served) -> None:
    switch = served[0]
    where = ("STATIC_ROUTE", "default|10.77.0.0/16")
    session = Session(
        served[1],
        request(
            "sonic-db",
            "CONFIG_DB localhost STATIC_ROUTE",
            f"CONFIG_DB localhost {where[0]} {where[1].replace('/', '~1')} nexthop",
        ),
    )
    assert len(session.next()) == 2
    assert session.next() == "sync"
    switch.apply_patch([PatchOp("add", where, {"nexthop": "172.16.0.1", "ifname": "Ethernet8"})])
    assert list(session.next()) == [where[1]]
    assert session.next() == "text 172.16.0.1"
    switch.apply_patch([PatchOp("remove", where)])
    assert session.next() == {"delete": f"CONFIG_DB localhost STATIC_ROUTE {where[1]}"}
    assert session.next()["delete"].endswith("nexthop")
    session.close()


def test_sample_sends_the_counters_of_each_second(served: Served) -> None:
    switch = served[0]
    session = Session(
        served[1], request("COUNTERS_DB", "COUNTERS Ethernet0", how=gnmi_pb2.SAMPLE, sample_interval=10**9)
    )
    assert session.next()["SAI_PORT_STAT_IF_OUT_OCTETS"] == "0"
    assert session.next() == "sync"
    switch.set_counters(SwitchCounters(("Ethernet0",), {"SAI_PORT_STAT_IF_OUT_OCTETS": (4178,)}))
    assert session.next()["SAI_PORT_STAT_IF_OUT_OCTETS"] == "4178"
    assert session.close() == ENDED
    switch.set_counters(SwitchCounters())


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        (gnmi_pb2.SubscribeRequest(), "INVALID_ARGUMENT", "first message must be SubscriptionList"),
        (request("CONFIG_DB"), "NOT_FOUND", "No Subscription"),
        (request("SHOW", "clock"), "UNIMPLEMENTED", "SHOW does not support subscribe operations"),
        (request("", "PORT"), "UNIMPLEMENTED", "Empty target data not supported"),
        (
            request("CONFIG_DB", "PORT", how=gnmi_pb2.TARGET_DEFINED),
            "INVALID_ARGUMENT",
            "unsupported subscription mode, TARGET_DEFINED",
        ),
        (
            request("CONFIG_DB", "PORT", how=gnmi_pb2.SAMPLE, sample_interval=10**7),
            "INVALID_ARGUMENT",
            "invalid interval: 10ms. It cannot be less than 1s",
        ),
        (request("sonic-db", "CONFIG_DB"), "NOT_FOUND", "Invalid elem length"),
    ],
)
def test_refusals_have_sonics_code_and_words(
    served: Served, asked: gnmi_pb2.SubscribeRequest, code: str, text: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(served[1].Subscribe(iter([asked]), timeout=10))
    assert caught.value.code().name == code
    assert text in (caught.value.details() or "")


def test_a_stream_that_is_left_leaves_no_watcher_behind(served: Served) -> None:
    session = Session(served[1], request("CONFIG_DB", "PORT"))
    session.next()
    session.next()
    assert len(served[0]._watchers) == 1
    assert session.close() == ENDED
    assert served[0]._watchers == {}


def test_no_sample_interval_means_one_second() -> None:
    assert _schedule(gnmi_pb2.Subscription(mode=gnmi_pb2.SAMPLE)) == (True, 1.0)


def test_refused_subscriptions_of_a_connection_end_one_after_the_other(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended all at once, their client's next calls would come at once, and keep others at the door."""
    monkeypatch.setattr("raddle.nos.server.gnmi.MAX_STREAMS", 0)
    monkeypatch.setattr("raddle.nos.server.gnmi._REFUSAL_S", 0.2)
    began_s = time.monotonic()
    sessions = [Session(served[1], request("CONFIG_DB", "PORT")) for _ in range(4)]
    ends = [session.close() for session in sessions]
    assert ends == [("UNAVAILABLE", "Server connections are at capacity.")] * 4
    assert time.monotonic() - began_s >= 4 * 0.2
