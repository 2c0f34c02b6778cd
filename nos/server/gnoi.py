"""gNOI system of a simulated switch: Time, Reboot, RebootStatus and CancelReboot, as sonic-gnmi has them.

Source: openconfig/gnoi system.proto; sonic-gnmi gnmi_server/gnoi_system.go for codes and texts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
import grpc.aio

from raddle.nos.server._gen import system_pb2
from raddle.nos.server.auth import identify
from raddle.nos.server.passwords import Passwords
from raddle.nos.server.paths import RpcError, status_text
from raddle.nos.server.wire import unary
from raddle.nos.server.work import Work
from raddle.nos.switch import SimulatedSwitch

SERVICE = system_pb2.DESCRIPTOR.services_by_name["System"].full_name
_METHODS = (system_pb2.COLD, system_pb2.WARM, system_pb2.NSF)
_Context = grpc.aio.ServicerContext[Any, Any]


class GnoiSystem:
    """gNOI system of one switch; a reboot takes `boot_s` seconds of wall time."""

    def __init__(self, switch: SimulatedSwitch, passwords: Passwords, work: Work, boot_s: float) -> None:
        self._switch = switch
        self._passwords = passwords
        self._work = work
        self._boot_s = boot_s
        self._last = system_pb2.RebootStatusResponse()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server needs to serve this."""
        answers: dict[str, Callable[[Any, _Context], Awaitable[Any]]] = {
            "Time": self._time,
            "Reboot": self._reboot,
            "RebootStatus": self._reboot_status,
            "CancelReboot": self._cancel_reboot,
        }
        handlers: dict[str, Any] = {}
        for method in system_pb2.DESCRIPTOR.services_by_name["System"].methods:
            request = getattr(system_pb2, method.input_type.name)
            answer = answers.get(method.name)
            if answer is None:
                continue
            handlers[method.name] = unary(self._work, request.FromString, self._guarded(answer))
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _guarded(
        self, answer: Callable[[Any, _Context], Awaitable[Any]]
    ) -> Callable[[Any, _Context], Awaitable[Any]]:
        async def call(request: Any, context: _Context) -> Any:
            try:
                caller = identify(self._switch.databases.config, self._passwords, context)
                caller.check("gnoi", writes=True)
            except RpcError as error:
                await _abort(context, error.code, error.message)
            return await answer(request, context)

        return call

    async def _time(self, request: system_pb2.TimeRequest, context: _Context) -> system_pb2.TimeResponse:
        return system_pb2.TimeResponse(time=time.time_ns())

    async def _reboot(
        self, request: system_pb2.RebootRequest, context: _Context
    ) -> system_pb2.RebootResponse:
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        if request.method in (system_pb2.UNKNOWN, system_pb2.POWERUP):
            await _abort(context, invalid, "Invalid request: reboot method is not supported.")
        if request.delay:
            await _abort(context, invalid, "Invalid request: reboot is not immediate.")
        if request.method not in _METHODS:
            name = system_pb2.RebootMethod.Name(request.method)
            await _abort(
                context,
                grpc.StatusCode.UNIMPLEMENTED,
                f"{name}: a simulated switch stays on; reboot it COLD or WARM",
            )
        if request.subcomponents:
            return system_pb2.RebootResponse()
        if not self._switch.shut_down():
            await _abort(context, grpc.StatusCode.FAILED_PRECONDITION, "a reboot is under way")
        self._last = system_pb2.RebootStatusResponse(
            active=True,
            when=time.time_ns(),
            reason=request.message,
            count=self._last.count + 1,
            method=request.method,
        )
        asyncio.get_running_loop().call_later(self._boot_s, self._come_up)
        return system_pb2.RebootResponse()

    def _come_up(self) -> None:
        error = self._switch.start_up()
        self._last.active = False
        self._last.status.status = (
            system_pb2.RebootStatus.STATUS_FAILURE if error else system_pb2.RebootStatus.STATUS_SUCCESS
        )
        self._last.status.message = error

    async def _reboot_status(
        self, request: system_pb2.RebootStatusRequest, context: _Context
    ) -> system_pb2.RebootStatusResponse:
        status = system_pb2.RebootStatusResponse()
        status.CopyFrom(self._last)
        return status

    async def _cancel_reboot(
        self, request: system_pb2.CancelRebootRequest, context: _Context
    ) -> system_pb2.CancelRebootResponse:
        # Reboots are immediate, so that there is never one that waits.
        return system_pb2.CancelRebootResponse()


async def _abort(context: _Context, code: grpc.StatusCode, text: str) -> NoReturn:
    await context.abort(code, status_text(text))
