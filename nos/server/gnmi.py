"""The gNMI service of a simulated switch: Capabilities, Get, Set and Subscribe over SONiC's databases.

It behaves as sonic-gnmi does with native write enabled, for origin `sonic-db` and for reads by target.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, NoReturn

import grpc
import grpc.aio
from finsy.proto.gnmi1 import gnmi_pb2

from raddle.nos.db.databases import Databases
from raddle.nos.db.patch import PatchError
from raddle.nos.server.auth import Caller, identify
from raddle.nos.server.changes import Changes
from raddle.nos.server.json_text import GoOn
from raddle.nos.server.masters import Masters
from raddle.nos.server.openconfig import read_openconfig
from raddle.nos.server.passwords import Passwords
from raddle.nos.server.paths import (
    ORIGIN,
    RpcError,
    check_writable,
    elem_names,
    parse_paths,
    request_origin,
    status_text,
)
from raddle.nos.server.query import opened
from raddle.nos.server.read import json_value, read_value
from raddle.nos.server.subscribe import check_is_up, subscribe
from raddle.nos.server.telemetry import is_target, read_target, typed
from raddle.nos.server.work import MAX_PATHS, MAX_RESPONSE_BYTES, Work
from raddle.nos.server.write import read_change
from raddle.nos.switch import SimulatedSwitch

GNMI_VERSION = "0.7.0"
_ENCODINGS = (gnmi_pb2.JSON, gnmi_pb2.JSON_IETF, gnmi_pb2.PROTO)
_Context = grpc.aio.ServicerContext[Any, Any]
_Changes = list[tuple[gnmi_pb2.Path, gnmi_pb2.UpdateResult.Operation.ValueType]]
MAX_STREAMS = 100
"""Subscriptions at once (sonic-gnmi gnmi_server/connection_manager.go, its default threshold)."""


_REFUSAL_S = 1.0


class GnmiService:
    """gNMI of one switch.

    `passwords` are for switches that ask for one, `work` is what takes long, `changes` makes its Sets.
    """

    def __init__(
        self,
        switch: SimulatedSwitch,
        passwords: Passwords,
        work: Work,
        changes: Changes,
    ) -> None:
        self._switch = switch
        self._changes = changes
        self._passwords = passwords
        self._work = work
        self._masters = Masters()
        self._streams = 0

    def _identify(self, context: _Context) -> Caller:
        check_is_up(self._switch)
        return identify(self._switch.databases.config, self._passwords, context)

    async def Capabilities(
        self,
        request: gnmi_pb2.CapabilityRequest,
        context: _Context,
    ) -> gnmi_pb2.CapabilityResponse:
        """What this switch has: its databases, and interfaces of OpenConfig; and sonic-gnmi's encodings."""
        try:
            self._identify(context).check("gnmi")
        except RpcError as error:
            await _abort(context, error)
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
    ) -> bytes:
        """One notification per path, all of one snapshot, as the bytes of a GetResponse."""
        try:
            caller = self._identify(context)
            place = opened(request.prefix, request.path)
            caller.check(place.service)
            caller.check_secrets(place.database, place.tables)
            if place.is_quick(self._switch.databases):
                return self._get(request)
            return await self._work.run(context.peer(), partial(self._get, request))
        except RpcError as error:
            await _abort(context, error)

    def _get(self, request: gnmi_pb2.GetRequest) -> bytes:
        if request.type != gnmi_pb2.GetRequest.ALL:
            name = _enum_name(gnmi_pb2.GetRequest.DataType, request.type)
            raise RpcError(grpc.StatusCode.UNIMPLEMENTED, f"unsupported request type: {name}")
        if request.encoding not in _ENCODINGS:
            name = _enum_name(gnmi_pb2.Encoding, request.encoding)
            raise RpcError(grpc.StatusCode.UNIMPLEMENTED, f"unsupported encoding: {name}")
        databases = self._switch.databases
        timestamp = time.time_ns()
        # Messages one behind the other are their merge: so no step is longer than one of them takes.
        pieces = []
        size_bytes = 0
        for path, value in _values(databases, request, self._work.go_on):
            size_bytes += value.ByteSize()
            if size_bytes > MAX_RESPONSE_BYTES:
                raise RpcError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"the answer is larger than {MAX_RESPONSE_BYTES} bytes; ask for less at once",
                )
            update = gnmi_pb2.Update(path=path, val=value)
            notification = gnmi_pb2.Notification(timestamp=timestamp, prefix=request.prefix, update=[update])
            pieces.append(gnmi_pb2.GetResponse(notification=[notification]).SerializeToString())
        return b"".join(pieces)

    async def Set(
        self,
        request: gnmi_pb2.SetRequest,
        context: _Context,
    ) -> gnmi_pb2.SetResponse:
        """All of the request or nothing; deletes, then replaces, then updates.

        One with nothing but master arbitration says who leads from now on.
        """
        count = len(request.delete) + len(request.replace) + len(request.update)
        try:
            caller = self._identify(context)
            if not count and request.extension:
                caller.check("gnmi_config_db", writes=True)
                if self._masters.admit(request, self._switch.starts):
                    return gnmi_pb2.SetResponse(timestamp=time.time_ns())
            if count <= MAX_PATHS:
                changes, service = _changes_of(request)
            else:
                read = partial(_changes_of, request)
                changes, service = await self._work.run(context.peer(), read, is_long=True)
            caller.check(service, writes=True)
            self._masters.admit(request, self._switch.starts)
        except RpcError as error:
            await _abort(context, error)
        # A change that has begun is made to its end, also when the client is gone.
        refused = await asyncio.shield(asyncio.ensure_future(self._set(context.peer(), request)))
        if refused:
            await _abort(context, refused)
        results = [gnmi_pb2.UpdateResult(path=path, op=operation) for path, operation in changes]
        return gnmi_pb2.SetResponse(prefix=request.prefix, response=results, timestamp=time.time_ns())

    async def _set(self, peer: str, request: gnmi_pb2.SetRequest) -> RpcError | None:
        """Make a change after those that came before; what it is refused with."""
        try:
            await self._changes.make(peer, partial(read_change, self._switch, request))
        except PatchError as error:
            return RpcError(grpc.StatusCode.UNKNOWN, str(error))
        except RecursionError:
            return RpcError(grpc.StatusCode.UNKNOWN, "the value is nested too deep")
        except RpcError as error:
            return error
        return None

    async def Subscribe(
        self,
        request_iterator: AsyncIterator[gnmi_pb2.SubscribeRequest],
        context: _Context,
    ) -> AsyncIterator[gnmi_pb2.SubscribeResponse]:
        """ONCE, POLL and STREAM; like SONiC's, a stream that ends in order ends with an error code."""
        try:
            caller = self._identify(context)
            if self._streams >= MAX_STREAMS:
                # A client that is refused asks again: so not at once, and one call after the other.
                async with self._work.turns.refusals.one(context.peer()):
                    await asyncio.sleep(_REFUSAL_S)
                await self._work.turns.come(context.peer(), is_stream=True)
            if self._streams >= MAX_STREAMS:
                raise RpcError(grpc.StatusCode.UNAVAILABLE, "Server connections are at capacity.")
            self._streams += 1
            try:
                run = partial(self._work.run, context.peer())
                answers = subscribe(self._switch, request_iterator, caller, run, self._work.go_on)
                async for response in answers:
                    yield response
            finally:
                self._streams -= 1
        except RpcError as error:
            await _abort(context, error)


def _changes_of(request: gnmi_pb2.SetRequest) -> tuple[_Changes, str]:
    """The paths of a Set with what is done there, and the service that it opens."""
    changes = [
        *((path, gnmi_pb2.UpdateResult.DELETE) for path in request.delete),
        *((update.path, gnmi_pb2.UpdateResult.REPLACE) for update in request.replace),
        *((update.path, gnmi_pb2.UpdateResult.UPDATE) for update in request.update),
    ]
    return changes, check_writable(request.prefix, [path for path, _ in changes])


def _values(
    databases: Databases, request: gnmi_pb2.GetRequest, go_on: GoOn
) -> Iterator[tuple[gnmi_pb2.Path, gnmi_pb2.TypedValue]]:
    """Each path with what is there."""
    prefix = request.prefix
    if not request_origin(prefix, request.path) and is_target(prefix.target):
        # A client of the older kind may name a database and no path, which is an error of the path.
        for path in request.path or (gnmi_pb2.Path(),):
            go_on()
            elems = (*elem_names(prefix), *elem_names(path))
            yield path, typed(read_target(databases, prefix.target, elems), go_on)
        return
    if request_origin(prefix, request.path) != ORIGIN:
        # As on SONiC, whatever is neither is for the translation of OpenConfig, under any origin and target.
        for path in request.path:
            go_on()
            yield path, json_value(read_openconfig(databases, [*prefix.elem, *path.elem]), go_on)
        return
    for path, place in zip(request.path, parse_paths(prefix, request.path), strict=True):
        go_on()
        yield path, read_value(databases, place, request.encoding, go_on)


def _enum_name(enum: Any, number: int) -> str:
    try:
        return str(enum.Name(number))
    except ValueError:
        return str(number)


async def _abort(context: _Context, error: RpcError) -> NoReturn:
    """End the call; text that cannot travel in a status is cut and cleaned."""
    await context.abort(error.code, status_text(error.message))
