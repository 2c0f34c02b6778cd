"""The gNMI service of a simulated switch: Capabilities, Get, Set and Subscribe over SONiC's databases.

It behaves as sonic-gnmi does with native write enabled, for origin `sonic-db` and for reads by target.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import grpc
import grpc.aio
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.nos.db.databases import Databases
from raddle.nos.server.auth import authorize
from raddle.nos.server.openconfig import read_openconfig
from raddle.nos.server.paths import ORIGIN, RpcError, check_writable, elem_names, parse_paths, request_origin
from raddle.nos.server.read import json_value, read_value
from raddle.nos.server.subscribe import check_is_up, subscribe
from raddle.nos.server.telemetry import is_target, read_target, typed
from raddle.nos.server.write import apply_set
from raddle.nos.switch import SimulatedSwitch

GNMI_VERSION = "0.7.0"
_ENCODINGS = (gnmi_pb2.JSON, gnmi_pb2.JSON_IETF, gnmi_pb2.PROTO)
_Context = grpc.aio.ServicerContext[Any, Any]
_DETAIL_LIMIT = 1500  # Status details travel in HTTP/2 trailers, which gRPC limits to 8 KiB by default.


class GnmiService(gnmi_pb2_grpc.gNMIServicer):
    """gNMI of one switch; `users` are passwords by user name, for switches that ask for one."""

    def __init__(self, switch: SimulatedSwitch, users: Mapping[str, str] | None = None) -> None:
        self._switch = switch
        self._users = users or {}
        self._one_at_a_time = asyncio.Lock()

    async def _authorize(self, context: _Context, where: gnmi_pb2.Path, writes: bool = False) -> None:
        elems = elem_names(where)
        database = where.target or (elems[0] if elems else "")
        service = f"gnmi_{database.lower()}" if database else "gnmi"
        try:
            check_is_up(self._switch)
            authorize(self._switch.databases.config, self._users, context, service, writes)
        except RpcError as error:
            await _abort(context, error)

    async def Capabilities(
        self,
        request: gnmi_pb2.CapabilityRequest,
        context: _Context,
    ) -> gnmi_pb2.CapabilityResponse:
        """What this switch has: its databases, and interfaces of OpenConfig; and sonic-gnmi's encodings."""
        await self._authorize(context, gnmi_pb2.Path())
        return gnmi_pb2.CapabilityResponse(
            supported_models=[
                gnmi_pb2.ModelData(name="openconfig-interfaces", organization="OpenConfig working group"),
                gnmi_pb2.ModelData(name="sonic-db", organization="SONiC", version="0.1.0"),
            ],
            supported_encodings=_ENCODINGS,
            gNMI_version=GNMI_VERSION,
        )

    async def Get(
        self,
        request: gnmi_pb2.GetRequest,
        context: _Context,
    ) -> gnmi_pb2.GetResponse:
        """One notification per path, all of one snapshot."""
        await self._authorize(context, _place(request.prefix, request.path))
        try:
            return self._get(request)
        except RpcError as error:
            await _abort(context, error)

    def _get(self, request: gnmi_pb2.GetRequest) -> gnmi_pb2.GetResponse:
        if request.type != gnmi_pb2.GetRequest.ALL:
            name = _enum_name(gnmi_pb2.GetRequest.DataType, request.type)
            raise RpcError(grpc.StatusCode.UNIMPLEMENTED, f"unsupported request type: {name}")
        if request.encoding not in _ENCODINGS:
            name = _enum_name(gnmi_pb2.Encoding, request.encoding)
            raise RpcError(grpc.StatusCode.UNIMPLEMENTED, f"unsupported encoding: {name}")
        databases = self._switch.databases
        timestamp = time.time_ns()
        notifications = []
        for path, value in zip(request.path, _values(databases, request), strict=True):
            update = gnmi_pb2.Update(path=path, val=value)
            notifications.append(
                gnmi_pb2.Notification(timestamp=timestamp, prefix=request.prefix, update=[update])
            )
        return gnmi_pb2.GetResponse(notification=notifications)

    async def Set(
        self,
        request: gnmi_pb2.SetRequest,
        context: _Context,
    ) -> gnmi_pb2.SetResponse:
        """All of the request or nothing; deletes, then replaces, then updates."""
        changes = [
            *((path, gnmi_pb2.UpdateResult.DELETE) for path in request.delete),
            *((update.path, gnmi_pb2.UpdateResult.REPLACE) for update in request.replace),
            *((update.path, gnmi_pb2.UpdateResult.UPDATE) for update in request.update),
        ]
        await self._authorize(context, _place(request.prefix, [path for path, _ in changes]), writes=True)
        try:
            check_writable(request.prefix, [path for path, _ in changes])
        except RpcError as error:
            await _abort(context, error)
        # A change that has begun is made to its end, also when the client is gone.
        refused = await asyncio.shield(asyncio.ensure_future(self._set(request)))
        if refused:
            await _abort(context, refused)
        results = [gnmi_pb2.UpdateResult(path=path, op=operation) for path, operation in changes]
        return gnmi_pb2.SetResponse(prefix=request.prefix, response=results, timestamp=time.time_ns())

    async def _set(self, request: gnmi_pb2.SetRequest) -> RpcError | None:
        """Make a change after those that came before; what it is refused with."""
        async with self._one_at_a_time:
            try:
                await apply_set(self._switch, request)
            except RpcError as error:
                return error
        return None

    async def Subscribe(
        self,
        request_iterator: AsyncIterator[gnmi_pb2.SubscribeRequest],
        context: _Context,
    ) -> AsyncIterator[gnmi_pb2.SubscribeResponse]:
        """ONCE, POLL and STREAM; like SONiC's, a stream that ends in order ends with an error code."""
        await self._authorize(context, gnmi_pb2.Path())
        try:
            async for response in subscribe(self._switch, request_iterator):
                yield response
        except RpcError as error:
            await _abort(context, error)


def _place(prefix: gnmi_pb2.Path, paths: Sequence[gnmi_pb2.Path]) -> gnmi_pb2.Path:
    """What tells the database that a request is for: the prefix, or else its first path."""
    return prefix if prefix.target or prefix.elem or not paths else paths[0]


def _values(databases: Databases, request: gnmi_pb2.GetRequest) -> Iterator[gnmi_pb2.TypedValue]:
    prefix = request.prefix
    if not request_origin(prefix, request.path) and is_target(prefix.target):
        # A client of the older kind may name a database and no path, which is an error of the path.
        for path in request.path or (gnmi_pb2.Path(),):
            elems = (*elem_names(prefix), *elem_names(path))
            yield typed(read_target(databases, prefix.target, elems))
        return
    if request_origin(prefix, request.path) != ORIGIN:
        # As on SONiC, whatever is neither is for the translation of OpenConfig, under any origin and target.
        for path in request.path:
            yield json_value(read_openconfig(databases, [*prefix.elem, *path.elem]))
        return
    for place in parse_paths(prefix, request.path):
        yield read_value(databases, place, request.encoding)


def _enum_name(enum: Any, number: int) -> str:
    try:
        return str(enum.Name(number))
    except ValueError:
        return str(number)


async def _abort(context: _Context, error: RpcError) -> NoReturn:
    """End the call; text that cannot travel in a status is cut and cleaned."""
    text = error.message.encode("utf-8", "replace").decode()
    if len(text) > _DETAIL_LIMIT:
        text = text[:_DETAIL_LIMIT] + " ..."
    await context.abort(error.code, text)
