"""OpenFlow 1.3 switches: wait for them, program them, read them back, hear of their ports."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from os_ken.ofproto import ofproto_v1_3 as of
from os_ken.ofproto import ofproto_v1_3_parser as parser

from controller.southbound.openflow import messages
from controller.southbound.openflow.session import ANSWER_S, NotOpenFlowError, Session
from controller.southbound.openflow.tables import Group, RuleKey, Tables, Unknown
from raddle.errors import UnreachableError

PORT = 6653
"""OpenFlow's TCP port (IANA)."""

T = TypeVar("T")

PortEvent = Callable[[str, int, bool], None]
"""Told the switch's name, the port's number and whether it is live."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What a switch holds: its tables, the ids of its groups, and matches that `Match` has no word for."""

    tables: Tables
    group_ids: Mapping[int, Group | Unknown]
    raw_matches: Mapping[RuleKey, Any]


@dataclass(frozen=True, slots=True)
class Drift:
    """Flow entries that differ: missing on the switch, unplanned on it, or with another action."""

    missing: tuple[RuleKey, ...]
    extra: tuple[RuleKey, ...]
    changed: tuple[RuleKey, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.changed)


class OpenFlowController:
    """Serves the switches of a fabric, known by their datapath ids.

    Use as an async context: entering listens, leaving closes all connections.

    Args:
        names: of the switches by datapath id; others are turned away.
        election_id: of two controllers the one with the higher id is the switches' master (their
            `generation_id`).
    """

    def __init__(
        self,
        names: Mapping[int, str],
        host: str = "127.0.0.1",
        port: int = PORT,
        election_id: int = 1,
        on_port: PortEvent = lambda switch, port, is_live: None,
    ) -> None:
        self.host, self.port = host, port
        self.refusals: list[str] = []
        self._names, self._election_id, self._on_port = names, election_id, on_port
        self._sessions: dict[str, Session] = {}
        self._macs = {name: _mac(datapath) for datapath, name in names.items()}
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> OpenFlowController:
        try:
            self._server = await asyncio.start_server(self._serve, self.host, self.port)
        except OSError as error:
            raise UnreachableError(
                f"cannot listen for OpenFlow switches at {self.host}:{self.port}: "
                f"{os.strerror(error.errno or 0)}"
            ) from None
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def connected(self, timeout_s: float) -> None:
        """Wait until every switch is connected.

        Raises:
            UnreachableError: some are not, with what is known of the reason.
        """
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: len(self._sessions) == len(self._names) or self.refusals)
        except TimeoutError:
            pass
        if len(self._sessions) < len(self._names):
            missing = sorted(set(self._names.values()) - set(self._sessions))
            what = self.refusals or [f"no connection from {', '.join(missing[:5])} within {timeout_s:g} s"]
            raise UnreachableError("\n".join(what))

    def live_ports(self, switch: str) -> dict[int, bool]:
        """Whether each port of a connected switch is live."""
        return dict(self._session(switch).ports)

    async def push(self, wanted: Mapping[str, Tables]) -> dict[str, int]:
        """Make switches hold tables; returns the number of messages each needed.

        What forwards by the old tables does so until the new entry is there: groups are added, then entries
        written, then entries and groups removed, with a barrier after each. A switch that refuses a part is
        put back as it was.

        Raises:
            UnreachableError: a switch refused or went away; it names all that did.
        """
        return await self._everywhere({name: self._push(name, tables) for name, tables in wanted.items()})

    async def read(self, switch: str) -> Tables:
        """What a switch holds."""
        return (await self._read(switch)).tables

    async def drift(self, wanted: Mapping[str, Tables]) -> dict[str, Drift]:
        """How switches differ from the tables they should hold."""
        held = await self._everywhere({name: self.read(name) for name in wanted})
        return {name: difference(tables, held[name]) for name, tables in wanted.items()}

    async def sent_frames(self, switch: str) -> dict[int, int]:
        """Frames that each port of a switch has sent."""
        request = parser.OFPPortStatsRequest(messages.PROTOCOL, 0, of.OFPP_ANY)
        parts = await self._session(switch).request(request)
        return {row.port_no: row.tx_packets for part in parts for row in part.body}

    async def has_queues(self, switch: str) -> bool:
        """The datapath has egress queues."""
        request = parser.OFPQueueStatsRequest(messages.PROTOCOL, 0, of.OFPP_ANY, of.OFPQ_ALL)
        return any(part.body for part in await self._session(switch).request(request))

    def _session(self, switch: str) -> Session:
        if switch not in self._sessions:
            raise UnreachableError(f"{switch} is not connected")
        return self._sessions[switch]

    async def _everywhere(self, work: Mapping[str, Awaitable[T]]) -> dict[str, T]:
        results = await asyncio.gather(*work.values(), return_exceptions=True)
        errors, done = [], {}
        for name, result in zip(work, results, strict=True):
            if isinstance(result, UnreachableError):
                errors.append(f"{name}: {result}")
            elif isinstance(result, BaseException):
                raise result
            else:
                done[name] = result
        if errors:
            raise UnreachableError("\n".join(errors))
        return done

    async def _push(self, name: str, wanted: Tables) -> int:
        before = await self._read(name)
        sent, errors = await self._change(name, before, wanted)
        if errors:
            await self._change(name, await self._read(name), before.tables)
            more = f" ({len(errors)} messages refused)" if len(errors) > 1 else ""
            raise UnreachableError(f"{errors[0]}{more}; it is back as it was")
        return sent

    async def _change(self, name: str, held: Installed, wanted: Tables) -> tuple[int, list[str]]:
        sent = 0
        for stage in _stages(held, wanted):
            errors = await self._session(name).batch(stage)
            sent += len(stage)
            if errors:
                return sent, errors
        return sent, []

    async def _read(self, name: str) -> Installed:
        session, mac = self._session(name), self._macs[name]
        parts = await session.request(parser.OFPGroupDescStatsRequest(messages.PROTOCOL))
        groups = messages.read_groups(mac, (row for part in parts for row in part.body))
        parts = await session.request(parser.OFPFlowStatsRequest(messages.PROTOCOL))
        rules, raw = {}, {}
        for row in (row for part in parts for row in part.body):
            key, action = messages.read_rule(mac, row, groups)
            rules[key] = action
            if key.match.text:
                raw[key] = row.match
        return Installed(Tables(mac, rules), groups, raw)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        session = Session(reader, writer)
        name = ""
        try:
            await asyncio.wait_for(session.open(), ANSWER_S)
            listening = asyncio.create_task(session.run())
            self._tasks.add(listening)
            listening.add_done_callback(self._tasks.discard)
            await session.introduce(self._election_id)
            name = self._names.get(session.datapath_id, "")
            if not name:
                raise NotOpenFlowError(f"a switch of another fabric, datapath {session.datapath_id:016x}")
            session.on_port = lambda port, is_live: self._on_port(name, port, is_live)
            await self._joined(name, session)
            await listening
        except (NotOpenFlowError, UnreachableError, TimeoutError) as error:
            peer = self._names.get(session.datapath_id) or writer.get_extra_info("peername")[0]
            self.refusals.append(f"{peer}: {error or 'no answer'}")
            async with self._changed:
                self._changed.notify_all()
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass  # the end, ours or the switch's
        finally:
            session.close()
            if self._sessions.get(name) is session:
                del self._sessions[name]
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _joined(self, name: str, session: Session) -> None:
        async with self._changed:
            self._sessions[name] = session
            self._changed.notify_all()


def difference(wanted: Tables, held: Tables) -> Drift:
    """How what a switch holds differs from what it should hold."""
    return Drift(
        missing=tuple(key for key in wanted.rules if key not in held.rules),
        extra=tuple(key for key in held.rules if key not in wanted.rules),
        changed=tuple(
            key for key, action in wanted.rules.items() if key in held.rules and held.rules[key] != action
        ),
    )


def _stages(held: Installed, wanted: Tables) -> list[list[Any]]:
    """The messages that make `held` into `wanted`, in batches to be separated by barriers."""
    ids = {group: number for number, group in held.group_ids.items() if not isinstance(group, Unknown)}
    free = iter(number for number in range(1, 2**31) if number not in held.group_ids)
    new = [group for group in wanted.groups if group not in ids]
    ids |= {group: next(free) for group in new}
    kept = {ids[group] for group in wanted.groups}
    drift = difference(wanted, held.tables)
    mac = wanted.mac
    return [
        [messages.group_add(mac, group, ids) for group in new],
        [messages.flow_add(mac, key, wanted.rules[key], ids) for key in (*drift.missing, *drift.changed)],
        [messages.flow_delete(key, held.raw_matches.get(key)) for key in drift.extra],
        [messages.group_delete(number) for number in held.group_ids if number not in kept],
    ]


def _mac(datapath_id: int) -> str:
    return ":".join(f"{byte:02x}" for byte in datapath_id.to_bytes(8, "big")[2:])
