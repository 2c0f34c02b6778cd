"""Changes of routes sent as one message to each SONiC switch, over connections that stay open.

All at the same time, and without reading first: after a failure what the messages take away is lost already.
Only what they change is read back. Whoever holds something else is left to the comparison that follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

from raddle.controller.service.events import Bus
from raddle.controller.service.pusher import Pusher
from raddle.controller.service.rendered import Rows
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.routes import TABLE
from raddle.controller.southbound.sonic.sets import plan_push
from raddle.controller.southbound.workers import CONCURRENT_SWITCHES
from raddle.controller.spans import NOT_TRACED, Span
from raddle.errors import UnreachableError

ANSWER_S = 10.0
"""How long a switch may take; one that is slower is compared later, and holds up no other repair."""


class Express:
    """Connections to SONiC switches. Used by one thread."""

    def __init__(self, pusher: Pusher, bus: Bus) -> None:
        self._pusher, self._bus = pusher, bus
        self._unfenced: set[str] = set()
        self._clients: dict[tuple[str, str], GnmiClient] = {}
        self._pool = ThreadPoolExecutor(CONCURRENT_SWITCHES, thread_name_prefix="express")

    def open(self, names: Iterable[str]) -> None:
        """Have connections to these switches, and no others."""
        inventory = self._pusher.inventory
        addresses = inventory.addresses
        wanted = {(name, addresses[name]) for name in names if name in addresses}
        for key in self._clients.keys() - wanted:
            self._clients.pop(key).__exit__(None, None, None)
        for name, address in wanted - self._clients.keys():
            client = GnmiClient(name, address, inventory.access, inventory.election_ids.get(name, 0))
            self._clients[(name, address)] = client
            self._pool.submit(_touch, client)

    def take_lead(self, name: str) -> None:
        """Tell a switch that we lead now, where several controllers may; say so if it does not heed that."""
        inventory = self._pusher.inventory
        client = self._clients.get((name, inventory.addresses.get(name, "")))
        if client and inventory.election_ids.get(name):
            self._pool.submit(self._take_lead, client)

    def _take_lead(self, client: GnmiClient) -> None:
        try:
            is_fenced = client.take_lead()
        except UnreachableError as error:
            self._bus.tell("problem", str(error).partition("\n")[0], client.name)
            return
        if not is_fenced and client.name not in self._unfenced:
            self._bus.tell("state", "takes Sets of a controller that led before, too", client.name)
        (self._unfenced.discard if is_fenced else self._unfenced.add)(client.name)

    def send(self, changes: Mapping[str, tuple[Rows, Rows]], span: Span = NOT_TRACED) -> dict[str, str]:
        """Change STATIC_ROUTE, before and after by switch; what is wrong, empty where it is as wanted."""
        done = {name: self._pool.submit(self._change, span, name, *rows) for name, rows in changes.items()}
        wait(done.values(), ANSWER_S)
        return {
            name: each.result() if each.done() else f"no answer within {ANSWER_S:g} s"
            for name, each in done.items()
        }

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.__exit__(None, None, None)
        self._clients.clear()

    def _change(self, span: Span, name: str, before: Rows, after: Rows) -> str:
        with span.child("switch", switch=name) as part:
            wrong = self._changed(name, before, after)
            part.note(outcome=wrong or "done")
        return wrong

    def _changed(self, name: str, before: Rows, after: Rows) -> str:
        client = self._clients.get((name, self._pusher.inventory.addresses.get(name, "")))
        if client is None:
            return "no connection"
        keys = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        try:
            for request in plan_push({TABLE: before}, {TABLE: after}, (TABLE,)).requests:
                client.push(request)
            held = client.read_entries("CONFIG_DB", TABLE, keys)
        except UnreachableError as error:
            return str(error).partition("\n")[0]
        wrong = [key for key in keys if held.get(key) != after.get(key)]
        return f"{len(wrong)} routes are not as sent, the first {wrong[0]}" if wrong else ""


def _touch(client: GnmiClient) -> None:
    """A first call, as channels connect with it."""
    with suppress(UnreachableError):
        client.read_tables("APPL_DB", ("SWITCH_TABLE",))
