"""Whatever is sent to a switch, or kept in it, it answers and goes on forwarding."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raddle.nos.db.databases import ConfigDb
from raddle.nos.db.schema import TABLES, read_config, validate
from raddle.nos.orch import derive
from raddle.nos.orch.appl_db import appl_db
from raddle.nos.orch.asic_db import asic_db
from raddle.nos.orch.counter_views import Counted
from raddle.nos.orch.counters import counter_layout, counters_db
from raddle.nos.switch import SimulatedSwitch
from raddle.state import PRIORITIES

Served = tuple[SimulatedSwitch, gnmi_pb2_grpc.gNMIStub]

# Names that are near what a switch has, and anything else that protobuf takes.
_NEAR = st.sampled_from(
    (
        *("CONFIG_DB", "APPL_DB", "COUNTERS_DB", "localhost", "PORT", "Ethernet0", "mtu", "STATIC_ROUTE"),
        *("SWITCH_HASH", "GLOBAL", "ecmp_hash", "0", "-", "-1", "default|10.0.1.0~124", "~", "~2", "/", "|"),
        *("", "BUFFER_PG", "PFC_WD"),
    )
)
_NAMES = _NEAR | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_ELEMS = st.lists(
    st.builds(
        lambda name, keys: gnmi_pb2.PathElem(name=name, key=keys),
        _NAMES,
        st.just({}) | st.dictionaries(_NAMES, _NAMES, max_size=1),
    ),
    max_size=6,
)


def _path(elems: list[gnmi_pb2.PathElem], origin: str, is_rooted: bool) -> gnmi_pb2.Path:
    root = [gnmi_pb2.PathElem(name="CONFIG_DB"), gnmi_pb2.PathElem(name="localhost")] if is_rooted else []
    return gnmi_pb2.Path(origin=origin, elem=[*root, *elems])


_PATHS = st.builds(_path, _ELEMS, st.sampled_from(["sonic-db"] * 5 + ["", "openconfig"]), st.booleans())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | _NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=6,
)
_VALUES = st.one_of(
    _JSON.map(lambda value: gnmi_pb2.TypedValue(json_ietf_val=json.dumps(value).encode())),
    st.binary(max_size=20).map(lambda raw: gnmi_pb2.TypedValue(json_ietf_val=raw)),
    st.just(gnmi_pb2.TypedValue(json_ietf_val=b"[" * 100_000)),
    st.just(gnmi_pb2.TypedValue(json_ietf_val=b"9" * 5000)),
    st.just(gnmi_pb2.TypedValue(string_val="up")),
    st.just(gnmi_pb2.TypedValue()),
)
_UPDATES = st.lists(
    st.builds(lambda where, value: gnmi_pb2.Update(path=where, val=value), _PATHS, _VALUES), max_size=2
)
_REFUSED = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED}


def _refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """How the call ended: OK, or its code and text."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""


def _is_clean(text: str) -> bool:
    """grpc.aio reports an exception that a handler lets through as `Unexpected <class ...`."""
    return "Unexpected <class" not in text and "Traceback" not in text


_SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_an_exception_in_a_handler_would_be_seen(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raddle.nos.server.gnmi.check_writable", lambda *arguments: [].pop())
    code, text = _refusal(lambda: served[1].Set(gnmi_pb2.SetRequest(), timeout=10))
    assert code not in _REFUSED
    assert not _is_clean(text)


@settings(_SETTINGS, max_examples=120)
@given(paths=st.lists(_PATHS, max_size=3), prefix=_PATHS, encoding=st.integers(0, 6), kind=st.integers(0, 4))
def test_any_get_is_answered_with_a_status(
    served: Served, paths: list[gnmi_pb2.Path], prefix: gnmi_pb2.Path, encoding: Any, kind: Any
) -> None:
    request = gnmi_pb2.GetRequest(prefix=prefix, path=paths, encoding=encoding, type=kind)
    code, text = _refusal(lambda: served[1].Get(request, timeout=10))
    assert code in _REFUSED | {grpc.StatusCode.OK}, text
    assert _is_clean(text)


@settings(_SETTINGS, max_examples=200)
@given(deletes=st.lists(_PATHS, max_size=2), replaces=_UPDATES, updates=_UPDATES)
def test_any_set_is_answered_with_a_status_and_can_be_undone(
    served: Served,
    deletes: list[gnmi_pb2.Path],
    replaces: list[gnmi_pb2.Update],
    updates: list[gnmi_pb2.Update],
) -> None:
    switch, stub = served
    before = switch.databases
    request = gnmi_pb2.SetRequest(delete=deletes, replace=replaces, update=updates)
    code, text = _refusal(lambda: stub.Set(request, timeout=10))
    assert code in _REFUSED | {grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN}, text
    assert _is_clean(text)
    if code != grpc.StatusCode.OK:
        assert switch.databases is before, "a refused Set changes nothing"
    switch.state()
    switch.replace_config(before.config)
    assert switch.databases == before


@pytest.mark.parametrize("opens", ["[", '{"a":'])
@pytest.mark.parametrize("elems", range(4))
def test_json_of_any_depth_is_answered_with_a_status(served: Served, opens: str, elems: int) -> None:
    names = ("PORT", "Ethernet0", "alias")[:elems]
    where = _path([gnmi_pb2.PathElem(name=name) for name in names], "sonic-db", True)
    # Below a thousand Python's parser takes it, and what goes through it afterwards may not.
    for depth in (2, 150, 300, 450, 600, 900, 990):
        text = opens * depth + "1" + ("]" if opens == "[" else "}") * depth
        value = gnmi_pb2.TypedValue(json_ietf_val=text.encode())
        request = gnmi_pb2.SetRequest(replace=[gnmi_pb2.Update(path=where, val=value)])
        code, answer = _refusal(partial(served[1].Set, request, timeout=10))
        assert code in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND)
        assert _is_clean(answer), (depth, answer)


_TARGETS = st.sampled_from(("", "COUNTERS_DB", "STATE_DB", "CONFIG_DB", "OTHERS", "SHOW", "MY_DB", "x"))
_COUNTER_ELEMS = st.lists(
    st.sampled_from(
        (
            *("COUNTERS", "RATES", "PORT_PHY_ATTR", "PERIODIC_WATERMARKS", "COUNTERS_PORT_NAME_MAP", "PORT"),
            *("Ethernet*", "Ethernet0", "etp1", "oid:0x1", "SID*", "*", "", "PORT_TABLE"),
            *("Queues", "Pfcwd", "PriorityGroups", "VoQs", "SAI_PORT_STAT_IF_OUT_OCTETS"),
        )
    ),
    max_size=5,
)


@settings(_SETTINGS, max_examples=200)
@given(target=_TARGETS, elems=_COUNTER_ELEMS)
def test_any_get_by_target_is_answered_with_a_status(served: Served, target: str, elems: list[str]) -> None:
    path = gnmi_pb2.Path(elem=[gnmi_pb2.PathElem(name=name) for name in elems])
    request = gnmi_pb2.GetRequest(prefix=gnmi_pb2.Path(target=target), path=[path])
    code, text = _refusal(lambda: served[1].Get(request, timeout=10))
    assert code in _REFUSED | {grpc.StatusCode.OK}, text
    assert _is_clean(text)


@settings(_SETTINGS, max_examples=150)
@given(
    paths=st.lists(_PATHS, max_size=2),
    prefix=_PATHS,
    target=_TARGETS,
    mode=st.integers(0, 3),
    how=st.integers(0, 3),
    interval_ns=st.sampled_from((0, 1, 10**9, 2**64 - 1)),
    has_more=st.booleans(),
)
def test_any_subscribe_ends_with_a_status_when_the_client_has_said_all(
    served: Served,
    paths: list[gnmi_pb2.Path],
    prefix: gnmi_pb2.Path,
    target: str,
    mode: Any,
    how: Any,
    interval_ns: int,
    has_more: bool,
) -> None:
    where = gnmi_pb2.Path(target=target, origin=prefix.origin, elem=prefix.elem)
    subscriptions = [
        gnmi_pb2.Subscription(path=path, mode=how, sample_interval=interval_ns) for path in paths
    ]
    asked = gnmi_pb2.SubscriptionList(prefix=where, subscription=subscriptions, mode=mode)
    requests = [gnmi_pb2.SubscribeRequest(subscribe=asked)]
    requests += [gnmi_pb2.SubscribeRequest(poll=gnmi_pb2.Poll())] * has_more
    code, text = _refusal(lambda: list(served[1].Subscribe(iter(requests), timeout=10)))
    assert code in _REFUSED | {grpc.StatusCode.INVALID_ARGUMENT}, text
    assert _is_clean(text)
    assert served[0]._watchers == {}


_TEXTS = st.sampled_from(
    (
        *(
            "",
            "0",
            "1",
            "7",
            "15",
            "64",
            "100",
            "-1",
            "-8",
            "+5",
            "007",
            "²",
            "9" * 21,
            "3-4",
            "4-3",
            "0-2,5",
        ),
        *("NULL", "AZURE", "dwrr", "LOSSLESS", "pg_lossless", "egress_lossless_pool", "Ethernet0", "STRICT"),
        *("true", "false", "true,false", "default", "default,default", "172.16.0.1", "172.16.0.1,172.16.0.3"),
        *("Ethernet8", "Ethernet8,Ethernet16", "Ethernet0|3", "Ethernet0|3-4", "default|10.7.0.0/16"),
        *(
            "10.0.0.0/8",
            "0.0.0.0",
            "fc00::1/64",
            "up",
            "down",
            "ecn_all",
            "static",
            "dynamic",
            "global",
            "GLOBAL",
        ),
    )
)


@st.composite
def _changed_configs(draw: st.DrawFn, four_ports: dict[str, Any]) -> ConfigDb:
    """The four-port configuration with some fields that are other values, or gone."""
    document = copy.deepcopy(four_ports)
    for _ in range(draw(st.integers(1, 4))):
        table = draw(st.sampled_from(sorted(TABLES)))
        entries = document.setdefault(table, {})
        key = draw(st.sampled_from(sorted(entries)) | _TEXTS) if entries else draw(_TEXTS)
        entry = entries.setdefault(key, {})
        schemas = [*TABLES[table].entries, *TABLES[table].singletons.values()]
        fields = sorted({name for schema in schemas for name in schema.fields} | set(entry))
        name = draw(st.sampled_from(fields) | _TEXTS) if fields else draw(_TEXTS)
        if draw(st.booleans()):
            entry[name] = draw(_TEXTS | st.lists(_TEXTS, max_size=2))
        else:
            entry.pop(name, None)
    config, malformed = read_config(document)
    assert not malformed
    return config


@settings(_SETTINGS, max_examples=300)
@given(data=st.data())
def test_every_configuration_that_is_valid_can_be_forwarded_with(
    four_ports: dict[str, Any], data: st.DataObject
) -> None:
    config = data.draw(_changed_configs(four_ports))
    if validate(config):
        return
    state = derive(config, {"PORT_TABLE": {name: {"oper_status": "up"} for name in config["PORT"]}})
    assert [route.ports for route in state.routes if max(route.ports, default=0) >= len(state.ports)] == []
    for port in state.ports:
        assert len(port.dscp_to_tc) == 64
        assert max(*port.dscp_to_tc, *port.tc_to_queue, *port.tc_to_pg, *port.pfc_to_queue) < PRIORITIES
        assert len(port.pgs) == len(port.queues) == PRIORITIES
        assert all(pg is None or pg < len(state.buffer_profiles) for pg in port.pgs)
    layout = counter_layout(config)
    assert all(counters_db(layout, config, Counted())["COUNTERS"].values())
    lit = frozenset(config["PORT"])
    appl = appl_db(config, lit, {}, {})
    assert all(dict(table) is not None for table in appl.values())
    assert asic_db(config, appl, lit, {}, layout)["ASIC_STATE"]
    for profile in state.buffer_profiles:
        assert (profile.dynamic_th is None) != (profile.static_th_bytes is None)
