"""All OpenFlow switches of a fabric: they connect to us, and each is then a driver."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Collection, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from raddle.controller.plan.diff import Change
from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.plan.update import Write
from raddle.controller.southbound.channel import RefusedError
from raddle.controller.southbound.driver import Survey, Wire
from raddle.controller.southbound.openflow.connections import PortEvent, unheard
from raddle.controller.southbound.openflow.drift import Installed, changes
from raddle.controller.southbound.openflow.driver import OpenFlowController, messages_between
from raddle.controller.southbound.openflow.routes import routes_in, with_kept, with_writes
from raddle.controller.southbound.openflow.tables import (
    NO_UDP_PORTS,
    Hop,
    Tables,
    port_numbers,
    queues_of,
    switch_hops,
    switch_tables,
)
from raddle.errors import InputError, UnreachableError
from raddle.inventory import Inventory, OpenFlowDoor

ELECTION_ID = 1 << 16
"""raddle's `generation_id`. Every controller of a switch has its own; the highest is the master."""

T = TypeVar("T")


class OpenFlowFleet:
    """The switches of an inventory that speak OpenFlow; entering waits until they have connected.

    Their connections live in a thread of their own.

    Args:
        on_port: hears, in that thread, of ports that die or come back.
        term: of several raddles the one with the higher term is the master.

    Raises:
        InputError: `carrier-not-supported`, or the TLS files cannot be used.
        UnreachableError: the port that they connect to is taken.
    """

    def __init__(
        self,
        plan: Plan,
        inventory: Inventory,
        is_read_only: bool,
        on_port: PortEvent = unheard,
        term: int = 0,
    ) -> None:
        self._switches = [switch for switch in plan.switches if switch.name in inventory.datapaths]
        if plan.source_ports:
            raise InputError.of(
                "carrier-not-supported",
                f"UDP source ports carry the pins by the switches' own hash, and {self._switches[0].name} "
                "speaks OpenFlow, where the hash of a group is not ours",
                "let host routes carry the pins",
                ("routing", "pins"),
            )
        self._door = door = inventory.openflow
        names = {inventory.datapaths[switch.name]: switch.name for switch in self._switches}
        election_id = ELECTION_ID + term if door.is_master and not is_read_only else None
        self._controller = OpenFlowController(
            names, door.host, door.port, election_id, on_port, tls=_tls(door)
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._missing: Mapping[str, str] = {}

    def __enter__(self) -> OpenFlowFleet:
        self._thread.start()
        try:
            self._missing = self.run(self._open())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._controller.__aexit__())
        self._stop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something that is done where the connections are."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def drivers(self, plan: Plan) -> dict[str, OpenFlowDriver]:
        """A driver for each of the switches, by name; `plan` says what they are to be."""
        names = {switch.name for switch in self._switches}
        macs = neighbour_macs(plan)
        return {
            switch.name: OpenFlowDriver(
                self, self._controller, switch, macs, self._door.marks_roce, self._why(switch.name)
            )
            for switch in plan.switches
            if switch.name in names
        }

    async def _open(self) -> Mapping[str, str]:
        await self._controller.__aenter__()
        return await self._controller.arrivals(self._door.wait_s)

    def live_ports(self, name: str) -> dict[int, bool] | None:
        """Whether each port of a switch is live, by number; None where it is not connected."""
        return self._controller.live_ports(name) if self._controller.is_connected(name) else None

    def _why(self, name: str) -> str:
        """Why a switch is not connected; empty if it is."""
        if self._controller.is_connected(name):
            return ""
        reason = self._missing.get(name, "it is not connected any more")
        if name not in self._controller.refused:
            reason += f"\n  hint: point it at {_target(self._door)} (ovs-vsctl set-controller)"
        return f"{name}: {reason}"

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class OpenFlowDriver:
    """One switch (see `raddle.controller.southbound.driver.Driver`)."""

    wire: Wire = "openflow"
    watched = ("flow entries",)

    def __init__(
        self,
        fleet: OpenFlowFleet,
        controller: OpenFlowController,
        switch: SwitchPlan,
        macs: Mapping[str, str],
        marks_roce: bool,
        missing: str,
    ) -> None:
        self.name, self.address = switch.name, ""
        self._fleet, self._controller, self._switch = fleet, controller, switch
        self._macs, self._marks_roce, self._missing = macs, marks_roce, missing
        self._ports = {number: port for port, number in port_numbers(switch).items()}
        self._hops: Mapping[Hop, str] = switch_hops(switch, macs)
        self._before = self._wanted = Tables(switch.mac, {})
        self.sent = 0

    def __enter__(self) -> OpenFlowDriver:
        if self._missing:
            is_refusal = self.name in self._controller.refused
            raise (RefusedError if is_refusal else UnreachableError)(self._missing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The connection is the switch's: it stays."""

    def survey(self) -> Survey:
        held = self._read()
        has_queues = self._ask(self._controller.has_queues(self.name, queues_of(self._switch)))
        self._before = held.tables
        has_method = self._controller.has_selection_method(self.name)
        self._wanted = switch_tables(self._switch, self._macs, has_queues, self._marks_roce, has_method)
        wire = self._controller.session(self.name).wire
        return Survey(
            changes=changes(self.name, self._wanted, held, self._hops),
            routes=routes_in(held.tables, self._ports),
            wanted=routes_in(self._wanted, self._ports),
            planned=sum(map(len, messages_between(wire, held, self._wanted))),
            foreign=held.of_others(),
            error=f"{self.name}: {why}" if (why := held.in_the_way(self._wanted)) else "",
            hash_note="" if has_method or not self._wanted.is_spreading else NO_UDP_PORTS,
        )

    def lay_groundwork(self, apart: Collection[str]) -> None:
        """Groups come with the routes that use them."""

    def set_ports(self, ports: Collection[str], opens: bool) -> None:
        """raddle sets no ports over OpenFlow, so that none is said to be up."""

    def write_routes(self, writes: Sequence[Write]) -> None:
        self._push(with_writes(self._read().tables, self._wanted, writes))

    def finish(self, kept: Collection[str]) -> None:
        self._push(with_kept(self._read().tables, self._wanted, kept))

    def verify(self, kept: Collection[str]) -> str:
        left = self._left(kept)
        if not left:
            return ""
        return (
            f"{self.name}: {len(left)} differences after the push; the first: {left[0].path} is "
            f"'{left[0].before}', not '{left[0].after}'\n"
            "  hint: another controller writes to this switch; stop it, then apply again"
        )

    def look(self) -> str:
        left = self._left(routes_in(self._read().tables, self._ports).keys())
        return (
            f"{len(left)} entries are no longer as they were pushed, the first {left[0].path},"
            if left
            else ""
        )

    def _left(self, kept: Collection[str]) -> tuple[Change, ...]:
        held = self._read()
        return changes(self.name, with_kept(held.tables, self._wanted, kept), held, self._hops)

    def restore(self, kept: Collection[str]) -> str:
        self._push(with_kept(self._read().tables, self._before, kept))
        if kept:
            return f"it is back as it was but for {len(kept)} routes that other switches rely on by now"
        return "it is back as it was"

    def _read(self) -> Installed:
        return self._ask(self._controller.read(self.name, self._switch.mac))

    def _push(self, tables: Tables) -> None:
        self.sent += self._ask(self._controller.make(self.name, tables))

    def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._fleet.run(work)
        except UnreachableError as error:
            text = str(error)
            raise type(error)(text if text.startswith(f"{self.name}: ") else f"{self.name}: {text}") from None


def _target(door: OpenFlowDoor) -> str:
    """Where switches connect to, as Open vSwitch writes it."""
    host = f"[{door.host}]" if ":" in door.host else door.host
    return f"{'ssl' if door.certificate else 'tcp'}:{host}:{door.port}"


def _tls(door: OpenFlowDoor) -> ssl.SSLContext | None:
    """What switches are spoken to with.

    Raises:
        InputError: `bad-tls`, the files cannot be used.
    """
    if not (door.certificate and door.key):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(door.certificate, door.key)
        if door.ca:
            context.load_verify_locations(door.ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise InputError.of(
            "bad-tls",
            f"cannot listen for OpenFlow switches with '{door.certificate}': {error.strerror or error}",
            "'cert', 'key' and 'ca' of the inventory's 'openflow' are PEM files",
        ) from None
    return context
