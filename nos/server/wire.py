"""Requests off the wire: what is no message of its kind is refused in the words of Go's gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc
import grpc.aio
from finsy.proto.gnmi1 import gnmi_pb2
from google.protobuf.message import DecodeError, Message

from raddle.nos.server.gnmi import GnmiService
from raddle.nos.server.work import Work

_Context = grpc.aio.ServicerContext[Any, Any]
_SERVICE = gnmi_pb2.DESCRIPTOR.services_by_name["gNMI"].full_name
_LARGE_BYTES = 2**15
_PROBLEM = "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data"


def written(message: Message | bytes) -> bytes:
    """The bytes of a message, or those that it is already."""
    data: bytes = message if isinstance(message, bytes) else message.SerializeToString()
    return data


def unary(
    work: Work,
    read: Callable[[bytes], Any],
    answer: Callable[[Any, _Context], Awaitable[Any]],
    write: Callable[[Any], bytes] = written,
) -> Any:
    """The handler of a method that takes one message, of what `read` reads, and gives one.

    To the server it is one that takes a stream: so the message is not taken off the wire before its turn. A
    large one is read beside the event loop.
    """
    turns = work.turns

    async def call(requests: AsyncIterator[bytes], context: _Context) -> Any:
        peer = context.peer()
        turns.arrived(peer)
        async with turns.calls.one(peer):
            data = await anext(aiter(requests), b"\0")  # no message at all is none of a kind, either
            try:
                if len(data) > _LARGE_BYTES:
                    request = await work.parse(peer, partial(read, data))
                    del data
                    await turns.come(peer)
                else:
                    await turns.come(peer)
                    request = read(data)
            except DecodeError:
                await context.abort(grpc.StatusCode.INTERNAL, _PROBLEM)
            return await answer(request, context)

    return grpc.stream_unary_rpc_method_handler(call, None, write)


def gnmi_handler(service: GnmiService, work: Work) -> grpc.GenericRpcHandler:
    """What a server needs to serve gNMI."""
    turns = work.turns

    async def subscribe(requests: AsyncIterator[bytes], context: _Context) -> AsyncIterator[Any]:
        peer = context.peer()

        async def read() -> AsyncIterator[Message]:
            async for data in requests:
                try:
                    if len(data) > _LARGE_BYTES:
                        request = await work.parse(peer, partial(gnmi_pb2.SubscribeRequest.FromString, data))
                        await turns.come(peer, is_stream=True)
                    else:
                        await turns.come(peer, is_stream=True)
                        request = gnmi_pb2.SubscribeRequest.FromString(data)
                    yield request
                except DecodeError:
                    await context.abort(grpc.StatusCode.INTERNAL, "received error from client")

        turns.arrived(peer)
        await turns.come(peer, is_stream=True)
        async for response in service.Subscribe(read(), context):
            await turns.come(peer, is_stream=True)
            yield response

    handlers: dict[str, Any] = {
        "Capabilities": unary(work, gnmi_pb2.CapabilityRequest.FromString, service.Capabilities),
        "Get": unary(work, gnmi_pb2.GetRequest.FromString, service.Get),
        "Set": unary(work, gnmi_pb2.SetRequest.FromString, service.Set),
        "Subscribe": grpc.stream_stream_rpc_method_handler(subscribe, None, written),
    }
    return grpc.method_handlers_generic_handler(_SERVICE, handlers)
