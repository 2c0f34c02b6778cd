"""Requests off the wire: what is no message of its kind is refused in the words of Go's gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from finsy.proto.gnmi1 import gnmi_pb2
from google.protobuf.message import DecodeError, Message

from raddle.nos.server.gnmi import GnmiService

_Context = grpc.aio.ServicerContext[Any, Any]
_SERVICE = gnmi_pb2.DESCRIPTOR.services_by_name["gNMI"].full_name
_PROBLEM = "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data"


class _Garbage:
    """What was sent in place of a message."""


def _reader(kind: type[Message]) -> Callable[[bytes], Message | _Garbage]:
    def read(data: bytes) -> Message | _Garbage:
        try:
            return kind.FromString(data)
        except DecodeError:
            return _Garbage()

    return read


def _written(message: Message) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def unary(kind: type[Message], answer: Callable[[Any, _Context], Awaitable[Any]]) -> Any:
    """The handler of a method that takes one message of a kind and gives one."""

    async def call(request: Message | _Garbage, context: _Context) -> Any:
        if isinstance(request, _Garbage):
            await context.abort(grpc.StatusCode.INTERNAL, _PROBLEM)
        return await answer(request, context)

    return grpc.unary_unary_rpc_method_handler(
        call, _reader(kind), lambda message: message.SerializeToString()
    )


def gnmi_handler(service: GnmiService) -> grpc.GenericRpcHandler:
    """What a server needs to serve gNMI."""

    async def subscribe(requests: AsyncIterator[Message | _Garbage], context: _Context) -> AsyncIterator[Any]:
        async def read() -> AsyncIterator[Message]:
            async for request in requests:
                if isinstance(request, _Garbage):
                    await context.abort(grpc.StatusCode.INTERNAL, "received error from client")
                yield request

        async for response in service.Subscribe(read(), context):
            yield response

    handlers: dict[str, Any] = {
        "Capabilities": unary(gnmi_pb2.CapabilityRequest, service.Capabilities),
        "Get": unary(gnmi_pb2.GetRequest, service.Get),
        "Set": unary(gnmi_pb2.SetRequest, service.Set),
        "Subscribe": grpc.stream_stream_rpc_method_handler(
            subscribe, _reader(gnmi_pb2.SubscribeRequest), _written
        ),
    }
    return grpc.method_handlers_generic_handler(_SERVICE, handlers)
