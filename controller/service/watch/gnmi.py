"""A switch watched over gNMI: ON_CHANGE for its configuration and ports, SAMPLE for its neighbours.

Samples come also when nothing changes. So a switch that has fallen silent is told from one that is quiet,
without gRPC's keepalive, which servers take amiss more often than every five minutes (gRPC A8).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
from finsy.proto import gnmi, gnmi_grpc

from raddle.controller.service.watch.notice import Notice, Sink
from raddle.controller.southbound.channel import Problem, failure, login_of, open_channel
from raddle.controller.southbound.sonic.gnmi import MAX_MESSAGE_BYTES
from raddle.controller.southbound.sonic.sets import db_path
from raddle.controller.southbound.sonic.tables import OWNED_TABLES, Tables
from raddle.inventory import Access

SAMPLE_S = 10.0
"""Between two samples of a switch, in seconds."""

_SILENT_SAMPLES = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_PORTS, _NEIGHBOURS = "PORT_TABLE", "LLDP_ENTRY_TABLE"
_List, _Sub = gnmi.SubscriptionList, gnmi.Subscription


class GnmiWatch:
    """Watches one switch in a thread of its own, and comes back to it when it was gone.

    Args:
        tables: of CONFIG_DB, that are watched; none for a switch that another protocol programs.
        wanted: what the switch is to hold now; what is so needs no telling.

    Attributes:
        names: SONiC's name of each port by the vendor's alias, as far as the switch has told.
    """

    def __init__(
        self,
        name: str,
        address: str,
        access: Access,
        tables: Iterable[str],
        wanted: Callable[[str], Tables],
        sink: Sink,
        sample_s: float = SAMPLE_S,
    ) -> None:
        self.name, self._address, self._access = name, address, access
        self._tables, self._wanted, self._sink = tuple(tables), wanted, sink
        self._sample_s = sample_s
        self._over = threading.Event()
        self._calls: list[Any] = []
        self._lock = threading.Lock()
        self._waiting = 0
        self._reason = ""
        self._ended: list[str] = []
        self._heard_s = 0.0
        self._is_connected = False
        self._down: frozenset[str] | None = None
        self._status: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self._neighbours: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name=f"watch-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self, now_s: float) -> None:
        """End streams on which nothing is heard any more."""
        if self._is_connected and now_s - self._heard_s > _SILENT_SAMPLES * self._sample_s:
            self._hang_up()

    def stop(self) -> None:
        self._over.set()
        self._hang_up()
        self._thread.join(5)

    def _hang_up(self) -> None:
        for call in list(self._calls):
            call.cancel()

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._over.is_set():
            with open_channel(
                self._address, self._access, [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
            ) as channel:
                reason = self._listen(gnmi_grpc.gNMIStub(channel))
            pause_s = _FIRST_PAUSE_S if self._is_connected else min(2 * pause_s, _LONGEST_PAUSE_S)
            if self._over.is_set():
                return
            if self._is_connected or reason != self._reason:
                self._tell("gone", reason)
            self._reason = reason
            self._is_connected, self._down = False, None
            self._status.clear()
            self._over.wait(pause_s)

    def _listen(self, stub: Any) -> str:
        """Take what comes until a stream ends; why it did. A subscription is about one database."""
        done = threading.Event()
        asked = [self._asked("APPL_DB", (_PORTS,), (_NEIGHBOURS,))]
        if self._tables:
            asked.append(self._asked("CONFIG_DB", self._tables))
        self._waiting = len(asked)
        self._calls = [
            stub.Subscribe(held_open(each, done), metadata=login_of(self._access)) for each in asked
        ]
        others = [threading.Thread(target=self._drain, args=(call,)) for call in self._calls[1:]]
        for other in others:
            other.start()
        self._ended.clear()
        self._drain(self._calls[0])
        for other in others:
            other.join()
        done.set()
        return self._ended[0]

    def _drain(self, call: Any) -> None:
        """Take what comes on one stream until it ends, and end the others with it."""
        is_whole = False
        try:
            for answer in call:
                self._heard_s = time.monotonic()
                if answer.sync_response:
                    is_whole = True
                    self._synchronised()
                else:
                    self._take(answer.update, is_whole)
            self._ended.append("it has ended the subscription")
        except grpc.RpcError as error:
            self._ended.append(self._words(error))
        finally:
            self._hang_up()

    def _synchronised(self) -> None:
        with self._lock:
            self._waiting -= 1
            if self._waiting:
                return
        self._is_connected, self._reason = True, ""
        self._tell_ports()  # first, so that of a switch which is connected the ports are known
        self._tell("connected")

    def _asked(self, database: str, changing: Iterable[str], sampled: Iterable[str] = ()) -> Any:
        interval_ns = int(self._sample_s * 1e9)
        on_change = gnmi.SubscriptionMode.ON_CHANGE
        watched = [_Sub(path=_path(database, table), mode=on_change) for table in changing]
        watched += [
            _Sub(path=_path(database, table), mode=gnmi.SubscriptionMode.SAMPLE, sample_interval=interval_ns)
            for table in sampled
        ]
        subscribed = _List(mode=_List.STREAM, encoding=gnmi.JSON_IETF, subscription=watched)
        return gnmi.SubscribeRequest(subscribe=subscribed)

    def _take(self, told: gnmi.Notification, is_whole: bool) -> None:
        """Take in a notification; `is_whole`: it is about a change, not how things were at first."""
        before = self._down
        for update in told.update:
            database, table, *rest = _elems(update.path)
            value = json_of(update)
            if table == _PORTS and isinstance(value, dict):
                self._status |= {
                    port: str(fields.get("oper_status", "")) for port, fields in value.items() if fields
                }
                self.names |= {str(f["alias"]): port for port, f in value.items() if "alias" in f}
            elif table == _NEIGHBOURS and isinstance(value, dict):
                self._take_neighbours(value)
            elif database == "CONFIG_DB" and is_whole and (odd := self._odd(table, rest, value)):
                self._tell("changed", odd)
        for path in told.delete:
            database, table, *rest = _elems(path)
            if table == _PORTS:
                for port in rest:
                    self._status.pop(port, None)
            elif database == "CONFIG_DB" and is_whole and self._is_missed(table, rest):
                self._tell("changed", f"{'/'.join([table, *rest])} is gone")
        if self._is_connected and self._ports_down() != before:
            self._tell_ports()

    def _take_neighbours(self, value: dict[str, Any]) -> None:
        heard = {port: str(fields.get("lldp_rem_sys_name", "")) for port, fields in value.items()}
        for port, name in heard.items():
            if self._neighbours.get(port, name) != name:
                self._tell("changed", f"it hears {name} at {port}, where {self._neighbours[port]} was")
        self._neighbours |= heard

    def _odd(self, table: str, rest: list[str], value: object) -> str:
        """What of changed entries is not as wanted; empty if all is."""
        rows = {rest[0]: value} if rest else value
        if len(rest) > 1 or not isinstance(rows, dict):
            return "/".join([table, *rest])
        wanted = self._wanted(self.name).get(table, {})
        for key, fields in rows.items():
            want = wanted.get(key)
            if want is None:
                if table in OWNED_TABLES:
                    return f"{table}/{key}"
            elif not isinstance(fields, dict) or not want.items() <= fields.items():
                return f"{table}/{key}"
        return ""

    def _is_missed(self, table: str, rest: list[str]) -> bool:
        wanted = self._wanted(self.name).get(table, {})
        return rest[0] in wanted if rest else bool(wanted)

    def _ports_down(self) -> frozenset[str]:
        return frozenset(port for port, status in self._status.items() if status != "up")

    def _tell_ports(self) -> None:
        self._down = self._ports_down()
        self._sink(Notice(self.name, "ports", down=self._down, heard_s=time.monotonic()))

    def _tell(self, kind: Any, text: str = "") -> None:
        if kind in ("connected", "gone") and not self._tables:
            return  # that another protocol tells, and gNMI may not even be there
        self._sink(Notice(self.name, kind, text, heard_s=time.monotonic()))

    def _words(self, error: grpc.RpcError) -> str:
        refusal = Problem("ended the subscription", "it is asked again")
        return str(failure(self.name, self._address, self._access, error, refusal)).partition("\n")[0]


def held_open(request: Any, done: threading.Event) -> Iterator[Any]:
    """A request, and no end of the client's side before it is done."""
    yield request
    done.wait()


def _path(database: str, table: str) -> Any:
    return db_path(database, "localhost", table)


def _elems(path: gnmi.Path) -> list[str]:
    """Database, table and what is below, without the instance (`localhost`)."""
    database, _, *rest = [elem.name.replace("~1", "/").replace("~0", "~") for elem in path.elem]
    return [database, *rest]


def json_of(update: gnmi.Update) -> object:
    try:
        return json.loads(update.val.json_ietf_val)
    except (ValueError, RecursionError):
        return None
