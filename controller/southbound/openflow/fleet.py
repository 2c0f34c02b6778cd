"""All OpenFlow switches of a fabric at once: they connect to us, are programmed and read back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.southbound.openflow.drift import Installed, changes, difference
from raddle.controller.southbound.openflow.driver import OpenFlowController, messages_between
from raddle.controller.southbound.openflow.rollout import steps
from raddle.controller.southbound.openflow.tables import Tables, queues_of, switch_tables
from raddle.controller.southbound.outcome import Outcome
from raddle.errors import InputError
from raddle.inventory import Inventory, OpenFlowDoor

ELECTION_ID = 1 << 16
"""raddle's `generation_id`. Every controller of a switch has its own; the highest is the master."""


def push_all(plan: Plan, inventory: Inventory, dry_run: bool) -> dict[str, Outcome]:
    """Wait for the OpenFlow switches of an inventory and make them as planned; outcomes by name.

    Raises:
        InputError: `carrier-not-supported`, or the TLS files cannot be used.
        UnreachableError: the port that they connect to is taken.
    """
    switches = {switch.name: switch for switch in plan.switches if switch.name in inventory.datapaths}
    if not switches:
        return {}
    if plan.source_ports:
        raise InputError.of(
            "carrier-not-supported",
            f"UDP source ports carry the pins by the switches' own hash, and {next(iter(switches))} speaks "
            "OpenFlow, where the hash of a group is not ours",
            "let host routes carry the pins",
        )
    return asyncio.run(_push_all(plan, switches, inventory, dry_run))


async def _push_all(
    plan: Plan, switches: Mapping[str, SwitchPlan], inventory: Inventory, dry_run: bool
) -> dict[str, Outcome]:
    door = inventory.openflow
    names = {inventory.datapaths[name]: name for name in switches}
    election_id = None if dry_run else ELECTION_ID
    async with OpenFlowController(names, door.host, door.port, election_id, tls=_tls(door)) as controller:
        errors = await controller.arrivals(door.wait_s)
        for name in errors.keys() - controller.refused:
            errors[name] += f"\n  hint: point it at {_target(door)} (ovs-vsctl set-controller)"
        found = await controller.try_read(
            {name: switch.mac for name, switch in switches.items() if name not in errors}
        )
        queues = await controller.try_queues({name: queues_of(switches[name]) for name in found.done})
        errors |= found.errors | queues.errors
        macs = neighbour_macs(plan)
        held = {name: found.done[name] for name in queues.done}
        wanted = {
            name: switch_tables(switches[name], macs, has, door.marks_roce)
            for name, has in queues.done.items()
        }
        push = _Push(controller, held, wanted)
        if not dry_run:
            await push.run(plan)
        outcomes = {name: Outcome(error=f"{name}: {errors[name]}", is_reached=False) for name in errors}
        return outcomes | {name: push.outcome(name) for name in wanted}


class _Push:
    """One push to all switches that have connected, and what has come of it so far."""

    def __init__(
        self, controller: OpenFlowController, held: Mapping[str, Installed], wanted: Mapping[str, Tables]
    ) -> None:
        self._controller, self._held, self._wanted = controller, held, wanted
        self._sent = dict.fromkeys(wanted, 0)
        self._errors: dict[str, str] = {}

    async def run(self, plan: Plan) -> None:
        """Push in the plan's rounds, then read back. A switch that fails gets no more and stops no other."""
        differing = [name for name, tables in self._wanted.items() if difference(tables, self._held[name])]
        tables = {name: held.tables for name, held in self._held.items()}
        for step in steps(plan, tables, self._wanted):
            todo = {name: step[name] for name in step if name in differing and name not in self._errors}
            answers = await self._controller.try_push(todo)
            self._errors |= answers.errors
            for name, sent in answers.done.items():
                self._sent[name] += sent
        pushed = {name: self._wanted[name].mac for name in differing if name not in self._errors}
        after = await self._controller.try_read(pushed)
        self._errors |= after.errors
        for name, installed in after.done.items():
            if left := changes(name, self._wanted[name], installed):
                self._errors[name] = (
                    f"{len(left)} differences after the push; the first: {left[0].path} is "
                    f"'{left[0].before}', not '{left[0].after}'\n"
                    "  hint: another controller writes to this switch; stop it, then apply again"
                )

    def outcome(self, name: str) -> Outcome:
        """What was found and done at a switch."""
        held, wanted = self._held[name], self._wanted[name]
        planned = sum(len(stage) for stage in messages_between(held, wanted))
        error = f"{name}: {self._errors[name]}" if name in self._errors else ""
        return Outcome(changes(name, wanted, held), planned, self._sent[name], error)


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
