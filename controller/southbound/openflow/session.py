"""One OpenFlow session with a switch, over a TCP connection that the switch opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from raddle.controller.southbound.openflow.codec import WIRES, Wire, of, ofproto_parser
from raddle.errors import UnreachableError

_HEADER_BYTES = 8
ANSWER_S = 10.0
"""How long a switch may take to answer."""


class Refusal(NamedTuple):
    """What a switch has refused something for, and what to do about it."""

    reason: str
    hint: str

    def text(self, more: str = "") -> str:
        """For the reader; `more` follows the reason."""
        return f"{self.reason}{more}\n  hint: {self.hint}"


_FULL = Refusal("its flow table is full", "plan fewer pins, or give the switch a larger table")
_NO_GROUPS = Refusal("its group table is full", "plan fewer pins, or give the switch a larger table")
_NOT_MASTER = Refusal("another controller is its master", "stop that one, then apply again")
_REFUSALS = {
    (of.OFPET_FLOW_MOD_FAILED, of.OFPFMFC_TABLE_FULL): _FULL,
    (of.OFPET_GROUP_MOD_FAILED, of.OFPGMFC_OUT_OF_GROUPS): _NO_GROUPS,
    (of.OFPET_BAD_REQUEST, of.OFPBRC_IS_SLAVE): _NOT_MASTER,
    (of.OFPET_ROLE_REQUEST_FAILED, of.OFPRRFC_STALE): _NOT_MASTER,
}
_VERSIONS = range(1, 7)  # of OpenFlow 1.0 to 1.5
_CLOSED = "the switch has closed the connection"


class NotOpenFlowError(Exception):
    """What connected speaks no OpenFlow that we do."""


@dataclass(slots=True)
class _Pending:
    """A request without its whole answer yet."""

    done: asyncio.Future[list[Any]]
    parts: list[Any] = field(default_factory=list)


class Session:
    """Requests and answers matched by xid; port changes go to `on_port` as (port number, is live).

    `wire` is the version that both speak once `open` has returned; `datapath_id` and `ports` (is live, by
    port number) are known after `introduce`.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer_s: float = ANSWER_S
    ) -> None:
        self.wire: Wire = WIRES[max(WIRES)]
        self.datapath_id = 0
        self.ports: dict[int, bool] = {}
        self.on_port: Callable[[int, bool], None] = lambda port, is_live: None
        self._reader, self._writer, self._answer_s = reader, writer, answer_s
        self._probe_s = answer_s / 2  # one that has been silent for so long is asked whether it is there
        self._tells_live = False
        self._end = ""
        self._xid = 0
        self._pending: dict[int, _Pending] = {}
        self._errors: dict[int, Refusal] = {}

    async def open(self) -> None:
        """Agree on the highest version that both speak.

        Raises:
            NotOpenFlowError: there is none.
        """
        parser, protocol = self.wire.parser, self.wire.protocol
        self._send(parser.OFPHello(protocol, [parser.OFPHelloElemVersionBitmap(sorted(WIRES))]))
        version, kind, xid, buffer = await self._receive()
        if kind == of.OFPT_HELLO:
            # What says only its highest version speaks lower ones, too (OpenFlow 1.3.5, 6.3.1).
            hello = ofproto_parser.msg(protocol, version, kind, len(buffer), xid, buffer)
            listed = {each for part in getattr(hello, "elements", ()) for each in part.versions}
            common = (listed or set(range(version + 1))) & WIRES.keys()
            if common:
                self.wire = WIRES[max(common)]
                return
        raise NotOpenFlowError(f"it speaks OpenFlow version {version}, 1.3 (version 4) or 1.5 (6) is needed")

    async def run(self) -> None:
        """Take what the switch sends until it goes."""
        try:
            while True:
                version, kind, xid, buffer = await self._probed()
                self._take(version, kind, xid, buffer)
        except NotOpenFlowError as error:
            self._end = str(error)
        except TimeoutError:
            self._end = f"the switch has been silent for {self._probe_s + self._answer_s:g} s"
        except (asyncio.IncompleteReadError, OSError):
            self._end = _CLOSED
        finally:
            self._writer.close()
            for pending in self._pending.values():
                if not pending.done.done():
                    pending.done.set_exception(UnreachableError(self._end or _CLOSED))

    async def introduce(self, election_id: int | None) -> None:
        """Learn the switch's identity and ports, and become its master unless `election_id` is None.

        Raises:
            UnreachableError: another controller with a higher election id is its master.
        """
        parser, protocol = self.wire.parser, self.wire.protocol
        [features] = await self.request(parser.OFPFeaturesRequest(protocol))
        self.datapath_id = features.datapath_id
        if election_id is not None:
            role = of.OFPCR_ROLE_MASTER
            await self.request(parser.OFPRoleRequest(protocol, role=role, generation_id=election_id))
        for part in await self.request(parser.OFPPortDescStatsRequest(protocol)):
            # A switch that does not know the flag never sets it.
            self._tells_live |= any(port.state & of.OFPPS_LIVE for port in part.body)
            for port in part.body:
                self.ports.setdefault(port.port_no, self._is_live(port))

    async def request(self, message: Any) -> list[Any]:
        """Send a request; returns its answer, all parts of it.

        Raises:
            UnreachableError: the switch refused it, went away or did not answer in time.
        """
        if self._end:
            raise UnreachableError(self._end)
        pending = _Pending(asyncio.get_running_loop().create_future())
        xid = self._send(message)
        self._pending[xid] = pending
        try:
            async with asyncio.timeout(self._answer_s):
                return await pending.done
        except TimeoutError:
            raise UnreachableError(f"no answer within {self._answer_s:g} s") from None
        finally:
            del self._pending[xid]

    async def batch(self, messages: list[Any]) -> list[Refusal]:
        """Send messages and a barrier; returns what the switch refused when it has worked on all of them."""
        if not messages:
            return []
        sent = [self._send(message) for message in messages]
        try:
            async with asyncio.timeout(self._answer_s):
                await self._writer.drain()
        except OSError:
            raise UnreachableError(_CLOSED) from None
        except TimeoutError:
            raise UnreachableError(f"it has taken nothing for {self._answer_s:g} s") from None
        await self.request(self.wire.parser.OFPBarrierRequest(self.wire.protocol))
        return [self._errors.pop(xid) for xid in sent if xid in self._errors]

    async def batches(self, stages: list[list[Any]]) -> list[Refusal]:
        """As `batch`, of several that are sent at once with a barrier after each."""
        *before, last = [stage for stage in stages if stage] or [[]]
        sent = []
        for stage in before:
            sent += [self._send(message) for message in stage]
            self._send(self.wire.parser.OFPBarrierRequest(self.wire.protocol))
        refusals = await self.batch(last)
        return [self._errors.pop(xid) for xid in sent if xid in self._errors] + refusals

    def close(self) -> None:
        self._writer.close()

    def _send(self, message: Any) -> int:
        self._xid += 1
        message.xid = self._xid
        message.serialize()
        self._writer.write(bytes(message.buf))
        return self._xid

    async def _probed(self) -> tuple[int, int, int, bytes]:
        """As `_receive`, and a silent switch is asked for an echo.

        Raises:
            TimeoutError: it does not answer that.
        """
        receiving = asyncio.ensure_future(self._receive())
        try:
            done, _ = await asyncio.wait([receiving], timeout=self._probe_s)
            if not done:
                self._send(self.wire.parser.OFPEchoRequest(self.wire.protocol))
            # Not wait_for: where the answer and the end of this session meet, Python 3.11 loses the end.
            async with asyncio.timeout(self._answer_s):
                return await receiving
        finally:
            receiving.cancel()

    async def _receive(self) -> tuple[int, int, int, bytes]:
        head = await self._reader.readexactly(_HEADER_BYTES)
        version, kind, length, xid = ofproto_parser.header(head)
        if version not in _VERSIONS:
            raise NotOpenFlowError("what it speaks is not OpenFlow; TLS, perhaps, where we do not")
        if length < _HEADER_BYTES:
            raise NotOpenFlowError(f"a message of {length} bytes came, which is no OpenFlow")
        return version, kind, xid, head + await self._reader.readexactly(length - _HEADER_BYTES)

    def _take(self, version: int, kind: int, xid: int, buffer: bytes) -> None:
        message = ofproto_parser.msg(self.wire.protocol, version, kind, len(buffer), xid, buffer)
        if message is None:
            raise NotOpenFlowError(f"a message of type {kind} came that cannot be read")
        if kind == of.OFPT_ECHO_REQUEST:
            reply = self.wire.parser.OFPEchoReply(self.wire.protocol, message.data)
            reply.xid = xid
            reply.serialize()
            self._writer.write(bytes(reply.buf))
        elif kind == of.OFPT_PORT_STATUS:
            port, gone = message.desc, message.reason == of.OFPPR_DELETE
            self._tells_live |= bool(port.state & of.OFPPS_LIVE)
            self.ports[port.port_no] = not gone and self._is_live(port)
            self.on_port(port.port_no, self.ports[port.port_no])
        elif kind == of.OFPT_ERROR:
            self._refused(xid, message.type, message.code)
        elif xid in self._pending:
            self._answered(self._pending[xid], kind, message)

    def _is_live(self, port: Any) -> bool:
        """It has a carrier, is not taken down, and BFD, where that runs, hears its other end."""
        if port.state & of.OFPPS_LINK_DOWN or port.config & of.OFPPC_PORT_DOWN:
            return False
        return bool(port.state & of.OFPPS_LIVE) or not self._tells_live

    def _refused(self, xid: int, kind: int, code: int) -> None:
        pending = self._pending.get(xid)
        if pending is None:
            self._errors[xid] = _reason(kind, code)
        elif not pending.done.done():
            pending.done.set_exception(UnreachableError(_reason(kind, code).text()))

    @staticmethod
    def _answered(pending: _Pending, kind: int, message: Any) -> None:
        pending.parts.append(message)
        has_more = kind == of.OFPT_MULTIPART_REPLY and message.flags & of.OFPMPF_REPLY_MORE
        if not has_more and not pending.done.done():
            pending.done.set_result(pending.parts)


def _reason(kind: int, code: int) -> Refusal:
    """An OpenFlow error for the reader."""
    name = f"OpenFlow error {of.ofp_error_type_to_str(kind)}, {of.ofp_error_code_to_str(kind, code)}"
    return _REFUSALS.get((kind, code), Refusal(name, "'raddle apply --dry-run' shows what was to change"))
