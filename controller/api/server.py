"""Serves the controller's API over gRPC, with reflection."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from threading import BoundedSemaphore
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection

from raddle.controller.api import messages
from raddle.controller.api._gen import raddle_controller_pb2 as pb
from raddle.controller.api.roles import Doorkeeper, Role
from raddle.controller.service.core import Controller
from raddle.controller.service.store import StoreError
from raddle.errors import InputError, RaddleError

ADDRESS = "127.0.0.1:50580"
"""Where the API is unless somebody says otherwise."""

MAX_WATCHERS = 16
_WORKERS = MAX_WATCHERS + 16
_LOOK_S = 1.0
_WAITING_CODES = ("paused", "stopped")
_SERVICE = pb.DESCRIPTOR.services_by_name["Controller"]


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM bytes: the server's certificate chain and key, and the CA of the clients' certificates."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes


class ApiServer:
    """The API at an address, while the context is open.

    Args:
        roles: by common name; with TLS only.

    Attributes:
        address: with the port that it has got.

    Raises:
        InputError: `not-loopback`, there is no TLS; `port-in-use`.
    """

    def __init__(
        self,
        controller: Controller,
        address: str = ADDRESS,
        tls: ServerTls | None = None,
        roles: Mapping[str, Role] | None = None,
    ) -> None:
        self._controller = controller
        self._doorkeeper = Doorkeeper(dict(roles or {}) if tls else None)
        self._watchers = BoundedSemaphore(MAX_WATCHERS)
        host = host_of(address, "--listen", ADDRESS)
        if tls is None and not is_loopback(host):
            raise InputError.of(
                "not-loopback",
                f"cannot serve the API at '{address}' in plain text, as others than this machine reach that",
                "use 127.0.0.1, or give --tls-cert, --tls-key and --client-ca",
            )
        self._server = grpc.server(ThreadPoolExecutor(_WORKERS), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((self._handler(),))
        reflection.enable_server_reflection([_SERVICE.full_name, reflection.SERVICE_NAME], self._server)
        try:
            bound = self._bind(address, tls)
        except RuntimeError:
            raise InputError.of(
                "port-in-use", f"cannot listen on {address}", "choose another --listen"
            ) from None
        self.address = f"{host}:{bound}"

    def __enter__(self) -> ApiServer:
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop(grace=None).wait()

    def _bind(self, address: str, tls: ServerTls | None) -> int:
        if tls is None:
            return int(self._server.add_insecure_port(address))
        credentials = grpc.ssl_server_credentials(
            [(tls.key, tls.certificate)], tls.client_ca, require_client_auth=True
        )
        return int(self._server.add_secure_port(address, credentials))

    def _handler(self) -> grpc.GenericRpcHandler:
        """Each method of the .proto with the one of its name here."""
        handlers: dict[str, Any] = {}
        for method in _SERVICE.methods:
            read = getattr(pb, method.input_type.name).FromString
            write = getattr(pb, method.output_type.name).SerializeToString
            answer = self._guarded(method.name, getattr(self, f"_{_snake(method.name)}"))
            make = (
                grpc.unary_stream_rpc_method_handler
                if method.name == "Watch"
                else grpc.unary_unary_rpc_method_handler
            )
            handlers[method.name] = make(answer, read, write)
        return grpc.method_handlers_generic_handler(_SERVICE.full_name, handlers)

    def _guarded(
        self, name: str, answer: Callable[[Any, str, grpc.ServicerContext], Any]
    ) -> Callable[[Any, grpc.ServicerContext], Any]:
        def call(request: Any, context: grpc.ServicerContext) -> Any:
            who = self._doorkeeper.admit(name, context)
            try:
                return answer(request, who, context)
            except RaddleError as error:
                context.abort(_code(error), _words(error))

        return call

    def _status(self, request: Any, who: str, context: Any) -> Any:
        return messages.status(self._controller)

    def _preview(self, request: Any, who: str, context: Any) -> Any:
        return pb.PreviewReply(changes=self._controller.preview().result())

    def _apply(self, request: Any, who: str, context: Any) -> Any:
        return messages.revision(self._controller.apply(who, request.why).result())

    def _rollback(self, request: Any, who: str, context: Any) -> Any:
        return messages.revision(self._controller.rollback(who, request.why, request.number).result())

    def _drain(self, request: Any, who: str, context: Any) -> Any:
        _check_time(request.until)
        done = self._controller.drain(who, request.why, request.switch, request.until)
        return messages.revision(done.result())

    def _undrain(self, request: Any, who: str, context: Any) -> Any:
        return messages.revision(self._controller.undrain(who, request.why, request.switch).result())

    def _replace(self, request: Any, who: str, context: Any) -> Any:
        done = self._controller.replace(who, request.why, request.switch)
        return pb.ReplaceReply(outcome=done.result())

    def _pause(self, request: Any, who: str, context: Any) -> Any:
        self._controller.pause(who, request.why, True)
        return pb.Done()

    def _resume(self, request: Any, who: str, context: Any) -> Any:
        self._controller.pause(who, request.why, False)
        return pb.Done()

    def _abort(self, request: Any, who: str, context: Any) -> Any:
        self._controller.abort(who, request.why)
        return pb.Done()

    def _history(self, request: Any, who: str, context: Any) -> Any:
        newest = self._controller.records.revisions()[::-1]
        return pb.HistoryReply(revisions=map(messages.revision, newest[: request.limit or None]))

    def _list_audit(self, request: Any, who: str, context: Any) -> Any:
        return pb.AuditReply(
            entries=map(messages.audit_entry, self._controller.records.audits(request.after))
        )

    def _watch(self, request: Any, who: str, context: Any) -> Iterator[Any]:
        if not self._watchers.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_WATCHERS} clients watch already")
        try:
            with self._controller.bus.listening() as events:
                # So that a client knows that nothing is missed from here on.
                context.send_initial_metadata(())
                while context.is_active():
                    try:
                        yield messages.event(events.get(timeout=_LOOK_S))
                    except queue.Empty:
                        continue
        finally:
            self._watchers.release()


def host_of(address: str, option: str, example: str) -> str:
    """The host of HOST:PORT; port 0 is a free one.

    Raises:
        InputError: `bad-option`.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise InputError.of("bad-option", f"{option}: '{address}' is not HOST:PORT", f"write {example}")
    return host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _check_time(text: str) -> None:
    """Raises InputError: `bad-until`."""
    if not text:
        return
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise InputError.of(
            "bad-until", f"'{text}' is not a time with its zone", "write 2026-05-01T18:00:00+00:00"
        )
    if time <= (now := datetime.now(UTC)):
        raise InputError.of(
            "bad-until",
            f"'{text}' is over: it is {now.isoformat(timespec='seconds')} now",
            "give a later time, or none: then it is drained until 'undrain'",
        )


def _code(error: RaddleError) -> grpc.StatusCode:
    if isinstance(error, InputError):
        is_waiting = error.diagnostics[0].code in _WAITING_CODES
        return grpc.StatusCode.FAILED_PRECONDITION if is_waiting else grpc.StatusCode.INVALID_ARGUMENT
    return grpc.StatusCode.UNAVAILABLE if isinstance(error, StoreError) else grpc.StatusCode.INTERNAL


def _words(error: RaddleError) -> str:
    return str(error)[:4000]
