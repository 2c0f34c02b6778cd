"""The counters of one switch, sampled over gNMI (COUNTERS_DB as sonic-gnmi's virtual paths name it)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from finsy.proto import gnmi, gnmi_grpc

from raddle.controller.service.watch.gnmi import held_open
from raddle.controller.southbound.channel import Problem, failure, login_of, open_channel
from raddle.controller.southbound.sonic.gnmi import MAX_MESSAGE_BYTES
from raddle.inventory import Access
from raddle.state import PRIORITIES

STATS = (
    "out_octets",
    "in_octets",
    "out_discards",
    "in_discards",
    "in_errors",
    "in_packets",
    "pfc_rx",
    "pfc_tx",
    "ecn_marked",
    "queue_bytes",
)
"""What is kept of a port; behind it come, of the lossless priorities, the microseconds that each was paused
and the bytes that its queue holds. `queue_bytes` is that of the longest queue at the moment, the others count
up."""
MISSING = -1
"""Of what a switch does not count."""

_LONGEST_PAUSE_S = 10.0
CLOCK_FIELD = "SIMULATED_PS"
"""Of a port's counters, where traffic is simulated: their instant. Counts and clock come together, as two
notifications may be of two instants."""

_PS_PER_S = 1e12
_PORT = {
    "out_octets": ("IF_OUT_OCTETS",),
    "in_octets": ("IF_IN_OCTETS",),
    "out_discards": ("IF_OUT_DISCARDS",),
    "in_discards": ("IF_IN_DISCARDS",),
    "in_errors": ("IF_IN_ERRORS",),
    "in_packets": ("IF_IN_UCAST_PKTS",),
    "pfc_rx": tuple(f"PFC_{priority}_RX_PKTS" for priority in range(PRIORITIES)),
    "pfc_tx": tuple(f"PFC_{priority}_TX_PKTS" for priority in range(PRIORITIES)),
}
_MARKED, _OCCUPANCY = "SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS", "SAI_QUEUE_STAT_CURR_OCCUPANCY_BYTES"
_List, _Sub = gnmi.SubscriptionList, gnmi.Subscription


@dataclass(frozen=True, slots=True)
class Reading:
    """All ports of a switch at one moment.

    Attributes:
        clock_s: when, on the clock that its counters go by: the time of the answer, or simulated time.
        is_simulated: it is simulated time.
        ports: `STATS` and the pauses, by SONiC's port name.
    """

    switch: str
    clock_s: float
    is_simulated: bool
    ports: Mapping[str, Sequence[int]]


def pauses_of(row: Sequence[int]) -> Sequence[int]:
    """Of a port's row, the microseconds that each lossless priority was paused."""
    return row[len(STATS) : (len(STATS) + len(row)) // 2]


def port_row(counters: Mapping[str, str], lossless: Sequence[int]) -> list[int]:
    """A port's row of a reading, its queues not counted yet."""
    row = [_sum(counters, names) for names in _PORT.values()]
    pauses = [_sum(counters, (f"PFC_{priority}_RX_PAUSE_DURATION_US",)) for priority in lossless]
    return [*row, MISSING, MISSING, *pauses, *(MISSING for _ in lossless)]


def add_queues(
    rows: Mapping[str, list[int]], queues: Mapping[str, Mapping[str, str]], lossless: Sequence[int]
) -> None:
    """Count queues (`Ethernet0:3`) into the rows of their ports."""
    marked, longest = STATS.index("ecn_marked"), STATS.index("queue_bytes")
    places = {str(priority): at for at, priority in enumerate(lossless, len(STATS) + len(lossless))}
    for name, counters in queues.items():
        port, _, queue = name.rpartition(":")
        row = rows.get(port)
        if row is None:
            continue
        if queue in places and _OCCUPANCY in counters:
            row[places[queue]] = int(counters[_OCCUPANCY])
        if _MARKED in counters:
            row[marked] = max(row[marked], 0) + int(counters[_MARKED])
        if _OCCUPANCY in counters:
            row[longest] = max(row[longest], int(counters[_OCCUPANCY]))


def _sum(counters: Mapping[str, str], names: Iterable[str]) -> int:
    found = [int(counters[stat]) for name in names if (stat := f"SAI_PORT_STAT_{name}") in counters]
    return sum(found) if found else MISSING


class CounterWatch:
    """Samples one switch in a thread of its own, and comes back to it when it was gone.

    Args:
        names: SONiC's names of its ports by alias, as far as they are known yet.
        sink: hears readings, in the threads of the watch.
        problem: hears why there are none, in words; nothing once they come again.
    """

    def __init__(
        self,
        name: str,
        address: str,
        access: Access,
        lossless: Sequence[int],
        names: Callable[[], Mapping[str, str]],
        sink: Callable[[Reading], None],
        problem: Callable[[str, str], None],
        sample_s: float,
    ) -> None:
        self.name, self._address, self._access = name, address, access
        self._lossless, self._names = tuple(lossless), names
        self._sink, self._problem, self._sample_s = sink, problem, sample_s
        self._over = threading.Event()
        self._call: Any = None
        self._ports: dict[str, dict[str, str]] = {}
        self._thread = threading.Thread(target=self._run, name=f"counters-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self, now_s: float) -> None:
        """A stream that is silent is ended by who watches the switch."""

    def stop(self) -> None:
        self._over.set()
        if self._call:
            self._call.cancel()
        self._thread.join(5)

    def _run(self) -> None:
        pause_s = 0.2
        while not self._over.is_set():
            options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
            with open_channel(self._address, self._access, options) as channel:
                try:
                    self._listen(gnmi_grpc.gNMIStub(channel))
                    reason = "it has ended the subscription"
                except grpc.RpcError as error:
                    refusal = Problem("gives no counters", "they are asked for again")
                    reason = str(failure(self.name, self._address, self._access, error, refusal))
            if self._over.is_set():
                return
            self._problem(self.name, reason.partition("\n")[0])
            self._over.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _listen(self, stub: Any) -> None:
        """Take what comes until the stream ends."""
        done = threading.Event()
        login = login_of(self._access)
        counters = _asked(
            "COUNTERS_DB", [("COUNTERS", "Ethernet*"), ("COUNTERS", "Ethernet*", "Queues")], self._sample_s
        )
        self._call = stub.Subscribe(held_open(counters, done), metadata=login)
        self._ports = {}
        try:
            for answer in self._call:
                for update in answer.update.update:
                    self._take(update, answer.update.timestamp)
        finally:
            done.set()
            self._call.cancel()

    def _take(self, update: gnmi.Update, timestamp_ns: int) -> None:
        found = json.loads(update.val.json_ietf_val)
        if update.path.elem[-1].name != "Queues":
            self._ports = found
            return
        counted = {port: port_row(counters, self._lossless) for port, counters in self._ports.items()}
        add_queues(counted, found, self._lossless)
        names = self._names()
        rows = {names.get(port, port): row for port, row in counted.items()}
        clocks = {counters[CLOCK_FIELD] for counters in self._ports.values() if CLOCK_FIELD in counters}
        if clocks:
            self._sink(Reading(self.name, int(max(clocks, key=int)) / _PS_PER_S, True, rows))
        else:
            self._sink(Reading(self.name, timestamp_ns / 1e9, False, rows))


def _asked(target: str, paths: Iterable[Sequence[str]], sample_s: float) -> Any:
    subscriptions = [
        _Sub(
            path=gnmi.Path(elem=[gnmi.PathElem(name=name) for name in path]),
            mode=gnmi.SubscriptionMode.SAMPLE,
            sample_interval=int(sample_s * 1e9),
        )
        for path in paths
    ]
    asked = _List(
        prefix=gnmi.Path(target=target),
        mode=_List.STREAM,
        encoding=gnmi.JSON_IETF,
        subscription=subscriptions,
    )
    return gnmi.SubscribeRequest(subscribe=asked)
