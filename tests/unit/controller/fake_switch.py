"""A gNMI server that keeps CONFIG_DB as a plain document and is as strict as SONiC about patches."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from finsy.proto import gnmi, gnmi_grpc


class FakeSwitch(gnmi_grpc.gNMIServicer):
    """`config` is what it holds, `requests` the Sets it took; `forgets` makes it lose every write.

    At Set number `dies_at` the connection drops, and it is gone for good unless it `comes_back`. It answers
    a Set only when `waits_for` is set. `rival` is what another controller writes right after each Set.
    Routes in `uninstalled` (keys of STATIC_ROUTE) do not get into its APPL_DB. Ports in `up` are up too,
    `heard` are its neighbours over LLDP, `learned` what a routing daemon has put into ROUTE_TABLE.
    After `sick_after` Sets its port Ethernet0 loses its link, until Sets put it back; or after it has been
    looked at `sick_after_looks` times. `after_set` is called after each Set, `before_look` before
    its ports are read.
    """

    def __init__(self, config: dict[str, Any], forgets: bool = False, refusal: str = "") -> None:
        self.config = json.loads(json.dumps(config))
        self.forgets = forgets
        self.refusal = refusal
        self.oper_status = "up"
        self.dies_at: int | None = None
        self.comes_back = False
        self.waits_for: threading.Event | None = None
        self.rival: dict[str, Any] = {}
        self.sick_after: int | None = None
        self.sick_after_looks: int | None = None
        self.uninstalled: set[str] = set()
        self.up: set[str] = set()
        self.heard: dict[str, dict[str, str]] = {}
        self.learned: dict[str, dict[str, str]] = {}
        self.hashing: dict[str, str] = {}
        self.requests: list[gnmi.SetRequest] = []
        self.after_set: Callable[[], None] = lambda: None
        self.before_look: Callable[[], None] = lambda: None

    def Get(self, request: gnmi.GetRequest, context: grpc.ServicerContext) -> gnmi.GetResponse:
        assert request.encoding == gnmi.JSON_IETF
        if self._is_dead() and not self.comes_back:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Connection refused")
        if request.prefix.target:
            context.abort(grpc.StatusCode.NOT_FOUND, "no counters here")
        database, _, *elems = names(request.path[0])
        if elems == ["PORT_TABLE"]:
            self.before_look()
        if elems == ["PORT_TABLE"] and self.sick_after_looks is not None:
            self.sick_after_looks -= 1
            self.oper_status = "up" if self.sick_after_looks >= 0 else "down"
        node: Any = {
            "CONFIG_DB": self.config,
            "APPL_DB": {
                "PORT_TABLE": {"Ethernet0": {"oper_status": self.oper_status}}
                | {port: {"oper_status": "up"} for port in self.up},
                "ROUTE_TABLE": {
                    key.rpartition("|")[2].removesuffix("/32"): fields
                    for key, fields in self.config.get("STATIC_ROUTE", {}).items()
                    if key not in self.uninstalled
                }
                | self.learned,
                "LLDP_ENTRY_TABLE": self.heard,
                **({"SWITCH_TABLE": {"switch": self.hashing}} if self.hashing else {}),
                "BUFFER_PG_TABLE": {key.replace("|", ":"): {} for key in self.config.get("BUFFER_PG", {})},
            },
        }
        for elem in (database, *elems):
            if elem not in node:
                context.abort(grpc.StatusCode.NOT_FOUND, f"Failed to find {database} {elem}")
            node = node[elem]
        value = gnmi.TypedValue(json_ietf_val=json.dumps(node).encode())
        update = gnmi.Update(path=request.path[0], val=value)
        return gnmi.GetResponse(notification=[gnmi.Notification(update=[update])])

    def _is_dead(self) -> bool:
        if self.dies_at is None:
            return False
        count = len(self.requests)
        return count == self.dies_at if self.comes_back else count >= self.dies_at

    def Set(self, request: gnmi.SetRequest, context: grpc.ServicerContext) -> gnmi.SetResponse:
        if self.refusal:
            context.abort(grpc.StatusCode.UNKNOWN, self.refusal)
        self.requests.append(request)
        if self.waits_for:
            self.waits_for.wait(20)
        if self._is_dead():
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        document = json.loads(json.dumps(self.config))
        for path in request.delete:
            *parents, last = names(path)[2:]
            node = document
            for name in parents:
                node = node[name]
            del node[last]
        for update in request.update:
            *parents, last = names(update.path)[2:]
            node = document
            for name in parents:
                if name not in node:
                    context.abort(grpc.StatusCode.UNKNOWN, f"member '{name}' not found")
                node = node[name]
            node[last] = json.loads(update.val.json_ietf_val)
        if empty := [table for table, entries in document.items() if not entries]:
            context.abort(grpc.StatusCode.UNKNOWN, f"empty tables: {empty}")
        if not self.forgets:
            self.config = document
        for table, entries in self.rival.items():
            self.config.setdefault(table, {}).update(entries)
        if self.sick_after is not None:
            self.oper_status = "down" if len(self.requests) == self.sick_after else "up"
        self.after_set()
        return gnmi.SetResponse()


def names(path: gnmi.Path) -> list[str]:
    assert path.origin == "sonic-db"
    return [elem.name.replace("~1", "/").replace("~0", "~") for elem in path.elem]


@contextmanager
def serving(switch: FakeSwitch) -> Iterator[str]:
    """Serve a switch; yields its address."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    gnmi_grpc.add_gNMIServicer_to_server(switch, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def free_address() -> str:
    """An address at which nothing listens."""
    with serving(FakeSwitch({})) as address:
        return address
