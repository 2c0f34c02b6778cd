"""One OpenFlow 1.3 session with a switch, over a TCP connection that the switch opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from os_ken.ofproto import ofproto_parser
from os_ken.ofproto import ofproto_v1_3 as of
from os_ken.ofproto import ofproto_v1_3_parser as parser

from controller.southbound.openflow.messages import PROTOCOL
from raddle.errors import UnreachableError

_HEADER_BYTES = 8
ANSWER_S = 10.0
"""How long a switch may take to answer."""

_TABLE_FULL = (of.OFPET_FLOW_MOD_FAILED, of.OFPFMFC_TABLE_FULL)
_OUT_OF_GROUPS = (of.OFPET_GROUP_MOD_FAILED, of.OFPGMFC_OUT_OF_GROUPS)
_NOT_MASTER = {
    (of.OFPET_BAD_REQUEST, of.OFPBRC_IS_SLAVE),
    (of.OFPET_ROLE_REQUEST_FAILED, of.OFPRRFC_STALE),
}


class NotOpenFlowError(Exception):
    """What connected does not speak OpenFlow 1.3."""


@dataclass(slots=True)
class _Pending:
    """A request without its whole answer yet."""

    done: asyncio.Future[list[Any]]
    parts: list[Any] = field(default_factory=list)


class Session:
    """Requests and answers matched by xid; port changes go to `on_port` as (port number, is live).

    `datapath_id` and `ports` (is live, by port number) are known when `open` returns.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.datapath_id = 0
        self.ports: dict[int, bool] = {}
        self.on_port: Callable[[int, bool], None] = lambda port, is_live: None
        self._reader, self._writer = reader, writer
        self._xid = 0
        self._pending: dict[int, _Pending] = {}
        self._errors: dict[int, str] = {}

    async def open(self) -> None:
        """Agree on the version and learn who the switch is.

        Raises:
            NotOpenFlowError: it is no OpenFlow 1.3 switch.
        """
        self._send(parser.OFPHello(PROTOCOL, [parser.OFPHelloElemVersionBitmap([of.OFP_VERSION])]))
        version, kind, _, _ = await self._receive()
        if kind != of.OFPT_HELLO or version < of.OFP_VERSION:
            raise NotOpenFlowError(f"it speaks OpenFlow version {version}, 1.3 (version 4) is needed")

    async def run(self) -> None:
        """Take what the switch sends until it goes."""
        try:
            while True:
                version, kind, xid, buffer = await self._receive()
                self._take(version, kind, xid, buffer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writer.close()
            for pending in self._pending.values():
                if not pending.done.done():
                    pending.done.set_exception(UnreachableError("the switch has closed the connection"))

    async def introduce(self, election_id: int) -> None:
        """Learn the switch's identity and ports, and become its master.

        Raises:
            UnreachableError: another controller with a higher election id is its master.
        """
        [features] = await self.request(parser.OFPFeaturesRequest(PROTOCOL))
        self.datapath_id = features.datapath_id
        await self.request(parser.OFPRoleRequest(PROTOCOL, of.OFPCR_ROLE_MASTER, election_id))
        for part in await self.request(parser.OFPPortDescStatsRequest(PROTOCOL)):
            for port in part.body:
                self.ports.setdefault(port.port_no, _is_live(port))

    async def request(self, message: Any) -> list[Any]:
        """Send a request; returns its answer, all parts of it.

        Raises:
            UnreachableError: the switch refused it, went away or did not answer in time.
        """
        pending = _Pending(asyncio.get_running_loop().create_future())
        xid = self._send(message)
        self._pending[xid] = pending
        try:
            return await asyncio.wait_for(pending.done, ANSWER_S)
        except TimeoutError:
            raise UnreachableError(f"no answer within {ANSWER_S:g} s") from None
        finally:
            del self._pending[xid]

    async def batch(self, messages: list[Any]) -> list[str]:
        """Send messages and a barrier; returns what the switch refused when it has worked on all of them."""
        if not messages:
            return []
        sent = [self._send(message) for message in messages]
        await self._writer.drain()
        await self.request(parser.OFPBarrierRequest(PROTOCOL))
        return [self._errors.pop(xid) for xid in sent if xid in self._errors]

    def close(self) -> None:
        self._writer.close()

    def _send(self, message: Any) -> int:
        self._xid += 1
        message.xid = self._xid
        message.serialize()
        self._writer.write(bytes(message.buf))
        return self._xid

    async def _receive(self) -> tuple[int, int, int, bytes]:
        head = await self._reader.readexactly(_HEADER_BYTES)
        version, kind, length, xid = ofproto_parser.header(head)
        if length < _HEADER_BYTES:
            raise NotOpenFlowError(f"a message of {length} bytes is no OpenFlow")
        return version, kind, xid, head + await self._reader.readexactly(length - _HEADER_BYTES)

    def _take(self, version: int, kind: int, xid: int, buffer: bytes) -> None:
        message = ofproto_parser.msg(PROTOCOL, version, kind, len(buffer), xid, buffer)
        if kind == of.OFPT_ECHO_REQUEST:
            reply = parser.OFPEchoReply(PROTOCOL, message.data)
            reply.xid = xid
            reply.serialize()
            self._writer.write(bytes(reply.buf))
        elif kind == of.OFPT_PORT_STATUS:
            port, gone = message.desc, message.reason == of.OFPPR_DELETE
            self.ports[port.port_no] = not gone and _is_live(port)
            self.on_port(port.port_no, self.ports[port.port_no])
        elif kind == of.OFPT_ERROR:
            self._refused(xid, message.type, message.code)
        elif xid in self._pending:
            self._answered(self._pending[xid], kind, message)

    def _refused(self, xid: int, kind: int, code: int) -> None:
        pending = self._pending.get(xid)
        if pending is None:
            self._errors[xid] = _reason(kind, code)
        elif not pending.done.done():
            pending.done.set_exception(UnreachableError(_reason(kind, code)))

    @staticmethod
    def _answered(pending: _Pending, kind: int, message: Any) -> None:
        pending.parts.append(message)
        has_more = kind == of.OFPT_MULTIPART_REPLY and message.flags & of.OFPMPF_REPLY_MORE
        if not has_more and not pending.done.done():
            pending.done.set_result(pending.parts)


def _is_live(port: Any) -> bool:
    return not (port.state & of.OFPPS_LINK_DOWN or port.config & of.OFPPC_PORT_DOWN)


def _reason(kind: int, code: int) -> str:
    """An OpenFlow error for the reader."""
    if (kind, code) == _TABLE_FULL:
        return "its flow table is full"
    if (kind, code) == _OUT_OF_GROUPS:
        return "its group table is full"
    if (kind, code) in _NOT_MASTER:
        return "another controller is its master"
    return f"OpenFlow error {of.ofp_error_type_to_str(kind)}, {of.ofp_error_code_to_str(kind, code)}"
