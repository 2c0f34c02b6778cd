"""The P4Runtime service of a simulated switch.

Source: P4Runtime specification 1.4; for a switch that fails on the first error, SONiC PINS (p4rt_app).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn

import grpc
import grpc.aio
from finsy.proto import p4r, p4r_grpc, rpc_code, rpc_status
from google.protobuf.message import DecodeError

from raddle.nos.p4rt.check import UpdateError
from raddle.nos.p4rt.forwarding import P4Forwarding, Results
from raddle.nos.p4rt.packets import PacketIo
from raddle.nos.server.arbitration import Arbiter, Session, number_of
from raddle.nos.server.paths import RpcError, status_text
from raddle.nos.server.wire import unary, written
from raddle.nos.server.work import Work

SERVICE = p4r.DESCRIPTOR.services_by_name["P4Runtime"].full_name
API_VERSION = "1.4.0"
_ENTITIES_PER_RESPONSE = 1000
_DETAILS_KEY = "grpc-status-details-bin"
_LONG_WRITE = 1000
"""Updates of a Write that is long work."""
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_Get = p4r.GetForwardingPipelineConfigRequest
_Context = grpc.aio.ServicerContext[Any, Any]


Authorize = Callable[[_Context, bool], None]
"""Lets a call through that only reads, or that writes, or raises RpcError."""


def anybody(context: _Context, writes: bool) -> None:
    """Let everybody in."""


class P4RuntimeService(p4r_grpc.P4RuntimeServicer):
    """P4Runtime of one switch; `work` is what takes long."""

    def __init__(
        self, forwarding: P4Forwarding, packets: PacketIo, work: Work, authorize: Authorize = anybody
    ) -> None:
        self._forwarding = forwarding
        self._packets = packets
        self._work = work
        self._authorize = authorize
        self._arbiter = Arbiter(forwarding.device_id)
        self._loop: asyncio.AbstractEventLoop | None = None
        packets.on_packet_in = self._packet_in

    async def Capabilities(
        self, request: p4r.CapabilitiesRequest, context: _Context
    ) -> p4r.CapabilitiesResponse:
        """The version of the specification."""
        await self._check_caller(context)
        return p4r.CapabilitiesResponse(p4runtime_api_version=API_VERSION)

    async def SetForwardingPipelineConfig(
        self, request: p4r.SetForwardingPipelineConfigRequest, context: _Context
    ) -> p4r.SetForwardingPipelineConfigResponse:
        """Verify, save, commit or reconcile a pipeline; the primary alone may."""
        await self._check_caller(context, writes=True)
        try:
            self._arbiter.require_primary(request.device_id, request.role, number_of(request.election_id))
            commit = partial(self._forwarding.set_pipeline, request.config, request.action)
            await self._work.run(context.peer(), commit, is_long=True)
        except (RpcError, UpdateError) as error:
            await _abort(context, error)
        return p4r.SetForwardingPipelineConfigResponse()

    async def GetForwardingPipelineConfig(
        self, request: p4r.GetForwardingPipelineConfigRequest, context: _Context
    ) -> p4r.GetForwardingPipelineConfigResponse:
        """What was set, or as much of it as is asked for."""
        await self._check_caller(context)
        await self._check_device(request.device_id, context)
        pipeline = self._forwarding.pipeline
        if pipeline is None:
            return p4r.GetForwardingPipelineConfigResponse()
        config = pipeline.config
        how = request.response_type
        return p4r.GetForwardingPipelineConfigResponse(
            config=p4r.ForwardingPipelineConfig(
                p4info=config.p4info if how in (_Get.ALL, _Get.P4INFO_AND_COOKIE) else None,
                p4_device_config=(
                    config.p4_device_config if how in (_Get.ALL, _Get.DEVICE_CONFIG_AND_COOKIE) else b""
                ),
                cookie=config.cookie if config.HasField("cookie") else None,
            )
        )

    async def Write(self, request: p4r.WriteRequest, context: _Context) -> p4r.WriteResponse:
        """A batch of updates; the primary of the role alone may, and each update has its own status."""
        await self._check_caller(context, writes=True)
        try:
            self._arbiter.require_primary(request.device_id, request.role, number_of(request.election_id))
            write = partial(self._forwarding.write, request.updates, request.atomicity, request.role)
            is_long = len(request.updates) > _LONG_WRITE
            results = await self._work.run(context.peer(), write, is_long=is_long)
        except (RpcError, UpdateError) as error:
            await _abort(context, error)
        if any(results):
            await _abort_batch(context, results, "updates")
        return p4r.WriteResponse()

    async def Read(self, request: p4r.ReadRequest, context: _Context) -> AsyncIterator[p4r.ReadResponse]:
        """All entities of one moment, in parts, also beside bad requests; any client may."""
        await self._check_caller(context)
        await self._check_device(request.device_id, context)
        try:
            read = partial(self._forwarding.read_batch, request.entities, request.role)
            found, results = await self._work.run(context.peer(), read)
        except UpdateError as error:
            await _abort(context, error)
        for part in _parts(found):
            await self._work.turns.come(context.peer())
            yield p4r.ReadResponse(entities=part)
        if any(results):
            await _abort_batch(context, results, "requests")

    async def StreamChannel(
        self, request_iterator: AsyncIterator[p4r.StreamMessageRequest], context: _Context
    ) -> AsyncIterator[p4r.StreamMessageResponse]:
        """Arbitration, packets in and out: for those who may write."""
        await self._check_caller(context, writes=True)
        self._loop = asyncio.get_running_loop()
        session = Session()
        listener = asyncio.ensure_future(self._listen(session, context.peer(), request_iterator))
        try:
            while (message := await session.outbox.get()) is not None:
                if isinstance(message, RpcError):
                    await _abort(context, message)
                yield message
                self._arbiter.catch_up(session)
        finally:
            listener.cancel()
            self._arbiter.leave(session)

    async def _listen(
        self, session: Session, peer: str, requests: AsyncIterator[p4r.StreamMessageRequest]
    ) -> None:
        """Handle what a controller sends; an error ends its stream.

        A controller that does not read what it is refused with is not read either.
        """
        try:
            async for request in requests:
                await self._work.turns.come(peer)
                if refused := self._take(session, request):
                    await session.outbox.put(p4r.StreamMessageResponse(error=refused))
        except DecodeError:
            await session.outbox.put(RpcError(grpc.StatusCode.INTERNAL, "received error from client"))
        except RpcError as error:
            await session.outbox.put(error)
        else:
            await session.outbox.put(None)

    def _take(self, session: Session, request: p4r.StreamMessageRequest) -> p4r.StreamError | None:
        """Do what a message asks for; what it is refused with.

        Raises:
            RpcError: the stream ends.
        """
        kind = request.WhichOneof("update")
        if kind == "arbitration":
            self._arbiter.arbitrate(session, request.arbitration)
            return None
        if not session.is_open:
            raise RpcError(grpc.StatusCode.FAILED_PRECONDITION, "a stream begins with an arbitration update")
        if kind == "digest_ack":
            return self._digest_refusal(request.digest_ack)
        if kind != "packet":
            return _refusal(rpc_code.UNIMPLEMENTED, f"this switch takes no {kind}")
        if self._arbiter.primary(session.role) is not session:
            return _refusal(
                rpc_code.PERMISSION_DENIED, "packets go out for the primary alone", request.packet
            )
        try:
            self._packets.packet_out(request.packet)
        except UpdateError as error:
            return _refusal(error.code, error.message, request.packet)
        return None

    def _digest_refusal(self, ack: p4r.DigestListAck) -> p4r.StreamError:
        pipeline = self._forwarding.pipeline
        if pipeline is not None and ack.digest_id in pipeline.unsupported["digest_entry"]:
            error = p4r.StreamError(
                canonical_code=rpc_code.UNIMPLEMENTED, message="this switch sends no digests"
            )
        else:
            error = p4r.StreamError(
                canonical_code=rpc_code.INVALID_ARGUMENT,
                message=f"digest 0x{ack.digest_id:08x} is not in the P4Info",
            )
        error.digest_list_ack.digest_list_ack.CopyFrom(ack)
        return error

    def _packet_in(self, packet: p4r.PacketIn) -> None:
        """Hand a packet to the primaries; called from any thread."""

        def deliver() -> None:
            for session in self._arbiter.primaries():
                # What a slow reader has no room for is lost, as in a switch's queue to its CPU.
                with contextlib.suppress(asyncio.QueueFull):
                    session.outbox.put_nowait(p4r.StreamMessageResponse(packet=packet))

        if self._loop is not None:
            self._loop.call_soon_threadsafe(deliver)

    async def _check_caller(self, context: _Context, writes: bool = False) -> None:
        try:
            self._authorize(context, writes)
        except RpcError as error:
            # SONiC's gNMI answers UNKNOWN to a caller without the role; P4Runtime has a code for it.
            is_unknown = error.code == grpc.StatusCode.UNKNOWN
            code = grpc.StatusCode.PERMISSION_DENIED if is_unknown else error.code
            await _abort(context, RpcError(code, error.message))

    async def _check_device(self, device_id: int, context: _Context) -> None:
        if device_id != self._forwarding.device_id:
            text = f"no device {device_id}; this is {self._forwarding.device_id}"
            await _abort(context, RpcError(grpc.StatusCode.NOT_FOUND, text))


def p4runtime_handler(service: P4RuntimeService, work: Work) -> grpc.GenericRpcHandler:
    """What a server needs to serve P4Runtime, all calls in their turn."""
    turns = work.turns

    async def read(request: p4r.ReadRequest, context: _Context) -> AsyncIterator[p4r.ReadResponse]:
        turns.arrived(context.peer())
        async with turns.calls.one(context.peer()):
            async for part in service.Read(request, context):
                yield part

    async def stream(requests: AsyncIterator[bytes], context: _Context) -> AsyncIterator[Any]:
        async def messages() -> AsyncIterator[p4r.StreamMessageRequest]:
            async for data in requests:
                yield p4r.StreamMessageRequest.FromString(data)

        turns.arrived(context.peer())
        async for response in service.StreamChannel(messages(), context):
            await turns.come(context.peer())
            yield response

    handlers: dict[str, Any] = {
        "Capabilities": unary(work, p4r.CapabilitiesRequest.FromString, service.Capabilities),
        "SetForwardingPipelineConfig": unary(
            work, p4r.SetForwardingPipelineConfigRequest.FromString, service.SetForwardingPipelineConfig
        ),
        "GetForwardingPipelineConfig": unary(
            work, p4r.GetForwardingPipelineConfigRequest.FromString, service.GetForwardingPipelineConfig
        ),
        "Write": unary(work, p4r.WriteRequest.FromString, service.Write),
        "Read": grpc.unary_stream_rpc_method_handler(read, p4r.ReadRequest.FromString, written),
        "StreamChannel": grpc.stream_stream_rpc_method_handler(stream, None, written),
    }
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _refusal(code: int, message: str, packet: p4r.PacketOut | None = None) -> p4r.StreamError:
    error = p4r.StreamError(canonical_code=code, message=message)
    if packet is not None:
        error.packet_out.packet_out.CopyFrom(packet)
    else:
        error.other.SetInParent()
    return error


def _parts(entities: Sequence[p4r.Entity]) -> Iterator[Sequence[p4r.Entity]]:
    for start in range(0, len(entities), _ENTITIES_PER_RESPONSE):
        yield entities[start : start + _ENTITIES_PER_RESPONSE]


async def _abort(context: _Context, error: RpcError | UpdateError) -> NoReturn:
    code = error.code if isinstance(error, RpcError) else _CODES[error.code]
    await context.abort(code, status_text(error.message))


async def _abort_batch(context: _Context, results: Results, what: str) -> NoReturn:
    """End a call of which parts have failed: a p4.v1.Error for each, in order, in the status details."""
    status = rpc_status.Status(code=rpc_code.UNKNOWN, message=f"{sum(map(bool, results))} {what} failed")
    for result in results:
        code, message = (result.code, result.message) if result else (rpc_code.OK, "")
        status.details.add().Pack(p4r.Error(canonical_code=code, message=message))
    await context.abort(
        grpc.StatusCode.UNKNOWN, status.message, ((_DETAILS_KEY, status.SerializeToString()),)
    )
