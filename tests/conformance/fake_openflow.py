"""A bare OpenFlow 1.3 switch with empty tables, which misbehaves as it is told."""

from __future__ import annotations

import asyncio
import socket
import struct

from os_ken.ofproto import ofproto_v1_3 as of


class FakeSwitch:
    """Connects to a controller and answers its requests, until the connection ends.

    `hangs_up_at` is the kind of message at which it closes the connection, `silent_at` one that it never
    answers. `says` is sent, raw, once its features are known. One that `resets` hangs up with a reset, not
    with an end.
    """

    def __init__(
        self,
        datapath: int,
        hangs_up_at: int | None = None,
        silent_at: int | None = None,
        says: bytes = b"",
        resets: bool = False,
    ) -> None:
        self.datapath, self.hangs_up_at, self.silent_at, self.says = datapath, hangs_up_at, silent_at, says
        self.resets = resets

    async def run(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if self.resets:
            lingering = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        writer.write(_message(of.OFPT_HELLO, 1))
        try:
            while True:
                version, kind, length, xid = struct.unpack("!BBHI", await reader.readexactly(8))
                assert version == of.OFP_VERSION or kind == of.OFPT_HELLO
                body = await reader.readexactly(length - 8)
                if kind == self.hangs_up_at:
                    return
                if kind != self.silent_at:
                    writer.write(self._answer(kind, xid, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the controller has gone
        finally:
            writer.close()

    def _answer(self, kind: int, xid: int, body: bytes) -> bytes:
        if kind == of.OFPT_FEATURES_REQUEST:
            features = struct.pack("!QIBB2xII", self.datapath, 0, 2, 0, 0, 0)
            return _message(of.OFPT_FEATURES_REPLY, xid, features) + self.says
        if kind == of.OFPT_ROLE_REQUEST:
            return _message(of.OFPT_ROLE_REPLY, xid, body)
        if kind == of.OFPT_MULTIPART_REQUEST:
            return _message(of.OFPT_MULTIPART_REPLY, xid, body[:2] + bytes(6))
        if kind == of.OFPT_ECHO_REQUEST:
            return _message(of.OFPT_ECHO_REPLY, xid, body)
        if kind == of.OFPT_BARRIER_REQUEST:
            return _message(of.OFPT_BARRIER_REPLY, xid)
        return b""


def _message(kind: int, xid: int, body: bytes = b"") -> bytes:
    return struct.pack("!BBHI", of.OFP_VERSION, kind, 8 + len(body), xid) + body
