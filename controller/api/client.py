"""A client of the controller's API.

    with ControllerClient() as controller:
        controller.drain("spine1", why="new optics", until="2026-05-01T18:00:00+00:00")
        for switch in controller.status().switches:
            print(switch.name, switch.state)

Answers are the messages of raddle_controller.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc

from raddle.controller.api._gen import raddle_controller_pb2 as pb
from raddle.controller.southbound.channel import open_channel
from raddle.errors import RaddleError
from raddle.inventory import Access, ClientTls

ADDRESS = "127.0.0.1:50580"
_SERVICE = pb.DESCRIPTOR.services_by_name["Controller"]
_UNREACHED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.CANCELLED)


class ControllerError(RaddleError):
    """The controller has not done what was asked. `code` is gRPC's."""

    def __init__(self, text: str, code: grpc.StatusCode) -> None:
        super().__init__(text)
        self.code = code
        self.exit_code = 3 if code in _UNREACHED else 2


class ControllerClient:
    """A connection to a controller, as a context manager.

    All calls raise ControllerError. Those that make a revision answer when the update is over.
    """

    def __init__(self, address: str = ADDRESS, tls: ClientTls | None = None) -> None:
        self.address = address
        self._access = Access(tls)
        self._channel = open_channel(address, self._access, [])
        self._calls: dict[str, Any] = {}
        for method in _SERVICE.methods:
            make = self._channel.unary_stream if method.name == "Watch" else self._channel.unary_unary
            self._calls[method.name] = make(
                f"/{_SERVICE.full_name}/{method.name}",
                getattr(pb, method.input_type.name).SerializeToString,
                getattr(pb, method.output_type.name).FromString,
            )

    def __enter__(self) -> ControllerClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self._channel.close()

    def status(self) -> pb.StatusReply:
        """What is wanted and how each switch stands to it."""
        return self._call("Status", pb.StatusRequest())

    def preview(self) -> list[str]:
        """What `apply` would change of the plan, in lines."""
        return list(self._call("Preview", pb.PreviewRequest()).changes)

    def apply(self, why: str = "") -> pb.Revision:
        """Read the desired state again and bring it to the switches."""
        return self._call("Apply", pb.ApplyRequest(why=why))

    def rollback(self, number: int, why: str = "") -> pb.Revision:
        """Bring back an earlier revision, as a new one."""
        return self._call("Rollback", pb.RollbackRequest(number=number, why=why))

    def drain(self, switch: str, why: str = "", until: str = "") -> pb.Revision:
        """Lead traffic around a switch, until a time (ISO 8601 with its zone) where one is given."""
        return self._call("Drain", pb.DrainRequest(switch=switch, why=why, until=until))

    def undrain(self, switch: str, why: str = "") -> pb.Revision:
        return self._call("Undrain", pb.UndrainRequest(switch=switch, why=why))

    def replace(self, switch: str, why: str = "") -> str:
        """Take another box for a switch, if it fits; returns what came of it."""
        return str(self._call("Replace", pb.ReplaceRequest(switch=switch, why=why)).outcome)

    def pause(self, why: str = "") -> None:
        """Take no further step until `resume`."""
        self._call("Pause", pb.PauseRequest(why=why))

    def resume(self, why: str = "") -> None:
        self._call("Resume", pb.ResumeRequest(why=why))

    def abort(self, why: str = "") -> None:
        """Take back the update under way."""
        self._call("Abort", pb.AbortRequest(why=why))

    def history(self, limit: int = 0) -> list[pb.Revision]:
        """Revisions, the newest first."""
        return list(self._call("History", pb.HistoryRequest(limit=limit)).revisions)

    def audit(self, after: int = 0) -> list[pb.AuditEntry]:
        """Entries of the audit log with higher numbers, the oldest first."""
        return list(self._call("ListAudit", pb.AuditRequest(after=after)).entries)

    def watch(self) -> Iterator[pb.Event]:
        """What happens from now on: from when this returns, not from when it is first read."""
        stream = self._calls["Watch"](pb.WatchRequest())
        try:
            stream.initial_metadata()
        except grpc.RpcError as error:
            raise self._explain(error) from None
        return self._events(stream)

    def _events(self, stream: Any) -> Iterator[pb.Event]:
        try:
            yield from stream
        except grpc.RpcError as error:
            raise self._explain(error) from None

    def _call(self, name: str, request: Any) -> Any:
        try:
            return self._calls[name](request)
        except grpc.RpcError as error:
            raise self._explain(error) from None

    def _explain(self, error: grpc.RpcError) -> ControllerError:
        code = error.code()
        if code not in _UNREACHED:
            return ControllerError(error.details() or code.name, code)
        how = "in plain text" if self._access.tls is None else "over TLS"
        reason = f"gRPC {code.name}: {error.details()}"
        text = f"the controller at {self.address} cannot be reached {how}: {reason}"
        hint = "is it running, and is it spoken to as it serves? TLS needs --ca, --cert and --key"
        return ControllerError(f"{text}\n  hint: {hint}", code)
