"""OpenFlow switches: program them, read them back, hear of their ports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from raddle.controller.southbound.channel import RefusedError
from raddle.controller.southbound.openflow import messages
from raddle.controller.southbound.openflow.codec import Wire, of
from raddle.controller.southbound.openflow.connections import Connections
from raddle.controller.southbound.openflow.drift import Installed, difference
from raddle.controller.southbound.openflow.session import Refusal
from raddle.controller.southbound.openflow.tables import (
    COOKIE,
    FIRST_GROUP,
    LAST_GROUP,
    Group,
    Tables,
    Unknown,
)
from raddle.errors import UnreachableError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What came of asking several switches: results and errors, by name."""

    done: dict[str, T]
    errors: dict[str, str]

    def all(self) -> dict[str, T]:
        """The results of all.

        Raises:
            UnreachableError: there are errors; it names all of them.
        """
        if self.errors:
            raise UnreachableError("\n".join(f"{name}: {error}" for name, error in self.errors.items()))
        return self.done


class OpenFlowController(Connections):
    """Programs the switches of a fabric once they have connected."""

    async def __aenter__(self) -> OpenFlowController:
        await self._listen()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._close()

    def live_ports(self, switch: str) -> dict[int, bool]:
        """Whether each port of a connected switch is live."""
        return dict(self.session(switch).ports)

    async def push(self, wanted: Mapping[str, Tables]) -> dict[str, int]:
        """Make switches hold tables; returns the number of messages each needed.

        What forwards by the old tables does so until the new entry is there: groups are added, then entries
        written, then entries and groups removed, with a barrier after each. A switch that refuses a part is
        put back as it was.

        Raises:
            UnreachableError: a switch refused or went away; it names all that did.
        """
        return (await self.try_push(wanted)).all()

    async def try_push(self, wanted: Mapping[str, Tables]) -> Answers[int]:
        """As `push`, with the errors beside the results."""
        return await _everywhere({name: self.make(name, tables) for name, tables in wanted.items()})

    async def read(self, switch: str, mac: str = "") -> Installed:
        """What a switch holds. `mac` is the switch's own (default: the end of its datapath id)."""
        session = self.session(switch)
        wire, own = session.wire, mac or _mac(session.datapath_id)
        parts = await session.request(wire.parser.OFPGroupDescStatsRequest(wire.protocol))
        described = (row for part in parts for row in part.body)
        groups = messages.read_groups(
            own, (row for row in described if FIRST_GROUP <= row.group_id <= LAST_GROUP)
        )
        parts = await session.request(messages.flows_request(wire))
        rules, raw, others = {}, {}, {}
        for row in (row for part in parts for row in part.body):
            key, action = messages.read_rule(own, row, groups)
            if row.cookie != COOKIE:
                others[key] = row.cookie
                continue
            rules[key] = action
            if key.match.text:
                raw[key] = row.match
        return Installed(Tables(own, rules), groups, raw, others)

    async def change(
        self, held: Mapping[str, Installed], wanted: Mapping[str, Tables]
    ) -> dict[str, Installed]:
        """Make switches that are known to hold `held` hold tables, each with one transmission, unread.

        Returns what they hold then.

        Raises:
            UnreachableError: a switch refused or went away; it names all that did. They may hold a part.
        """
        changed = await _everywhere(
            {name: self._change_at_once(name, held[name], tables) for name, tables in wanted.items()}
        )
        return changed.all()

    async def _change_at_once(self, name: str, held: Installed, wanted: Tables) -> Installed:
        session = self.session(name)
        if refusals := await session.batches(messages_between(session.wire, held, wanted)):
            raise RefusedError(refusals[0].text())
        ids = _group_ids(held, wanted)
        return replace(held, tables=wanted, group_ids={ids[group]: group for group in wanted.groups})

    async def read_back(self, wanted: Mapping[str, Tables]) -> dict[str, Installed]:
        """What switches hold, which must be these tables.

        Raises:
            UnreachableError: some hold others.
        """
        work = {name: self.read(name, tables.mac) for name, tables in wanted.items()}
        held = (await _everywhere(work)).all()
        if drifted := sorted(name for name, tables in wanted.items() if difference(tables, held[name])):
            raise UnreachableError(f"other tables than pushed on {', '.join(drifted)}")
        return held

    async def sent_frames(self, switch: str) -> dict[int, int]:
        """Frames that each port of a switch has sent."""
        session = self.session(switch)
        wire = session.wire
        parts = await session.request(wire.parser.OFPPortStatsRequest(wire.protocol, 0, of.OFPP_ANY))
        return {row.port_no: row.tx_packets for part in parts for row in part.body}

    def has_selection_method(self, switch: str) -> bool:
        """A switch's groups can be told what they hash."""
        return self.session(switch).wire.has_selection_method

    async def has_queues(self, switch: str, numbers: Collection[int]) -> bool:
        """The datapath has egress queues of these numbers."""
        session = self.session(switch)
        wire = session.wire
        request = wire.parser.OFPQueueStatsRequest(wire.protocol, 0, of.OFPP_ANY, of.OFPQ_ALL)
        parts = await session.request(request)
        return {row.queue_id for part in parts for row in part.body}.issuperset(numbers)

    async def make(self, name: str, wanted: Tables) -> int:
        """As `push`, of one switch. Raises RefusedError where it was put back as it was."""
        before = await self.read(name, wanted.mac)
        if why := before.in_the_way(wanted):
            raise RefusedError(why)
        sent, refusals = await self._change(name, before, wanted)
        if refusals:
            await self._change(name, await self.read(name, wanted.mac), before.tables)
            more = f" ({len(refusals)} messages refused)" if len(refusals) > 1 else ""
            raise RefusedError(refusals[0].text(f"{more}; it is back as it was"))
        return sent

    async def _change(self, name: str, held: Installed, wanted: Tables) -> tuple[int, list[Refusal]]:
        sent = 0
        for stage in messages_between(self.session(name).wire, held, wanted):
            try:
                refusals = await self.session(name).batch(stage)
            except UnreachableError as error:
                raise UnreachableError(
                    f"{error}; it may hold a part of what was sent\n  hint: apply again when it is back"
                ) from None
            sent += len(stage)
            if refusals:
                return sent, refusals
        return sent, []


async def _everywhere(work: Mapping[str, Awaitable[T]]) -> Answers[T]:
    results = await asyncio.gather(*work.values(), return_exceptions=True)
    errors, done = {}, {}
    for name, result in zip(work, results, strict=True):
        if isinstance(result, UnreachableError):
            errors[name] = str(result)
        elif isinstance(result, BaseException):
            raise result
        else:
            done[name] = result
    return Answers(done, errors)


def messages_between(wire: Wire, held: Installed, wanted: Tables) -> list[list[Any]]:
    """The messages that make `held` into `wanted`, in batches to be separated by barriers."""
    known = set(held.group_ids.values())
    ids = _group_ids(held, wanted)
    new = [group for group in wanted.groups if group not in known]
    drift = difference(wanted, held)
    changed = (*drift.missing, *drift.changed)
    return [
        [messages.group_add(wire, wanted.mac, group, ids) for group in new],
        [messages.flow_add(wire, wanted.mac, key, wanted.rules[key], ids) for key in changed],
        [messages.flow_delete(wire, key, held.raw_matches.get(key)) for key in drift.extra],
        [messages.group_delete(wire, number) for number in drift.stray_groups],
    ]


def _group_ids(held: Installed, wanted: Tables) -> dict[Group, int]:
    """The ids of all groups that are held, and of those that have to be made."""
    ids = {group: number for number, group in held.group_ids.items() if not isinstance(group, Unknown)}
    free = iter(number for number in range(FIRST_GROUP, LAST_GROUP + 1) if number not in held.group_ids)
    return ids | {group: next(free) for group in wanted.groups if group not in ids}


def _mac(datapath_id: int) -> str:
    return ":".join(f"{byte:02x}" for byte in datapath_id.to_bytes(8, "big")[2:])
