"""The switches that have connected to an OpenFlow controller."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Callable, Mapping

from raddle.controller.southbound.openflow.session import ANSWER_S, NotOpenFlowError, Session
from raddle.errors import UnreachableError

PORT = 6653
"""OpenFlow's TCP port (IANA)."""

PortEvent = Callable[[str, int, bool], None]
"""Told the switch's name, the port's number and whether it is live."""


def unheard(switch: str, port: int, is_live: bool) -> None:
    """Nobody listens."""


class Connections:
    """Listens for the switches of a fabric, known by their datapath ids.

    Use as an async context: entering listens, leaving closes all connections.

    Args:
        names: of the switches by datapath id; others are turned away.
        election_id: of two controllers the one with the higher id is the switches' master (their
            `generation_id`); None: be nobody's master, and only read.
        tls: what switches are spoken to with; None: plain text.
        answer_s: how long a switch may take to answer.

    Attributes:
        refused: switches that could not be taken, and why.
    """

    def __init__(
        self,
        names: Mapping[int, str],
        host: str = "127.0.0.1",
        port: int = PORT,
        election_id: int | None = 1,
        on_port: PortEvent = unheard,
        tls: ssl.SSLContext | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.host, self.port = host, port
        self._names, self._election_id, self._on_port = names, election_id, on_port
        self._tls, self._answer_s = tls, answer_s
        self._sessions: dict[str, Session] = {}
        self.refused: dict[str, str] = {}
        self._strangers: list[str] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def arrivals(self, timeout_s: float) -> dict[str, str]:
        """Wait until every switch is connected, or has been refused for a reason that it cannot mend.

        Returns:
            By switch that is not connected, why.
        """

        def are_known() -> bool:
            return self._sessions.keys() | self.refused.keys() >= set(self._names.values())

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(are_known)
        others = f" ({'; '.join(sorted(set(self._strangers))[:3])})" if self._strangers else ""
        return {
            name: self.refused.get(name, f"no connection from it within {timeout_s:g} s{others}")
            for name in self._names.values()
            if name not in self._sessions
        }

    async def connected(self, timeout_s: float) -> None:
        """Wait until every switch is connected.

        Raises:
            UnreachableError: some are not, with what is known of the reason.
        """
        missing = await self.arrivals(timeout_s)
        if missing:
            raise UnreachableError("\n".join(f"{name}: {reason}" for name, reason in missing.items()))

    def is_connected(self, switch: str) -> bool:
        """Whether there is a session with a switch."""
        return switch in self._sessions

    def session(self, switch: str) -> Session:
        """The session with a switch.

        Raises:
            UnreachableError: there is none.
        """
        if switch not in self._sessions:
            raise UnreachableError("it is not connected")
        return self._sessions[switch]

    async def _listen(self) -> None:
        try:
            self._server = await asyncio.start_server(self._serve, self.host, self.port)
        except OSError as error:
            raise UnreachableError(
                f"cannot listen for OpenFlow switches at {self.host}:{self.port}: "
                f"{os.strerror(error.errno or 0)}\n"
                "  hint: stop the controller that has the port, or listen elsewhere"
            ) from None
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        session = Session(reader, writer, self._answer_s)
        name = ""
        try:
            if self._tls:
                await writer.start_tls(self._tls, ssl_handshake_timeout=self._answer_s)
            async with asyncio.timeout(self._answer_s):
                await session.open()
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
        except (NotOpenFlowError, UnreachableError, TimeoutError, ssl.SSLError) as error:
            await self._turn_away(session, writer.get_extra_info("peername"), error)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            pass  # the end, ours or the switch's
        finally:
            session.close()
            if self._sessions.get(name) is session:
                del self._sessions[name]
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _turn_away(self, session: Session, peer: tuple[str, int] | None, error: Exception) -> None:
        name = self._names.get(session.datapath_id)
        async with self._changed:
            if name:
                self.refused[name] = str(error) or "no answer"
            else:
                reason = "no TLS that fits" if isinstance(error, ssl.SSLError) else error or "no answer"
                self._strangers.append(f"{peer[0] if peer else 'somebody'}: {reason}")
            self._changed.notify_all()

    async def _joined(self, name: str, session: Session) -> None:
        async with self._changed:
            if name in self._sessions:
                self._sessions[name].close()  # it has come again before the loss of the old one was heard of
            self._sessions[name] = session
            self.refused.pop(name, None)
            self._changed.notify_all()
